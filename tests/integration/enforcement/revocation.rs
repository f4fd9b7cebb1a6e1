//! What was given before a change of rights, and is used after it: prepared handles, tickets that were not redeemed,
//! streams under way, kept results, another server. Each is under the rights of the moment of its use.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::{
    CommandStatementIngest, CommandStatementQuery, TableDefinitionOptions, TableExistsOption,
    TableNotExistOption,
};
use arrow_flight::{Ticket, error::FlightError};
use bytes::Bytes;
use futures::StreamExt;
use tonic::Code;
use weir_server::config::{Config, StoreUrl};
use weir_testkit::{ADMIN, Client, PostgresServer, Refusal, Rows, Setup, TestServer, Told, block_on, task};

/// Carol reads `main.hr.people` as one of `hr`: all rows, unmasked. `main.hr.numbers` is long enough that a join of it
/// with itself does not end during a test.
const GROUND: &str = "
CREATE SCHEMA main.hr;
CREATE TABLE main.hr.people (id INT, region STRING, ssn STRING);
INSERT INTO main.hr.people VALUES (1, 'north', 'raw-1'), (2, 'south', 'raw-2');
CREATE TABLE main.hr.numbers (n INT);
CREATE TABLE main.hr.digits (d INT);
INSERT INTO main.hr.digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
INSERT INTO main.hr.numbers SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 1 FROM main.hr.digits a, main.hr.digits b, main.hr.digits c, main.hr.digits e WHERE e.d < 3;
CREATE TABLE main.hr.regions (region STRING);
INSERT INTO main.hr.regions VALUES ('north');
CREATE FUNCTION main.hr.seen(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region IN (SELECT o.region FROM main.hr.regions o);
CREATE FUNCTION main.hr.stars(v STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('hr') THEN v ELSE '***' END;
CREATE FUNCTION main.hr.few(n INT) RETURNS BOOLEAN RETURN n <= 10;
CREATE FUNCTION main.hr.none(id INT) RETURNS BOOLEAN RETURN id = 0;
ALTER TABLE main.hr.people SET ROW FILTER main.hr.seen ON (region);
ALTER TABLE main.hr.people ALTER COLUMN ssn SET MASK main.hr.stars;
CREATE SCHEMA main.open;
GRANT USE CATALOG ON CATALOG main TO carol;
GRANT USE SCHEMA, SELECT ON SCHEMA main.hr TO carol;
GRANT USE SCHEMA, CREATE TABLE, MODIFY ON SCHEMA main.open TO carol;
GRANT IMPERSONATE ON METASTORE TO bob";

const PEOPLE: &str = "SELECT id, ssn FROM main.hr.people ORDER BY id";

/// Rows without end, as far as a test goes, and from a table whose policies can change.
const ENDLESS: &str = "SELECT a.n, b.n AS m, p.ssn FROM main.hr.numbers a, main.hr.numbers b, main.hr.numbers c, main.hr.people p";

/// What a change does to a statement that was there before.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// It is refused with one of these codes.
    Refused(&'static [Code]),
    /// It gives what is seen now.
    Rows(&'static [&'static str]),
}

const GONE: Then = Then::Refused(&[Code::PermissionDenied, Code::NotFound]);
const OUT: Then = Then::Refused(&[Code::Unauthenticated]);

/// A change, what it does, and what takes it back.
const CHANGES: [(&str, Then, &str); 6] = [
    ("REVOKE SELECT ON SCHEMA main.hr FROM carol", GONE, "GRANT SELECT ON SCHEMA main.hr TO carol"),
    ("DENY SELECT ON TABLE main.hr.people TO hr", GONE, "REVOKE DENY SELECT ON TABLE main.hr.people FROM hr"),
    (
        "ALTER TABLE main.hr.people ALTER COLUMN ssn DROP MASK;\nALTER TABLE main.hr.people SET ROW FILTER main.hr.none ON (id)",
        Then::Rows(&[]),
        "ALTER TABLE main.hr.people SET ROW FILTER main.hr.seen ON (region);\nALTER TABLE main.hr.people ALTER COLUMN ssn SET MASK main.hr.stars",
    ),
    (
        "CREATE OR REPLACE FUNCTION main.hr.stars(v STRING) RETURNS STRING RETURN '###'",
        Then::Rows(&["1 | ###", "2 | ###"]),
        "CREATE OR REPLACE FUNCTION main.hr.stars(v STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('hr') THEN v ELSE '***' END",
    ),
    ("ALTER GROUP hr DROP USER carol", Then::Rows(&["1 | ***"]), "ALTER GROUP hr ADD USER carol"),
    ("ALTER USER carol DISABLE", OUT, "ALTER USER carol ENABLE"),
];

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

async fn ticket(client: &Client, sql: &str) -> Ticket {
    let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
    client.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap()
}

fn check(what: &str, change: &str, then: Then, told: &Told<Rows>) {
    match (then, told) {
        (Then::Rows(rows), Ok(found)) => assert_eq!(found.lines(), rows, "{what} after {change}"),
        (Then::Refused(codes), Err(refusal)) => {
            assert!(codes.contains(&refusal.code), "{what} after {change}: {refusal:?}");
        }
        _ => panic!("{what} after {change}: {then:?} was expected, not {told:?}"),
    }
}

#[test]
fn a_handle_a_ticket_and_a_kept_result_are_worth_what_their_holder_may_do_now() {
    block_on(async {
        let server = ground().await;
        let carol = server.client("carol");
        let whole = ["1 | raw-1", "2 | raw-2"];
        for (change, then, back) in CHANGES {
            let handle: Bytes = carol.prepare(PEOPLE).await.unwrap().handle;
            let (early, late) = (ticket(&carol, PEOPLE).await, ticket(&carol, PEOPLE).await);
            // The result is kept.
            for _ in 0..2 {
                assert_eq!(carol.statement(PEOPLE).await.unwrap().lines(), whole, "before {change}");
            }
            server.prepare(change).await;
            check("a handle", change, then, &carol.run(&handle).await);
            check("a ticket", change, then, &carol.fetch(early).await);
            check("the text again", change, then, &carol.statement(PEOPLE).await);
            server.prepare(back).await;
            assert_eq!(carol.fetch(late).await.unwrap().lines(), whole, "after {back}");
            assert_eq!(carol.run(&handle).await.unwrap().lines(), whole, "after {back}");
        }
    });
}

#[test]
fn what_one_server_changes_holds_for_handles_tickets_and_results_of_the_other() {
    block_on(async {
        let url = PostgresServer::of_this_process().database().await;
        let tables = tempfile::tempdir().unwrap();
        let shared = || {
            let mut config = Config::default();
            config.catalog.url = Some(StoreUrl::new(&url));
            config.storage.data_root = Some(tables.path().to_owned());
            Setup { config, ..Setup::default() }
        };
        let one = TestServer::start_with(shared()).await;
        let two = TestServer::start_in(tempfile::tempdir().unwrap(), shared()).await;
        one.prepare(GROUND).await;
        for (change, then, back) in CHANGES {
            let carol = two.client("carol");
            let handle: Bytes = carol.prepare(PEOPLE).await.unwrap().handle;
            let early = ticket(&one.client("carol"), PEOPLE).await;
            for _ in 0..2 {
                assert_eq!(carol.statement(PEOPLE).await.unwrap().count(), 2, "before {change}");
            }
            let mut stream = carol.open(ticket(&carol, ENDLESS).await).await.unwrap();
            stream.next().await.unwrap().unwrap();
            one.prepare(change).await;
            check("a handle", change, then, &carol.run(&handle).await);
            check("a ticket of the other", change, then, &carol.fetch(early).await);
            check("the text again", change, then, &carol.statement(PEOPLE).await);
            assert_changed(&ended(stream).await, change);
            one.prepare(back).await;
        }
    });
}

/// Reads on until the stream ends, which it must do in a refusal.
async fn ended(mut stream: FlightRecordBatchStream) -> Refusal {
    loop {
        match stream.next().await.expect("the stream does not end by itself") {
            Ok(_) => {}
            Err(FlightError::Tonic(status)) => return (*status).into(),
            Err(other) => panic!("the stream is not well formed: {other}"),
        }
    }
}

fn assert_changed(refusal: &Refusal, change: &str) {
    assert_eq!(refusal.code, Code::PermissionDenied, "{change}: {refusal:?}");
    let text = &refusal.text;
    assert!(text.starts_with("[INSUFFICIENT_PERMISSIONS]") && text.contains("42501"), "{change}: {text}");
    assert!(text.contains("run the statement again"), "{change}: {text}");
    for named in ["people", "numbers", "regions", "stars", "seen", "hr"] {
        assert!(!text.contains(named), "{change}: `{named}` in {text}");
    }
}

#[test]
fn a_stream_under_way_ends_when_what_it_stands_on_changes() {
    block_on(async {
        let server = ground().await;
        let more = [
            (
                "ALTER TABLE main.hr.numbers SET ROW FILTER main.hr.few ON (n)",
                GONE,
                "ALTER TABLE main.hr.numbers DROP ROW FILTER",
            ),
            (
                "REVOKE USE SCHEMA ON SCHEMA main.hr FROM carol",
                GONE,
                "GRANT USE SCHEMA ON SCHEMA main.hr TO carol",
            ),
        ];
        for (change, _, back) in CHANGES.into_iter().chain(more) {
            let carol = server.client("carol");
            let prepared = carol.prepare(ENDLESS).await.unwrap();
            let handle = arrow_flight::sql::CommandPreparedStatementQuery {
                prepared_statement_handle: prepared.handle,
            };
            let of_handle = carol.info(&handle).await.unwrap().endpoint.remove(0).ticket.unwrap();
            for ticket in [ticket(&carol, ENDLESS).await, of_handle] {
                let mut stream = carol.open(ticket).await.unwrap();
                stream.next().await.unwrap().unwrap();
                server.prepare(change).await;
                assert_changed(&ended(stream).await, change);
                server.prepare(back).await;
            }
        }
        let history = format!(
            "SELECT DISTINCT execution_status, error_message LIKE '%have changed%' AS so FROM system.query.history WHERE statement_text = '{ENDLESS}'"
        );
        assert_eq!(server.rows(ADMIN, &history).await, ["FAILED | true"]);
    });
}

#[test]
fn a_stream_goes_on_over_changes_that_do_not_concern_it() {
    block_on(async {
        let server = ground().await;
        let carol = server.client("carol");
        let mut stream = carol.open(ticket(&carol, ENDLESS).await).await.unwrap();
        for change in [
            "CREATE SCHEMA main.elsewhere",
            "GRANT SELECT ON TABLE main.hr.people TO alice",
            "ALTER GROUP hr ADD USER alice",
            "ALTER TABLE main.hr.regions SET TBLPROPERTIES ('a' = 'b')",
            "INSERT INTO main.hr.people VALUES (3, 'north', 'raw-3')",
        ] {
            server.prepare(change).await;
            for _ in 0..100 {
                stream.next().await.unwrap().unwrap_or_else(|error| panic!("{change}: {error}"));
            }
        }
        // It was looked at: the same stream ends at the first change that does.
        server.prepare("REVOKE SELECT ON SCHEMA main.hr FROM carol").await;
        assert_changed(&ended(stream).await, "a revoke after much else");
    });
}

#[test]
fn a_stream_under_another_users_name_ends_with_either_of_the_two_rights() {
    block_on(async {
        let server = ground().await;
        let sql = format!("EXECUTE AS USER carol {ENDLESS}");
        for (change, back) in [
            ("REVOKE IMPERSONATE ON METASTORE FROM bob", "GRANT IMPERSONATE ON METASTORE TO bob"),
            ("ALTER USER bob DISABLE", "ALTER USER bob ENABLE"),
            ("ALTER USER carol DISABLE", "ALTER USER carol ENABLE"),
            ("REVOKE SELECT ON SCHEMA main.hr FROM carol", "GRANT SELECT ON SCHEMA main.hr TO carol"),
            ("ALTER GROUP hr DROP USER carol", "ALTER GROUP hr ADD USER carol"),
        ] {
            let bob = server.client("bob");
            let mut stream = bob.open(ticket(&bob, &sql).await).await.unwrap();
            stream.next().await.unwrap().unwrap();
            server.prepare(change).await;
            assert_changed(&ended(stream).await, change);
            server.prepare(back).await;
        }
    });
}

#[test]
fn a_stream_that_an_app_reads_for_a_user_ends_when_the_app_may_do_so_for_nobody() {
    block_on(async {
        let server = ground().await;
        server.done(ADMIN, "CREATE SERVICE PRINCIPAL portal").await;
        for change in ["ALTER SERVICE PRINCIPAL portal MAY NOT ACT FOR USERS", "ALTER USER carol DISABLE"] {
            server.prepare("ALTER SERVICE PRINCIPAL portal MAY ACT FOR USERS").await;
            let portal =
                server.client("portal").with_header("x-forwarded-access-token", server.token("carol"));
            let mut stream = portal.open(ticket(&portal, ENDLESS).await).await.unwrap();
            stream.next().await.unwrap().unwrap();
            server.prepare(change).await;
            assert_changed(&ended(stream).await, change);
        }
    });
}

/// Runs `sql` as carol beside what the caller does, until it was begun: it stands in no stream that could say so.
fn beside(server: &TestServer, sql: &str) -> tokio::task::JoinHandle<Told<Rows>> {
    let (carol, sql) = (server.client("carol"), sql.to_owned());
    task(async move { carol.statement(&sql).await })
}

/// Long enough that a statement that was sent is under way. What is tested holds as well for one that is not.
const UNDER_WAY: std::time::Duration = std::time::Duration::from_millis(1500);

#[test]
fn a_query_that_has_sent_nothing_goes_on_under_the_policies_of_now() {
    block_on(async {
        let server = ground().await;
        let sql = "SELECT count(*) FROM main.hr.numbers a, main.hr.numbers b, main.hr.numbers c WHERE a.n + b.n + c.n > 0";
        let counting = beside(&server, sql);
        tokio::time::sleep(UNDER_WAY).await;
        server.prepare("ALTER TABLE main.hr.numbers SET ROW FILTER main.hr.few ON (n)").await;
        assert_eq!(counting.await.unwrap().unwrap().lines(), ["1000"]);
        let history = format!(
            "SELECT execution_status, produced_rows, policy_digest IS NOT NULL AS governed FROM system.query.history WHERE statement_text = '{sql}'"
        );
        assert_eq!(server.rows(ADMIN, &history).await, ["FINISHED | 1 | true"]);
        let decided =
            "SELECT DISTINCT policy_name FROM system.access.policy_decisions WHERE principal = 'carol'";
        assert_eq!(server.rows(ADMIN, decided).await, ["main.hr.few"]);
    });
}

#[test]
fn what_runs_without_a_stream_ends_as_well() {
    block_on(async {
        let server = ground().await;
        server.prepare("CREATE TABLE main.open.kept (n INT);\nINSERT INTO main.open.kept VALUES (-5);\nGRANT MODIFY, SELECT ON TABLE main.open.kept TO carol").await;
        let endless = "main.hr.numbers a, main.hr.numbers b, main.hr.numbers c WHERE a.n + b.n + c.n > 0";
        let revoke = "REVOKE SELECT ON SCHEMA main.hr FROM carol";
        for sql in [
            format!("EXPLAIN ANALYZE SELECT count(*) FROM {endless}"),
            format!("SELECT count(*) FROM {endless}"),
        ] {
            let running = beside(&server, &sql);
            tokio::time::sleep(UNDER_WAY).await;
            server.prepare(revoke).await;
            let refusal = running.await.unwrap().unwrap_err();
            assert_changed(&refusal, &sql);
            server.prepare("GRANT SELECT ON SCHEMA main.hr TO carol").await;
        }
        for sql in [
            format!(
                "INSERT INTO main.open.kept SELECT a.n FROM {endless} AND a.n + b.n + c.n < 0 OR a.n = b.n"
            ),
            format!("CREATE TABLE main.open.made AS SELECT count(*) AS n FROM {endless}"),
            format!("DELETE FROM main.open.kept WHERE n IN (SELECT count(*) FROM {endless})"),
        ] {
            let (carol, text) = (server.client("carol"), sql.clone());
            let running = task(async move { carol.update(&text).await });
            tokio::time::sleep(UNDER_WAY).await;
            server.prepare(revoke).await;
            let refusal = running.await.unwrap().unwrap_err();
            assert_changed(&refusal, &sql);
            server.prepare("GRANT SELECT ON SCHEMA main.hr TO carol").await;
        }
        assert_eq!(server.rows(ADMIN, "SELECT n FROM main.open.kept").await, ["-5"]);
        let made = server.refused(ADMIN, "SELECT count(*) FROM main.open.made").await;
        assert!(made.contains("TABLE_OR_VIEW_NOT_FOUND"), "{made}");
    });
}

/// Two batches that carol sends with `change` between them. The second is held back until she was answered or the server had
/// time to look.
async fn sent_over(server: &TestServer, change: &str) -> Told<i64> {
    let batch = |n: i32| {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![n]));
        RecordBatch::try_from_iter_with_nullable([("n", column, true)]).unwrap()
    };
    let command = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Fail as i32,
            if_exists: TableExistsOption::Append as i32,
        }),
        table: "kept".to_owned(),
        schema: Some("open".to_owned()),
        catalog: Some("main".to_owned()),
        ..CommandStatementIngest::default()
    };
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    sender.unbounded_send(batch(1)).unwrap();
    let carol = server.client("carol");
    let mut sending = task(async move { carol.ingest_stream(&command, &batch(0).schema(), receiver).await });
    tokio::time::sleep(UNDER_WAY).await;
    server.prepare(change).await;
    match tokio::time::timeout(UNDER_WAY, &mut sending).await {
        Ok(told) => told.unwrap(),
        Err(_) => {
            sender.unbounded_send(batch(2)).unwrap();
            drop(sender);
            sending.await.unwrap()
        }
    }
}

#[test]
fn rows_that_a_client_sends_are_not_stored_when_the_right_goes_while_they_come() {
    block_on(async {
        let server = ground().await;
        server
            .prepare("CREATE TABLE main.open.kept (n INT);\nGRANT SELECT ON TABLE main.open.kept TO carol")
            .await;
        for (change, back) in [
            ("REVOKE MODIFY ON SCHEMA main.open FROM carol", "GRANT MODIFY ON SCHEMA main.open TO carol"),
            (
                "DENY MODIFY ON TABLE main.open.kept TO hr",
                "REVOKE DENY MODIFY ON TABLE main.open.kept FROM hr",
            ),
            ("ALTER USER carol DISABLE", "ALTER USER carol ENABLE"),
        ] {
            assert_changed(&sent_over(&server, change).await.unwrap_err(), change);
            server.prepare(back).await;
        }
        let kept = "SELECT count(*) FROM main.open.kept";
        assert_eq!(server.rows(ADMIN, kept).await, ["0"]);
        assert_eq!(sent_over(&server, "CREATE SCHEMA main.elsewhere").await.unwrap(), 2);
        assert_eq!(server.rows(ADMIN, kept).await, ["2"]);
    });
}
