//! How new the version of a table is that a statement reads.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use weir_testkit::{ADMIN, OtherWriter, TestServer, block_on};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)]))
}

async fn append(writer: &OtherWriter, id: i32) {
    let rows = RecordBatch::try_new(schema(), vec![Arc::new(Int32Array::from(vec![id]))]);
    writer.append("t", rows.unwrap()).await;
}

#[test]
fn the_owner_says_how_old_a_version_may_be() {
    block_on(async {
        let server = TestServer::start().await;
        let writer = OtherWriter::of(&server.external());
        writer.create("t", schema(), &[]).await;
        append(&writer, 1).await;
        let location = server.external().join("t");
        server
            .prepare(&format!(
                "CREATE TABLE main.default.t USING DELTA LOCATION '{}';
                 GRANT USE CATALOG, USE SCHEMA, SELECT, MODIFY ON CATALOG main TO alice",
                location.display()
            ))
            .await;
        let ids = "SELECT id FROM main.default.t ORDER BY id";
        assert_eq!(server.rows("alice", ids).await, ["1"]);
        append(&writer, 2).await;
        assert_eq!(server.rows("alice", ids).await, ["1", "2"], "the newest, where nobody says otherwise");

        let set = |age: &str| {
            format!("ALTER TABLE main.default.t SET TBLPROPERTIES ('weir.maxStaleness' = '{age}')")
        };
        let refusal = server.refused("alice", &set("1h")).await;
        assert!(refusal.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{refusal}");
        server.prepare(&set("1h")).await;
        assert_eq!(server.rows("alice", ids).await, ["1", "2"]);
        append(&writer, 3).await;
        assert_eq!(server.rows("alice", ids).await, ["1", "2"]);
        let past = "SELECT count(*) FROM main.default.t VERSION AS OF";
        assert_eq!(server.rows(ADMIN, &format!("{past} 1")).await, ["1"]);
        // What tells of the table is of now, and then so is what reads it.
        assert_eq!(server.rows(ADMIN, "DESCRIBE HISTORY main.default.t").await.len(), 4);
        assert_eq!(server.rows(ADMIN, &format!("{past} 3")).await, ["3"]);
        append(&writer, 4).await;
        // Statements that change rows stand on the newest, or are told to try again; then they do.
        let changed = server.sql("alice", "UPDATE main.default.t SET id = 30 WHERE id = 3").await;
        if let Err(refusal) = changed {
            assert!(refusal.text.starts_with("[CONCURRENT_MODIFICATION]"), "{}", refusal.text);
            server.done("alice", "UPDATE main.default.t SET id = 30 WHERE id = 3").await;
        }
        assert_eq!(server.rows("alice", ids).await, ["1", "2", "30", "4"]);
        server.done("alice", "INSERT INTO main.default.t VALUES (5)").await;
        assert_eq!(server.rows("alice", ids).await, ["1", "2", "30", "4", "5"], "one\'s own rows are there");
        append(&writer, 6).await;
        server.prepare("ALTER TABLE main.default.t UNSET TBLPROPERTIES ('weir.maxStaleness')").await;
        assert_eq!(server.rows("alice", ids).await, ["1", "2", "30", "4", "5", "6"]);

        for (key, value) in
            [("weir.maxStaleness", "2d"), ("weir.maxStaleness", "x"), ("weir.max_staleness", "1s")]
        {
            for sql in [
                format!("ALTER TABLE main.default.t SET TBLPROPERTIES ('{key}' = '{value}')"),
                format!("CREATE TABLE main.default.u (id INT) TBLPROPERTIES ('{key}' = '{value}')"),
                format!("CREATE TABLE main.default.u TBLPROPERTIES ('{key}' = '{value}') AS SELECT 1 AS id"),
            ] {
                let refusal = server.refused(ADMIN, &sql).await;
                assert!(refusal.starts_with("[INVALID_PARAMETER_VALUE"), "{sql}\n{refusal}");
            }
        }
    });
}
