//! VARCHAR(n): each way to write holds every new text to its column's length, whoever declared it.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use weir_testkit::{ADMIN, TestServer, Told, block_on};

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.t (id INT, name VARCHAR(3), note STRING);
             INSERT INTO main.default.t VALUES (1, 'äöü', 'a long note'), (2, NULL, NULL), (3, '', '')",
        )
        .await;
    server
}

/// Rows sent into `main.default.t`, or into a new table of that name.
async fn send(server: &TestServer, names: &[&str], if_exists: TableExistsOption) -> Told<i64> {
    let command = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Create as i32,
            if_exists: if_exists as i32,
        }),
        table: "t".to_owned(),
        schema: Some("default".to_owned()),
        catalog: Some("main".to_owned()),
        ..CommandStatementIngest::default()
    };
    let ids = Int32Array::from_iter_values((10..).take(names.len()));
    let columns: [(&str, ArrayRef); 2] =
        [("id", Arc::new(ids)), ("name", Arc::new(StringArray::from(names.to_vec())))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    server.client(ADMIN).ingest(&command, &batch.schema(), vec![batch]).await
}

/// The refusal names the column and its length and not the text.
fn assert_too_long(told: &str, column: &str, length: u32, text: &str) {
    assert!(told.starts_with("[DELTA_EXCEED_CHAR_VARCHAR_LIMIT]"), "{told}");
    assert!(told.contains(&format!("`{column}`")) && told.contains(&format!("VARCHAR({length})")), "{told}");
    assert!(told.contains("22001") && !told.contains(text), "{told}");
}

#[test]
fn each_way_to_write_counts_the_characters_of_new_texts() {
    block_on(async {
        let server = ground().await;
        let before = server.rows(ADMIN, "SELECT * FROM main.default.t").await;
        for statement in [
            "INSERT INTO main.default.t VALUES (7, 'ok', NULL), (8, 'qqqq', NULL)",
            "INSERT INTO main.default.t (name) SELECT concat('qq', 'qq')",
            "UPDATE main.default.t SET name = 'qqqq' WHERE id = 2",
            "UPDATE main.default.t SET note = 'x', name = repeat('q', 4)",
            "MERGE INTO main.default.t AS t USING (SELECT 1 AS id) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = 'qqqq'",
            "MERGE INTO main.default.t AS t USING (SELECT 9 AS id) AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'qqqq')",
        ] {
            let refusal = server.client(ADMIN).update(statement).await.expect_err(statement);
            assert_too_long(&refusal.text, "name", 3, "qqqq");
        }
        for (sql, values) in [
            ("INSERT INTO main.default.t VALUES (8, ?, NULL)", vec!["qqqq"]),
            ("INSERT INTO main.default.t (name) SELECT ?", vec!["qqqq"]),
            ("UPDATE main.default.t SET name = ? WHERE id = 2", vec!["qqqq"]),
        ] {
            let client = server.client(ADMIN);
            let handle = client.prepare(sql).await.unwrap().handle;
            let values: ArrayRef = Arc::new(StringArray::from(values));
            let values = RecordBatch::try_from_iter([("1", values)]).unwrap();
            let refusal = client.run_update(&handle, Some(&values)).await.expect_err(sql);
            assert_too_long(&refusal.text, "name", 3, "qqqq");
        }
        let refusal = send(&server, &["ok", "qqqq"], TableExistsOption::Append).await.expect_err("sent");
        assert_too_long(&refusal.text, "name", 3, "qqqq");
        assert_eq!(server.rows(ADMIN, "SELECT * FROM main.default.t").await, before);
        for statement in [
            "INSERT INTO main.default.t VALUES (4, '日本語', repeat('x', 500))",
            "UPDATE main.default.t SET name = 'éèê' WHERE id = 2",
            "UPDATE main.default.t SET note = 'another note'",
            "MERGE INTO main.default.t AS t USING (SELECT 5 AS id, 'öäü' AS name) AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
        ] {
            server.done(ADMIN, statement).await;
        }
        assert_eq!(send(&server, &["äöü", ""], TableExistsOption::Append).await.unwrap(), 2);
        let rows = server.rows(ADMIN, "SELECT id, name FROM main.default.t").await;
        assert_eq!(rows, ["1 | äöü", "10 | äöü", "11 | ", "2 | éèê", "3 | ", "4 | 日本語", "5 | öäü"]);
    });
}

#[test]
fn added_renamed_and_replaced_columns_have_the_length_they_were_given() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE TABLE main.default.mapped (id INT, name VARCHAR(3)) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
                 ALTER TABLE main.default.mapped ADD COLUMN city VARCHAR(2);
                 ALTER TABLE main.default.mapped RENAME COLUMN name TO called;
                 ALTER TABLE main.default.t ADD COLUMNS (city VARCHAR(2) COMMENT 'two letters')",
            )
            .await;
        for (table, column, length) in [("mapped", "called", 3), ("mapped", "city", 2), ("t", "city", 2)] {
            let insert =
                |text: &str| format!("INSERT INTO main.default.{table} ({column}) VALUES ('{text}')");
            let told = server.client(ADMIN).update(&insert("qqqq")).await.expect_err(column).text;
            assert_too_long(&told, column, length, "qqqq");
            server.done(ADMIN, &insert("qq")).await;
        }
        // A new definition takes the place of the old one; what a query gives is a STRING.
        server.done(ADMIN, "CREATE OR REPLACE TABLE main.default.mapped (called VARCHAR(5))").await;
        server.done(ADMIN, "INSERT INTO main.default.mapped VALUES ('qqqqq')").await;
        server.done(ADMIN, "CREATE TABLE main.default.made AS SELECT called FROM main.default.mapped").await;
        server.done(ADMIN, "INSERT INTO main.default.made VALUES ('qqqqqqqq')").await;
        assert_eq!(send(&server, &["qqqqqqqq"], TableExistsOption::Replace).await.unwrap(), 1);
    });
}

#[test]
fn a_mask_on_such_a_column_stays_whatever_length_it_gets() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN '*****';
                 ALTER TABLE main.default.t ALTER COLUMN name SET MASK main.default.stars;
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.default TO alice;
                 GRANT SELECT, MODIFY ON TABLE main.default.t TO alice",
            )
            .await;
        // What is shown may be longer than what is stored, and what is shown is not stored.
        assert_eq!(server.rows("alice", "SELECT name FROM main.default.t WHERE id = 1").await, ["*****"]);
        let told =
            server.client("alice").update("UPDATE main.default.t SET name = name").await.expect_err("masked");
        assert!(told.text.starts_with("[MASKED_VALUE_WRITE]"), "{told:?}");
        let told =
            server.client("alice").update("UPDATE main.default.t SET name = 'qqqq'").await.expect_err("long");
        assert_too_long(&told.text, "name", 3, "qqqq");
        for column in ["VARCHAR(5)", "STRING"] {
            server
                .done(ADMIN, &format!("CREATE OR REPLACE TABLE main.default.t (id INT, name {column})"))
                .await;
            server.done(ADMIN, "INSERT INTO main.default.t VALUES (1, 'qqqqq')").await;
            assert_eq!(server.rows("alice", "SELECT name FROM main.default.t").await, ["*****"]);
        }
    });
}

#[test]
fn a_length_tells_nothing_of_hidden_rows_and_masked_values() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, region STRING, code VARCHAR(6), note VARCHAR(9));
                 INSERT INTO main.default.t VALUES (1, 'north', 'CANARY', 'a'), (2, 'south', 'HIDDEN', 'b'), (3, 'north', NULL, 'c');
                 CREATE FUNCTION main.default.mine(r STRING) RETURNS BOOLEAN RETURN r = 'north' OR current_user() = 'admin';
                 CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN
                   CASE WHEN current_user() = 'admin' THEN v ELSE 'longer than it' END;
                 ALTER TABLE main.default.t SET ROW FILTER main.default.mine ON (region);
                 ALTER TABLE main.default.t ALTER COLUMN code SET MASK main.default.stars;
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.default TO alice;
                 GRANT SELECT, MODIFY ON TABLE main.default.t TO alice",
            )
            .await;
        let merge = |rows: &str, then: &str| {
            format!(
                "MERGE INTO main.default.t AS t USING (VALUES {rows}) AS s(id, code) ON t.id = s.id WHEN MATCHED THEN {then}"
            )
        };
        // A hidden row is held to no length, as one that is not there.
        for id in [2, 9] {
            for statement in [
                merge(&format!("({id}, 'qqqqqqq')"), "UPDATE SET code = s.code"),
                merge(&format!("({id}, 'qqqqqqq')"), "UPDATE SET note = concat(s.code, s.code)"),
                format!("UPDATE main.default.t SET code = concat('qqqqqq', id) WHERE id = {id}"),
                format!("UPDATE main.default.t SET note = repeat('q', 10) WHERE id = {id}"),
            ] {
                assert_eq!(server.done("alice", &statement).await, 0, "{statement}");
            }
        }
        for (statement, told) in [
            (
                merge("(1, 'qqqqqqq'), (2, '')", "UPDATE SET code = s.code"),
                "[DELTA_EXCEED_CHAR_VARCHAR_LIMIT]",
            ),
            (merge("(1, '')", "UPDATE SET note = CAST(t.code AS VARCHAR(3))"), "[MASKED_VALUE_WRITE]"),
            (merge("(1, '')", "UPDATE SET code = left(t.code, 6)"), "[MASKED_VALUE_WRITE]"),
            (merge("(1, '')", "UPDATE SET note = repeat('q', length(t.code))"), "[MASKED_VALUE_WRITE]"),
        ] {
            let refusal = server.client("alice").update(&statement).await.expect_err(&statement);
            assert!(refusal.text.starts_with(told), "{statement}: {refusal:?}");
            assert!(!refusal.text.contains("CANARY") && !refusal.text.contains("HIDDEN"), "{refusal:?}");
        }
        // What she sees of a value is longer than its column takes; the value itself stays, and its row can be changed.
        let statement = merge("(1, 'm'), (2, 'm'), (3, 'm')", "UPDATE SET note = s.code");
        assert_eq!(server.done("alice", &statement).await, 2);
        let seen = "UPDATE main.default.t SET note = 'seen' WHERE code = 'longer than it' AND id = 1";
        assert_eq!(server.done("alice", seen).await, 1);
        assert_eq!(
            server.rows(ADMIN, "SELECT * FROM main.default.t").await,
            ["1 | north | CANARY | seen", "2 | south | HIDDEN | b", "3 | north | NULL | m"]
        );
    });
}

#[test]
fn lengths_are_shown_wherever_types_are() {
    block_on(async {
        let server = ground().await;
        let columns = server.rows(ADMIN, "DESCRIBE main.default.t").await;
        assert!(columns.contains(&"name | VARCHAR(3) | NULL".to_owned()), "{columns:?}");
        let json = server.rows(ADMIN, "DESCRIBE TABLE EXTENDED main.default.t AS JSON").await.remove(0);
        assert!(json.contains(r#"{"length":3,"name":"varchar"}"#), "{json}");
        let text = server.rows(ADMIN, "SHOW CREATE TABLE main.default.t").await.remove(0);
        assert!(text.contains("name VARCHAR(3),"), "{text}");
        server.done(ADMIN, &text.replace("default.t", "default.again")).await;
        for table in ["t", "again"] {
            let facts = format!(
                "SELECT full_data_type, data_type, character_maximum_length FROM main.information_schema.columns
                 WHERE table_name = '{table}' ORDER BY ordinal_position"
            );
            let told = server.sql(ADMIN, &facts).await.unwrap().lines();
            assert_eq!(told, ["int | INT | NULL", "varchar(3) | VARCHAR | 3", "string | STRING | NULL"]);
        }
        // Words for a text without a bound, and what is not there.
        server.done(ADMIN, "CREATE TABLE main.default.texts (a VARCHAR, b TEXT)").await;
        let columns = server.rows(ADMIN, "DESCRIBE main.default.texts").await;
        assert_eq!(columns, ["a | STRING | NULL", "b | STRING | NULL"]);
        for (column, words) in [
            ("CHAR(3)", "type CHAR"),
            ("VARCHAR(0)", "1 or more"),
            ("VARCHAR()", "1 or more"),
            ("VARCHAR(3000000000)", "1 or more"),
            ("MAP<STRING, VARCHAR(3)>", "type VARCHAR"),
        ] {
            let told = server.refused(ADMIN, &format!("CREATE TABLE main.default.no (a {column})")).await;
            assert!(told.contains(words), "{column}: {told}");
        }
    });
}

/// A log as Spark begins it.
fn spark_table(folder: &Path, fields: &str) {
    let log = folder.join("_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let schema = format!(r#"{{"type":"struct","fields":[{fields}]}}"#).replace('"', r#"\""#);
    let commit = format!(
        "{}\n{{\"metaData\":{{\"id\":\"5f1f5c1e-0000-4000-8000-00000000000a\",\"format\":{{\"provider\":\"parquet\",\"options\":{{}}}},\"schemaString\":\"{schema}\",\"partitionColumns\":[],\"configuration\":{{}},\"createdTime\":1}}}}\n",
        r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#,
    );
    std::fs::write(log.join("00000000000000000000.json"), commit).unwrap();
}

#[test]
fn lengths_that_spark_declared_hold_here() {
    block_on(async {
        let server = TestServer::start().await;
        let field = |name: &str, data_type: &str, declared: &str| {
            format!(
                r#"{{"name":"{name}","type":{data_type},"nullable":true,"metadata":{{"__CHAR_VARCHAR_TYPE_STRING":"{declared}"}}}}"#
            )
        };
        let array = r#"{"type":"array","elementType":"string","containsNull":true}"#;
        for (table, fields) in [
            ("bounded", vec![field("v", r#""string""#, "varchar(3)")]),
            ("filled", vec![field("c", r#""string""#, "char(3)"), field("v", r#""string""#, "varchar(3)")]),
            ("inside", vec![field("a", array, "array<varchar(3)>"), field("v", r#""string""#, "varchar(3)")]),
        ] {
            let folder = server.external().join(table);
            spark_table(&folder, &fields.join(","));
            let sql =
                format!("CREATE TABLE main.default.{table} USING DELTA LOCATION '{}'", folder.display());
            server.done(ADMIN, &sql).await;
        }
        assert_eq!(server.rows(ADMIN, "DESCRIBE main.default.bounded").await, ["v | VARCHAR(3) | NULL"]);
        server.done(ADMIN, "INSERT INTO main.default.bounded VALUES ('äöü')").await;
        let told = server.refused(ADMIN, "INSERT INTO main.default.bounded VALUES ('qqqq')").await;
        assert_too_long(&told, "v", 3, "qqqq");

        let columns = server.rows(ADMIN, "DESCRIBE main.default.filled").await;
        assert_eq!(columns, ["c | CHAR(3) | NULL", "v | VARCHAR(3) | NULL"]);
        for (statement, declared) in [
            ("INSERT INTO main.default.filled VALUES ('a', 'b')", "CHAR(3)"),
            ("UPDATE main.default.filled SET c = 'a'", "CHAR(3)"),
            ("INSERT INTO main.default.inside VALUES (make_array('a'), 'b')", "ARRAY<VARCHAR(3)>"),
        ] {
            let told = server.client(ADMIN).update(statement).await.expect_err(statement).text;
            assert!(told.starts_with("[UNSUPPORTED_FEATURE]") && told.contains(declared), "{told}");
        }
        server.done(ADMIN, "UPDATE main.default.filled SET v = 'b'").await;
        assert_eq!(server.rows(ADMIN, "SELECT * FROM main.default.filled").await, Vec::<String>::new());
    });
}
