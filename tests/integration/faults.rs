//! Storage and disks that fail while statements run: a clear error, never wrong rows, and everybody else is served.

use std::fs;
use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::CommandStatementQuery;
use futures::TryStreamExt;
use weir_server::config::{Config, Size};
use weir_testkit::{ADMIN, OtherWriter, Setup, TestServer, block_on, commit_file, data_files};

const GROUND: &str = "
CREATE TABLE main.default.other (id INT);
INSERT INTO main.default.other VALUES (7);
CREATE TABLE main.default.digits (d INT);
INSERT INTO main.default.digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
CREATE TABLE main.default.numbers AS SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n, concat('CANARY-', a.d) AS t
FROM main.default.digits a, main.default.digits b, main.default.digits c, main.default.digits e;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice";

async fn assert_served(server: &TestServer) {
    assert_eq!(server.rows("alice", "SELECT id FROM main.default.other").await, ["7"]);
}

#[test]
fn files_that_a_vacuum_takes_away_under_a_query_end_it_with_the_tables_name() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let folder = server.folder("main.default.numbers").await;
        // Twenty files; the rows of a product with another table keep coming for long.
        for _ in 0..19 {
            server.prepare("INSERT INTO main.default.numbers SELECT n, t FROM main.default.numbers WHERE n < 10000 LIMIT 10000").await;
        }
        server.prepare("CLEAR CACHE").await;
        let client = server.client("alice");
        let query =
            "SELECT a.n, d.d FROM main.default.numbers a, main.default.digits d, main.default.digits e"
                .to_owned();
        let info = client.info(&CommandStatementQuery { query, transaction_id: None }).await.unwrap();
        let ticket = info.endpoint.into_iter().next().unwrap().ticket.unwrap();
        let mut rows = client.open(ticket).await.unwrap();
        rows.try_next().await.unwrap().unwrap();
        let files = data_files(&folder);
        assert!(files.len() >= 20);
        for (file, _) in &files {
            fs::remove_file(file).unwrap();
        }
        let failure = loop {
            match rows.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("all rows came of files that are gone"),
                Err(failure) => break failure.to_string(),
            }
        };
        assert!(
            failure.contains("[DELTA_TABLE_CORRUPT]") && failure.contains("main.default.numbers"),
            "{failure}"
        );
        assert!(
            !failure.contains("CANARY") && !failure.contains(server.ground().to_str().unwrap()),
            "{failure}"
        );
        assert_served(&server).await;
    });
}

#[test]
fn a_half_written_commit_is_told_and_read_once_it_is_whole() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare("CREATE TABLE main.default.t (id INT);\nINSERT INTO main.default.t VALUES (1)").await;
        server.prepare(GROUND).await;
        let folder = server.folder("main.default.t").await;
        let ids = "SELECT id FROM main.default.t ORDER BY id";
        server.prepare("INSERT INTO main.default.t VALUES (2)").await;
        let whole = fs::read(commit_file(&folder, 2)).unwrap();
        assert_eq!(server.rows(ADMIN, ids).await, ["1", "2"]);
        for length in [0, 1, whole.len() / 2, whole.len() - 2] {
            // As a writer leaves it that dies, on a store whose files show before they are whole.
            fs::write(commit_file(&folder, 2), &whole[..length]).unwrap();
            match server.sql(ADMIN, ids).await {
                // A commit of nothing is one that changes nothing.
                Ok(rows) => assert_eq!((length, rows.lines()), (0, vec!["1".to_owned()])),
                Err(refusal) => {
                    assert!(refusal.text.starts_with("[DELTA_TABLE_CORRUPT]"), "{length}: {}", refusal.text);
                }
            }
            assert_served(&server).await;
            fs::write(commit_file(&folder, 2), &whole).unwrap();
            assert_eq!(server.rows(ADMIN, ids).await, ["1", "2"], "{length}");
        }
    });
}

#[test]
fn a_damaged_checkpoint_gives_an_error_or_the_rows() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        server
            .prepare("CREATE TABLE main.default.t (id INT) TBLPROPERTIES ('delta.checkpointInterval' = '3')")
            .await;
        for id in 1..=5 {
            server.prepare(&format!("INSERT INTO main.default.t VALUES ({id})")).await;
        }
        let folder = server.folder("main.default.t").await;
        let log = fs::read_dir(folder.join("_delta_log")).unwrap().map(|entry| entry.unwrap().path());
        let checkpoint =
            log.into_iter().find(|path| path.extension().is_some_and(|end| end == "parquet")).unwrap();
        let sound = fs::read(&checkpoint).unwrap();
        let mut scrambled = sound.clone();
        scrambled[8..sound.len() / 2].fill(0x5a);
        let (ids, all) = ("SELECT id FROM main.default.t ORDER BY id", ["1", "2", "3", "4", "5"]);
        for damaged in [Vec::new(), b"no checkpoint".to_vec(), sound[..sound.len() / 2].to_vec(), scrambled] {
            fs::write(&checkpoint, &damaged).unwrap();
            server.prepare("CLEAR CACHE").await;
            match server.sql(ADMIN, ids).await {
                Ok(rows) => assert_eq!(rows.lines(), all),
                Err(refusal) => {
                    assert!(refusal.text.starts_with("[DELTA_TABLE_CORRUPT]"), "{}", refusal.text)
                }
            }
            assert_served(&server).await;
            fs::write(&checkpoint, &sound).unwrap();
            assert_eq!(server.rows(ADMIN, ids).await, all);
        }
    });
}

#[test]
fn a_file_that_is_written_anew_gives_no_rows_of_two_files() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        assert_eq!(server.rows(ADMIN, "SELECT sum(n) FROM main.default.numbers").await, ["49995000"]);
        let folder = server.folder("main.default.numbers").await;
        for (file, _) in data_files(&folder) {
            let bytes = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            fs::write(&file, bytes).unwrap();
        }
        // The other column is not in memory yet.
        let texts = "SELECT max(t) FROM main.default.numbers";
        let refusal = server.refused(ADMIN, texts).await;
        assert!(
            refusal.starts_with("[DELTA_TABLE_CORRUPT]") && refusal.contains("main.default.numbers"),
            "{refusal}"
        );
        assert!(refusal.contains("CLEAR CACHE"), "{refusal}");
        assert_served(&server).await;
        server.prepare("CLEAR CACHE").await;
        assert_eq!(server.rows(ADMIN, texts).await, ["CANARY-9"]);
    });
}

#[test]
fn a_spill_that_finds_no_room_is_told_and_leaves_room() {
    block_on(async {
        let mut config = Config::default();
        config.limits.statement_memory_bytes = Size::mebibytes(24);
        config.limits.temp_bytes = Size::mebibytes(1);
        let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
        server.prepare(GROUND).await;
        let sorted = "SELECT sum(n) FROM (SELECT n, row_number() OVER (ORDER BY t) AS r FROM (SELECT a.n, \
                      concat('some longer text that takes memory ', a.n * 7 % 1000, '-', b.n) AS t \
                      FROM main.default.numbers a JOIN main.default.numbers b ON b.n < 100)) WHERE r % 2 = 0";
        // Which operator finds no room first is not always the same.
        for _ in 0..8 {
            let refusal = server.refused("alice", sorted).await;
            assert!(refusal.starts_with("[RESOURCE_EXHAUSTED]"), "{refusal}");
            assert!(!refusal.contains("CANARY") && !refusal.contains("/tmp"), "{refusal}");
            assert_served(&server).await;
        }
    });
}

#[test]
fn another_table_at_the_place_gives_its_own_rows_though_its_version_is_the_same() {
    block_on(async {
        let server = TestServer::start().await;
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)]));
        let folder = server.external().join("replaced");
        let location = folder.display();
        let ids = "SELECT id FROM main.default.replaced";
        for id in [1, 2, 3] {
            let writer = OtherWriter::of(&server.external());
            writer.create("replaced", Arc::clone(&schema), &[]).await;
            let rows = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int32Array::from(vec![id]))]);
            writer.append("replaced", rows.unwrap()).await;
            if id == 1 {
                server
                    .prepare(&format!("CREATE TABLE main.default.replaced USING DELTA LOCATION '{location}'"))
                    .await;
            }
            for _ in 0..2 {
                assert_eq!(server.rows(ADMIN, ids).await, [id.to_string()]);
            }
            fs::remove_dir_all(&folder).unwrap();
        }
    });
}
