//! Versions of the past as a way in: today's policies hold for each of them.

use std::path::Path;

use serde_json::{Value, json};
use weir_testkit::{block_on, logged, write_commit};

use super::{Attack, People, either, refused, rows};

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

/// Commits the columns of a table's first version, with the fields inside `home` changed, as another writer would.
fn commit_fields(folder: &Path, version: u64, change: impl FnOnce(&mut Vec<Value>)) {
    let mut metadata = logged(folder, 0, "metaData");
    let mut schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
    let columns = schema["fields"].as_array_mut().unwrap();
    let home = columns.iter_mut().find(|column| column["name"] == "home").unwrap();
    change(home["type"]["fields"].as_array_mut().unwrap());
    metadata["schemaString"] = json!(schema.to_string());
    metadata["configuration"]["delta.columnMapping.maxColumnId"] = json!("99");
    write_commit(folder, version, &[json!({ "metaData": metadata })]);
}

fn rename(field: &mut Value, name: &str) {
    field["name"] = json!(name);
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

#[test]
fn fields_inside_a_column_that_exchanged_their_names_are_not_shown_as_each_other() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT id, home.code, home.ssn FROM main.hr.homes", &["1 | open | ***"]),
        rows("SELECT id, home.code, home.ssn FROM main.hr.homes VERSION AS OF 3", &["1 | open | ***"]),
        // names and types are those of today, the fields are others
        rows("SELECT * FROM main.hr.homes VERSION AS OF 1", &["1"]),
        refused("SELECT home FROM main.hr.homes VERSION AS OF 1", "UNRESOLVED_COLUMN"),
        refused("SELECT home.code FROM main.hr.homes VERSION AS OF 1", "UNRESOLVED_COLUMN"),
        refused("SELECT id FROM main.hr.homes VERSION AS OF 1 WHERE home.code = 'x'", "UNRESOLVED_COLUMN"),
        // the fields are those of today, in another order
        rows("SELECT * FROM main.hr.homes VERSION AS OF 2", &["1"]),
        rows("SELECT id, _change_type FROM table_changes('main.hr.homes', 1, 1)", &["1 | insert"]),
        refused("SELECT home FROM table_changes('main.hr.homes', 1, 1)", "UNRESOLVED_COLUMN"),
        either("SELECT * FROM table_changes('main.hr.homes', 0)"),
    ];
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.hr.homes (id INT, home STRUCT<code: STRING, ssn: STRING>) TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.enableChangeDataFeed' = 'true');
                 INSERT INTO main.hr.homes VALUES (1, named_struct('code', 'CANARY-1', 'ssn', 'open'))",
            )
            .await;
        let folder = server.folder("main.hr.homes").await;
        let exchange = |fields: &mut Vec<Value>| {
            rename(&mut fields[0], "ssn");
            rename(&mut fields[1], "code");
        };
        commit_fields(&folder, 2, exchange);
        commit_fields(&folder, 3, |fields| {
            exchange(fields);
            fields.swap(0, 1);
        });
        server
            .prepare(
                "ALTER TABLE main.hr.homes ALTER COLUMN home.ssn SET MASK main.gov.hidden_text;
                 GRANT SELECT ON TABLE main.hr.homes TO alice",
            )
            .await;
        people.withstands(ATTACKS).await;
    });
}

#[test]
fn a_field_inside_a_column_that_is_gone_does_not_come_back_under_its_name() {
    const ATTACKS: &[Attack] = &[
        either("SELECT * FROM main.hr.homes"),
        rows("SELECT * FROM main.hr.homes VERSION AS OF 1", &["1"]),
        refused("SELECT home.ssn FROM main.hr.homes VERSION AS OF 1", "UNRESOLVED_COLUMN"),
        rows("SELECT * FROM main.hr.homes VERSION AS OF 2", &["1"]),
        refused("SELECT home FROM main.hr.homes VERSION AS OF 2", "UNRESOLVED_COLUMN"),
    ];
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.hr.homes (id INT, home STRUCT<ssn: STRING, city: STRING>) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
                 INSERT INTO main.hr.homes VALUES (1, named_struct('ssn', 'CANARY-1', 'city', 'Kiel'));
                 GRANT SELECT ON TABLE main.hr.homes TO alice",
            )
            .await;
        let folder = server.folder("main.hr.homes").await;
        commit_fields(&folder, 2, |fields| drop(fields.remove(0)));
        commit_fields(&folder, 3, |fields| {
            fields[0]["metadata"]["delta.columnMapping.id"] = json!(99);
            fields[0]["metadata"]["delta.columnMapping.physicalName"] = json!("col-99");
        });
        people.withstands(ATTACKS).await;
    });
}

#[test]
fn a_mask_on_a_field_whose_name_another_has_taken_closes_the_table() {
    const ATTACKS: &[Attack] = &[
        refused("SELECT home FROM main.hr.homes", "QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY"),
        refused("SELECT home.code FROM main.hr.homes", "QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY"),
        refused("SELECT id FROM main.hr.homes", "QUERIED_TABLE_INCOMPATIBLE_WITH_COLUMN_MASK_POLICY"),
        rows("SELECT * FROM main.hr.homes VERSION AS OF 1", &["1"]),
    ];
    block_on(async {
        let people = People::ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.hr.homes (id INT, home STRUCT<code: STRING, ssn: STRING>) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
                 INSERT INTO main.hr.homes VALUES (1, named_struct('code', 'open', 'ssn', 'CANARY-1'));
                 ALTER TABLE main.hr.homes ALTER COLUMN home.ssn SET MASK main.gov.hidden_text;
                 GRANT SELECT ON TABLE main.hr.homes TO alice",
            )
            .await;
        assert_eq!(
            server.rows("alice", "SELECT home.code, home.ssn FROM main.hr.homes").await,
            ["open | ***"]
        );
        commit_fields(&server.folder("main.hr.homes").await, 2, |fields| {
            rename(&mut fields[0], "ssn");
            rename(&mut fields[1], "code");
        });
        people.withstands(ATTACKS).await;
    });
}
