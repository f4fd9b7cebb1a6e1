//! `system.access.policy_decisions` at its harder places: tag policies, users whom they leave out, strict
//! protection, several readings of one table, and files with marks of deletion.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};
use weir_testkit::{ADMIN, OtherWriter, TestServer, block_on, logged, write_commit};

/// Four people, two of the north; filter and mask by tags for everybody but `hr`, of whom carol is.
const GROUND: &str = "
CREATE SCHEMA main.hr;
CREATE TABLE main.hr.people (id INT, region STRING, ssn STRING);
INSERT INTO main.hr.people VALUES (1, 'north', 'raw-1'), (2, 'north', 'raw-2'), (3, 'south', 'raw-3'), (4, NULL, 'raw-4');
CREATE FUNCTION main.hr.north(region STRING) RETURNS BOOLEAN RETURN region = 'north';
CREATE GOVERNED TAG geo;
CREATE GOVERNED TAG pii;
ALTER TABLE main.hr.people ALTER COLUMN region SET TAGS ('geo');
ALTER TABLE main.hr.people ALTER COLUMN ssn SET TAGS ('pii');
CREATE POLICY own_region ON SCHEMA main.hr ROW FILTER main.hr.north TO `account users` EXCEPT hr FOR TABLES MATCH COLUMNS has_tag('geo') r ON NO MATCH SKIP USING COLUMNS (r);
CREATE POLICY hide_pii ON METASTORE COLUMN MASK system.policy.mask_null TO `account users` EXCEPT hr FOR TABLES MATCH COLUMNS has_tag('pii') m ON COLUMN m;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO carol";

const DECIDED: &str = "SELECT principal, policy_kind, policy_name, policy_scope, function_name, array_to_string(columns_masked, ',') AS masked, rows_in, rows_out, exempt \
                       FROM system.access.policy_decisions WHERE table_name = 'main.hr.people'";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

#[test]
fn tag_policies_stand_by_name_and_scope_also_for_whom_they_leave_out() {
    block_on(async {
        let server = ground().await;
        server.rows("alice", "SELECT * FROM main.hr.people").await;
        server.rows("carol", "SELECT * FROM main.hr.people").await;
        let alice = [
            "alice | COLUMN_MASK | hide_pii | metastore | system.policy.mask_null | ssn | 4 | 2 | false",
            "alice | ROW_FILTER | own_region | schema `main.hr` | main.hr.north |  | 4 | 2 | false",
        ];
        let carol = [
            "carol | COLUMN_MASK | hide_pii | metastore | NULL |  | 4 | 4 | true",
            "carol | ROW_FILTER | own_region | schema `main.hr` | NULL |  | 4 | 4 | true",
        ];
        assert_eq!(server.rows(ADMIN, DECIDED).await, [alice, carol].concat());
        let own = |rows: [&str; 2]| rows.map(|row| row.replace(" | 4 | ", " | NULL | "));
        assert_eq!(server.rows("alice", DECIDED).await, own(alice));
        // A predicate on what is withheld finds nothing, whoever reads the rows again.
        let guess = DECIDED.replace("WHERE", "WHERE rows_in > 2 AND");
        assert!(server.rows("alice", &guess).await.is_empty());
        assert!(server.rows("bob", DECIDED).await.is_empty());
    });
}

#[test]
fn each_reading_of_a_table_is_a_row_of_its_own() {
    block_on(async {
        let server = ground().await;
        let join = "SELECT a.id FROM main.hr.people a JOIN main.hr.people b ON a.id = b.id + 1";
        assert_eq!(server.rows("alice", join).await, ["2"]);
        let leaves =
            "SELECT policy_name, leaf, count(*) AS n FROM system.access.policy_decisions GROUP BY ALL";
        let expected = ["hide_pii | 1 | 1", "hide_pii | 2 | 1", "own_region | 1 | 1", "own_region | 2 | 1"];
        assert_eq!(server.rows(ADMIN, leaves).await, expected);
        // What never ran decided nothing.
        server.refused("alice", "SELECT nothing FROM main.hr.people").await;
        server.rows("alice", "EXPLAIN SELECT id FROM main.hr.people").await;
        let rows = "SELECT sum(rows_out) AS s FROM system.access.policy_decisions WHERE leaf = 1";
        assert_eq!(server.rows(ADMIN, rows).await, ["4"]);
    });
}

#[test]
fn under_strict_protection_no_predicate_of_the_reader_shows_in_the_counts() {
    block_on(async {
        let server = ground().await;
        let counts = |user: &'static str| {
            let sql = "SELECT DISTINCT rows_in, rows_out FROM system.access.policy_decisions WHERE principal = 'alice'";
            server.rows(user, sql)
        };
        server
            .prepare("ALTER TABLE main.hr.people SET TBLPROPERTIES ('governance.protection' = 'strict')")
            .await;
        for predicate in ["TRUE", "id = 1", "id = 3", "id > 100", "region = 'south'"] {
            server.rows("alice", &format!("SELECT id FROM main.hr.people WHERE {predicate}")).await;
        }
        assert_eq!(counts(ADMIN).await, ["4 | 2"]);
        assert_eq!(counts("alice").await, ["NULL | 2"]);
        // In `standard` a leakproof predicate enters, and the reader is told what it left.
        server
            .prepare("ALTER TABLE main.hr.people SET TBLPROPERTIES ('governance.protection' = 'standard')")
            .await;
        server.rows("alice", "SELECT id FROM main.hr.people WHERE id = 1").await;
        assert_eq!(counts("alice").await, ["NULL | 1", "NULL | 2"]);
    });
}

/// Z85, as Delta writes vectors into its log.
fn z85(bytes: &[u8]) -> String {
    const LETTERS: &[u8] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::new();
    for four in bytes.chunks(4) {
        let mut number = u32::from_be_bytes(four.try_into().unwrap());
        let mut five = [0_u8; 5];
        for letter in five.iter_mut().rev() {
            *letter = LETTERS[number as usize % 85];
            number /= 85;
        }
        text.push_str(std::str::from_utf8(&five).unwrap());
    }
    text
}

/// The vector that marks these two rows of a file, in the log itself.
fn vector(rows: [u16; 2]) -> Value {
    let mut bytes = 1_681_511_377_u32.to_le_bytes().to_vec();
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    // One array container of two values, without runs.
    bytes.extend(12346_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(16_u32.to_le_bytes());
    rows.iter().for_each(|row| bytes.extend(row.to_le_bytes()));
    assert_eq!(bytes.len() % 4, 0);
    json!({"storageType": "i", "pathOrInlineDv": z85(&bytes), "sizeInBytes": bytes.len(), "cardinality": 2})
}

/// An external table of one file with six rows, of which the log marks the third and the fifth as deleted.
async fn with_deleted_rows(server: &TestServer) {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("region", DataType::Utf8, true),
    ]));
    let writer = OtherWriter::of(&server.external());
    writer.create("marked", Arc::clone(&schema), &[]).await;
    let ids = Arc::new(Int32Array::from(vec![1, 2, 88803, 4, 88805, 6]));
    let regions = ["north", "south", "north", "north", "south", "south"];
    let regions = Arc::new(StringArray::from(regions.to_vec()));
    writer.append("marked", RecordBatch::try_new(schema, vec![ids, regions]).unwrap()).await;
    let folder = server.external().join("marked");
    let mut add = logged(&folder, 1, "add");
    let path = add["path"].clone();
    add["deletionVector"] = vector([2, 4]);
    add["dataChange"] = json!(true);
    let mut metadata = logged(&folder, 0, "metaData");
    metadata["configuration"] =
        json!({"delta.enableDeletionVectors": "true", "delta.enableChangeDataFeed": "true"});
    let features = json!(["deletionVectors"]);
    let writer_features = json!(["deletionVectors", "changeDataFeed"]);
    let commit = [
        json!({"commitInfo": {"timestamp": 1_768_478_400_000_u64, "operation": "DELETE"}}),
        json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": writer_features}}),
        json!({"metaData": metadata}),
        json!({"remove": {"path": path, "deletionTimestamp": 1_768_478_400_000_u64, "dataChange": true}}),
        json!({"add": add}),
    ];
    write_commit(&folder, 2, &commit);
    let location = folder.display();
    server
        .prepare(&format!(
            "CREATE TABLE main.default.marked USING DELTA LOCATION '{location}';
             CREATE FUNCTION main.default.north(region STRING) RETURNS BOOLEAN RETURN region = 'north';
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice"
        ))
        .await;
}

#[test]
fn rows_that_are_marked_as_deleted_come_back_through_no_filter_limit_or_partition() {
    block_on(async {
        let server = TestServer::start().await;
        with_deleted_rows(&server).await;
        let ids = "SELECT id FROM main.default.marked";
        assert_eq!(server.rows("alice", ids).await, ["1", "2", "4", "6"]);
        server.prepare("ALTER TABLE main.default.marked SET ROW FILTER main.default.north ON (region)").await;
        for (sql, expected) in [
            (ids.to_owned(), vec!["1", "4"]),
            (format!("{ids} LIMIT 3"), vec!["1", "4"]),
            (format!("{ids} WHERE id > 88000"), vec![]),
            (format!("{ids} WHERE region = 'north' AND id >= 1 LIMIT 5"), vec!["1", "4"]),
            (format!("{ids} ORDER BY id DESC LIMIT 1"), vec!["4"]),
            (format!("SELECT count(*) FROM ({ids} LIMIT 10)"), vec!["2"]),
            ("SELECT max(id) FROM main.default.marked".to_owned(), vec!["4"]),
            ("SELECT count(*) FROM main.default.marked".to_owned(), vec!["2"]),
            ("SELECT count(*) FROM main.default.marked a JOIN main.default.marked b ON a.region = b.region".to_owned(), vec!["4"]),
            (format!("SELECT id FROM (VALUES (88803), (4)) v(x) JOIN ({ids}) ON id = x"), vec!["4"]),
        ] {
            assert_eq!(server.rows("alice", &sql).await, expected, "{sql}");
        }
        let decided = "SELECT DISTINCT rows_in, rows_out, table_version FROM system.access.policy_decisions \
                       WHERE statement_id IN (SELECT statement_id FROM system.query.history WHERE statement_text = 'SELECT id FROM main.default.marked')";
        // The marked rows are not even looked at.
        assert_eq!(server.rows(ADMIN, decided).await, ["4 | 2 | 2"]);
    });
}

#[test]
fn changes_of_a_file_with_deleted_rows_are_those_of_the_others() {
    block_on(async {
        let server = TestServer::start().await;
        with_deleted_rows(&server).await;
        server.prepare("ALTER TABLE main.default.marked SET ROW FILTER main.default.north ON (region)").await;
        let folder = server.external().join("marked");
        let mut remove = logged(&folder, 2, "add");
        remove["deletionTimestamp"] = json!(1_768_478_400_000_u64);
        remove["extendedFileMetadata"] = json!(true);
        let commit = [
            json!({"commitInfo": {"timestamp": 1_768_478_400_000_u64, "operation": "DELETE"}}),
            json!({"remove": remove}),
        ];
        write_commit(&folder, 3, &commit);
        assert!(server.rows("alice", "SELECT id FROM main.default.marked").await.is_empty());
        let changes = "SELECT id, _change_type FROM table_changes('main.default.marked', 3, 3) ORDER BY id";
        assert_eq!(server.rows("alice", changes).await, ["1 | delete", "4 | delete"]);
        server.prepare("ALTER TABLE main.default.marked DROP ROW FILTER").await;
        let all = ["1 | delete", "2 | delete", "4 | delete", "6 | delete"];
        assert_eq!(server.rows("alice", changes).await, all);
        // Which rows a new vector deleted is told by no file of changes here.
        let refusal =
            server.refused("alice", "SELECT id FROM table_changes('main.default.marked', 2, 3)").await;
        assert!(refusal.contains("deletion vectors"), "{refusal}");
    });
}
