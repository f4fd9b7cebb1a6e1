//! Sessions: set, told, ended; kept in a cookie or in a bearer, for one client, and never by where it calls from.

use std::collections::BTreeMap;

use arrow_flight::FlightDescriptor;
use prost::Message;
use tonic::Code;
use tonic::metadata::MetadataMap;
use weir_testkit::{ADMIN, Client, TestServer, block_on};

/// A value of a session's option, as the protocol has it.
#[derive(Clone, PartialEq, Message)]
struct OptionValue {
    #[prost(oneof = "Value", tags = "1, 2")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
}

/// The body of SetSessionOptions, and the answer to GetSessionOptions.
#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(btree_map = "string, message", tag = "1")]
    options: BTreeMap<String, OptionValue>,
}

/// The answer to SetSessionOptions.
#[derive(Clone, PartialEq, Message)]
struct SetResult {
    #[prost(btree_map = "string, message", tag = "1")]
    errors: BTreeMap<String, OptionError>,
}

#[derive(Clone, PartialEq, Message)]
struct OptionError {
    #[prost(int32, tag = "1")]
    value: i32,
}

fn text(value: &str) -> OptionValue {
    OptionValue { value: Some(Value::Text(value.to_owned())) }
}

/// What came of an action: its result, and the headers of the answer.
async fn act(client: &Client, name: &str, body: Vec<u8>) -> (Vec<u8>, MetadataMap) {
    let action = arrow_flight::Action { r#type: name.to_owned(), body: body.into() };
    let answer = client.raw().do_action(client.request(action)).await.unwrap();
    let headers = answer.metadata().clone();
    let body = answer.into_inner().message().await.unwrap().map(|result| result.body.to_vec());
    (body.unwrap_or_default(), headers)
}

/// Sets options; what was refused, and the headers of the answer.
async fn set(client: &Client, options: &[(&str, OptionValue)]) -> (BTreeMap<String, i32>, MetadataMap) {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let (body, headers) = act(client, "SetSessionOptions", Options { options }.encode_to_vec()).await;
    let errors = SetResult::decode(body.as_slice()).unwrap().errors;
    (errors.into_iter().map(|(name, error)| (name, error.value)).collect(), headers)
}

async fn told(client: &Client) -> BTreeMap<String, OptionValue> {
    let (body, _) = act(client, "GetSessionOptions", Vec::new()).await;
    Options::decode(body.as_slice()).unwrap().options
}

fn header(headers: &MetadataMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE CATALOG sales;
             CREATE SCHEMA sales.eu;
             CREATE TABLE sales.eu.t (id INT);
             CREATE CATALOG hidden;
             GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO alice;
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG sales TO alice",
        )
        .await;
    server
}

const COUNT: &str = "SELECT count(*) FROM t";

#[test]
fn options_are_set_told_and_erased_in_a_session_with_a_cookie() {
    block_on(async {
        let server = ground().await;
        let plain = server.client("alice");
        let request = plain.request(FlightDescriptor::new_cmd("SELECT 1"));
        let answer = plain.raw().get_flight_info(request).await.unwrap();
        let alice = plain.clone().with_cookie(&header(answer.metadata(), "set-cookie").unwrap());
        let (errors, headers) = set(&alice, &[("catalog", text("SALES")), ("schema", text("eu"))]).await;
        assert!(errors.is_empty() && header(&headers, "authorization").is_none());
        let alice = plain.clone().with_cookie(&header(&headers, "set-cookie").unwrap());
        let options = told(&alice).await;
        assert_eq!((&options["catalog"], &options["schema"]), (&text("sales"), &text("eu")));
        assert_eq!(alice.statement(COUNT).await.unwrap().value(), "0");
        // Names and values that are none, and what one may not know of.
        let quoted = OptionValue { value: Some(Value::Bool(true)) };
        for (name, value, error) in [
            ("catalog", text("hidden"), 2),
            ("schema", text("nowhere"), 2),
            ("catalog", text("nowhere"), 2),
            ("catalog", quoted.clone(), 2),
            ("double_quoted_identifiers", text("perhaps"), 2),
            ("guess", text("x"), 1),
        ] {
            let (errors, _) = set(&alice, &[(name, value.clone())]).await;
            assert_eq!(errors, BTreeMap::from([(name.to_owned(), error)]), "{name}: {value:?}");
        }
        let erased = OptionValue { value: None };
        let (errors, headers) =
            set(&alice, &[("catalog", erased), ("double_quoted_identifiers", quoted)]).await;
        assert!(errors.is_empty());
        let alice = plain.clone().with_cookie(&header(&headers, "set-cookie").unwrap());
        let options = told(&alice).await;
        assert_eq!(options["catalog"], text("main"));
        assert_eq!(options["double_quoted_identifiers"].value, Some(Value::Bool(true)));
        for _ in 0..2 {
            let (body, headers) = act(&alice, "CloseSession", Vec::new()).await;
            assert_eq!(body, [0x08, 0x01], "closed");
            assert!(header(&headers, "set-cookie").unwrap().contains("Max-Age=0"));
        }
    });
}

/// Alice, whose client takes up the `authorization` of an answer, after she has set a catalog and a schema: the bearer.
async fn session(server: &TestServer, token: &str) -> String {
    let alice = server.anonymous().with_token(token).with_header("session_by_bearer", "true");
    assert_eq!(told(&alice).await["catalog"], text("main"));
    let (errors, headers) = set(&alice, &[("catalog", text("sales")), ("schema", text("eu"))]).await;
    assert!(errors.is_empty(), "{errors:?}");
    header(&headers, "authorization").unwrap()
}

#[test]
fn a_client_without_cookies_keeps_its_session_in_a_bearer() {
    block_on(async {
        let server = ground().await;
        let token = server.token("alice");
        let bearer = session(&server, &token).await;
        assert!(!bearer.contains(&token), "the credential is not to be read in it");
        let alice = server.anonymous().with_header("authorization", bearer.clone());
        assert_eq!(told(&alice).await["schema"], text("eu"));
        for rows in [alice.statement(COUNT).await, alice.prepared(COUNT).await] {
            assert_eq!(rows.unwrap().value(), "0");
        }
        assert_eq!(alice.statement("SELECT current_user()").await.unwrap().value(), "alice");
        // Another connection of hers has a session of its own, and answers bring a bearer only where they must.
        let other = server.client("alice").with_header("session_by_bearer", "true");
        other.statement(COUNT).await.unwrap_err();
        let request = alice.request(FlightDescriptor::new_cmd(COUNT));
        let answer = alice.raw().get_flight_info(request).await.unwrap();
        assert_eq!(header(answer.metadata(), "authorization"), None);
        // A change by a statement is kept as well, and the end of the session is one.
        let command = FlightDescriptor::new_cmd("USE main.default");
        let answer = alice.raw().get_flight_info(alice.request(command)).await.unwrap();
        let next = server
            .anonymous()
            .with_header("authorization", header(answer.metadata(), "authorization").unwrap());
        assert_eq!(told(&next).await["catalog"], text("main"));
        let (_, headers) = act(&alice, "CloseSession", Vec::new()).await;
        let ended =
            server.anonymous().with_header("authorization", header(&headers, "authorization").unwrap());
        assert_eq!(told(&ended).await["catalog"], text("main"));
        assert_eq!(ended.statement("SELECT current_user()").await.unwrap().value(), "alice");
    });
}

#[test]
fn a_sessions_bearer_is_worth_what_its_credential_is_worth() {
    block_on(async {
        let server = ground().await;
        let bearer = session(&server, &server.token("alice")).await;
        let with = |bearer: &str| server.anonymous().with_header("authorization", bearer.to_owned());
        // Beside a credential of one's own it is a session of one's own, or none.
        let both = server.client("alice").with_header("authorization", bearer.clone());
        assert_eq!(both.statement(COUNT).await.unwrap().value(), "0");
        let bob = server.client("bob").with_header("authorization", bearer.clone());
        assert_eq!(bob.statement("SELECT current_user()").await.unwrap().value(), "bob");
        assert_eq!(told(&bob).await["catalog"], text("main"));
        // Changed, guessed, twice, or in the place of a login it is nothing.
        let (head, last) = bearer.split_at(bearer.len() - 1);
        let changed = format!("{head}{}", if last == "A" { "B" } else { "A" });
        let login = with(&bearer);
        let hello = login.request(futures::stream::iter([arrow_flight::HandshakeRequest::default()]));
        let mut texts = vec![login.raw().handshake(hello).await.unwrap_err().message().to_owned()];
        for wrong in [
            with(&changed),
            with("Bearer weir_session_guess"),
            with(&bearer).with_header("authorization", bearer.clone()),
        ] {
            let refusal = wrong.statement("SELECT 1").await.unwrap_err();
            assert_eq!(refusal.code, Code::Unauthenticated, "{refusal:?}");
            texts.push(refusal.text);
        }
        assert!(texts.iter().all(|text| !text.contains("alice") && !text.contains("sales")), "{texts:?}");
        // It ends with what it carries, and with the user.
        let made = server.rows("alice", "CREATE ACCESS TOKEN app READ ONLY").await;
        let cells: Vec<&str> = made[0].split(" | ").collect();
        let own = session(&server, cells[1]).await;
        assert_eq!(with(&own).statement(COUNT).await.unwrap().value(), "0");
        let refusal = with(&own).update("CREATE TABLE sales.eu.u (id INT)").await.unwrap_err();
        assert!(refusal.text.contains("for reading"), "{refusal:?}");
        server.done("alice", &format!("DROP ACCESS TOKEN '{}'", cells[0])).await;
        assert_eq!(with(&own).statement("SELECT 1").await.unwrap_err().code, Code::Unauthenticated);
        server.prepare("ALTER USER alice DISABLE").await;
        assert_eq!(with(&bearer).statement("SELECT 1").await.unwrap_err().code, Code::Unauthenticated);
        server.prepare("ALTER USER alice ENABLE").await;
        assert_eq!(with(&bearer).statement("SELECT 1").await.unwrap().value(), "1");
        // Who has the name after her has nothing of her session.
        server
            .prepare(
                "REVOKE USE CATALOG, USE SCHEMA ON CATALOG main FROM alice;
                 REVOKE USE CATALOG, USE SCHEMA, SELECT ON CATALOG sales FROM alice;
                 DROP USER alice;
                 CREATE USER alice",
            )
            .await;
        assert_eq!(told(&with(&bearer)).await["catalog"], text("main"));
        server.clock().advance(chrono::TimeDelta::minutes(61));
        assert_eq!(with(&bearer).statement("SELECT 1").await.unwrap_err().code, Code::Unauthenticated);
    });
}

#[test]
fn who_keeps_neither_cookies_nor_bearers_is_told_so() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let options = Options { options: BTreeMap::from([("catalog".to_owned(), text("sales"))]) };
        let refusal = alice.act("SetSessionOptions", options.encode_to_vec()).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unimplemented);
        assert!(refusal.text.contains("session_by_bearer"), "{refusal:?}");
        // Two clients at one address are two.
        let kept = session(&server, &server.token("alice")).await;
        assert_eq!(told(&alice).await["catalog"], text("main"));
        assert_eq!(told(&server.client(ADMIN)).await["catalog"], text("main"));
        drop(kept);
    });
}
