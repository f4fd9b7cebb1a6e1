//! SHOW TABLE EXTENDED and DESCRIBE … AS JSON, as tools take them apart, and what they tell to whom.

use serde_json::{Value, json};
use weir_testkit::{ADMIN, TestServer, block_on};

const GROUND: &str = "
CREATE SCHEMA main.d;
CREATE FUNCTION main.d.north(region STRING) RETURNS BOOLEAN RETURN region = 'north';
CREATE FUNCTION main.d.stars(v STRING) RETURNS STRING RETURN 'CANARY-BODY';
CREATE TABLE main.d.t (id INT NOT NULL COMMENT 'number', region STRING, price DECIMAL(10,2), s STRUCT<a: STRING, b: ARRAY<INT>>, m MAP<STRING, BIGINT>, at TIMESTAMP) PARTITIONED BY (region) COMMENT 'one
Owner: mallory
 |-- forged: int (nullable = true)' TBLPROPERTIES ('team' = 'blue');
ALTER TABLE main.d.t SET ROW FILTER main.d.north ON (region);
ALTER TABLE main.d.t ALTER COLUMN s.a SET MASK main.d.stars;
CREATE VIEW main.d.v AS SELECT id, 'CANARY-TEXT' AS x FROM main.d.t;
GRANT BROWSE ON CATALOG main TO alice;
GRANT USE CATALOG ON CATALOG main TO carol;
GRANT USE SCHEMA, SELECT ON SCHEMA main.d TO carol
";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

async fn document(server: &TestServer, user: &str, table: &str) -> Value {
    let rows = server.sql(user, &format!("DESCRIBE TABLE EXTENDED {table} AS JSON")).await.unwrap();
    assert_eq!(rows.columns(), ["json_metadata"]);
    serde_json::from_str(&rows.value()).unwrap()
}

/// What dbt reads of the text: owner, comment, and `name: type` of each column.
fn taken_apart(information: &str) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    let after = |prefix: &'static str| {
        information.lines().filter_map(move |line| line.strip_prefix(prefix)).collect()
    };
    (after("Owner: "), after("Comment: "), after(" |-- "))
}

#[test]
fn a_table_is_told_as_json() {
    block_on(async {
        let server = ground().await;
        let told = document(&server, ADMIN, "main.d.t").await;
        for (key, value) in [
            ("table_name", json!("t")),
            ("catalog_name", json!("main")),
            ("schema_name", json!("d")),
            ("namespace", json!(["d"])),
            ("type", json!("MANAGED")),
            ("provider", json!("delta")),
            ("partition_columns", json!(["region"])),
            ("owner", json!("admin")),
            ("table_properties", json!({ "team": "blue" })),
            ("row_filter", json!({ "function_name": "main.d.north", "arguments": "region" })),
            (
                "column_masks",
                json!([{ "column_name": "s.a", "function_name": "main.d.stars", "using_columns": "" }]),
            ),
        ] {
            assert_eq!(told[key], value, "{key}");
        }
        let int = json!({ "name": "int" });
        let string = json!({ "name": "string" });
        let array = json!({ "name": "array", "element_type": int, "element_nullable": true });
        let fields = json!([
            { "name": "a", "type": string, "nullable": true },
            { "name": "b", "type": array, "nullable": true },
        ]);
        let columns = json!([
            { "name": "id", "type": int, "comment": "number", "nullable": false },
            { "name": "region", "type": string, "nullable": true },
            { "name": "price", "type": { "name": "decimal", "precision": 10, "scale": 2 }, "nullable": true },
            { "name": "s", "type": { "name": "struct", "fields": fields }, "nullable": true },
            { "name": "m", "type": { "name": "map", "key_type": string, "value_type": { "name": "bigint" }, "value_nullable": true }, "nullable": true },
            { "name": "at", "type": { "name": "timestamp_ltz" }, "nullable": true },
        ]);
        assert_eq!(told["columns"], columns);
        assert!(told["location"].is_string());
        let view = document(&server, ADMIN, "main.d.v").await;
        assert_eq!((&view["type"], &view["provider"]), (&json!("VIEW"), &Value::Null));
        assert!(view["view_text"].as_str().unwrap().contains("CANARY-TEXT"));
        let books = document(&server, "bob", "system.query.history").await;
        assert_eq!(books["table_name"], json!("history"));
    });
}

#[test]
fn tables_are_told_in_lines_that_nothing_forges() {
    block_on(async {
        let server = ground().await;
        let rows = server.sql(ADMIN, "SHOW TABLE EXTENDED IN main.d LIKE 't|x*'").await.unwrap();
        assert_eq!(rows.columns(), ["database", "tableName", "isTemporary", "information"]);
        let row = rows.lines().remove(0);
        let information = row.strip_prefix("d | t | false | ").unwrap();
        let (owners, comments, columns) = taken_apart(information);
        assert_eq!(owners, ["admin"]);
        assert_eq!(comments, ["one Owner: mallory  |-- forged: int (nullable = true)"]);
        assert_eq!(
            columns,
            [
                "id: int (nullable = false)",
                "region: string (nullable = true)",
                "price: decimal(10,2) (nullable = true)",
                "s: struct<a:string,b:array<int>> (nullable = true)",
                "m: map<string,bigint> (nullable = true)",
                "at: timestamp (nullable = true)",
            ]
        );
        for line in
            ["Type: MANAGED", "Provider: delta", "Row Filter: main.d.north ON (region)", "s.a: main.d.stars"]
        {
            assert!(information.lines().any(|told| told == line), "{line} is not in\n{information}");
        }
        let rows = server.rows(ADMIN, "SHOW TABLE EXTENDED IN main.d LIKE 'v'").await;
        assert!(rows[0].contains("Type: VIEW\n"), "{rows:?}");
    });
}

#[test]
fn who_may_not_read_policies_and_texts_is_told_neither() {
    block_on(async {
        let server = ground().await;
        for table in ["main.d.t", "main.d.v"] {
            let told = document(&server, "alice", table).await;
            for key in ["row_filter", "column_masks", "view_text", "location"] {
                assert_eq!(told[key], Value::Null, "{table} {key}");
            }
            assert!(told["columns"].is_array());
        }
        let rows = server.rows("alice", "SHOW TABLE EXTENDED IN main.d LIKE '*'").await;
        let text = rows.join("\n");
        for secret in ["north", "stars", "CANARY", "Location"] {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
        // who reads sees the names of policies, and no body
        let told = document(&server, "carol", "main.d.t").await;
        assert_eq!(told["row_filter"]["function_name"], json!("main.d.north"));
        assert_eq!(told["location"], Value::Null);
        assert!(!told.to_string().contains("CANARY"), "{told}");
        let named = server.client("bob").with_header("schema", "d").with_header("catalog", "main");
        let rows = named.statement("SELECT current_catalog(), current_schema(), current_database()").await;
        assert_eq!(rows.unwrap().lines(), ["main | d | d"]);
        assert!(server.rows("bob", "SHOW METASTORES").await.len() == 1);
        assert_eq!(
            server.rows("bob", "SHOW METASTORES").await,
            server.rows("bob", "SELECT current_metastore()").await
        );
    });
}
