//! PollFlightInfo: a statement that takes its time is polled until it is there, by its owner, and runs once.

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::{CommandGetCatalogs, CommandStatementQuery};
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, FlightDescriptor, FlightInfo, PollInfo};
use futures::TryStreamExt;
use prost::Message;
use tonic::Code;
use weir_server::clock::Clock;
use weir_server::config::Config;
use weir_testkit::{ADMIN, Client, Setup, TestServer, block_on, descriptor};

const GROUND: &str = "
CREATE TABLE main.default.digits (d INT);
INSERT INTO main.default.digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
CREATE TABLE main.default.numbers AS SELECT a.d + 10 * b.d + 100 * c.d AS n FROM main.default.digits a, main.default.digits b, main.default.digits c;
CREATE TABLE main.default.people (id INT, ssn STRING);
INSERT INTO main.default.people VALUES (1, 'raw-1'), (2, 'raw-2');
CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN '***';
CREATE FUNCTION main.default.nobody(id INT) RETURNS BOOLEAN RETURN id < 0;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice";

const PEOPLE: &str = "SELECT id, ssn FROM main.default.people ORDER BY id";

/// A server that runs one statement at a time.
async fn ground() -> TestServer {
    let mut config = Config::default();
    config.limits.running_statements = 1;
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server.prepare(GROUND).await;
    server
}

fn query(sql: &str) -> CommandStatementQuery {
    CommandStatementQuery { query: sql.to_owned(), transaction_id: None }
}

async fn polled_once(client: &Client, sql: &str) -> PollInfo {
    client.poll(descriptor(&query(sql))).await.unwrap()
}

/// Rows that do not end during a test, and hold the only turn.
async fn endless(server: &TestServer) -> FlightRecordBatchStream {
    let sql =
        "SELECT a.n, b.n AS m FROM main.default.numbers a, main.default.numbers b, main.default.numbers c";
    let client = server.client(ADMIN);
    let ticket = client.info(&query(sql)).await.unwrap().endpoint.remove(0).ticket.unwrap();
    let mut rows = client.open(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    rows
}

/// What is told of a statement that is not there yet: nothing but that, and where it will be.
fn assert_runs(told: &PollInfo, server: &TestServer) -> (FlightInfo, FlightDescriptor) {
    assert_eq!(told.progress, Some(0.0));
    let expires = told.expiration_time.unwrap().seconds;
    assert_eq!(expires, server.clock().now().timestamp() + 60);
    let info = told.info.clone().unwrap();
    assert_eq!((info.endpoint.len(), info.total_records, info.total_bytes), (1, -1, -1));
    (info, told.flight_descriptor.clone().unwrap())
}

async fn to_its_end(client: &Client, mut again: FlightDescriptor) -> FlightInfo {
    loop {
        let told = client.poll(again).await.unwrap();
        match told.flight_descriptor {
            Some(next) => again = next,
            None => {
                assert_eq!((told.progress, told.expiration_time), (Some(1.0), None));
                return told.info.unwrap();
            }
        }
    }
}

#[test]
fn what_is_there_at_once_is_told_as_by_get_flight_info() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let command = query(PEOPLE);
        let (told, polled) = (alice.info(&command).await.unwrap(), alice.polled(&command).await.unwrap());
        assert_eq!((&polled.schema, &polled.app_metadata), (&told.schema, &told.app_metadata));
        assert_eq!(polled.flight_descriptor, told.flight_descriptor);
        let listing = alice.poll(descriptor(&CommandGetCatalogs {})).await.unwrap();
        assert_eq!((listing.progress, listing.flight_descriptor), (Some(1.0), None));
        let ticket = polled.endpoint[0].ticket.clone().unwrap();
        for _ in 0..2 {
            assert_eq!(alice.fetch(ticket.clone()).await.unwrap().lines(), ["1 | raw-1", "2 | raw-2"]);
        }
        // An error is told by the poll.
        let failed =
            alice.polled(&query("SELECT 1 / (id - 1) AS q FROM main.default.people")).await.unwrap_err();
        assert!(failed.text.starts_with("[DIVIDE_BY_ZERO]"), "{failed:?}");
    });
}

#[test]
fn a_statement_that_waits_is_polled_until_it_is_there() {
    block_on(async {
        let server = ground().await;
        let running = endless(&server).await;
        let alice = server.client("alice");
        let (info, again) = assert_runs(&polled_once(&alice, PEOPLE).await, &server);
        // Another's descriptor is not found, nor one that was changed, nor is it a command or a ticket.
        let mut changed = again.clone();
        let mut bytes = changed.cmd.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        changed.cmd = bytes.into();
        assert_eq!(server.client("bob").poll(again.clone()).await.unwrap_err().code, Code::NotFound);
        assert_eq!(alice.poll(changed).await.unwrap_err().code, Code::NotFound);
        let asked = alice.raw().get_flight_info(alice.request(again.clone())).await.unwrap_err();
        assert_eq!(asked.code(), Code::Unimplemented);
        let ticket = arrow_flight::Ticket { ticket: again.cmd.clone() };
        assert_eq!(alice.fetch(ticket).await.unwrap_err().code, Code::NotFound);
        drop(running);
        let complete = to_its_end(&alice, again).await;
        assert_eq!(complete, info, "what was told stays");
        let ticket = complete.endpoint[0].ticket.clone().unwrap();
        assert_eq!(alice.fetch(ticket).await.unwrap().lines(), ["1 | raw-1", "2 | raw-2"]);
        let ran = "SELECT execution_status FROM system.query.history \
                   WHERE executed_by = 'alice' AND statement_type = 'SELECT'";
        assert_eq!(server.rows(ADMIN, ran).await, ["FINISHED"], "it ran once");
    });
}

#[test]
fn a_ticket_that_is_fetched_meanwhile_waits_for_the_same_run() {
    block_on(async {
        let server = ground().await;
        let running = endless(&server).await;
        let alice = server.client("alice");
        let (info, again) = assert_runs(&polled_once(&alice, PEOPLE).await, &server);
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let fetching = weir_testkit::task({
            let alice = alice.clone();
            async move { alice.fetch(ticket).await }
        });
        drop(running);
        assert_eq!(fetching.await.unwrap().unwrap().lines(), ["1 | raw-1", "2 | raw-2"]);
        to_its_end(&alice, again).await;
        let ran = "SELECT count(*) FROM system.query.history \
                   WHERE executed_by = 'alice' AND statement_type = 'SELECT'";
        assert_eq!(server.rows(ADMIN, ran).await, ["1"]);
    });
}

#[test]
fn a_polled_change_is_made_once() {
    block_on(async {
        let server = ground().await;
        let running = endless(&server).await;
        let admin = server.client(ADMIN);
        let insert = "INSERT INTO main.default.people VALUES (3, 'raw-3')";
        let (info, again) = assert_runs(&polled_once(&admin, insert).await, &server);
        drop(running);
        let (first, second) =
            tokio::join!(to_its_end(&admin, again.clone()), to_its_end(&admin, again.clone()));
        assert_eq!((&first, &second), (&info, &info));
        for _ in 0..2 {
            assert_eq!(admin.fetch(info.endpoint[0].ticket.clone().unwrap()).await.unwrap().count(), 0);
            to_its_end(&admin, again.clone()).await;
        }
        assert_eq!(server.rows("alice", "SELECT count(*) FROM main.default.people").await, ["3"]);
        let token = admin.polled(&query("CREATE ACCESS TOKEN nightly")).await.unwrap();
        let ticket = token.endpoint[0].ticket.clone().unwrap();
        assert_eq!(admin.fetch(ticket.clone()).await.unwrap().count(), 1);
        assert_eq!(admin.fetch(ticket).await.unwrap_err().code, Code::FailedPrecondition);
        assert_eq!(server.rows(ADMIN, "SHOW ACCESS TOKENS").await.len(), 1);
    });
}

#[test]
fn a_polled_statement_that_is_cancelled_ends() {
    block_on(async {
        let server = ground().await;
        let running = endless(&server).await;
        let alice = server.client("alice");
        let (info, again) = assert_runs(&polled_once(&alice, PEOPLE).await, &server);
        let request = CancelFlightInfoRequest { info: Some(info.clone()) }.encode_to_vec();
        let stranger = server.client("bob").act("CancelFlightInfo", request.clone()).await.unwrap_err();
        assert_eq!(stranger.code, Code::NotFound);
        let told = alice.act("CancelFlightInfo", request).await.unwrap();
        let status = CancelFlightInfoResult::decode(told[0].as_ref()).unwrap().status();
        assert_eq!(status, arrow_flight::CancelStatus::Cancelled);
        assert_eq!(alice.poll(again).await.unwrap_err().code, Code::Cancelled);
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        assert_eq!(alice.fetch(ticket).await.unwrap_err().code, Code::Cancelled);
        drop(running);
        // It had no turn yet, and is entered without its kind, by itself.
        let ran = "SELECT execution_status FROM system.query.history \
                   WHERE executed_by = 'alice' AND statement_text LIKE '%main.default.people%'";
        let entered = async {
            while server.rows(ADMIN, ran).await != ["CANCELED"] {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), entered).await.unwrap();
    });
}

#[test]
fn rows_that_were_found_under_other_policies_are_not_given_out() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let ticket = async || {
            let info = alice.polled(&query(PEOPLE)).await.unwrap();
            info.endpoint[0].ticket.clone().unwrap()
        };
        let before = ticket().await;
        server
            .done(ADMIN, "ALTER TABLE main.default.people ALTER COLUMN ssn SET MASK main.default.stars")
            .await;
        assert_eq!(alice.fetch(before).await.unwrap().lines(), ["1 | ***", "2 | ***"]);
        let before = ticket().await;
        server.done(ADMIN, "REVOKE SELECT ON CATALOG main FROM alice").await;
        let refusal = alice.fetch(before).await.unwrap_err();
        assert!([Code::PermissionDenied, Code::NotFound].contains(&refusal.code), "{refusal:?}");
    });
}

#[test]
fn progress_says_nothing_of_rows_that_are_hidden() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let mut told = Vec::new();
        for change in
            [None, Some("ALTER TABLE main.default.people SET ROW FILTER main.default.nobody ON (id)")]
        {
            if let Some(change) = change {
                server.done(ADMIN, change).await;
            }
            let running = endless(&server).await;
            let first = polled_once(&alice, PEOPLE).await;
            let (info, again) = assert_runs(&first, &server);
            drop(running);
            to_its_end(&alice, again).await;
            told.push((first.progress, info.total_records, info.total_bytes, info.ordered));
        }
        assert_eq!(told[0], told[1]);
    });
}

#[test]
fn a_descriptor_that_nobody_polled_for_a_minute_is_gone() {
    block_on(async {
        let server = ground().await;
        let running = endless(&server).await;
        let alice = server.client("alice");
        let (_, again) = assert_runs(&polled_once(&alice, PEOPLE).await, &server);
        server.clock().advance(chrono::TimeDelta::seconds(61));
        assert_eq!(alice.poll(again).await.unwrap_err().code, Code::NotFound);
        drop(running);
    });
}
