//! One snapshot of each table for a whole statement, while somebody commits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use weir_testkit::{OtherWriter, TestServer, block_on, task};

/// A governed table into which another writer commits pairs of rows until told to stop: one row
/// that alice sees, one that she does not. `kept` shows of its numbers those that are in `events`, which no policy
/// governs for the owner of its filter.
const GROUND: &str = "
CREATE TABLE main.default.events (id INT, kind STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');
INSERT INTO main.default.events VALUES (0, 'open');
CREATE TABLE main.default.listed (id INT, kind STRING);
CREATE TABLE main.default.kept (number INT);
CREATE FUNCTION main.default.open(kind STRING) RETURNS BOOLEAN RETURN kind = 'open';
CREATE FUNCTION main.default.is_listed(item INT) RETURNS BOOLEAN RETURN item IN (SELECT id FROM main.default.listed);
ALTER TABLE main.default.events SET ROW FILTER main.default.open ON (kind);
CREATE VIEW main.default.all_events AS SELECT id FROM main.default.events;
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA, SELECT ON SCHEMA main.default TO alice";

/// How many different states of the table a test must have seen for its answers to mean anything.
const STATES_LEAST: usize = 4;
/// After how many answers it gives up.
const ANSWERS_MOST: usize = 400;

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    let numbers: Vec<String> = (-2000..2000).map(|number| format!("({number})")).collect();
    server.done("admin", &format!("INSERT INTO main.default.kept VALUES {}", numbers.join(", "))).await;
    server.prepare("ALTER TABLE main.default.kept SET ROW FILTER main.default.is_listed ON (number)").await;
    server
}

fn pair(id: i32) -> RecordBatch {
    let schema =
        Schema::new(vec![Field::new("id", DataType::Int32, true), Field::new("kind", DataType::Utf8, true)]);
    let ids = Int32Array::from(vec![id, -id]);
    let kinds = StringArray::from(vec!["open", "hidden"]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), Arc::new(kinds)]).unwrap()
}

/// Asks `sql` again and again while commits into `table` go on, until the answers were of several states of the table;
/// each answer must be `holds`.
async fn while_a_writer_commits(table: &str, sql: &str, holds: fn(&[&str]) -> bool) {
    let server = ground().await;
    let folder = server.folder(table).await;
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
    let mut states = BTreeSet::new();
    let mut asked = 0;
    while states.len() < STATES_LEAST && asked < ANSWERS_MOST {
        let answer = client.statement(sql).await.unwrap().value();
        let values: Vec<&str> = answer.split(" | ").collect();
        assert!(holds(&values), "{sql}: {answer}");
        states.insert(answer);
        asked += 1;
    }
    done.store(true, Ordering::SeqCst);
    let committed = writing.await.unwrap();
    assert!(states.len() >= STATES_LEAST, "{asked} answers of {states:?} while {committed} were committed");
    // The last answer is of a state that there was, and the table has come to its end.
    let count = client.statement("SELECT count(*) FROM main.default.events").await.unwrap().value();
    let expected = if table.ends_with(".events") { committed + 1 } else { 1 };
    assert_eq!(count, expected.to_string());
}

fn equal(values: &[&str]) -> bool {
    values.iter().all(|value| Some(value) == values.first())
}

/// The last value is what a version of the past has.
fn equal_but_the_last(values: &[&str]) -> bool {
    matches!(values, [now @ .., "1"] if equal(now))
}

#[test]
fn a_self_join_reads_one_snapshot_while_a_writer_commits() {
    block_on(while_a_writer_commits(
        "main.default.events",
        "SELECT (SELECT count(*) FROM main.default.events a JOIN main.default.events b ON a.id = b.id) AS w, \
         (SELECT count(*) FROM main.default.events) AS x, \
         (SELECT count(*) FROM main.default.events a FULL JOIN main.default.events b ON a.id = b.id) AS z",
        equal,
    ));
}

#[test]
fn a_view_and_its_table_are_one_snapshot() {
    block_on(while_a_writer_commits(
        "main.default.events",
        "SELECT (SELECT count(*) FROM main.default.events) AS x, \
         (SELECT count(*) FROM main.default.all_events) AS y, \
         (SELECT count(*) FROM main.default.events a FULL JOIN main.default.all_events b ON a.id = b.id) AS z",
        equal,
    ));
}

#[test]
fn a_cte_used_twice_reads_one_snapshot() {
    block_on(while_a_writer_commits(
        "main.default.events",
        "WITH e AS (SELECT id FROM main.default.events), n AS (SELECT count(*) AS c FROM e) \
         SELECT n.c AS x, m.c AS y, (SELECT count(*) FROM e) AS z FROM n CROSS JOIN (SELECT count(*) AS c FROM e) m",
        equal,
    ));
}

#[test]
fn a_policy_and_the_query_beside_it_read_one_snapshot() {
    block_on(while_a_writer_commits(
        "main.default.listed",
        "SELECT (SELECT count(*) FROM main.default.kept) AS x, (SELECT count(*) FROM main.default.listed) AS y, \
         (SELECT count(*) FROM main.default.kept JOIN main.default.listed ON number = id) AS z",
        equal,
    ));
}

#[test]
fn a_version_of_the_past_stands_still_beside_the_table_of_now() {
    block_on(while_a_writer_commits(
        "main.default.events",
        "SELECT (SELECT count(*) FROM main.default.events) AS x, (SELECT count(*) FROM main.default.all_events) AS y, \
         (SELECT count(*) + 1 FROM main.default.events \
          WHERE id NOT IN (SELECT id FROM main.default.events VERSION AS OF 1)) AS z, \
         (SELECT count(*) FROM main.default.events VERSION AS OF 1) AS then",
        equal_but_the_last,
    ));
}

#[test]
fn changes_end_with_the_snapshot_of_the_statement() {
    block_on(while_a_writer_commits(
        "main.default.events",
        "SELECT (SELECT count(*) FROM main.default.events) AS x, \
         (SELECT count(*) FROM table_changes('main.default.events', 0)) AS y",
        equal,
    ));
}

#[test]
fn a_session_that_reads_at_a_moment_reads_one_state_while_a_writer_commits() {
    block_on(async {
        let server = ground().await;
        let folder = server.folder("main.default.events").await;
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let writer = OtherWriter::of(folder.parent().unwrap());
        writer.append(&name, pair(1)).await;
        let client =
            super::read_at::session(&server, "alice", "SET read_at_snapshot = current_timestamp()").await;
        let count = "SELECT count(*) FROM main.default.events";
        for id in 2..6 {
            writer.append(&name, pair(id)).await;
            assert_eq!(client.statement(count).await.unwrap().value(), "2");
            assert_eq!(server.rows("alice", count).await, [(id + 1).to_string()]);
        }
    });
}
