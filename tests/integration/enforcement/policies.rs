//! Policies at their edges: NULL from a filter, types that do not fit, functions that change.

use weir_testkit::{Client, TestServer, block_on};

use super::{Attack, People, refused, rows};

async fn text(client: &Client, sql: &str) -> String {
    client.update(sql).await.unwrap_err().text
}

#[test]
fn a_filter_that_gives_null_drops_the_row() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT count(*) FROM main.hr.people", &["0"]),
        rows("SELECT id FROM main.hr.people WHERE id IS NOT NULL OR id IS NULL", &[]),
        rows("SELECT max(id), count(id) FROM main.hr.people", &["NULL | 0"]),
    ];
    block_on(async {
        let people = People::ground().await;
        people
            .server
            .prepare(
                "ALTER TABLE main.hr.people DROP ROW FILTER;
                 CREATE FUNCTION main.gov.unknown(v STRING) RETURNS BOOLEAN RETURN CASE WHEN v = 'nowhere' THEN TRUE END;
                 ALTER TABLE main.hr.people SET ROW FILTER main.gov.unknown ON (region)",
            )
            .await;
        people.withstands(ATTACKS).await;
        // nobody bypasses a policy by rank
        assert_eq!(people.server.rows("admin", "SELECT count(*) FROM main.hr.people").await, ["0"]);
    });
}

#[test]
fn a_filter_over_null_columns_drops_them() {
    block_on(async {
        let people = People::ground().await;
        people
            .server
            .prepare(
                "ALTER TABLE main.hr.people DROP ROW FILTER;
                 CREATE FUNCTION main.gov.not_south(v STRING) RETURNS BOOLEAN RETURN v <> 'south';
                 ALTER TABLE main.hr.people SET ROW FILTER main.gov.not_south ON (region)",
            )
            .await;
        assert_eq!(people.server.rows("alice", "SELECT id FROM main.hr.people").await, ["1", "2", "3"]);
    });
}

#[test]
fn a_policy_of_the_wrong_type_is_refused_when_it_is_set() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server
            .prepare(
                "ALTER TABLE main.hr.people DROP ROW FILTER;
                 CREATE FUNCTION main.gov.text(v STRING) RETURNS STRING RETURN v;
                 CREATE FUNCTION main.gov.number(v INT) RETURNS INT RETURN v;
                 CREATE FUNCTION main.gov.of_day(v DATE) RETURNS BOOLEAN RETURN v IS NULL;
                 CREATE FUNCTION main.gov.two(a STRING, b STRING) RETURNS BOOLEAN RETURN a = b;
                 CREATE FUNCTION main.gov.not_text(v STRING) RETURNS INT RETURN 1",
            )
            .await;
        let admin = server.client("admin");
        for (sql, condition) in [
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.text ON (region)",
                "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY",
            ),
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.number ON (id)",
                "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY",
            ),
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.of_day ON (contact)",
                "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY",
            ),
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.two ON (region)",
                "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY",
            ),
            (
                "ALTER TABLE main.hr.people SET ROW FILTER main.gov.of_region ON (nothing)",
                "UNRESOLVED_COLUMN",
            ),
            ("ALTER TABLE main.hr.people SET ROW FILTER main.gov.nothing ON (region)", "ROUTINE_NOT_FOUND"),
            (
                "ALTER TABLE main.hr.people ALTER COLUMN name SET MASK main.gov.two",
                "QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY",
            ),
            (
                "ALTER TABLE main.hr.people ALTER COLUMN contact SET MASK main.gov.not_text",
                "QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY",
            ),
            ("ALTER TABLE main.hr.people ALTER COLUMN nothing SET MASK main.gov.text", "UNRESOLVED_COLUMN"),
        ] {
            let told = text(&admin, sql).await;
            assert!(told.starts_with(&format!("[{condition}]")), "{sql}: {told}");
        }
        // what was refused is not there
        assert_eq!(server.rows("alice", "SELECT count(*) FROM main.hr.people").await, ["6"]);
    });
}

#[test]
fn a_policy_that_no_longer_fits_refuses_its_table_by_name() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        // a function in use cannot be changed to another type without the table closing
        let admin = server.client("admin");
        let changed = admin
            .update(
                "CREATE OR REPLACE FUNCTION main.gov.of_region(region STRING) RETURNS STRING RETURN region",
            )
            .await;
        let told = server.sql("alice", "SELECT id FROM main.hr.people").await;
        match changed {
            Ok(_) => {
                let told = told.unwrap_err().text;
                assert!(told.contains("main.hr.people") && told.contains("main.gov.of_region"), "{told}");
            }
            Err(refusal) => {
                assert!(
                    refusal.text.contains("main.hr.people") || refusal.text.contains("main.gov.of_region"),
                    "{refusal:?}"
                );
                assert_eq!(told.unwrap().count(), 3);
            }
        }
    });
}

#[test]
fn a_function_in_use_cannot_be_dropped() {
    block_on(async {
        let people = People::ground().await;
        let admin = people.client("admin");
        for sql in [
            "DROP FUNCTION main.gov.of_region",
            "DROP FUNCTION main.gov.hidden_text",
            "DROP SCHEMA main.gov CASCADE",
        ] {
            let told = text(&admin, sql).await;
            assert!(told.starts_with("[DEPENDENT_OBJECTS_STILL_EXIST]"), "{sql}: {told}");
        }
        assert_eq!(people.server.rows("alice", "SELECT count(*) FROM main.hr.people").await, ["3"]);
    });
}

#[test]
fn a_failing_policy_tells_its_table_and_no_value() {
    const ATTACKS: &[Attack] = &[
        refused("SELECT id FROM main.hr.people", "POLICY_EVALUATION_FAILED"),
        refused("SELECT count(*) FROM main.hr.people", "POLICY_EVALUATION_FAILED"),
    ];
    block_on(async {
        let people = People::ground().await;
        people
            .server
            .prepare(
                "ALTER TABLE main.hr.people DROP ROW FILTER;
                 CREATE FUNCTION main.gov.fails(v STRING) RETURNS BOOLEAN RETURN CAST(v AS INT) = 1;
                 ALTER TABLE main.hr.people SET ROW FILTER main.gov.fails ON (name)",
            )
            .await;
        people.withstands(ATTACKS).await;
    });
}

#[test]
fn a_mapping_table_is_read_with_the_policys_rights() {
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.gov.allowed (who STRING, region STRING);
                 INSERT INTO main.gov.allowed VALUES ('alice', 'south'), ('carol', 'north');
                 ALTER TABLE main.hr.people DROP ROW FILTER;
                 CREATE FUNCTION main.gov.mapped(r STRING) RETURNS BOOLEAN RETURN EXISTS (SELECT 1 FROM main.gov.allowed a WHERE a.who = current_user() AND a.region = r);
                 ALTER TABLE main.hr.people SET ROW FILTER main.gov.mapped ON (region)",
            )
            .await;
        assert_eq!(server.rows("alice", "SELECT id FROM main.hr.people").await, ["77700", "77701"]);
        assert_eq!(server.rows("carol", "SELECT id FROM main.hr.people").await, ["1", "2", "3"]);
        server.refused("alice", "SELECT * FROM main.gov.allowed").await;
        // the caller's own names do not catch the policy's
        let captured =
            "WITH allowed AS (SELECT 'alice' AS who, 'north' AS region) SELECT id FROM main.hr.people";
        assert_eq!(server.rows("alice", captured).await, ["77700", "77701"]);
        server.prepare("INSERT INTO main.gov.allowed VALUES ('alice', 'north')").await;
        assert_eq!(server.rows("alice", "SELECT count(*) FROM main.hr.people").await, ["5"]);
        let explained = server.rows("alice", "EXPLAIN SELECT id FROM main.hr.people").await.join("\n");
        assert!(!explained.contains("allowed"), "{explained}");
    });
}

#[test]
fn masks_read_raw_values_of_other_masked_columns() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, owner STRING, note STRING);
                 INSERT INTO main.default.t VALUES (1, 'alice', 'a'), (2, 'bob', 'b');
                 CREATE FUNCTION main.default.nobody(v STRING) RETURNS STRING RETURN 'nobody';
                 CREATE FUNCTION main.default.own(v STRING, owner STRING) RETURNS STRING RETURN CASE WHEN owner = current_user() THEN v ELSE '-' END;
                 ALTER TABLE main.default.t ALTER COLUMN owner SET MASK main.default.nobody;
                 ALTER TABLE main.default.t ALTER COLUMN note SET MASK main.default.own USING COLUMNS (owner);
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.default TO alice;
                 GRANT SELECT ON TABLE main.default.t TO alice",
            )
            .await;
        assert_eq!(
            server.rows("alice", "SELECT * FROM main.default.t").await,
            ["1 | nobody | a", "2 | nobody | -"]
        );
        assert_eq!(server.rows("alice", "SELECT note FROM main.default.t").await, ["-", "a"]);
    });
}

#[test]
fn a_table_has_the_policies_of_its_statement_from_its_first_moment() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE FUNCTION main.default.few(id INT) RETURNS BOOLEAN RETURN current_user() = 'admin' OR id < 2;
                 CREATE FUNCTION main.default.hid(v STRING) RETURNS STRING RETURN CASE WHEN current_user() = 'admin' THEN v ELSE '***' END;
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice",
            )
            .await;
        let made = "CREATE TABLE main.default.born (id INT, v STRING MASK main.default.hid) WITH ROW FILTER main.default.few ON (id)";
        server.done("admin", made).await;
        server.done("admin", "INSERT INTO main.default.born VALUES (1, 'CANARY'), (2, 'CANARY')").await;
        assert_eq!(server.rows("alice", "SELECT * FROM main.default.born").await, ["1 | ***"]);
        // One change of the catalog: at no moment is the table there without them.
        let steps = "SELECT action_name FROM system.access.audit WHERE array_to_string(map_values(request_params), ' ') LIKE '%main.default.born%' AND action_name NOT LIKE 'get%'";
        assert_eq!(server.rows("admin", steps).await, ["createTable"]);
        for unfit in [
            "CREATE TABLE main.default.unfit (id STRING) WITH ROW FILTER main.default.few ON (id)",
            "CREATE TABLE main.default.unfit (id INT, v INT MASK main.default.hid)",
            "CREATE TABLE main.default.unfit (id INT) WITH ROW FILTER main.default.few ON (nothing)",
        ] {
            server.refused("admin", unfit).await;
            let told = server.refused("admin", "SELECT * FROM main.default.unfit").await;
            assert!(told.contains("TABLE_OR_VIEW_NOT_FOUND"), "{unfit}: {told}");
        }
    });
}
