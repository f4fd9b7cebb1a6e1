//! What statements may use: turns when the server is full, memory of one of them, and figures that tell of it.

use std::time::Duration;

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::CommandStatementQuery;
use futures::TryStreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;
use weir_server::config::{Config, Size};
use weir_testkit::{ADMIN, Setup, TestServer, block_on, task};

/// `main.hr.numbers` is long enough that a join of it with itself does not end during a test.
const GROUND: &str = "
CREATE SCHEMA main.hr;
CREATE TABLE main.hr.people (id INT, ssn STRING);
INSERT INTO main.hr.people VALUES (1, 'raw-1'), (2, 'raw-2');
CREATE TABLE main.hr.digits (d INT);
INSERT INTO main.hr.digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
CREATE TABLE main.hr.numbers AS SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM main.hr.digits a, main.hr.digits b, main.hr.digits c, main.hr.digits e;
CREATE FUNCTION main.hr.stars(v STRING) RETURNS STRING RETURN '***';
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA, SELECT ON SCHEMA main.hr TO alice;
GRANT USE CATALOG ON CATALOG main TO bob;
GRANT USE SCHEMA, SELECT ON SCHEMA main.hr TO bob";

const ENDLESS: &str = "SELECT a.n, b.n AS m FROM main.hr.numbers a, main.hr.numbers b, main.hr.numbers c";
const PEOPLE: &str = "SELECT id, ssn FROM main.hr.people ORDER BY id";

async fn ground(change: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = Config::default();
    change(&mut config);
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server.prepare(GROUND).await;
    server
}

/// Rows of which the first have come and the last never will.
async fn endless(server: &TestServer, user: &str) -> FlightRecordBatchStream {
    let client = server.client(user);
    let command = CommandStatementQuery { query: ENDLESS.to_owned(), transaction_id: None };
    let info = client.info(&command).await.unwrap();
    let ticket = info.endpoint.into_iter().next().unwrap().ticket.unwrap();
    let mut rows = client.open(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    rows
}

async fn until_waiting(server: &TestServer, count: usize) {
    let turns = server.app().warehouse().turns();
    let waits = async {
        while turns.waiting() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waits).await.unwrap();
}

#[test]
fn a_statement_beyond_the_bound_waits_and_history_tells_how_long() {
    block_on(async {
        let server = ground(|config| config.limits.running_statements = 1).await;
        let running = endless(&server, "alice").await;
        let bob = server.client("bob");
        let waiting = task(async move { bob.statement(PEOPLE).await });
        until_waiting(&server, 1).await;
        // Commands read no table and do not wait.
        assert_eq!(server.rows("bob", "SHOW CATALOGS").await, ["main", "system"]);
        server.clock().advance(chrono::TimeDelta::seconds(7));
        drop(running);
        assert_eq!(waiting.await.unwrap().unwrap().lines(), ["1 | raw-1", "2 | raw-2"]);
        let told = "SELECT waiting_at_capacity_duration_ms, execution_status FROM system.query.history \
                    WHERE executed_by = 'bob' AND statement_type = 'SELECT'";
        assert_eq!(server.rows(ADMIN, told).await, ["7000 | FINISHED"]);
    });
}

#[test]
fn who_waited_is_under_the_rights_and_policies_of_when_it_runs() {
    block_on(async {
        let server = ground(|config| config.limits.running_statements = 1).await;
        for (change, then) in [
            ("ALTER TABLE main.hr.people ALTER COLUMN ssn SET MASK main.hr.stars", Ok("1 | ***")),
            ("REVOKE SELECT ON SCHEMA main.hr FROM bob", Err(())),
        ] {
            let running = endless(&server, "alice").await;
            let bob = server.client("bob");
            // Planned while nothing had changed yet.
            let handle = bob.prepare(PEOPLE).await.unwrap().handle;
            let waiting = task(async move { bob.run(&handle).await });
            until_waiting(&server, 1).await;
            server.done(ADMIN, change).await;
            drop(running);
            let answer = waiting.await.unwrap();
            assert_eq!(answer.map(|rows| rows.lines()[0].clone()).map_err(|_| ()), then.map(str::to_owned));
        }
    });
}

#[test]
fn the_line_is_bounded_and_who_is_refused_is_told() {
    block_on(async {
        let server = ground(|config| {
            config.limits.running_statements = 1;
            config.limits.waiting_statements = 2;
            config.limits.waiting_statements_per_user = 1;
        })
        .await;
        let running = endless(&server, "alice").await;
        let mut waiting = Vec::new();
        for (count, user) in ["bob", "alice"].into_iter().enumerate() {
            let client = server.client(user);
            waiting.push(task(async move { client.statement(PEOPLE).await }));
            until_waiting(&server, count + 1).await;
        }
        for user in ["bob", ADMIN] {
            let refusal = server.sql(user, PEOPLE).await.unwrap_err();
            assert_eq!(refusal.code, Code::ResourceExhausted, "{user}: {}", refusal.text);
            assert!(refusal.text.contains("running_statements"), "{user}: {}", refusal.text);
        }
        drop(running);
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap().unwrap().lines().len(), 2);
        }
        assert_eq!(server.app().warehouse().turns().waiting(), 0);
        let told = "SELECT execution_status, count(*) FROM system.query.history \
                    WHERE statement_text LIKE '%main.hr.people ORDER%' GROUP BY execution_status";
        assert_eq!(server.rows(ADMIN, told).await, ["FAILED | 2", "FINISHED | 2"]);
    });
}

#[test]
fn rows_that_nobody_reads_hold_nothing_past_their_time() {
    block_on(async {
        let server = ground(|config| {
            config.limits.running_statements = 1;
            config.limits.statement_timeout = weir_server::config::Period::seconds(2);
        })
        .await;
        let mut running = endless(&server, "alice").await;
        assert_eq!(server.app().warehouse().turns().running(), 1);
        server.clock().advance(chrono::TimeDelta::seconds(3));
        let turns = server.app().warehouse().turns();
        let ended = async {
            while turns.running() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
        assert_eq!(server.rows("bob", PEOPLE).await.len(), 2);
        let told = "SELECT execution_status, produced_rows > 0 FROM system.query.history \
                    WHERE executed_by = 'alice' AND statement_type = 'SELECT'";
        assert_eq!(server.rows(ADMIN, told).await, ["FAILED | true"]);
        // Who reads at last has what was on its way, and then the reason.
        let last = loop {
            match running.try_next().await {
                Ok(rows) => assert!(rows.is_some(), "it ended as if that were all"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(last.contains("STATEMENT_TIMEOUT"), "{last}");
    });
}

#[test]
fn a_statement_has_its_share_of_memory_and_spills_before_it_fails() {
    block_on(async {
        let server = ground(|config| config.limits.statement_memory_bytes = Size::mebibytes(40)).await;
        // The build side of a join does not spill.
        let texts = "SELECT concat('some longer text that takes memory ', a.n, '-', b.n) AS t \
                     FROM main.hr.numbers a JOIN main.hr.numbers b ON b.n < 100";
        let hungry = format!("SELECT count(*) FROM ({texts}) x JOIN ({texts}) y ON x.t = y.t");
        let refusal = server.sql("alice", &hungry).await.unwrap_err();
        assert_eq!(refusal.code, Code::ResourceExhausted, "{}", refusal.text);
        assert!(refusal.text.contains("memory"), "{}", refusal.text);
        // What it had is free again, and others are served.
        assert_eq!(server.rows("bob", PEOPLE).await.len(), 2);
        let sorted = "SELECT sum(n) FROM (SELECT n, row_number() OVER (ORDER BY t) AS r FROM (SELECT a.n, \
                      concat('some longer text that takes memory ', a.n * 7 % 1000, '-', b.n) AS t \
                      FROM main.hr.numbers a JOIN main.hr.numbers b ON b.n < 100)) WHERE r % 2 = 0";
        assert_eq!(server.rows("alice", sorted).await.len(), 1);
        let spilled = "SELECT spilled_local_bytes > 0 FROM system.query.history \
                       WHERE statement_text LIKE '%row_number%' AND executed_by = 'alice'";
        assert_eq!(server.rows(ADMIN, spilled).await, ["true"]);
    });
}

pub(crate) async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn figures_tell_what_statements_cost_and_not_whose_they_were() {
    block_on(async {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = ground(|config| config.metrics.address = Some(free)).await;
        server.rows("alice", PEOPLE).await;
        server.refused("bob", "SELECT * FROM main.hr.people WHERE nothing = 'raw-1'").await;
        let running = endless(&server, "alice").await;
        let answer = get(free, "/metrics").await;
        drop(running);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for line in [
            "weir_statements_total{kind=\"SELECT\",status=\"FINISHED\"} 1",
            "weir_statements_running 1",
            "weir_statements_waiting 0",
        ] {
            assert!(answer.lines().any(|told| told == line), "{line} in\n{answer}");
        }
        for private in ["alice", "bob", "people", "raw-1", "main.hr"] {
            assert!(!answer.contains(private), "{private} in\n{answer}");
        }
        assert!(get(free, "/health").await.ends_with("ok\n"));
        assert!(get(free, "/").await.starts_with("HTTP/1.1 404"));
    });
}

/// Bytes from memory and from storage of the last query of alice's, as its plan tells.
async fn hits_and_misses(server: &TestServer) -> (u64, u64) {
    let told = server.sql("alice", &format!("EXPLAIN ANALYZE {PEOPLE}")).await.unwrap().lines();
    let number = |name: &str| {
        let line = told.iter().find(|line| line.trim().starts_with(name)).unwrap();
        line.split(": ").nth(1).unwrap().trim_end_matches(" B").parse().unwrap()
    };
    (number("cache hits size"), number("cache misses size"))
}

#[test]
fn administrators_fill_and_clear_the_caches_and_nobody_else() {
    block_on(async {
        let server = ground(|_| {}).await;
        for sql in ["CLEAR CACHE", "CACHE SELECT * FROM main.hr.people"] {
            let refusal = server.client("alice").update(sql).await.unwrap_err();
            assert_eq!(refusal.code, Code::PermissionDenied, "{sql}: {}", refusal.text);
        }
        server.done(ADMIN, "CLEAR CACHE").await;
        let (hits, misses) = hits_and_misses(&server).await;
        assert!(misses > 0 && hits == 0, "{hits} {misses}");
        let (hits, misses) = hits_and_misses(&server).await;
        assert!(misses == 0 && hits > 0, "{hits} {misses}");
        server.rows("alice", PEOPLE).await;
        server.done(ADMIN, "CLEAR CACHE").await;
        server.rows("alice", PEOPLE).await;
        let kept = "SELECT count(*) FROM system.query.history WHERE from_result_cache";
        assert_eq!(server.rows(ADMIN, kept).await, ["0"], "kept results are cleared as well");
        server.done(ADMIN, "CLEAR CACHE").await;
        server.done(ADMIN, "CACHE SELECT * FROM main.hr.people").await;
        let (_, misses) = hits_and_misses(&server).await;
        assert_eq!(misses, 0);
    });
}
