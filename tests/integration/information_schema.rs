//! Every view of `information_schema`, read whole over the wire: by the administrator, by a reader of one table,
//! and by a stranger. Columns are those of `tests/golden/system_tables.md`; nobody reads a name of what is hidden.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use weir_testkit::{ADMIN, Rows, TestServer, Way, block_on};

/// Everything called `zebra` is hidden from alice, who may read `main.default.open` and use its schema, and from bob,
/// who may nothing.
const GROUND: &str = "
CREATE GROUP zebra_keepers;
ALTER GROUP zebra_keepers ADD USER carol;
CREATE CATALOG zebra COMMENT 'zebra catalog';
CREATE SCHEMA zebra.zebra_schema COMMENT 'zebra schema';
CREATE TABLE zebra.zebra_schema.zebra_table (zebra_id INT COMMENT 'zebra column', zebra_text STRING) COMMENT 'zebra table';
CREATE VIEW zebra.zebra_schema.zebra_view AS SELECT zebra_id FROM zebra.zebra_schema.zebra_table;
CREATE FUNCTION zebra.zebra_schema.zebra_filter(zebra_parameter INT) RETURNS BOOLEAN COMMENT 'zebra function' RETURN zebra_parameter > 0;
CREATE FUNCTION zebra.zebra_schema.zebra_mask(zebra_parameter STRING) RETURNS STRING RETURN 'zebra body';
CREATE FUNCTION zebra.zebra_schema.zebra_rows() RETURNS TABLE (zebra_column INT) RETURN SELECT 1 AS zebra_column;
CREATE VOLUME zebra.zebra_schema.zebra_volume COMMENT 'zebra volume';
ALTER TABLE zebra.zebra_schema.zebra_table SET ROW FILTER zebra.zebra_schema.zebra_filter ON (zebra_id);
ALTER TABLE zebra.zebra_schema.zebra_table ALTER COLUMN zebra_text SET MASK zebra.zebra_schema.zebra_mask;
CREATE GOVERNED TAG zebra_tag VALUES ('zebra_value');
ALTER TABLE zebra.zebra_schema.zebra_table ALTER COLUMN zebra_text SET TAGS ('zebra_tag' = 'zebra_value');
ALTER TABLE zebra.zebra_schema.zebra_table SET TAGS ('zebra_tag' = 'zebra_value');
ALTER SCHEMA zebra.zebra_schema SET TAGS ('zebra_tag' = 'zebra_value');
ALTER CATALOG zebra SET TAGS ('zebra_tag' = 'zebra_value');
CREATE POLICY zebra_policy ON CATALOG zebra COLUMN MASK system.policy.mask_null TO zebra_keepers FOR TABLES MATCH COLUMNS has_tag_value('zebra_tag', 'zebra_value') m ON COLUMN m;
GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG zebra TO zebra_keepers;
GRANT SELECT ON TABLE zebra.zebra_schema.zebra_table TO zebra_keepers;
GRANT EXECUTE ON FUNCTION zebra.zebra_schema.zebra_filter TO zebra_keepers;
GRANT CREATE TABLE ON SCHEMA zebra.zebra_schema TO zebra_keepers;
GRANT CREATE CATALOG ON METASTORE TO zebra_keepers;
DENY SELECT ON TABLE zebra.zebra_schema.zebra_table TO zebra_keepers;
CREATE TABLE main.default.open (id INT, name STRING);
ALTER TABLE main.default.open ALTER COLUMN name SET MASK system.policy.mask_null;
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA ON SCHEMA main.default TO alice;
GRANT SELECT ON TABLE main.default.open TO alice";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

/// The views of the golden file with their columns and types, and whether every catalog has them.
fn golden() -> BTreeMap<String, (bool, Vec<(String, String)>)> {
    let text = include_str!("../golden/system_tables.md");
    let mut views = BTreeMap::new();
    for section in text.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap();
        let everywhere = title.starts_with("every catalog, here ");
        let Some((_, name)) = title.split_once("system.information_schema.") else { continue };
        let columns = section.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
        });
        views.insert(name.to_owned(), (everywhere, columns.collect()));
    }
    views
}

fn columns_of(schema: &SchemaRef) -> Vec<(String, String)> {
    let word = |data_type: &DataType| match data_type {
        DataType::Utf8 => "string",
        DataType::Int64 => "bigint",
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => "timestamp",
        DataType::List(element) if *element.data_type() == DataType::Utf8 => "array<string>",
        other => panic!("a type that no view has: {other}"),
    };
    schema.fields().iter().map(|field| (field.name().clone(), word(field.data_type()).to_owned())).collect()
}

async fn read(server: &TestServer, user: &str, catalog: &str, view: &str) -> Rows {
    let sql = format!("SELECT * FROM {catalog}.information_schema.{view}");
    let client = server.client(user);
    let plain = client.statement(&sql).await.unwrap_or_else(|refusal| panic!("{user}: {sql}\n{refusal:?}"));
    let prepared = Way::Prepared.ask(&client, &sql).await.unwrap();
    assert_eq!(plain.schema, prepared.schema, "{user}: {sql}");
    assert_eq!(plain.sorted(), prepared.sorted(), "{user}: {sql}");
    plain
}

#[test]
fn every_view_has_the_columns_of_the_golden_file_for_everybody() {
    block_on(async {
        let server = ground().await;
        let golden = golden();
        assert_eq!(golden.len(), 36);
        assert_eq!(golden.values().filter(|(everywhere, _)| *everywhere).count(), 30);
        for (view, (everywhere, columns)) in &golden {
            assert!(!columns.is_empty(), "{view}");
            for user in [ADMIN, "alice", "bob", "carol"] {
                assert_eq!(
                    &columns_of(&read(&server, user, "system", view).await.schema),
                    columns,
                    "{user}: {view}"
                );
            }
            if *everywhere {
                for (user, catalog) in
                    [(ADMIN, "main"), (ADMIN, "zebra"), ("alice", "main"), ("carol", "zebra")]
                {
                    let rows = read(&server, user, catalog, view).await;
                    assert_eq!(&columns_of(&rows.schema), columns, "{user}: {catalog}.{view}");
                }
            } else {
                let told =
                    server.refused(ADMIN, &format!("SELECT * FROM main.information_schema.{view}")).await;
                assert!(told.contains("TABLE_OR_VIEW_NOT_FOUND"), "{told}");
            }
        }
        for (catalog, count) in [("system", "36"), ("main", "30")] {
            let sql = format!(
                "SELECT count(*) FROM {catalog}.information_schema.tables WHERE table_schema = 'information_schema' AND table_catalog = '{catalog}'"
            );
            assert_eq!(server.rows(ADMIN, &sql).await, [count]);
        }
    });
}

#[test]
fn no_row_names_what_its_reader_may_not_know_of() {
    block_on(async {
        let server = ground().await;
        let mut told_to_admin = 0;
        for (view, (everywhere, _)) in golden() {
            let whole = read(&server, ADMIN, "system", &view).await.lines().join("\n");
            told_to_admin += usize::from(whole.contains("zebra"));
            for user in ["alice", "bob"] {
                let rows = read(&server, user, "system", &view).await;
                let text = rows.lines().join("\n");
                assert!(!text.contains("zebra"), "{user}: system.{view}: {text}");
                if user == "bob" {
                    for known in ["main.", "| open", "| default |"] {
                        assert!(!text.contains(known), "{user}: system.{view}: {text}");
                    }
                }
            }
            if everywhere {
                let text = read(&server, "alice", "main", &view).await.lines().join("\n");
                assert!(!text.contains("zebra"), "alice: main.{view}: {text}");
            }
        }
        // The sweep sees what it looks for: nearly every view tells the administrator of the zebra.
        assert!(told_to_admin >= 20, "only {told_to_admin} views tell of it");
        let own = server
            .rows(
                "alice",
                "SELECT column_name FROM main.information_schema.columns WHERE table_name = 'open'",
            )
            .await;
        assert_eq!(own, ["id", "name"]);
    });
}

#[test]
fn the_views_of_a_hidden_catalog_are_as_absent_as_those_of_none() {
    block_on(async {
        let server = ground().await;
        for (view, _) in golden() {
            for user in ["alice", "bob"] {
                let sql = |catalog: &str| format!("SELECT * FROM {catalog}.information_schema.{view}");
                let hidden = server.refused(user, &sql("zebra")).await;
                let absent = server.refused(user, &sql("zebru")).await;
                assert_eq!(hidden.replace("zebra", "zebru"), absent, "{user}: {view}");
            }
        }
    });
}

#[test]
fn no_view_tells_a_body_or_a_literal_to_who_may_not_read_it() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE FUNCTION main.default.secret_rule(v INT) RETURNS BOOLEAN RETURN v > 987654;
                 CREATE VIEW main.default.front AS SELECT id FROM main.default.open WHERE id <> 987654;
                 ALTER TABLE main.default.open SET ROW FILTER main.default.secret_rule ON (id)",
            )
            .await;
        // A grant on the schema lets alice know of what is in it, by name.
        let known = "SELECT view_definition FROM main.information_schema.views WHERE table_name = 'front'";
        assert_eq!(server.rows("alice", known).await, ["NULL"]);
        assert_eq!(server.rows(ADMIN, known).await.len(), 1);
        let mut told_to_admin = 0;
        for (view, _) in golden() {
            for user in ["alice", "bob"] {
                let text = read(&server, user, "system", &view).await.lines().join("\n");
                assert!(!text.contains("987654"), "{user}: {view}: {text}");
            }
            let whole = read(&server, ADMIN, "system", &view).await.lines().join("\n");
            told_to_admin += usize::from(whole.contains("987654"));
        }
        assert!(told_to_admin >= 2, "routines and views tell the administrator");
    });
}
