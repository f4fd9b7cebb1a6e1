//! Versions of the past as a way in: today's policies hold for each of them.

use weir_testkit::block_on;

use super::{Attack, People, refused, rows};

/// A table whose masked column had another name in version 1, and which has lost one column since and won another.
/// `main.hr.grown` has a filter that needs a column which its version 1 lacks.
const VERSIONS: &str = "
CREATE TABLE main.hr.staff (id INT, region STRING, ssn STRING, note STRING) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
INSERT INTO main.hr.staff VALUES (1, 'north', 'CANARY-1', 'CANARY-n'), (2, 'south', 'CANARY-2', 'CANARY-m');
ALTER TABLE main.hr.staff RENAME COLUMN ssn TO number;
ALTER TABLE main.hr.staff DROP COLUMN note;
ALTER TABLE main.hr.staff ADD COLUMN wage STRING;
INSERT INTO main.hr.staff VALUES (3, 'north', 'CANARY-3', 'CANARY-w'), (5, 'south', 'CANARY-5', 'CANARY-x');
CREATE FUNCTION main.hr.then_north(r STRING) RETURNS BOOLEAN RETURN r = 'north';
CREATE FUNCTION main.hr.then_stars(v STRING) RETURNS STRING RETURN '***';
ALTER TABLE main.hr.staff SET ROW FILTER main.hr.then_north ON (region);
ALTER TABLE main.hr.staff ALTER COLUMN number SET MASK main.hr.then_stars;
ALTER TABLE main.hr.staff ALTER COLUMN wage SET MASK main.hr.then_stars;
CREATE TABLE main.hr.grown (id INT, ssn STRING);
INSERT INTO main.hr.grown VALUES (1, 'CANARY-1');
ALTER TABLE main.hr.grown ADD COLUMN region STRING;
ALTER TABLE main.hr.grown SET ROW FILTER main.hr.then_north ON (region);
CREATE VIEW main.hr.all_staff AS SELECT id, number FROM main.hr.staff;
CREATE VIEW main.hr.first_staff AS SELECT id, number FROM main.hr.staff VERSION AS OF 1;
GRANT SELECT ON TABLE main.hr.staff TO alice;
GRANT SELECT ON TABLE main.hr.grown TO alice;
GRANT SELECT ON TABLE main.hr.all_staff TO alice;
GRANT SELECT ON TABLE main.hr.first_staff TO alice";

async fn ground() -> People {
    let people = People::ground().await;
    people.server.prepare(VERSIONS).await;
    people
}

#[test]
fn todays_policies_hold_for_every_version() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT * FROM main.hr.staff VERSION AS OF 1", &["1 | north | ***"]),
        rows(
            "SELECT * FROM main.hr.staff FOR SYSTEM_VERSION AS OF 5 s",
            &["1 | north | *** | ***", "3 | north | *** | ***"],
        ),
        rows("SELECT count(*), max(id) FROM main.hr.staff VERSION AS OF 0", &["0 | NULL"]),
        rows(
            "SELECT count(*), max(number) FROM main.hr.staff TIMESTAMP AS OF current_timestamp()",
            &["2 | ***"],
        ),
        // by the names of then
        refused("SELECT ssn FROM main.hr.staff VERSION AS OF 1", "UNRESOLVED_COLUMN"),
        refused("SELECT note FROM main.hr.staff VERSION AS OF 1", "UNRESOLVED_COLUMN"),
        refused("SELECT id FROM main.hr.staff VERSION AS OF 1 WHERE note = 'x'", "UNRESOLVED_COLUMN"),
        refused("SELECT wage FROM main.hr.staff VERSION AS OF 1", "UNRESOLVED_COLUMN"),
        // what fails on hidden rows, and masked columns in predicates
        rows("SELECT id FROM main.hr.staff VERSION AS OF 1 WHERE 1 / (id - 2) < 0", &["1"]),
        rows("SELECT id FROM main.hr.staff VERSION AS OF 1 WHERE number LIKE 'C%'", &[]),
        refused(
            "SELECT id FROM main.hr.staff VERSION AS OF 1 WHERE CAST(number AS INT) > 0",
            "CAST_INVALID_INPUT",
        ),
        rows("SELECT staff.id FROM main.hr.staff VERSION AS OF 1 ORDER BY number", &["1"]),
        // several versions in one statement
        rows(
            "SELECT a.id, b.id FROM main.hr.staff VERSION AS OF 1 a FULL JOIN main.hr.staff b ON a.id = b.id",
            &["1 | 1", "NULL | 3"],
        ),
        rows(
            "SELECT a.id FROM main.hr.staff a JOIN main.hr.staff VERSION AS OF 1 b ON a.number = b.number",
            &["1", "3"],
        ),
        rows(
            "WITH x AS (SELECT id FROM main.hr.staff VERSION AS OF 1) SELECT (SELECT count(*) FROM x) AS n, \
             (SELECT count(*) FROM main.hr.staff WHERE id NOT IN (SELECT id FROM x)) AS m",
            &["1 | 1"],
        ),
        rows("SELECT * FROM main.hr.first_staff", &["1 | ***"]),
        // a filter that needs a column of today
        refused(
            "SELECT id FROM main.hr.grown VERSION AS OF 1",
            "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY",
        ),
        rows("SELECT id FROM main.hr.grown", &[]),
    ];
    block_on(async { ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_version_that_cannot_be_is_refused_by_name() {
    const ATTACKS: &[Attack] = &[
        refused("SELECT id FROM main.hr.staff VERSION AS OF 9", "DELTA_VERSION_NOT_FOUND"),
        refused("SELECT id FROM main.hr.staff VERSION AS OF 1.5", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused(
            "SELECT id FROM main.hr.staff TIMESTAMP AS OF DATE '2000-01-01'",
            "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION",
        ),
        refused(
            "SELECT id FROM main.hr.staff TIMESTAMP AS OF current_timestamp() + INTERVAL 1 DAY",
            "DELTA_TIMESTAMP_GREATER_THAN_COMMIT",
        ),
        refused("SELECT id FROM main.hr.staff TIMESTAMP AS OF 'soon'", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused("SELECT id FROM main.hr.staff TIMESTAMP AS OF 5", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused("SELECT id FROM main.hr.staff TIMESTAMP AS OF NULL", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused("SELECT id FROM main.hr.staff TIMESTAMP AS OF ssn", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused(
            "SELECT id FROM main.hr.staff TIMESTAMP AS OF (SELECT max(born) FROM main.hr.people)",
            "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR",
        ),
        refused("SELECT id FROM main.hr.all_staff VERSION AS OF 1", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM system.query.history VERSION AS OF 1", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM main.information_schema.tables VERSION AS OF 1", "UNSUPPORTED_FEATURE"),
        refused("WITH staff AS (SELECT 1 AS id) SELECT id FROM staff VERSION AS OF 1", "UNSUPPORTED_FEATURE"),
        refused("SELECT id FROM main.hr.`staff version as of 1`", "TABLE_OR_VIEW_NOT_FOUND"),
    ];
    block_on(async { ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_version_is_no_way_around_a_missing_grant() {
    block_on(async {
        let people = ground().await;
        let hidden = people.server.refused("bob", "SELECT id FROM main.hr.staff VERSION AS OF 1").await;
        let missing = people.server.refused("bob", "SELECT id FROM main.hr.stuff VERSION AS OF 1").await;
        assert_eq!(hidden.replace("staff", "stuff"), missing);
        let unknown = people.server.refused("bob", "SELECT id FROM main.hr.staff VERSION AS OF 99").await;
        assert_eq!(hidden, unknown);
    });
}

#[test]
fn a_prepared_version_meets_the_policies_of_its_execution() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.hr.open (id INT, ssn STRING);
                 INSERT INTO main.hr.open VALUES (1, 'CANARY-1');
                 GRANT SELECT ON TABLE main.hr.open TO alice",
            )
            .await;
        let client = people.client("alice");
        let prepared = client.prepare("SELECT ssn FROM main.hr.open VERSION AS OF 1").await.unwrap();
        let handle = prepared.handle;
        assert_eq!(client.run(&handle).await.unwrap().value(), "CANARY-1");
        server.prepare("ALTER TABLE main.hr.open ALTER COLUMN ssn SET MASK main.hr.then_stars").await;
        assert_eq!(client.run(&handle).await.unwrap().value(), "***");
        server.prepare("REVOKE SELECT ON TABLE main.hr.open FROM alice").await;
        let refusal = client.run(&handle).await.unwrap_err();
        assert!(refusal.text.contains("you need SELECT"), "{refusal:?}");
    });
}

#[test]
fn a_version_is_a_source_of_writes() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.hr.plain (id INT);
                 INSERT INTO main.hr.plain VALUES (1);
                 INSERT INTO main.hr.plain VALUES (2);
                 CREATE TABLE main.hr.copied AS SELECT id FROM main.hr.plain VERSION AS OF 1;
                 INSERT INTO main.hr.plain SELECT id + 10 FROM main.hr.plain VERSION AS OF 1",
            )
            .await;
        assert_eq!(server.rows("admin", "SELECT id FROM main.hr.copied").await, ["1"]);
        assert_eq!(server.rows("admin", "SELECT id FROM main.hr.plain").await, ["1", "11", "2"]);
    });
}
