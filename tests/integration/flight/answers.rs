//! What the server says of itself, of types and keys, and how sessions begin and end.

use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas,
    CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo,
    CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo, CommandStatementSubstraitPlan,
    ProstMessageExt, SqlInfo,
};
use arrow_flight::{FlightEndpoint, RenewFlightEndpointRequest};
use prost::Message;
use tonic::Code;
use weir_server::clock::Clock;
use weir_testkit::{Client, TestServer, block_on};

use super::schemas::TABLES;

async fn info(client: &Client, ids: &[u32]) -> Vec<String> {
    client.ask(&CommandGetSqlInfo { info: ids.to_vec() }).await.unwrap().lines()
}

#[test]
fn sql_info_says_what_drivers_ask() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("alice");
        let all = info(&client, &[]).await;
        assert!(all.iter().any(|line| line.contains("Weir")), "{all:?}");
        for line in &all {
            let id: u32 = line.split(" | ").next().unwrap().parse().unwrap();
            assert!(id < 10_000, "JDBC cannot take {id}");
        }
        // transactions are not there; names are quoted with backticks
        let [transactions] = info(&client, &[8]).await.try_into().unwrap();
        assert!(transactions.contains('0'), "{transactions}");
        let [quote] = info(&client, &[SqlInfo::SqlIdentifierQuoteChar as u32]).await.try_into().unwrap();
        assert!(quote.contains('`'), "{quote}");
        assert_eq!(info(&client, &[0, 2, 999_999]).await.len(), 2);
    });
}

#[test]
fn keys_are_empty_and_answered() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(TABLES).await;
        let client = server.client("admin");
        let table = || "kinds".to_owned();
        let catalog = Some("main".to_owned());
        let schema = Some("default".to_owned());
        let answers = [
            client
                .ask(&CommandGetPrimaryKeys {
                    catalog: catalog.clone(),
                    db_schema: schema.clone(),
                    table: table(),
                })
                .await,
            client
                .ask(&CommandGetExportedKeys {
                    catalog: catalog.clone(),
                    db_schema: schema.clone(),
                    table: table(),
                })
                .await,
            client.ask(&CommandGetImportedKeys { catalog, db_schema: schema, table: table() }).await,
            client
                .ask(&CommandGetCrossReference {
                    pk_table: table(),
                    fk_table: table(),
                    ..CommandGetCrossReference::default()
                })
                .await,
        ];
        for answer in answers {
            let rows = answer.unwrap();
            assert_eq!(rows.count(), 0);
            assert!(rows.columns().iter().any(|name| name.contains("key_name")), "{:?}", rows.columns());
        }
    });
}

#[test]
fn metadata_lists_what_there_is() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(TABLES).await;
        let client = server.client("admin");
        assert_eq!(client.ask(&CommandGetCatalogs {}).await.unwrap().sorted(), ["main", "system"]);
        assert_eq!(client.ask(&CommandGetTableTypes {}).await.unwrap().sorted(), ["TABLE", "VIEW"]);
        let schemas = client
            .ask(&CommandGetDbSchemas {
                catalog: Some("main".to_owned()),
                db_schema_filter_pattern: Some("def%".to_owned()),
            })
            .await;
        assert_eq!(schemas.unwrap().lines(), ["main | default"]);
        let tables = |pattern: &str, types: &[&str]| CommandGetTables {
            catalog: None,
            db_schema_filter_pattern: None,
            table_name_filter_pattern: Some(pattern.to_owned()),
            table_types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            include_schema: false,
        };
        assert_eq!(
            client.ask(&tables("kin_s", &[])).await.unwrap().lines(),
            ["main | default | kinds | TABLE"]
        );
        assert_eq!(client.ask(&tables("kin\\_s", &[])).await.unwrap().count(), 0);
        let views = client.ask(&tables("%", &["VIEW"])).await.unwrap().lines();
        assert!(views.contains(&"main | information_schema | tables | VIEW".to_owned()), "{views:?}");
        let ours: Vec<_> = views.iter().filter(|line| !line.contains(" | information_schema | ")).collect();
        assert_eq!(
            ours,
            [
                "main | default | seen | VIEW",
                "system | access | effective_privileges | VIEW",
                "system | access | requests | VIEW",
                "system | access | unprotected_columns | VIEW"
            ]
        );
        let stored = client.ask(&tables("%", &["BASE TABLE"])).await.unwrap().lines();
        assert_eq!(
            stored,
            [
                "main | default | kinds | TABLE",
                "system | access | audit | TABLE",
                "system | access | policy_decisions | TABLE",
                "system | billing | usage | TABLE",
                "system | query | history | TABLE"
            ]
        );
        let types = client.ask(&CommandGetXdbcTypeInfo::default()).await.unwrap();
        assert!(types.lines().iter().any(|line| line.starts_with("DECIMAL")), "{:?}", types.lines());
        let integers = client.ask(&CommandGetXdbcTypeInfo { data_type: Some(4) }).await.unwrap();
        assert!(integers.count() >= 1 && integers.count() < types.count());
    });
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("alice");
        for action in ["BeginTransaction", "BeginSavepoint", "CreatePreparedSubstraitPlan", "Guess"] {
            let refusal = client.act(action, Vec::new()).await.unwrap_err();
            assert_eq!(refusal.code, Code::Unimplemented, "{action}: {refusal:?}");
        }
        let plan = client.info(&CommandStatementSubstraitPlan::default()).await.unwrap_err();
        assert_eq!(plan.code, Code::Unimplemented);
    });
}

#[test]
fn an_endpoint_says_until_when_it_is_fetched_and_is_renewed_for_its_owner() {
    block_on(async {
        let server = TestServer::start().await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let query = |sql: &str| arrow_flight::sql::CommandStatementQuery {
            query: sql.to_owned(),
            transaction_id: None,
        };
        let endpoint = alice.info(&query("SELECT 7 AS n")).await.unwrap().endpoint.remove(0);
        let expires = endpoint.expiration_time.unwrap().seconds;
        assert_eq!(expires, server.clock().now().timestamp() + 15 * 60);
        server.clock().advance(chrono::TimeDelta::minutes(10));
        let renew = async |client: &Client, endpoint: &FlightEndpoint| {
            let request = RenewFlightEndpointRequest { endpoint: Some(endpoint.clone()) };
            let renewed = client.act("RenewFlightEndpoint", request.encode_to_vec()).await?;
            Ok::<_, weir_testkit::Refusal>(FlightEndpoint::decode(renewed[0].as_ref()).unwrap())
        };
        assert_eq!(renew(&bob, &endpoint).await.unwrap_err().code, Code::NotFound);
        let renewed = renew(&alice, &endpoint).await.unwrap();
        assert_eq!(renewed.expiration_time.unwrap().seconds, expires + 10 * 60);
        server.clock().advance(chrono::TimeDelta::minutes(10));
        // What has expired is gone for good; what was renewed is fetched, as often as one likes.
        assert_eq!(renew(&alice, &endpoint).await.unwrap_err().code, Code::NotFound);
        assert_eq!(alice.fetch(endpoint.ticket.unwrap()).await.unwrap_err().code, Code::NotFound);
        for _ in 0..2 {
            assert_eq!(alice.fetch(renewed.ticket.clone().unwrap()).await.unwrap().value(), "7");
        }
        let change = server.client("admin");
        let endpoint =
            change.info(&query("CREATE TABLE main.default.t (a INT)")).await.unwrap().endpoint.remove(0);
        assert_eq!(renew(&change, &endpoint).await.unwrap_err().code, Code::Unimplemented);
        let nothing = alice.act("RenewFlightEndpoint", Vec::new()).await.unwrap_err();
        assert_eq!(nothing.code, Code::InvalidArgument);
    });
}

#[test]
fn errors_tell_programs_what_they_tell_people() {
    block_on(async {
        let server = TestServer::start().await;
        let alice = server.client("alice");
        let request = alice.request(arrow_flight::FlightDescriptor::new_cmd("SELECT\n  nope"));
        let status = alice.raw().get_flight_info(request).await.unwrap_err();
        let details = String::from_utf8_lossy(status.details()).into_owned();
        for part in
            ["google.rpc.ErrorInfo", "UNRESOLVED_COLUMN", "weir", "sqlstate", "42703", "line", "column"]
        {
            assert!(details.contains(part), "{part}: {details}");
        }
        assert!(details.contains(status.message()), "{details}");
    });
}

#[test]
fn preparing_says_whether_a_statement_is_an_update() {
    block_on(async {
        let server = TestServer::start().await;
        let admin = server.client("admin");
        for (sql, is_update) in [("SELECT 1", false), ("CREATE TABLE main.default.t (a INT)", true)] {
            let request =
                ActionCreatePreparedStatementRequest { query: sql.to_owned(), transaction_id: None };
            let body = admin.act("CreatePreparedStatement", request.as_any().encode_to_vec()).await.unwrap();
            let any = arrow_flight::sql::Any::decode(body[0].as_ref()).unwrap();
            // Field 4 of the result, which the crate of this client does not know.
            assert!(any.value.ends_with(&[0x20, u8::from(is_update)]), "{sql}: {any:?}");
        }
    });
}

/// The cookie that an answer brings.
async fn cookie(client: &Client) -> String {
    let request = client.request(arrow_flight::FlightDescriptor::new_cmd("SELECT 1"));
    let answer = client.raw().get_flight_info(request).await.unwrap();
    answer.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_session_is_the_clients_own_and_ends() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare("CREATE SCHEMA main.s;\nCREATE TABLE main.s.t (id INT)").await;
        let plain = server.client("admin");
        let session = plain.clone().with_cookie(&cookie(&plain).await);
        let request = session.request(arrow_flight::Ticket::default());
        drop(request);
        // USE over DoGet gives back a cookie with the session in it
        let command =
            arrow_flight::sql::CommandStatementQuery { query: "USE main.s".to_owned(), transaction_id: None };
        let ticket = session.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let answer = session.raw().do_get(session.request(ticket)).await.unwrap();
        let kept = answer.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
        let session = plain.clone().with_cookie(&kept);
        assert_eq!(session.statement("SELECT count(*) FROM t").await.unwrap().value(), "0");
        assert_eq!(session.prepared("SELECT count(*) FROM t").await.unwrap().value(), "0");
        plain.statement("SELECT count(*) FROM t").await.unwrap_err();
        for _ in 0..2 {
            session.act("CloseSession", Vec::new()).await.unwrap();
        }
        // a client without cookies is told that it keeps no session, and how to go on
        let refusal = plain.statement("USE main.s").await.unwrap_err();
        assert!(refusal.text.contains("hint"), "{refusal:?}");
        let named = plain.with_header("schema", "s");
        assert_eq!(named.statement("SELECT count(*) FROM t").await.unwrap().value(), "0");
    });
}

#[test]
fn a_query_that_is_being_fetched_can_be_cancelled_by_its_owner_alone() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(super::schemas::TABLES).await;
        let (alice, admin) = (server.client("alice"), server.client("admin"));
        let many: Vec<String> = (0..300).map(|n| format!("({n})")).collect();
        let sql = format!(
            "SELECT a.c FROM (VALUES {v}) a(c), (VALUES {v}) b(c), (VALUES {v}) d(c)",
            v = many.join(", ")
        );
        let command = arrow_flight::sql::CommandStatementQuery { query: sql, transaction_id: None };
        let flight = alice.info(&command).await.unwrap();
        let request = || {
            prost::Message::encode_to_vec(&arrow_flight::CancelFlightInfoRequest {
                info: Some(flight.clone()),
            })
        };
        let mut stream = alice.open(flight.endpoint[0].ticket.clone().unwrap()).await.unwrap();
        futures::StreamExt::next(&mut stream).await.unwrap().unwrap();
        admin.act("CancelFlightInfo", request()).await.unwrap_err();
        futures::StreamExt::next(&mut stream).await.unwrap().unwrap();
        alice.act("CancelFlightInfo", request()).await.unwrap();
        let mut end = Ok(());
        while let Some(batch) = futures::StreamExt::next(&mut stream).await {
            if let Err(error) = batch {
                end = Err(weir_testkit::Refusal::from(error));
            }
        }
        assert_eq!(end.unwrap_err().code, Code::Cancelled);
        let status =
            "SELECT execution_status FROM system.query.history WHERE statement_text LIKE '%VALUES (0)%'";
        assert_eq!(server.rows("admin", status).await, ["CANCELED"]);
    });
}
