//! One snapshot of each table for a whole statement, while somebody commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use weir_testkit::{OtherWriter, TestServer, block_on, task};

/// A governed table into which another writer commits pairs of rows until told to stop: one row
/// that alice sees, one that she does not.
async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.events (id INT, kind STRING);
             CREATE FUNCTION main.default.open(kind STRING) RETURNS BOOLEAN RETURN kind = 'open';
             ALTER TABLE main.default.events SET ROW FILTER main.default.open ON (kind);
             CREATE VIEW main.default.all_events AS SELECT id FROM main.default.events;
             GRANT USE CATALOG ON CATALOG main TO alice;
             GRANT USE SCHEMA ON SCHEMA main.default TO alice;
             GRANT SELECT ON TABLE main.default.events TO alice;
             GRANT SELECT ON TABLE main.default.all_events TO alice",
        )
        .await;
    server
}

fn pair(id: i32) -> RecordBatch {
    let schema =
        Schema::new(vec![Field::new("id", DataType::Int32, true), Field::new("kind", DataType::Utf8, true)]);
    let ids = Int32Array::from(vec![id, -id]);
    let kinds = StringArray::from(vec!["open", "hidden"]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), Arc::new(kinds)]).unwrap()
}

/// Asks `sql` again and again while commits go on; each answer must be `holds`. At least one
/// commit is seen between the first answer and the last.
async fn while_a_writer_commits(sql: &str, holds: fn(&str) -> bool) {
    let server = ground().await;
    let folder = server.folder("main.default.events").await;
    let done = Arc::new(AtomicBool::new(false));
    let writing = task({
        let done = Arc::clone(&done);
        async move {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let writer = OtherWriter::of(folder.parent().unwrap());
            let mut id = 0;
            while !done.load(Ordering::SeqCst) {
                id += 1;
                writer.append(&name, pair(id)).await;
            }
            id
        }
    });
    let client = server.client("alice");
    let mut answers = Vec::new();
    let mut last = 0;
    // until the table has visibly grown under the statement
    while last < 8 || answers.len() < 8 {
        let answer = client.statement(sql).await.unwrap().value();
        assert!(holds(&answer), "{sql}: {answer}");
        answers.push(answer);
        let count = client.statement("SELECT count(*) FROM main.default.events").await.unwrap().value();
        last = count.parse().unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let committed = writing.await.unwrap();
    assert!(committed >= 8);
    let count = client.statement("SELECT count(*), min(id) FROM main.default.events").await.unwrap().value();
    assert_eq!(count, format!("{committed} | 1"));
}

fn equal(answer: &str) -> bool {
    let mut values = answer.split(" | ");
    let first = values.next();
    values.all(|value| Some(value) == first)
}

#[test]
fn a_self_join_reads_one_snapshot_while_a_writer_commits() {
    block_on(while_a_writer_commits(
        "SELECT (SELECT count(*) FROM main.default.events a JOIN main.default.events b ON a.id = b.id) AS w, \
         (SELECT count(*) FROM main.default.events) AS x, \
         (SELECT count(*) FROM main.default.all_events) AS y, \
         (SELECT count(*) FROM main.default.events a FULL JOIN main.default.all_events b ON a.id = b.id) AS z",
        equal,
    ));
}

#[test]
fn a_cte_used_twice_reads_one_snapshot() {
    block_on(while_a_writer_commits(
        "WITH e AS (SELECT id FROM main.default.events), n AS (SELECT count(*) AS c FROM e) \
         SELECT n.c AS x, m.c AS y, (SELECT count(*) FROM e) AS z FROM n CROSS JOIN (SELECT count(*) AS c FROM e) m",
        equal,
    ));
}
