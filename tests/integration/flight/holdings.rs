//! What the server holds for one user is bounded, and whoever has all of theirs stands in nobody else's way.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::{CommandStatementIngest, CommandStatementQuery, TableDefinitionOptions};
use arrow_flight::{FlightInfo, Ticket};
use futures::{StreamExt, TryStreamExt};
use tonic::Code;
use weir_server::config::{Config, Size};
use weir_testkit::{ADMIN, Client, Refusal, Setup, TestServer, Told, block_on, task};

const GROUND: &str = "
CREATE TABLE main.default.digits (d INT);
INSERT INTO main.default.digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
CREATE TABLE main.default.numbers AS SELECT a.d + 10 * b.d + 100 * c.d AS n FROM main.default.digits a, main.default.digits b, main.default.digits c;
CREATE TABLE main.default.sent (t STRING);
GRANT USE CATALOG, USE SCHEMA, SELECT, MODIFY ON CATALOG main TO alice;
GRANT USE CATALOG, USE SCHEMA, SELECT, MODIFY ON CATALOG main TO bob";

const FEW: &str = "SELECT count(*) FROM main.default.digits";
const SENT: &str = "INSERT INTO main.default.sent VALUES ('x')";

async fn ground(change: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = Config::default();
    change(&mut config);
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server.prepare(GROUND).await;
    server
}

async fn info(client: &Client, sql: &str) -> Told<FlightInfo> {
    client.info(&CommandStatementQuery { query: sql.to_owned(), transaction_id: None }).await
}

async fn ticket(client: &Client, sql: &str) -> Ticket {
    info(client, sql).await.unwrap().endpoint.remove(0).ticket.unwrap()
}

/// Rows of which the first have come and the rest is left unread.
async fn unread(client: &Client) -> FlightRecordBatchStream {
    let endless =
        "SELECT a.n, b.n AS m FROM main.default.numbers a, main.default.numbers b, main.default.numbers c";
    let mut rows = client.open(ticket(client, endless).await).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    rows
}

/// Asks again until it is answered so: the server notices what its clients do some time later.
async fn until<T, F: Future<Output = Told<T>>>(ask: impl Fn() -> F, answered: bool) {
    let asked = async {
        while ask().await.is_ok() != answered {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap();
}

fn assert_bounded(refusal: &Refusal, key: &str) {
    assert_eq!(refusal.code, Code::ResourceExhausted, "{refusal:?}");
    for part in ["[RESOURCE_EXHAUSTED]", "SQLSTATE: 53000", "hint: ", key] {
        assert!(refusal.text.contains(part), "{part}: {refusal:?}");
    }
}

#[test]
fn unread_results_of_one_user_leave_turns_to_others() {
    block_on(async {
        let server = ground(|config| {
            config.limits.running_statements = 3;
            config.limits.running_statements_per_user = 2;
        })
        .await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let mut held = vec![unread(&alice).await, unread(&alice).await];
        let third = task({
            let alice = alice.clone();
            async move { alice.statement(FEW).await }
        });
        let turns = server.app().warehouse().turns();
        let waits = async {
            while turns.waiting() != 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waits).await.unwrap();
        for _ in 0..3 {
            assert_eq!(bob.statement(FEW).await.unwrap().value(), "10");
        }
        assert_eq!(turns.waiting(), 1, "a turn is free, and is not for who has all of theirs");
        held.pop();
        assert_eq!(third.await.unwrap().unwrap().value(), "10");
    });
}

#[test]
fn results_that_are_not_read_are_bounded_for_each_user() {
    block_on(async {
        let server = ground(|config| config.limits.streams_per_user = 2).await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let mut held = vec![unread(&alice).await, unread(&alice).await];
        for sql in [FEW, "SHOW CATALOGS", SENT] {
            assert_bounded(&alice.statement(sql).await.unwrap_err(), "streams_per_user");
        }
        let polled = alice
            .polled(&CommandStatementQuery { query: FEW.to_owned(), transaction_id: None })
            .await
            .unwrap_err();
        assert_bounded(&polled, "streams_per_user");
        assert_eq!(bob.statement(FEW).await.unwrap().value(), "10");
        // What holds nothing goes on.
        alice.prepare(FEW).await.unwrap();
        held.pop();
        until(|| alice.statement(FEW), true).await;
    });
}

fn row(text: &str) -> RecordBatch {
    let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
    RecordBatch::try_from_iter([("t", column)]).unwrap()
}

#[test]
fn changes_under_way_are_bounded_for_each_user() {
    block_on(async {
        let server = ground(|config| config.limits.changes_per_user = 1).await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let sending = task({
            let alice = alice.clone();
            async move {
                let command = CommandStatementIngest {
                    table_definition_options: Some(TableDefinitionOptions { if_not_exist: 1, if_exists: 2 }),
                    table: "sent".to_owned(),
                    ..CommandStatementIngest::default()
                };
                loop {
                    let rows = futures::stream::iter([row("y")]).chain(futures::stream::pending());
                    // Until it is not one of hers below that is under way.
                    match alice.ingest_stream(&command, &row("y").schema(), rows).await {
                        Err(refusal) if refusal.code == Code::ResourceExhausted => {}
                        told => return told,
                    }
                }
            }
        });
        until(|| alice.update(SENT), false).await;
        assert_bounded(&alice.update(SENT).await.unwrap_err(), "changes_per_user");
        assert_bounded(&info(&alice, SENT).await.unwrap_err(), "changes_per_user");
        let prepared = alice.prepare(SENT).await.unwrap();
        assert_bounded(&alice.run_update(&prepared.handle, None).await.unwrap_err(), "changes_per_user");
        // Who reads, and others, go on.
        alice.statement(FEW).await.unwrap();
        assert_eq!(bob.update(SENT).await.unwrap(), 1);
        sending.abort();
        until(|| alice.update(SENT), true).await;
        let sent = "SELECT count(*) FROM main.default.sent WHERE t = 'y'";
        assert_eq!(server.rows(ADMIN, sent).await, ["0"], "what was not sent to its end is not there");
    });
}

#[test]
fn answers_that_nobody_fetches_are_bounded_for_each_user() {
    block_on(async {
        let server = ground(|config| config.limits.changes_per_user = 2).await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let token = "CREATE ACCESS TOKEN nightly";
        let first = ticket(&alice, token).await;
        ticket(&alice, token).await;
        assert_bounded(&info(&alice, token).await.unwrap_err(), "changes_per_user");
        assert_eq!(server.rows("alice", "SHOW ACCESS TOKENS").await.len(), 2, "what was refused made none");
        assert_eq!(bob.statement(token).await.unwrap().count(), 1);
        alice.fetch(first).await.unwrap();
        assert_eq!(alice.statement(token).await.unwrap().count(), 1);
    });
}

#[test]
fn changes_that_have_ended_count_for_nothing() {
    block_on(async {
        let server = ground(|config| config.limits.changes_per_user = 1).await;
        let alice = server.client("alice");
        for _ in 0..4 {
            alice.statement(SENT).await.unwrap();
            assert_eq!(alice.update(SENT).await.unwrap(), 1);
            info(&alice, "DROP TABLE main.default.not_there").await.unwrap_err();
        }
    });
}

#[test]
fn bound_values_are_bounded_for_each_user() {
    block_on(async {
        let server = ground(|config| config.limits.bound_bytes_per_user = Size::new(64 * 1024)).await;
        let (alice, bob) = (server.client("alice"), server.client("bob"));
        let values = row(&"x".repeat(40 * 1024));
        let asked = "SELECT length(CAST(? AS STRING)) AS n";
        let (first, second) =
            (alice.prepare(asked).await.unwrap().handle, alice.prepare(asked).await.unwrap().handle);
        for _ in 0..3 {
            alice.bind(&first, &values).await.unwrap();
        }
        assert_bounded(&alice.bind(&second, &values).await.unwrap_err(), "bound_bytes_per_user");
        assert_eq!(bob.bound(asked, &values).await.unwrap().value(), "40960");
        // The first handle, to which they were bound.
        assert_eq!(alice.run(&first).await.unwrap().value(), "40960");
        alice.close(&first).await.unwrap();
        alice.bind(&second, &values).await.unwrap();
        assert_eq!(alice.run(&second).await.unwrap().value(), "40960");
        // More than a handle takes is refused as it comes.
        let large = row(&"x".repeat(2 * 1024 * 1024));
        let refusal = alice.bind(&second, &large).await.unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted, "{refusal:?}");
    });
}
