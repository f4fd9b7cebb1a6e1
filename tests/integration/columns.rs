//! Columns renamed, dropped and added, and tables replaced by a query: policies stay with their columns, and no value is
//! readable without them in between.

use weir_testkit::{ADMIN, TestServer, Told, block_on};

const GROUND: &str = "
CREATE SCHEMA main.m;
CREATE GOVERNED TAG pii;
CREATE FUNCTION main.m.stars(v STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('hr') THEN v ELSE '***' END;
CREATE FUNCTION main.m.stars_unless(v STRING, other STRING) RETURNS STRING RETURN CASE WHEN other = 'open' THEN v ELSE '***' END;
CREATE FUNCTION main.m.north(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region = 'north';
CREATE FUNCTION main.m.yes() RETURNS BOOLEAN RETURN TRUE;
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA, SELECT ON SCHEMA main.m TO alice;
GRANT USE CATALOG ON CATALOG main TO carol;
GRANT USE SCHEMA, SELECT ON SCHEMA main.m TO carol
";

const MAPPED: &str = "
CREATE TABLE main.m.t (id INT, ssn STRING, region STRING, note STRING, city STRING, addr STRUCT<street: STRING, zip: INT>) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
INSERT INTO main.m.t VALUES (1, 'CANARY-1', 'north', 'n1', 'Kiel', named_struct('street', 'CANARY-s1', 'zip', 1)), (2, 'CANARY-2', 'south', 'n2', 'Ulm', named_struct('street', 'CANARY-s2', 'zip', 2));
ALTER TABLE main.m.t SET ROW FILTER main.m.north ON (region);
ALTER TABLE main.m.t ALTER COLUMN ssn SET MASK main.m.stars;
ALTER TABLE main.m.t ALTER COLUMN addr.street SET MASK main.m.stars_unless USING COLUMNS (region);
ALTER TABLE main.m.t ALTER COLUMN note SET TAGS ('pii')
";

async fn ground(more: &str) -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server.prepare(more).await;
    server
}

#[test]
fn a_renamed_column_keeps_its_policies_and_tags() {
    block_on(async {
        let server = ground(MAPPED).await;
        let before = server.rows("alice", "SELECT * FROM main.m.t").await;
        assert_eq!(before, ["1 | *** | north | n1 | Kiel | {street: ***, zip: 1}"]);
        for (from, to) in [("SSN", "social"), ("region", "area"), ("addr", "home"), ("note", "odd remark")] {
            server.done(ADMIN, &format!("ALTER TABLE main.m.t RENAME COLUMN {from} TO `{to}`")).await;
            assert_eq!(server.rows("alice", "SELECT * FROM main.m.t").await, before, "{from}");
        }
        assert_eq!(
            server.rows("alice", "SELECT social, area FROM main.m.t WHERE area = 'south'").await.len(),
            0
        );
        assert_eq!(
            server.rows("carol", "SELECT social FROM main.m.t ORDER BY id").await,
            ["CANARY-1", "CANARY-2"]
        );
        let told = server.refused("alice", "SELECT ssn FROM main.m.t").await;
        assert!(told.starts_with("[UNRESOLVED_COLUMN]"), "{told}");
        let text = server.rows(ADMIN, "SHOW CREATE TABLE main.m.t").await.remove(0);
        for line in [
            "social STRING MASK main.m.stars",
            "WITH ROW FILTER main.m.north ON (area)",
            "ALTER COLUMN home.street SET MASK main.m.stars_unless USING COLUMNS (area)",
            "ALTER COLUMN `odd remark` SET TAGS ('pii')",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        // the same names again, and a name that differs by case alone
        server.done(ADMIN, "ALTER TABLE main.m.t RENAME COLUMN social TO Social").await;
        for (from, to) in [("social", "ssn"), ("area", "region")] {
            server.done(ADMIN, &format!("ALTER TABLE main.m.t RENAME COLUMN {from} TO {to}")).await;
        }
        assert_eq!(server.rows("alice", "SELECT * FROM main.m.t").await, before);
        // and after a restart, from the log alone
        let server = TestServer::start_in(server.stop().await, weir_testkit::Setup::default()).await;
        assert_eq!(server.rows("alice", "SELECT ssn, home.street FROM main.m.t").await, ["*** | ***"]);
    });
}

#[test]
fn what_stands_on_a_column_keeps_it() {
    block_on(async {
        let server = ground(MAPPED).await;
        server.done(ADMIN, "CREATE VIEW main.m.cities AS SELECT city FROM main.m.t").await;
        for (statement, condition, words) in [
            ("DROP COLUMN ssn", "DEPENDENT_OBJECTS_STILL_EXIST", "the mask of column `ssn`"),
            ("DROP COLUMN Region", "DEPENDENT_OBJECTS_STILL_EXIST", "the row filter of table `main.m.t`"),
            ("DROP COLUMN region", "DEPENDENT_OBJECTS_STILL_EXIST", "the mask of column `addr.street`"),
            ("DROP COLUMNS (id, addr)", "DEPENDENT_OBJECTS_STILL_EXIST", "the mask of column `addr.street`"),
            ("DROP COLUMN note", "DEPENDENT_OBJECTS_STILL_EXIST", "`pii`"),
            ("DROP COLUMN city", "DEPENDENT_OBJECTS_STILL_EXIST", "view `main.m.cities`"),
            ("RENAME COLUMN city TO town", "DEPENDENT_OBJECTS_STILL_EXIST", "view `main.m.cities`"),
            ("RENAME COLUMN id TO SSN", "COLUMN_ALREADY_EXISTS", "ssn"),
            ("RENAME COLUMN nothing TO x", "UNRESOLVED_COLUMN", "nothing"),
            ("DROP COLUMN id, nothing", "UNRESOLVED_COLUMN", "nothing"),
            ("DROP COLUMNS (id, ID)", "COLUMN_ALREADY_EXISTS", "twice"),
        ] {
            let told = server.refused(ADMIN, &format!("ALTER TABLE main.m.t {statement}")).await;
            assert!(
                told.starts_with(&format!("[{condition}]")) && told.contains(words),
                "{statement}: {told}"
            );
        }
        server.done(ADMIN, "DROP VIEW main.m.cities").await;
        server
            .done(
                ADMIN,
                "CREATE POLICY every ON TABLE main.m.t ROW FILTER main.m.yes TO hr FOR TABLES MATCH COLUMNS NOT has_tag('pii') AS c",
            )
            .await;
        let told = server.refused(ADMIN, "ALTER TABLE main.m.t DROP COLUMN city").await;
        assert!(told.contains("policy `every`"), "{told}");
        server.done(ADMIN, "DROP POLICY every ON TABLE main.m.t").await;
        server.done(ADMIN, "ALTER TABLE main.m.t DROP COLUMNS IF EXISTS (city, nothing)").await;
        assert_eq!(
            server.rows("alice", "SELECT * FROM main.m.t").await,
            ["1 | *** | north | n1 | {street: ***, zip: 1}"]
        );
        // the values of a dropped column do not come back under its name
        server.done(ADMIN, "ALTER TABLE main.m.t ADD COLUMN city STRING").await;
        assert_eq!(server.rows("carol", "SELECT count(city), count(*) FROM main.m.t").await, ["0 | 2"]);
        // who may read the table alters none of its columns, who may not learns nothing
        let told = server.refused("alice", "ALTER TABLE main.m.t DROP COLUMN city").await;
        assert!(told.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{told}");
        let told = server.refused("bob", "ALTER TABLE main.m.t RENAME COLUMN city TO ssn").await;
        assert!(told.starts_with("[TABLE_OR_VIEW_NOT_FOUND]"), "{told}");
    });
}

#[test]
fn rows_are_written_to_and_read_from_altered_columns() {
    block_on(async {
        let server = ground(
            "CREATE TABLE main.m.u (id INT NOT NULL, part STRING, value STRING, nested STRUCT<a: INT>) PARTITIONED BY (part) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
             INSERT INTO main.m.u VALUES (1, 'x', 'one', named_struct('a', 1))",
        )
        .await;
        server.prepare(
            "ALTER TABLE main.m.u RENAME COLUMN value TO word;
             INSERT INTO main.m.u VALUES (2, 'y', 'two', named_struct('a', 2));
             ALTER TABLE main.m.u ADD COLUMNS (more STRUCT<b: STRING, c: ARRAY<STRUCT<d: INT>>>, value INT COMMENT 'new');
             INSERT INTO main.m.u VALUES (3, 'x', 'three', named_struct('a', 3), named_struct('b', 'bee', 'c', make_array(named_struct('d', 9))), 33);
             ALTER TABLE main.m.u DROP COLUMN nested;
             INSERT INTO main.m.u (id, word) VALUES (4, 'four')",
        )
        .await;
        assert_eq!(
            server.rows("alice", "SELECT id, part, word, more.b, value FROM main.m.u ORDER BY id").await,
            [
                "1 | x | one | NULL | NULL",
                "2 | y | two | NULL | NULL",
                "3 | x | three | bee | 33",
                "4 | NULL | four | NULL | NULL"
            ]
        );
        assert_eq!(
            server.rows("alice", "SELECT id FROM main.m.u WHERE word = 'two' AND part = 'y'").await,
            ["2"]
        );
        for (statement, condition) in [
            ("DROP COLUMN part", "DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN"),
            ("RENAME COLUMN part TO p", "UNSUPPORTED_FEATURE"),
            ("DROP COLUMNS (id, part, word, more, value)", "DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN"),
        ] {
            let told = server.refused(ADMIN, &format!("ALTER TABLE main.m.u {statement}")).await;
            assert!(told.starts_with(&format!("[{condition}]")), "{statement}: {told}");
        }
        server
            .prepare("CREATE TABLE main.m.one (a INT) TBLPROPERTIES ('delta.columnMapping.mode' = 'id')")
            .await;
        let told = server.refused(ADMIN, "ALTER TABLE main.m.one DROP COLUMN a").await;
        assert!(told.starts_with("[DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA]"), "{told}");
    });
}

#[test]
fn moments_without_a_zone_and_deletion_vectors_go_with_column_mapping() {
    block_on(async {
        let server = ground(
            "CREATE TABLE main.m.late (id INT, a INT) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
             INSERT INTO main.m.late VALUES (1, 10);
             ALTER TABLE main.m.late ADD COLUMN ts TIMESTAMP_NTZ;
             INSERT INTO main.m.late VALUES (2, 20, TIMESTAMP_NTZ '2026-01-02 03:04:05')",
        )
        .await;
        let rows = server.rows(ADMIN, "SELECT id, a, ts IS NULL FROM main.m.late").await;
        assert_eq!(rows, ["1 | 10 | true", "2 | 20 | false"]);
        server.done(ADMIN, "ALTER TABLE main.m.late DROP COLUMN a").await;
        server.done(ADMIN, "UPDATE main.m.late SET id = 3 WHERE id = 2").await;
        assert_eq!(server.rows(ADMIN, "SELECT id FROM main.m.late WHERE ts IS NOT NULL").await, ["3"]);
        for (mode, more) in [
            ("name", ""),
            ("name", ", 'delta.enableDeletionVectors' = 'true'"),
            ("name", ", 'delta.enableChangeDataFeed' = 'true', 'delta.appendOnly' = 'false'"),
            ("id", ", 'delta.enableDeletionVectors' = 'true'"),
        ] {
            let properties = format!("TBLPROPERTIES ('delta.columnMapping.mode' = '{mode}'{more})");
            server
                .prepare(&format!(
                    "CREATE OR REPLACE TABLE main.m.ntz {properties} AS SELECT 1 AS id, TIMESTAMP_NTZ '2020-01-01 00:00:00' AS ts;
                     INSERT INTO main.m.ntz VALUES (2, TIMESTAMP_NTZ '2021-01-01 00:00:00'), (3, NULL);
                     ALTER TABLE main.m.ntz RENAME COLUMN ts TO at"
                ))
                .await;
            let rows = server
                .rows(ADMIN, "SELECT id, at < TIMESTAMP_NTZ '2020-06-01 00:00:00' FROM main.m.ntz")
                .await;
            assert_eq!(rows, ["1 | true", "2 | false", "3 | NULL"], "{properties}");
            let created = server.rows(ADMIN, "SELECT count(*) FROM main.m.ntz WHERE id = 2").await;
            assert_eq!(created, ["1"], "{properties}");
        }
    });
}

#[test]
fn a_column_is_added_with_its_mask_or_not_at_all() {
    block_on(async {
        let server = ground(
            "CREATE TABLE main.m.plain (id INT, region STRING);
             INSERT INTO main.m.plain VALUES (1, 'north'), (2, 'open');
             CREATE TABLE main.m.mapped (id INT, region STRING) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
             INSERT INTO main.m.mapped VALUES (1, 'north'), (2, 'open')",
        )
        .await;
        for table in ["main.m.plain", "main.m.mapped"] {
            let alter = |change: &str| format!("ALTER TABLE {table} {change}");
            server.done(ADMIN, &alter("ADD COLUMN secret STRING COMMENT 'x' MASK main.m.stars")).await;
            server
                .done(
                    ADMIN,
                    &alter("ADD COLUMNS (a STRING MASK main.m.stars_unless USING COLUMNS (region), b STRING MASK main.m.stars_unless USING COLUMNS (a), c INT MASK system.policy.mask_null)"),
                )
                .await;
            let query = format!("SELECT secret, a, b, c FROM {table} ORDER BY id");
            assert_eq!(
                server.rows("alice", &query).await,
                ["*** | *** | *** | NULL", "*** | NULL | *** | NULL"],
                "{table}"
            );
            for (change, condition) in [
                ("ADD COLUMN n INT MASK main.m.stars", "QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY"),
                ("ADD COLUMN n STRING MASK main.m.nothing", "ROUTINE_NOT_FOUND"),
                ("ADD COLUMN n STRING MASK main.m.stars_unless USING COLUMNS (nothing)", "UNRESOLVED_COLUMN"),
                ("ADD COLUMN secret STRING MASK main.m.stars", "COLUMN_ALREADY_EXISTS"),
            ] {
                let told = server.refused(ADMIN, &alter(change)).await;
                assert!(told.starts_with(&format!("[{condition}]")), "{change}: {told}");
            }
            let told = server.refused(ADMIN, &format!("SELECT n FROM {table}")).await;
            assert!(told.starts_with("[UNRESOLVED_COLUMN]"), "{told}");
            let masks = format!(
                "SELECT column_name FROM main.information_schema.column_masks WHERE table_name = '{}' ORDER BY column_name",
                table.trim_start_matches("main.m.")
            );
            assert_eq!(server.rows(ADMIN, &masks).await, ["a", "b", "c", "secret"]);
        }
        // a mask is set by who may call its function
        server.prepare("GRANT MANAGE ON TABLE main.m.plain TO alice").await;
        let told =
            server.refused("alice", "ALTER TABLE main.m.plain ADD COLUMN n STRING MASK main.m.stars").await;
        assert!(told.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{told}");
        server
            .done("alice", "ALTER TABLE main.m.plain ADD COLUMN n STRING MASK system.policy.mask_value")
            .await;
    });
}

/// The mask shows `***` where the column holds NULL, so a NULL would be the raw value.
#[test]
fn nobody_reads_an_added_column_without_its_mask_while_it_comes() {
    block_on(async {
        let server = ground(
            "CREATE TABLE main.m.busy (id INT);
INSERT INTO main.m.busy VALUES (1)",
        )
        .await;
        for round in 0..8 {
            let query = format!("SELECT c{round} FROM main.m.busy");
            let reader = async {
                let client = server.client("alice");
                let mut told: Vec<Told<Vec<String>>> = Vec::new();
                for _ in 0..60 {
                    told.push(client.statement(&query).await.map(|rows| rows.lines()));
                    if told.last().is_some_and(Result::is_ok) {
                        break;
                    }
                }
                told
            };
            let add = format!("ALTER TABLE main.m.busy ADD COLUMN c{round} STRING MASK main.m.stars");
            let (told, _) = tokio::join!(reader, server.done(ADMIN, &add));
            for answer in told {
                match answer {
                    Ok(rows) => assert_eq!(rows, ["***"], "round {round}"),
                    Err(refusal) => assert!(
                        ["[UNRESOLVED_COLUMN]", "[QUERIED_TABLE_INCOMPATIBLE", "[CONCURRENT_MODIFICATION]"]
                            .iter()
                            .any(|known| refusal.text.starts_with(known)),
                        "{refusal:?}"
                    ),
                }
            }
            assert_eq!(server.rows("alice", &query).await, ["***"]);
        }
    });
}

#[test]
fn a_table_replaced_by_a_query_keeps_its_policies() {
    block_on(async {
        let server = ground(MAPPED).await;
        server
            .prepare(
                "CREATE TABLE main.m.source (id INT, region STRING, ssn STRING, addr STRUCT<street: STRING, zip: INT>, note STRING);
                 INSERT INTO main.m.source VALUES (7, 'north', 'CANARY-7', named_struct('street', 'CANARY-s7', 'zip', 7), 'n'), (8, 'south', 'CANARY-8', named_struct('street', 'CANARY-s8', 'zip', 8), 'm')",
            )
            .await;
        server.done(ADMIN, "CREATE VIEW main.m.whole AS SELECT * FROM main.m.t").await;
        let before = server.rows("carol", "SELECT * FROM main.m.t ORDER BY id").await;
        for (query, condition, words) in [
            ("SELECT id, region, addr, note FROM main.m.source", "DEPENDENT_OBJECTS_STILL_EXIST", "`ssn`"),
            (
                "SELECT id, region, 5 AS ssn, addr, note FROM main.m.source",
                "DEPENDENT_OBJECTS_STILL_EXIST",
                "of type STRING",
            ),
            ("SELECT id, region, ssn, addr FROM main.m.source", "DEPENDENT_OBJECTS_STILL_EXIST", "`pii`"),
            ("SELECT * FROM main.m.t", "MASKED_VALUE_WRITE", "main.m.t"),
            ("SELECT * FROM main.m.whole", "MASKED_VALUE_WRITE", "main.m.t"),
            (
                "SELECT * FROM main.m.source WHERE id > (SELECT min(id) FROM main.m.t)",
                "MASKED_VALUE_WRITE",
                "main.m.t",
            ),
            (
                "SELECT a.* FROM main.m.source a JOIN main.m.t b ON a.id = b.id",
                "MASKED_VALUE_WRITE",
                "main.m.t",
            ),
        ] {
            let told = server.refused(ADMIN, &format!("CREATE OR REPLACE TABLE main.m.t AS {query}")).await;
            assert!(told.starts_with(&format!("[{condition}]")) && told.contains(words), "{query}: {told}");
        }
        assert_eq!(server.rows("carol", "SELECT * FROM main.m.t ORDER BY id").await, before);
        server.done(ADMIN, "DROP VIEW main.m.whole").await;
        server
            .done(ADMIN, "CREATE OR REPLACE TABLE main.m.t TBLPROPERTIES ('delta.columnMapping.mode' = 'name') AS SELECT * FROM main.m.source")
            .await;
        assert_eq!(
            server.rows("alice", "SELECT id, region, ssn, addr.street, note FROM main.m.t").await,
            ["7 | north | *** | *** | n"]
        );
        assert_eq!(
            server.rows("carol", "SELECT ssn FROM main.m.t ORDER BY id").await,
            ["CANARY-7", "CANARY-8"]
        );
        // its columns have other places and ids; the tag is where its name is
        let tags =
            "SELECT column_name, tag_name FROM main.information_schema.column_tags WHERE table_name = 't'";
        assert_eq!(server.rows(ADMIN, tags).await, ["note | pii"]);
        server.done(ADMIN, "ALTER TABLE main.m.t RENAME COLUMN ssn TO social").await;
        assert_eq!(server.rows("alice", "SELECT social FROM main.m.t").await, ["***"]);

        // who sees everything may replace it by a query on it; who may not alter it may not
        let again = "CREATE OR REPLACE TABLE main.m.t AS SELECT * FROM main.m.t";
        server.prepare("GRANT CREATE TABLE ON SCHEMA main.m TO carol").await;
        let told = server.refused("carol", again).await;
        assert!(told.starts_with("[INSUFFICIENT_PERMISSIONS]"), "{told}");
        let told = server.refused("bob", again).await;
        assert!(told.starts_with("[TABLE_OR_VIEW_NOT_FOUND]"), "{told}");
        server.prepare("GRANT MANAGE ON TABLE main.m.t TO carol").await;
        let told = server.refused("carol", again).await;
        assert!(told.starts_with("[MASKED_VALUE_WRITE]"), "one mask hides from her too: {told}");
        server.prepare("ALTER TABLE main.m.t ALTER COLUMN addr.street DROP MASK").await;
        server.done("carol", again).await;
        assert_eq!(
            server.rows("carol", "SELECT social FROM main.m.t ORDER BY id").await,
            ["CANARY-7", "CANARY-8"]
        );
        assert_eq!(server.rows("alice", "SELECT social FROM main.m.t").await, ["***"]);

        server.done(ADMIN, "CREATE OR REPLACE TABLE main.m.fresh AS SELECT 1 AS a").await;
        server.done(ADMIN, "CREATE VIEW main.m.v AS SELECT 1 AS a").await;
        let told = server.refused(ADMIN, "CREATE OR REPLACE TABLE main.m.v AS SELECT 1 AS a").await;
        assert!(told.starts_with("[WRONG_COMMAND_FOR_OBJECT_TYPE]"), "{told}");
    });
}
