//! SHOW CREATE TABLE: what it tells, run under another name, gives the same columns, policies and tags; and it tells
//! nobody more than they may read.

use std::sync::Arc;

use weir_testkit::{ADMIN, OtherWriter, TestServer, block_on};

const GROUND: &str = "
CREATE SCHEMA main.hr;
CREATE GOVERNED TAG pii VALUES ('name', 'street');
CREATE FUNCTION main.hr.of_region(region STRING, allowed STRING) RETURNS BOOLEAN RETURN region = allowed;
CREATE FUNCTION main.hr.stars(v STRING) RETURNS STRING RETURN '***';
CREATE FUNCTION main.hr.stars_for(v STRING, region STRING, who STRING) RETURNS STRING RETURN CASE WHEN region = who THEN v ELSE '***' END;
CREATE TABLE main.hr.people (id INT NOT NULL, name STRING COMMENT 'it''s; a name' MASK main.hr.stars_for USING COLUMNS (region, 'it''s'), region STRING, `odd name` INT, addr STRUCT<street: STRING, geo: STRUCT<`lat;x`: STRING, lon: DOUBLE>>) PARTITIONED BY (region) COMMENT 'who; works' TBLPROPERTIES ('team' = 'a;b') WITH ROW FILTER main.hr.of_region ON (region, 'north');
ALTER TABLE main.hr.people ALTER COLUMN addr.street SET MASK main.hr.stars;
ALTER TABLE main.hr.people ALTER COLUMN addr.geo.`lat;x` SET MASK main.hr.stars_for USING COLUMNS (region, 'x');
ALTER TABLE main.hr.people SET TAGS ('owner team' = 'people; it''s', 'plain');
ALTER TABLE main.hr.people ALTER COLUMN name SET TAGS ('pii' = 'name');
ALTER TABLE main.hr.people ALTER COLUMN `odd name` SET TAGS ('odd');
CREATE VIEW main.hr.names (who COMMENT 'x') AS SELECT name FROM main.hr.people;
ALTER VIEW main.hr.names SET TAGS ('v' = '1');
ALTER VIEW main.hr.names ALTER COLUMN who SET TAGS ('pii' = 'name')
";

/// The statements of a text: what is between semicolons that end a line.
fn statements(text: &str) -> Vec<&str> {
    text.split(";\n").collect()
}

async fn shown(server: &TestServer, table: &str) -> String {
    server.rows(ADMIN, &format!("SHOW CREATE TABLE {table}")).await.remove(0)
}

/// What information_schema and DESCRIBE tell of a table's columns, policies and tags.
async fn governance(server: &TestServer, table: &str) -> Vec<String> {
    let mut told = Vec::new();
    for query in [
        "SELECT filter_name, target_columns FROM main.information_schema.row_filters WHERE table_name = 'NAME'",
        "SELECT column_name, mask_name, using_columns FROM main.information_schema.column_masks WHERE table_name = 'NAME' ORDER BY column_name",
        "SELECT tag_name, tag_value FROM main.information_schema.table_tags WHERE table_name = 'NAME' ORDER BY tag_name",
        "SELECT column_name, tag_name, tag_value FROM main.information_schema.column_tags WHERE table_name = 'NAME' ORDER BY column_name",
        "DESCRIBE TABLE main.hr.NAME",
        "SHOW TBLPROPERTIES main.hr.NAME",
    ] {
        told.extend(server.rows(ADMIN, &query.replace("NAME", table)).await);
    }
    told
}

#[test]
fn its_text_run_on_another_name_gives_the_same_table() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let text = shown(&server, "main.hr.people").await;
        for line in [
            "ALTER COLUMN addr.street SET MASK main.hr.stars;",
            "ALTER COLUMN addr.geo.`lat;x` SET MASK main.hr.stars_for USING COLUMNS (region, 'x')",
            "SET TAGS ('owner team' = 'people; it''s', 'plain')",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("MASK main.hr.stars,"), "no mask on all of `addr`:\n{text}");
        let copied = text.replace("main.hr.people", "main.hr.copied");
        for statement in statements(&copied) {
            server.done(ADMIN, statement).await;
        }
        assert_eq!(shown(&server, "main.hr.copied").await, copied);
        let of_people = governance(&server, "people").await;
        assert_eq!(governance(&server, "copied").await, of_people);
        assert!(
            of_people.iter().any(|line| line.starts_with("addr.street | main.hr.stars")),
            "{of_people:?}"
        );

        let view = shown(&server, "main.hr.names").await.replace("main.hr.names", "main.hr.again");
        for statement in statements(&view) {
            server.done(ADMIN, statement).await;
        }
        assert_eq!(governance(&server, "again").await, governance(&server, "names").await);
    });
}

#[test]
fn an_external_table_shows_its_masks_too() {
    use arrow::datatypes::{DataType, Field, Schema};
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let fields = vec![Field::new("id", DataType::Int32, true), Field::new("ssn", DataType::Utf8, true)];
        OtherWriter::of(&server.external()).create("t", Arc::new(Schema::new(fields)), &[]).await;
        let folder = server.external().join("t");
        let make = format!("CREATE TABLE main.hr.outside USING DELTA LOCATION '{}'", folder.display());
        server.done(ADMIN, &make).await;
        server
            .prepare(
                "ALTER TABLE main.hr.outside ALTER COLUMN ssn SET MASK main.hr.stars;
                 ALTER TABLE main.hr.outside ALTER COLUMN ssn COMMENT 'secret';
                 ALTER TABLE main.hr.outside ALTER COLUMN ssn SET TAGS ('pii' = 'name')",
            )
            .await;
        let text = shown(&server, "main.hr.outside").await;
        let before = governance(&server, "outside").await;
        server.done(ADMIN, "DROP TABLE main.hr.outside").await;
        for statement in statements(&text) {
            server.done(ADMIN, statement).await;
        }
        assert_eq!(governance(&server, "outside").await, before);
        assert_eq!(shown(&server, "main.hr.outside").await, text);
    });
}

#[test]
fn describe_names_the_masked_field_and_nobody_reads_more_than_before() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(GROUND).await;
        let rows = server.rows(ADMIN, "DESCRIBE TABLE EXTENDED main.hr.people").await;
        assert!(rows.contains(&"addr.street | main.hr.stars | ".to_owned()), "{rows:?}");
        assert!(!rows.iter().any(|row| row.starts_with("addr | main.hr.stars")), "{rows:?}");
        let rows = server.rows(ADMIN, "SHOW EFFECTIVE POLICIES ON TABLE main.hr.people").await;
        assert!(rows.iter().any(|row| row.ends_with(" | addr.street")), "{rows:?}");
        let told = server.refused(ADMIN, "DROP FUNCTION main.hr.stars").await;
        assert!(told.contains("the mask of column `addr.street` of table `main.hr.people`"), "{told}");

        server
            .prepare(
                "GRANT BROWSE ON CATALOG main TO alice;
                 GRANT USE CATALOG ON CATALOG main TO carol;
                 GRANT USE SCHEMA ON SCHEMA main.hr TO carol;
                 GRANT SELECT ON TABLE main.hr.people TO carol",
            )
            .await;
        let told = server.refused("alice", "SHOW CREATE TABLE main.hr.people").await;
        assert!(told.starts_with("[INSUFFICIENT_PERMISSIONS]") && !told.contains("stars"), "{told}");
        let rows = server.rows("alice", "DESCRIBE TABLE EXTENDED main.hr.people").await;
        assert!(!rows.iter().any(|row| row.contains("stars") || row.contains("of_region")), "{rows:?}");
        let told = server.refused("bob", "SHOW CREATE TABLE main.hr.people").await;
        assert!(told.starts_with("[TABLE_OR_VIEW_NOT_FOUND]"), "{told}");
        // who reads the table reads the names of its policies, and no body
        let text = server.rows("carol", "SHOW CREATE TABLE main.hr.people").await.remove(0);
        assert!(text.contains("addr.street SET MASK main.hr.stars") && !text.contains("RETURN"), "{text}");
    });
}
