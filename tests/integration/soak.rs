//! Clients of many kinds at once: none meets an error that it did not ask for, and nothing is left of them.
//!
//! `make soak SECONDS=n` runs the same for longer, and says how the process grows.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_flight::sql::{
    CommandGetTables, CommandStatementIngest, CommandStatementQuery, TableDefinitionOptions,
};
use futures::StreamExt;
use futures::future::join_all;
use tokio::time::Instant;
use tonic::Code;
use weir_testkit::{Client, TestServer, block_on};

const CLIENTS: usize = 64;
const SECONDS: u64 = 3;

/// What one client does again and again.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Queries,
    Prepared,
    Changes,
    Ingests,
    Lists,
    HangsUp,
    Mistypes,
    HasNoToken,
}

const KINDS: [Kind; 8] = [
    Kind::Queries,
    Kind::Prepared,
    Kind::Changes,
    Kind::Ingests,
    Kind::Lists,
    Kind::HangsUp,
    Kind::Mistypes,
    Kind::HasNoToken,
];

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    let values: Vec<String> = (0..500).map(|n| format!("({n}, '{}')", n % 7)).collect();
    server
        .prepare(&format!(
            "CREATE SCHEMA main.s;
             CREATE TABLE main.s.t (id BIGINT, k STRING);
             INSERT INTO main.s.t VALUES {};
             CREATE FUNCTION main.s.odd(k STRING) RETURNS BOOLEAN RETURN k <> '0';
             ALTER TABLE main.s.t SET ROW FILTER main.s.odd ON (k);
             GRANT USE CATALOG ON CATALOG main TO alice;
             GRANT USE SCHEMA, SELECT, MODIFY, CREATE TABLE ON SCHEMA main.s TO alice",
            values.join(", ")
        ))
        .await;
    server
}

fn key(round: u64) -> RecordBatch {
    let id: ArrayRef = Arc::new(Int64Array::from(vec![i64::try_from(round % 500).unwrap()]));
    RecordBatch::try_from_iter([("1", id)]).unwrap()
}

async fn once(server: &TestServer, client: &Client, kind: Kind, own: &str, round: u64) {
    match kind {
        Kind::Queries => {
            let rows = client.statement("SELECT count(*) FROM main.s.t").await.unwrap();
            assert_eq!(rows.value(), "428");
        }
        Kind::Prepared => {
            let rows = client.bound("SELECT id FROM main.s.t WHERE id = ?", &key(round)).await.unwrap();
            assert_eq!(rows.count(), usize::from(!(round % 500).is_multiple_of(7)));
        }
        Kind::Changes => {
            if round == 0 {
                client.update(&format!("CREATE TABLE {own} (id BIGINT)")).await.unwrap();
            }
            assert_eq!(client.update(&format!("INSERT INTO {own} VALUES ({round})")).await.unwrap(), 1);
            assert_eq!(client.update(&format!("DELETE FROM {own} WHERE id = {round}")).await.unwrap(), 1);
        }
        Kind::Ingests => {
            let command = CommandStatementIngest {
                table_definition_options: Some(TableDefinitionOptions { if_not_exist: 1, if_exists: 3 }),
                table: own.rsplit('.').next().unwrap().to_owned(),
                schema: Some("s".to_owned()),
                catalog: Some("main".to_owned()),
                ..CommandStatementIngest::default()
            };
            let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..200).map(|n| n.to_string())));
            let rows = RecordBatch::try_from_iter([("a", text)]).unwrap();
            assert_eq!(client.ingest(&command, &rows.schema(), vec![rows]).await.unwrap(), 200);
        }
        Kind::Lists => {
            let tables = client.ask(&CommandGetTables { include_schema: true, ..Default::default() }).await;
            assert!(tables.unwrap().count() > 0);
        }
        Kind::HangsUp => {
            let query = CommandStatementQuery {
                query: "SELECT a.id FROM main.s.t a, main.s.t b, main.s.t c".to_owned(),
                transaction_id: None,
            };
            let ticket = client.info(&query).await.unwrap().endpoint.remove(0).ticket.unwrap();
            let mut rows = client.open(ticket).await.unwrap();
            rows.next().await.unwrap().unwrap();
        }
        Kind::Mistypes => {
            let refusal = client.statement("SELECT nope FROM main.s.t").await.unwrap_err();
            assert_eq!(refusal.code, Code::InvalidArgument);
        }
        Kind::HasNoToken => {
            let stranger = server.anonymous().with_token("weir_pat_wrong");
            assert_eq!(stranger.statement("SELECT 1").await.unwrap_err().code, Code::Unauthenticated);
        }
    }
}

/// What `make soak` asks for.
fn asked_seconds() -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long to go on is for whoever runs the tests")]
    let told = std::env::var("WEIR_SOAK_SECONDS").ok()?;
    Some(told.parse().unwrap_or_else(|_| panic!("WEIR_SOAK_SECONDS=`{told}` is no number")))
}

/// What the process has of memory, in mebibytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}

#[test]
fn clients_of_many_kinds_are_served_at_once() {
    block_on(async {
        let seconds = asked_seconds();
        let server = Arc::new(ground().await);
        let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(SECONDS));
        let clients = (0..CLIENTS).map(|number| {
            let (server, kind) = (Arc::clone(&server), KINDS[number % KINDS.len()]);
            weir_testkit::task(async move {
                let (client, own) = (server.client("alice"), format!("main.s.own_{number}"));
                let mut round = 0;
                while Instant::now() < end {
                    once(&server, &client, kind, &own, round).await;
                    round += 1;
                    if seconds.is_some() && number == 0 && round % 200 == 0 {
                        println!("{} MiB after {round} rounds", resident());
                    }
                }
                round
            })
        });
        let rounds: Vec<u64> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
        assert!(rounds.iter().all(|rounds| *rounds > 0), "somebody was never served: {rounds:?}");
        // Those who hung up leave nothing that runs.
        for _ in 0..200 {
            if server.app().warehouse().turns().running() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(server.app().warehouse().turns().running(), 0);
        println!("{} rounds, {} MiB", rounds.iter().sum::<u64>(), resident());
    });
}
