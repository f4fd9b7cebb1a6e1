//! Nobody gets in without a token that holds: every RPC, every command and every action, with
//! each kind of credential that is none. Nothing runs, and the answer tells nothing.
//!
//! How to add an RPC, a command or an action: a line in the table below.

use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, Command, CommandGetCatalogs, CommandGetCrossReference,
    CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest,
    CommandStatementQuery, CommandStatementSubstraitPlan, CommandStatementUpdate, ProstMessageExt,
};
use arrow_flight::{Action, Criteria, Empty, FlightData, FlightDescriptor, HandshakeRequest, Ticket};
use prost::Message;
use serde_json::json;
use tonic::{Code, Status};
use weir_testkit::{ADMIN, Client, ForeignIssuer, TestServer, block_on};

const WRITE: &str = "CREATE TABLE main.default.made_by_nobody (id INT)";

/// Each command as a descriptor's bytes.
fn commands() -> Vec<(&'static str, Vec<u8>)> {
    fn any(message: &impl ProstMessageExt) -> Vec<u8> {
        message.as_any().encode_to_vec()
    }
    let query = || WRITE.to_owned();
    let statement = |text: &str| any(&CommandStatementQuery { query: text.to_owned(), transaction_id: None });
    let handle = || bytes::Bytes::from_static(b"guess");
    vec![
        ("CommandStatementQuery", any(&CommandStatementQuery { query: query(), transaction_id: None })),
        ("CommandStatementUpdate", any(&CommandStatementUpdate { query: query(), transaction_id: None })),
        (
            "CommandPreparedStatementQuery",
            any(&CommandPreparedStatementQuery { prepared_statement_handle: handle() }),
        ),
        (
            "CommandPreparedStatementUpdate",
            any(&CommandPreparedStatementUpdate { prepared_statement_handle: handle() }),
        ),
        ("CommandStatementIngest", any(&CommandStatementIngest::default())),
        ("CommandStatementSubstraitPlan", any(&CommandStatementSubstraitPlan::default())),
        ("CommandGetCatalogs", any(&CommandGetCatalogs {})),
        ("CommandGetDbSchemas", any(&CommandGetDbSchemas::default())),
        ("CommandGetTables", any(&CommandGetTables::default())),
        ("CommandGetTableTypes", any(&CommandGetTableTypes {})),
        ("CommandGetPrimaryKeys", any(&CommandGetPrimaryKeys::default())),
        ("CommandGetExportedKeys", any(&CommandGetExportedKeys::default())),
        ("CommandGetImportedKeys", any(&CommandGetImportedKeys::default())),
        ("CommandGetCrossReference", any(&CommandGetCrossReference::default())),
        ("CommandGetSqlInfo", any(&CommandGetSqlInfo::default())),
        ("CommandGetXdbcTypeInfo", any(&CommandGetXdbcTypeInfo::default())),
        ("EXPLAIN POLICY", statement("EXPLAIN POLICY FOR TABLE system.query.history")),
        ("EXECUTE AS USER", statement("EXECUTE AS USER admin SELECT 1")),
        ("DRY RUN", statement("ALTER TABLE main.default.t SET ROW FILTER main.default.f ON () DRY RUN")),
        ("CREATE POLICY TEST", statement("CREATE POLICY TEST t AS USER admin EXPECT NO ROWS FOR SELECT 1")),
        ("RUN POLICY TESTS", statement("RUN POLICY TESTS")),
        ("REQUEST ACCESS", statement("REQUEST ACCESS ON METASTORE")),
        ("SHOW ACCESS REQUESTS", statement("SHOW ACCESS REQUESTS")),
        ("bare text", WRITE.as_bytes().to_vec()),
        ("nothing", Vec::new()),
    ]
}

/// Each action: those that are there, those that are refused, one that nobody knows.
const ACTIONS: [&str; 16] = [
    "CreatePreparedStatement",
    "ClosePreparedStatement",
    "CancelQuery",
    "CancelFlightInfo",
    "SetSessionOptions",
    "GetSessionOptions",
    "CloseSession",
    "BeginTransaction",
    "EndTransaction",
    "BeginSavepoint",
    "EndSavepoint",
    "CreatePreparedSubstraitPlan",
    "RenewFlightEndpoint",
    "HealthCheck",
    "Guess",
    "",
];

/// Calls everything as `client`; what each call came to.
async fn sweep(client: &Client) -> Vec<(String, Status)> {
    let mut came = Vec::new();
    let mut note = |name: String, result: Result<(), Status>| match result {
        Err(status) => came.push((name, status)),
        Ok(()) => panic!("{name} was answered"),
    };
    for (name, bytes) in commands() {
        let descriptor = || FlightDescriptor::new_cmd(bytes.clone());
        let mut raw = client.raw();
        note(
            format!("GetFlightInfo {name}"),
            raw.get_flight_info(client.request(descriptor())).await.map(drop),
        );
        note(
            format!("PollFlightInfo {name}"),
            raw.poll_flight_info(client.request(descriptor())).await.map(drop),
        );
        note(format!("GetSchema {name}"), raw.get_schema(client.request(descriptor())).await.map(drop));
        let ticket = Ticket { ticket: bytes.clone().into() };
        note(format!("DoGet {name}"), raw.do_get(client.request(ticket)).await.map(drop));
        for exchange in [false, true] {
            let message = FlightData { flight_descriptor: Some(descriptor()), ..FlightData::default() };
            let messages = client.request(futures::stream::iter([message]));
            let result = match exchange {
                false => raw.do_put(messages).await.map(drop),
                true => raw.do_exchange(messages).await.map(drop),
            };
            note(format!("{} {name}", if exchange { "DoExchange" } else { "DoPut" }), result);
        }
    }
    for name in ACTIONS {
        let request = ActionCreatePreparedStatementRequest { query: WRITE.to_owned(), transaction_id: None };
        let body = request.as_any().encode_to_vec().into();
        let action = Action { r#type: name.to_owned(), body };
        note(format!("DoAction {name}"), client.raw().do_action(client.request(action)).await.map(drop));
    }
    let mut raw = client.raw();
    note("ListActions".to_owned(), raw.list_actions(client.request(Empty {})).await.map(drop));
    note("ListFlights".to_owned(), raw.list_flights(client.request(Criteria::default())).await.map(drop));
    let hello = client.request(futures::stream::iter([HandshakeRequest::default()]));
    let greeted = match raw.handshake(hello).await {
        Ok(mut answers) => answers.get_mut().message().await.map(drop),
        Err(status) => Err(status),
    };
    note("Handshake".to_owned(), greeted);
    came
}

#[test]
fn every_call_without_a_good_token_is_unauthenticated_and_runs_nothing() {
    block_on(async {
        let server = TestServer::start().await;
        let now = server.app().clock().now().timestamp();
        let stranger = ForeignIssuer::new();
        let claims = |issuer: &str, subject: &str| json!({"iss": issuer, "aud": "weir", "sub": subject, "iat": now, "exp": now + 600});
        let good = server.token("alice");
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = head.split_once('.').unwrap();
        let tampered = {
            use base64::Engine;
            let url_safe = base64::prelude::BASE64_URL_SAFE_NO_PAD;
            let claims = String::from_utf8(url_safe.decode(payload).unwrap()).unwrap();
            format!("{header}.{}.{signature}", url_safe.encode(claims.replace("\"alice\"", "\"admin\"")))
        };
        let second = std::time::Duration::from_secs(1);
        let expired = server.token_living("alice", second);
        let unknown = server.token("nobody-of-that-name");
        let group = server.token("hr");
        server.clock().advance(chrono::Duration::minutes(10));
        let with = |token: &str| server.anonymous().with_token(token);
        let basic = |pair: &str| {
            use base64::Engine;
            format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair))
        };
        for (kind, client) in [
            ("none", server.anonymous()),
            ("empty", server.anonymous().with_header("authorization", "")),
            ("an empty bearer", server.anonymous().with_header("authorization", "Bearer ")),
            ("a word", with("guess")),
            ("expired", with(&expired)),
            ("tampered", with(&tampered)),
            ("without its signature", with(&format!("{head}."))),
            ("of a stranger in our name", with(&stranger.sign("k", &claims("weir", "admin")))),
            ("of a stranger", with(&stranger.sign("k", &claims("https://elsewhere.example/", "alice")))),
            ("of a subject that is not there", with(&unknown)),
            ("of a group", with(&group)),
            (
                "a password outside the handshake",
                server.anonymous().with_header("authorization", basic("alice:x")),
            ),
            ("two tokens in two headers", with(&good).with_token(&good)),
            ("a good and a bad one", with(&good).with_header("x-forwarded-access-token", "guess")),
        ] {
            for (call, status) in sweep(&client).await {
                assert_eq!(status.code(), Code::Unauthenticated, "{kind}: {call}: {status:?}");
                for told in ["alice", "admin", "made_by_nobody", "guess"] {
                    assert!(!status.message().contains(told), "{kind}: {call}: {}", status.message());
                }
            }
        }
        assert_eq!(server.rows("admin", "SHOW TABLES IN main.default").await, Vec::<String>::new());
        let ran = "SELECT count(*) FROM system.query.history WHERE statement_text LIKE '%made_by_nobody%' AND executed_as <> 'admin'";
        assert_eq!(server.rows("admin", ran).await, ["0"]);
    });
}

#[test]
fn the_list_of_commands_is_the_protocols() {
    // a command that arrow-flight learns must get a line in the table
    let known = |command: Command| {
        matches!(
            command,
            Command::CommandGetCatalogs(_)
                | Command::CommandGetCrossReference(_)
                | Command::CommandGetDbSchemas(_)
                | Command::CommandGetExportedKeys(_)
                | Command::CommandGetImportedKeys(_)
                | Command::CommandGetPrimaryKeys(_)
                | Command::CommandGetSqlInfo(_)
                | Command::CommandGetTableTypes(_)
                | Command::CommandGetTables(_)
                | Command::CommandGetXdbcTypeInfo(_)
                | Command::CommandPreparedStatementQuery(_)
                | Command::CommandPreparedStatementUpdate(_)
                | Command::CommandStatementIngest(_)
                | Command::CommandStatementQuery(_)
                | Command::CommandStatementSubstraitPlan(_)
                | Command::CommandStatementUpdate(_)
        )
    };
    for (name, bytes) in commands().iter().filter(|(name, _)| name.starts_with("Command")) {
        let any = arrow_flight::sql::Any::decode(bytes.as_slice()).unwrap();
        assert!(known(Command::try_from(any).unwrap()), "{name}");
    }
}

#[test]
fn the_servers_list_of_actions_is_swept() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("alice");
        let mut actions = client.raw().list_actions(client.request(Empty {})).await.unwrap().into_inner();
        while let Some(action) = actions.message().await.unwrap() {
            assert!(ACTIONS.contains(&action.r#type.as_str()), "`{}` is not in the sweep", action.r#type);
        }
    });
}

#[test]
fn a_password_is_changed_for_a_short_lived_token_in_the_handshake_alone() {
    block_on(async {
        use base64::Engine;
        let server = TestServer::start().await;
        let metastore = server.app().metastore();
        let snapshot = metastore.snapshot().await.unwrap();
        let alice = snapshot.principal_by_name("alice").unwrap().id;
        metastore
            .password_set(alice, server.app().clock().now(), "alice", "correct horse: battery")
            .await
            .unwrap();
        let forms = [
            base64::prelude::BASE64_STANDARD.encode("alice:correct horse: battery"),
            base64::prelude::BASE64_STANDARD_NO_PAD.encode("alice:correct horse: battery"),
        ];
        for form in forms {
            let login = server.anonymous().with_header("authorization", format!("Basic {form}"));
            let hello = login.request(futures::stream::iter([HandshakeRequest::default()]));
            let answer = login.raw().handshake(hello).await.unwrap();
            let bearer = answer.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
            let client = server.anonymous().with_header("authorization", bearer);
            assert_eq!(client.statement("SELECT current_user()").await.unwrap().value(), "alice");
        }
        let wrong = base64::prelude::BASE64_STANDARD.encode("alice:wrong");
        let login = server.anonymous().with_header("authorization", format!("Basic {wrong}"));
        let hello = login.request(futures::stream::iter([HandshakeRequest::default()]));
        assert_eq!(login.raw().handshake(hello).await.unwrap_err().code(), Code::Unauthenticated);
        let nobody = base64::prelude::BASE64_STANDARD.encode("my-own-password:x");
        let login = server.anonymous().with_header("authorization", format!("Basic {nobody}"));
        let hello = login.request(futures::stream::iter([HandshakeRequest::default()]));
        assert_eq!(login.raw().handshake(hello).await.unwrap_err().code(), Code::Unauthenticated);
        let trail = "SELECT user_identity.email, response.status_code, request_params['full_name_arg'], \
                     source_ip_address FROM system.access.audit \
                     WHERE service_name = 'accounts' AND action_name = 'login' ORDER BY 1, 2";
        let whose = "alice | 200 | alice | 127.0.0.1";
        assert_eq!(
            server.rows(ADMIN, trail).await,
            [" | 403 | NULL | 127.0.0.1", whose, whose, "alice | 403 | alice | 127.0.0.1"]
        );
        assert_eq!(server.rows("alice", trail).await.len(), 3, "one sees who tries one's own name");
        let text = "SELECT count(*) FROM system.access.audit WHERE array_to_string(map_values(request_params), ' ') LIKE '%own-password%'";
        assert_eq!(server.rows(ADMIN, text).await, ["0"]);
    });
}
