//! Statements that change something and tell of it by rows: done once for each ticket, told once, to whom it was given.

use arrow_flight::sql::{CommandPreparedStatementQuery, CommandStatementQuery};
use arrow_flight::{FlightEndpoint, RenewFlightEndpointRequest};
use prost::Message;
use tonic::Code;
use weir_testkit::{Client, TestServer, Told, block_on};

const TOKEN: &str = "CREATE ACCESS TOKEN nightly EXPIRES IN 7 DAYS";
const REQUEST: &str = "REQUEST ACCESS ON TABLE main.default.t COMMENT 'for the report'";

async fn asked(client: &Client, sql: &str) -> Told<FlightEndpoint> {
    let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
    Ok(client.info(&command).await?.endpoint.remove(0))
}

async fn prepared(client: &Client, sql: &str) -> FlightEndpoint {
    let prepared = client.prepare(sql).await.unwrap();
    assert!(prepared.dataset_schema.is_some(), "drivers fetch it: {sql}");
    let command = CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle };
    client.info(&command).await.unwrap().endpoint.remove(0)
}

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare("CREATE TABLE main.default.t (id INT);\nGRANT BROWSE ON CATALOG main TO alice").await;
    server
}

#[test]
fn a_token_is_made_once_for_a_ticket_and_told_once() {
    block_on(async {
        let server = ground().await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        for made in 1..=2 {
            let endpoint = match made {
                1 => asked(&alice, TOKEN).await.unwrap(),
                _ => prepared(&alice, TOKEN).await,
            };
            // An endpoint without a time is one to fetch once.
            assert_eq!(endpoint.expiration_time, None);
            let ticket = endpoint.ticket.clone().unwrap();
            assert_eq!(
                server.rows("alice", "SHOW ACCESS TOKENS").await.len(),
                made,
                "made when it was asked for"
            );
            assert_eq!(bob.fetch(ticket.clone()).await.unwrap_err().code, Code::NotFound);
            let told = alice.fetch(ticket.clone()).await.unwrap().value();
            let token = told.split(" | ").nth(1).unwrap();
            let holder = server.anonymous().with_token(token);
            assert_eq!(holder.statement("SELECT current_user()").await.unwrap().value(), "alice");
            for _ in 0..2 {
                let again = alice.fetch(ticket.clone()).await.unwrap_err();
                assert_eq!(again.code, Code::FailedPrecondition, "{again:?}");
                assert!(again.text.starts_with("[ANSWER_ALREADY_GIVEN]") && !again.text.contains(token));
            }
            let request = RenewFlightEndpointRequest { endpoint: Some(endpoint) };
            let renewed = alice.act("RenewFlightEndpoint", request.encode_to_vec()).await.unwrap_err();
            assert_eq!(renewed.code, Code::Unimplemented);
            assert_eq!(server.rows("alice", "SHOW ACCESS TOKENS").await.len(), made);
        }
        let generated = "SELECT count(*) FROM system.access.audit WHERE action_name = 'generateDbToken'";
        assert_eq!(server.rows("admin", generated).await, ["2"]);
        let ran =
            "SELECT count(*) FROM system.query.history WHERE statement_text LIKE 'CREATE ACCESS TOKEN%'";
        assert_eq!(server.rows("admin", ran).await, ["2"], "in the books once for each");
    });
}

#[test]
fn of_two_fetches_at_once_one_is_told() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let ticket = asked(&alice, TOKEN).await.unwrap().ticket.unwrap();
        let (first, second) = tokio::join!(alice.fetch(ticket.clone()), alice.fetch(ticket));
        assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1, "{first:?} {second:?}");
        assert_eq!(server.rows("alice", "SHOW ACCESS TOKENS").await.len(), 1);
    });
}

#[test]
fn access_is_asked_for_once_for_a_ticket() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let requests = "SELECT count(*) FROM system.access.requests";
        for (count, fetches) in [("1", 0), ("2", 3)] {
            let ticket = asked(&alice, REQUEST).await.unwrap().ticket.unwrap();
            for fetch in 0..fetches {
                assert_eq!(alice.fetch(ticket.clone()).await.is_ok(), fetch == 0);
            }
            assert_eq!(server.rows("alice", requests).await, [count]);
        }
    });
}

#[test]
fn telling_of_it_before_does_nothing_and_a_refusal_makes_no_ticket() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let command = CommandStatementQuery { query: TOKEN.to_owned(), transaction_id: None };
        assert_eq!(alice.schema(&command).await.unwrap().fields().len(), 3);
        alice.prepare(TOKEN).await.unwrap();
        assert_eq!(server.rows("alice", "SHOW ACCESS TOKENS").await, Vec::<String>::new());
        let refusal = asked(&alice, "CREATE ACCESS TOKEN x FOR bob").await.unwrap_err();
        assert_eq!(refusal.code, Code::PermissionDenied);
        assert_eq!(server.rows("admin", "SHOW ACCESS TOKENS").await, Vec::<String>::new());
    });
}
