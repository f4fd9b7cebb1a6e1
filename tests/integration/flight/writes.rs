//! Whatever changes something runs exactly once, on each of the four paths, and preparing or
//! describing it runs nothing.

use arrow_flight::sql::{CommandPreparedStatementQuery, CommandStatementQuery};
use tonic::Code;
use weir_testkit::{Client, TestServer, block_on};

/// A path on which a statement that changes something can be sent.
#[derive(Debug, Clone, Copy)]
enum Path {
    Update,
    PreparedUpdate,
    FetchedStatement,
    FetchedPrepared,
}

const PATHS: [Path; 4] = [Path::Update, Path::PreparedUpdate, Path::FetchedStatement, Path::FetchedPrepared];

async fn send(client: &Client, path: Path, sql: &str) {
    match path {
        Path::Update => assert!(client.update(sql).await.unwrap() >= 0),
        Path::PreparedUpdate => {
            let prepared = client.prepare(sql).await.unwrap();
            assert!(prepared.dataset_schema.is_none(), "an update has no rows: {sql}");
            client.run_update(&prepared.handle, None).await.unwrap();
            client.close(&prepared.handle).await.unwrap();
        }
        Path::FetchedStatement => drop(client.statement(sql).await.unwrap()),
        Path::FetchedPrepared => drop(client.prepared(sql).await.unwrap()),
    }
}

/// How many files lie below a folder.
fn files(below: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[test]
fn a_change_is_made_once_on_each_path() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("admin");
        for (number, path) in PATHS.into_iter().enumerate() {
            let table = format!("main.default.t{number}");
            send(&client, path, &format!("CREATE TABLE {table} (id INT)")).await;
            send(&client, path, &format!("INSERT INTO {table} VALUES (1), (2)")).await;
            assert_eq!(
                server.rows("admin", &format!("SELECT count(*) FROM {table}")).await,
                ["2"],
                "{path:?}"
            );
            send(&client, path, &format!("CREATE TABLE {table}_copy AS SELECT * FROM {table}")).await;
            assert_eq!(
                server.rows("admin", &format!("SELECT count(*) FROM {table}_copy")).await,
                ["2"],
                "{path:?}"
            );
            send(&client, path, &format!("DROP TABLE {table}_copy")).await;
            let mut left: Vec<String> = (0..=number).map(|n| format!("default | t{n} | false")).collect();
            left.sort();
            assert_eq!(server.rows("admin", "SHOW TABLES IN main.default").await, left);
            let history = format!(
                "SELECT count(*) FROM system.query.history WHERE statement_text LIKE 'CREATE TABLE {table} %' AND execution_status = 'FINISHED'"
            );
            assert_eq!(server.rows("admin", &history).await, ["1"], "{path:?}: in the books once");
        }
    });
}

#[test]
fn describing_a_change_makes_none() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("admin");
        for sql in [
            "CREATE TABLE main.default.t (id INT)",
            "CREATE TABLE main.default.t AS SELECT 1 AS id",
            "DROP SCHEMA main.default",
        ] {
            let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
            assert!(client.schema(&command).await.unwrap().fields().is_empty());
            let handle = client.prepare(sql).await.unwrap().handle;
            let command = CommandPreparedStatementQuery { prepared_statement_handle: handle };
            assert!(client.schema(&command).await.unwrap().fields().is_empty());
        }
        assert_eq!(server.rows("admin", "SHOW TABLES IN main.default").await, Vec::<String>::new());
    });
}

#[test]
fn a_change_is_made_whether_or_not_anybody_fetches() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("admin");
        let ask = async |sql: &str| {
            let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
            client.info(&command).await
        };
        ask("CREATE TABLE main.default.t (id INT)").await.unwrap();
        // What comes next finds it, as it would in any database.
        let handle = client.prepare("INSERT INTO main.default.t VALUES (1)").await.unwrap().handle;
        let command = CommandPreparedStatementQuery { prepared_statement_handle: handle };
        client.info(&command).await.unwrap();
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.t").await, ["1"]);
        assert_eq!(ask("CREATE TABLE main.default.t (id INT)").await.unwrap_err().code, Code::AlreadyExists);
        // Without values there is nothing to run yet; they may be bound before the ticket is fetched.
        let prepared = client.prepare("INSERT INTO main.default.t VALUES (?)").await.unwrap();
        let command = CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
        let ticket = client.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let value: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::Int32Array::from(vec![2]));
        let values = arrow::array::RecordBatch::try_from_iter([("0", value)]).unwrap();
        let bound = client.bind(&prepared.handle, &values).await.unwrap();
        client.fetch(ticket).await.unwrap();
        assert_eq!(server.rows("admin", "SELECT count(*), max(id) FROM main.default.t").await, ["2 | 2"]);
        let command = CommandPreparedStatementQuery { prepared_statement_handle: bound };
        client.info(&command).await.unwrap();
        assert_eq!(server.rows("admin", "SELECT count(*), max(id) FROM main.default.t").await, ["3 | 2"]);
    });
}

#[test]
fn a_ticket_fetched_again_writes_once_and_reads_again() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("admin");
        client.update("CREATE TABLE main.default.t (id INT)").await.unwrap();
        let write = CommandStatementQuery {
            query: "INSERT INTO main.default.t VALUES (1)".to_owned(),
            transaction_id: None,
        };
        let ticket = client.info(&write).await.unwrap().endpoint.remove(0).ticket.unwrap();
        for _ in 0..3 {
            client.fetch(ticket.clone()).await.unwrap();
        }
        // also when both come at once
        let other = client.info(&write).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let (first, second) = tokio::join!(client.fetch(other.clone()), client.fetch(other));
        first.unwrap();
        second.unwrap();
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.t").await, ["2"]);
        let read = CommandStatementQuery {
            query: "SELECT count(*) FROM main.default.t".to_owned(),
            transaction_id: None,
        };
        let ticket = client.info(&read).await.unwrap().endpoint.remove(0).ticket.unwrap();
        for _ in 0..2 {
            assert_eq!(client.fetch(ticket.clone()).await.unwrap().value(), "2");
        }
    });
}

#[test]
fn a_change_that_fails_tells_its_error_and_counts() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("admin");
        assert_eq!(client.update("CREATE TABLE main.default.t (id INT)").await.unwrap(), 0);
        assert_eq!(client.update("SELECT 1").await.unwrap(), -1);
        assert_eq!(client.update("INSERT INTO main.default.t VALUES (1), (2), (3)").await.unwrap(), 3);
        assert_eq!(
            client
                .update("INSERT INTO main.default.t SELECT id FROM main.default.t WHERE id > 5")
                .await
                .unwrap(),
            0
        );
        let twice = client.update("CREATE TABLE main.default.t (id INT)").await.unwrap_err();
        assert_eq!(twice.code, Code::AlreadyExists);
        let failed = client.update("INSERT INTO main.default.t SELECT CAST('x' AS INT)").await.unwrap_err();
        assert_eq!(failed.code, Code::InvalidArgument);
        let halfway = client
            .update("INSERT INTO main.default.t SELECT 1 / (id - 2) FROM main.default.t")
            .await
            .unwrap_err();
        assert!(halfway.text.starts_with("[DIVIDE_BY_ZERO]"), "{halfway:?}");
        assert_eq!(server.rows("admin", "SELECT count(*) FROM main.default.t").await, ["3"]);
        let before = files(&server.data().join("tables"));
        let copy = client
            .update("CREATE TABLE main.default.u AS SELECT 1 / (id - 2) AS q FROM main.default.t")
            .await;
        copy.unwrap_err();
        assert_eq!(files(&server.data().join("tables")), before, "nothing of it stays behind");
        assert_eq!(server.rows("admin", "SHOW TABLES IN main.default").await, ["default | t | false"]);
    });
}
