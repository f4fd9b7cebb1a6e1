//! The change data feed as a way in: each change is a row under today's policies.

use weir_testkit::block_on;

use super::{Attack, People, refused, rows};

/// `moves` has rows that go from the south, which alice does not see, to the north and back. `late` has got the column
/// that its filter needs on the way, `renamed` has lost one column and renamed another, `tight` is strict.
const FEEDS: &str = "
CREATE TABLE main.hr.moves (id INT, region STRING, ssn STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');
INSERT INTO main.hr.moves VALUES (1, 'north', 'CANARY-1'), (2, 'south', 'CANARY-2'), (3, 'south', 'CANARY-3');
UPDATE main.hr.moves SET region = 'south' WHERE id = 1;
UPDATE main.hr.moves SET region = 'north' WHERE id = 2;
DELETE FROM main.hr.moves WHERE id = 3;
UPDATE main.hr.moves SET ssn = 'CANARY-9' WHERE id = 2;
CREATE TABLE main.hr.tight (id INT, region STRING, ssn STRING) PARTITIONED BY (region) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'governance.protection' = 'strict');
INSERT INTO main.hr.tight VALUES (1, 'north', 'CANARY-1'), (2, 'south', 'CANARY-2');
DELETE FROM main.hr.tight WHERE id < 3;
CREATE TABLE main.hr.late (id INT, ssn STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');
INSERT INTO main.hr.late VALUES (1, 'CANARY-1');
ALTER TABLE main.hr.late ADD COLUMN region STRING;
INSERT INTO main.hr.late VALUES (2, 'CANARY-2', 'north'), (3, 'CANARY-3', 'south');
CREATE TABLE main.hr.renamed (id INT, region STRING, ssn STRING, note STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'delta.columnMapping.mode' = 'name');
INSERT INTO main.hr.renamed VALUES (1, 'north', 'CANARY-1', 'CANARY-n'), (2, 'south', 'CANARY-2', 'CANARY-m');
ALTER TABLE main.hr.renamed RENAME COLUMN ssn TO number;
ALTER TABLE main.hr.renamed DROP COLUMN note;
INSERT INTO main.hr.renamed VALUES (3, 'north', 'CANARY-3'), (5, 'south', 'CANARY-5');
ALTER TABLE main.hr.moves SET ROW FILTER main.gov.of_region ON (region);
ALTER TABLE main.hr.moves ALTER COLUMN ssn SET MASK main.gov.hidden_text;
ALTER TABLE main.hr.tight SET ROW FILTER main.gov.of_region ON (region);
ALTER TABLE main.hr.tight ALTER COLUMN ssn SET MASK main.gov.hidden_text;
ALTER TABLE main.hr.late SET ROW FILTER main.gov.of_region ON (region);
ALTER TABLE main.hr.late ALTER COLUMN ssn SET MASK main.gov.hidden_text;
ALTER TABLE main.hr.renamed SET ROW FILTER main.gov.of_region ON (region);
ALTER TABLE main.hr.renamed ALTER COLUMN number SET MASK main.gov.hidden_text;
CREATE VIEW main.hr.move_log AS SELECT id, ssn, _change_type AS what FROM table_changes('main.hr.moves', 1);
CREATE VIEW main.hr.names AS SELECT id FROM main.hr.moves;
GRANT SELECT ON SCHEMA main.hr TO alice;
GRANT SELECT ON SCHEMA main.hr TO carol";

async fn ground() -> People {
    let people = People::ground().await;
    people.server.prepare(FEEDS).await;
    people
}

#[test]
fn each_change_is_a_row_under_todays_policies() {
    const ATTACKS: &[Attack] = &[
        // a row that crosses the filter's boundary shows the image on the caller's side alone
        rows(
            "SELECT id, region, ssn, _change_type, _commit_version FROM table_changes('main.hr.moves', 0)",
            &[
                "1 | north | *** | insert | 1",
                "1 | north | *** | update_preimage | 2",
                "2 | north | *** | update_postimage | 3",
                "2 | north | *** | update_postimage | 5",
                "2 | north | *** | update_preimage | 5",
            ],
        ),
        rows(
            "SELECT count(*), max(id), max(ssn) FROM table_changes('main.hr.moves', 4, 4)",
            &["0 | NULL | NULL"],
        ),
        rows(
            "SELECT id, _change_type FROM TABLE_CHANGES('main.hr.moves', 2, 2) AS c",
            &["1 | update_preimage"],
        ),
        rows("SELECT id FROM table_changes('main.hr.moves', 1, 1) WHERE table_changes.id > 0", &["1"]),
        rows("SELECT count(*) FROM table_changes('main.hr.moves', '2000-01-01')", &["5"]),
        rows(
            "SELECT count(*) FROM table_changes('main.hr.moves', DATE '2000-01-01', current_timestamp())",
            &["5"],
        ),
        rows("SELECT count(*) FROM TABLE(table_changes('main.hr.moves', 0)) c", &["5"]),
        // what fails on hidden rows, and masked columns in predicates
        rows("SELECT DISTINCT id FROM table_changes('main.hr.moves', 0) WHERE 1 / (id - 3) < 9", &["1", "2"]),
        rows("SELECT id FROM table_changes('main.hr.moves', 0) WHERE ssn LIKE 'C%'", &[]),
        refused(
            "SELECT id FROM table_changes('main.hr.moves', 0) WHERE CAST(ssn AS INT) > 0",
            "CAST_INVALID_INPUT",
        ),
        // beside the table, in a CTE, in a view
        rows(
            "SELECT c._commit_version, t.id FROM table_changes('main.hr.moves', 3, 3) c \
             JOIN main.hr.moves t ON c.id = t.id",
            &["3 | 2"],
        ),
        rows(
            "WITH c AS (SELECT * FROM table_changes('main.hr.moves', 0)) \
             SELECT (SELECT count(*) FROM c) AS n, (SELECT count(*) FROM c WHERE _change_type = 'delete') AS m",
            &["5 | 0"],
        ),
        rows("SELECT DISTINCT id, ssn FROM main.hr.move_log", &["1 | ***", "2 | ***"]),
        rows(
            "SELECT id, region, ssn, _change_type, _commit_version FROM table_changes('main.hr.tight', 0)",
            &["1 | north | *** | delete | 2", "1 | north | *** | insert | 1"],
        ),
        // columns of today, under the names of today
        rows(
            "SELECT id, region, number, _change_type FROM table_changes('main.hr.renamed', 0)",
            &["1 | north | *** | insert", "3 | north | *** | insert"],
        ),
        refused("SELECT note FROM table_changes('main.hr.renamed', 0)", "UNRESOLVED_COLUMN"),
        refused("SELECT ssn FROM table_changes('main.hr.renamed', 0)", "UNRESOLVED_COLUMN"),
        // a filter that needs a column which some version lacks
        refused(
            "SELECT id FROM table_changes('main.hr.late', 0)",
            "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY",
        ),
        refused(
            "SELECT id FROM table_changes('main.hr.late', 1, 1)",
            "QUERIED_TABLE_INCOMPATIBLE_WITH_ROW_LEVEL_SECURITY_POLICY",
        ),
        rows("SELECT id, ssn FROM table_changes('main.hr.late', 2)", &["2 | ***"]),
    ];
    block_on(async { ground().await.withstands(ATTACKS).await });
}

#[test]
fn changes_that_cannot_be_told_are_refused_by_name() {
    const ATTACKS: &[Attack] = &[
        refused("SELECT id FROM table_changes('main.hr.moves', 3, 1)", "DELTA_INVALID_CDC_RANGE"),
        refused("SELECT id FROM table_changes('main.hr.moves', 1, 9)", "DELTA_VERSION_NOT_FOUND"),
        refused("SELECT id FROM table_changes('main.hr.moves', 9)", "DELTA_VERSION_NOT_FOUND"),
        refused("SELECT id FROM table_changes('main.hr.people', 0)", "DELTA_MISSING_CHANGE_DATA"),
        refused("SELECT id FROM table_changes('main.hr.moves')", "WRONG_NUM_ARGS"),
        refused("SELECT id FROM table_changes('main.hr.moves', 0, 1, 2)", "WRONG_NUM_ARGS"),
        refused("SELECT id FROM table_changes(1, 2)", "INVALID_STATEMENT"),
        refused("SELECT id FROM table_changes('main.hr.moves x', 0)", "INVALID_STATEMENT"),
        refused("SELECT id FROM table_changes('a.main.hr.moves', 0)", "TABLE_OR_VIEW_NOT_FOUND"),
        refused("SELECT id FROM table_changes(table => 'main.hr.moves', from => 0)", "INVALID_STATEMENT"),
        refused("SELECT id FROM table_changes('main.hr.moves', -1)", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused("SELECT id FROM table_changes('main.hr.moves', 1.5)", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused("SELECT id FROM table_changes('main.hr.moves', NULL)", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused("SELECT id FROM table_changes('main.hr.moves', id)", "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR"),
        refused(
            "SELECT id FROM table_changes('main.hr.moves', (SELECT max(born) FROM main.hr.people))",
            "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR",
        ),
        refused(
            "SELECT p.id FROM main.hr.people p, LATERAL table_changes('main.hr.moves', p.id)",
            "INVALID_TIME_TRAVEL_TIMESTAMP_EXPR",
        ),
        refused("SELECT table_changes('main.hr.moves', 0)", "UNRESOLVED_ROUTINE"),
        refused("SELECT * FROM table_changes('main.hr.names', 0)", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM table_changes('system.query.history', 0)", "UNSUPPORTED_FEATURE"),
        refused("SELECT * FROM table_changes('main.hr.moves', 0) VERSION AS OF 1", "PARSE_SYNTAX_ERROR"),
        refused("SELECT * FROM main.hr.`moves changes from version 0`", "TABLE_OR_VIEW_NOT_FOUND"),
    ];
    block_on(async { ground().await.withstands(ATTACKS).await });
}

#[test]
fn whom_no_policy_stops_sees_every_change() {
    block_on(async {
        let people = ground().await;
        let told = people
            .server
            .rows(
                "carol",
                "SELECT _commit_version, _change_type, count(*), min(ssn) FROM table_changes('main.hr.moves', 0) \
                 GROUP BY ALL",
            )
            .await;
        assert_eq!(
            told,
            [
                "1 | insert | 3 | CANARY-1",
                "2 | update_postimage | 1 | CANARY-1",
                "2 | update_preimage | 1 | CANARY-1",
                "3 | update_postimage | 1 | CANARY-2",
                "3 | update_preimage | 1 | CANARY-2",
                "4 | delete | 1 | CANARY-3",
                "5 | update_postimage | 1 | CANARY-9",
                "5 | update_preimage | 1 | CANARY-2",
            ]
        );
        let columns =
            people.server.sql("carol", "SELECT * FROM table_changes('main.hr.late', 2)").await.unwrap();
        assert_eq!(
            columns.columns(),
            ["id", "ssn", "region", "_change_type", "_commit_version", "_commit_timestamp"]
        );
        assert_eq!(columns.count(), 2);
        let history = people.server.sql("carol", "DESCRIBE HISTORY main.hr.moves LIMIT 1").await.unwrap();
        let time = history.lines()[0].split(" | ").nth(1).unwrap().to_owned();
        let told = "SELECT DISTINCT _commit_timestamp FROM table_changes('main.hr.moves', 5)";
        assert_eq!(people.server.rows("carol", told).await, [time]);
    });
}

#[test]
fn changes_are_no_way_around_a_missing_grant() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        let hidden = server.refused("bob", "SELECT * FROM table_changes('main.hr.moves', 0)").await;
        let missing = server.refused("bob", "SELECT * FROM table_changes('main.hr.mooves', 0)").await;
        assert_eq!(hidden.replace("moves", "mooves"), missing);
        let unknown = server.refused("bob", "SELECT * FROM table_changes('main.hr.moves', 99)").await;
        assert_eq!(hidden, unknown);
        let no_feed = server.refused("bob", "SELECT * FROM table_changes('main.hr.people', 0)").await;
        assert_eq!(hidden.replace("moves", "people"), no_feed);
    });
}

#[test]
fn a_view_over_changes_names_its_table_in_every_session() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        let client = people.client("admin").with_header("catalog", "main").with_header("schema", "hr");
        client
            .update("CREATE VIEW main.hr.short AS SELECT id, _change_type AS what FROM table_changes('moves', 1, 1)")
            .await
            .unwrap();
        server.prepare("GRANT SELECT ON TABLE main.hr.short TO alice").await;
        assert_eq!(server.rows("alice", "SELECT * FROM main.hr.short").await, ["1 | insert"]);
    });
}

#[test]
fn prepared_changes_meet_the_policies_of_their_execution() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE TABLE main.hr.open (id INT, ssn STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');
                 INSERT INTO main.hr.open VALUES (1, 'CANARY-1');
                 GRANT SELECT ON TABLE main.hr.open TO alice",
            )
            .await;
        let client = people.client("alice");
        let prepared = client.prepare("SELECT ssn FROM table_changes('main.hr.open', 0)").await.unwrap();
        let handle = prepared.handle;
        assert_eq!(client.run(&handle).await.unwrap().value(), "CANARY-1");
        server.prepare("ALTER TABLE main.hr.open ALTER COLUMN ssn SET MASK main.gov.hidden_text").await;
        assert_eq!(client.run(&handle).await.unwrap().value(), "***");
        server
            .prepare(
                "REVOKE SELECT ON TABLE main.hr.open FROM alice;\nREVOKE SELECT ON SCHEMA main.hr FROM alice",
            )
            .await;
        let refusal = client.run(&handle).await.unwrap_err();
        assert!(!refusal.text.contains("CANARY"), "{refusal:?}");
        assert!(
            ["[TABLE_OR_VIEW_NOT_FOUND]", "[INSUFFICIENT_PERMISSIONS]"]
                .iter()
                .any(|condition| refusal.text.starts_with(condition)),
            "{refusal:?}"
        );
    });
}

#[test]
fn functions_tell_changes_and_policies_do_not() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        server
            .prepare(
                "CREATE FUNCTION main.hr.moved(kind STRING) RETURNS TABLE (id INT, ssn STRING) RETURN SELECT id, ssn FROM table_changes('main.hr.moves', 0) WHERE _change_type = kind;
                 CREATE FUNCTION main.hr.has_moved(item INT) RETURNS BOOLEAN RETURN item IN (SELECT id FROM table_changes('main.hr.moves', 0));
                 GRANT EXECUTE ON FUNCTION main.hr.moved TO alice;
                 GRANT EXECUTE ON FUNCTION main.hr.has_moved TO alice",
            )
            .await;
        assert_eq!(server.rows("alice", "SELECT * FROM main.hr.moved('insert')").await, ["1 | ***"]);
        let asked = "SELECT id FROM main.hr.people WHERE main.hr.has_moved(id)";
        assert_eq!(server.rows("alice", asked).await, ["1", "2"]);
        let within =
            "SELECT id FROM main.hr.people WHERE id IN (SELECT id FROM table_changes('main.hr.moves', 2, 2))";
        assert_eq!(server.rows("alice", within).await, ["1"]);
        let policy = "ALTER TABLE main.hr.cities SET ROW FILTER main.hr.has_moved ON (city)";
        let refusal = server.refused("admin", policy).await;
        assert!(!refusal.starts_with("[INTERNAL"), "{refusal}");
        server.prepare("CREATE TABLE main.hr.numbers (id INT)").await;
        let policy = "ALTER TABLE main.hr.numbers SET ROW FILTER main.hr.has_moved ON (id)";
        let refusal = server.refused("admin", policy).await;
        assert!(refusal.contains("change data in a policy"), "{refusal}");
    });
}

#[test]
fn changes_are_a_source_of_writes_that_keeps_masks_out_and_is_tagged() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        server.prepare("GRANT MODIFY ON TABLE main.hr.moves TO alice").await;
        let back =
            "INSERT INTO main.hr.moves SELECT id, region, ssn FROM table_changes('main.hr.moves', 1, 1)";
        let refusal = people.client("alice").update(back).await.unwrap_err();
        assert!(refusal.text.starts_with("[MASKED_VALUE_WRITE]"), "{refusal:?}");
        server
            .prepare("CREATE TABLE main.hr.moved AS SELECT id, _change_type FROM table_changes('main.hr.moves', 1, 1)")
            .await;
        assert_eq!(server.rows("admin", "SELECT * FROM main.hr.moved").await, ["1 | insert"]);
        let tags = "SELECT table_name, tag_name FROM main.information_schema.table_tags";
        assert_eq!(server.rows("admin", tags).await, ["moved | derived_from_governed"]);
    });
}

/// Two feeds that differ in hidden rows alone, made by the same statements.
#[test]
fn strict_feeds_that_differ_in_hidden_rows_are_told_alike() {
    block_on(async {
        let people = ground().await;
        let server = &people.server;
        let mut told = Vec::new();
        for (table, hidden) in
            [("one", "(7, 'south', 'CANARY-7')"), ("two", "(8, 'west', NULL), (9, NULL, 'CANARY-9')")]
        {
            server
                .prepare(&format!(
                    "CREATE TABLE main.hr.{table} (id INT, region STRING, ssn STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'governance.protection' = 'strict');
                     INSERT INTO main.hr.{table} VALUES (1, 'north', 'CANARY-1'), {hidden};
                     UPDATE main.hr.{table} SET ssn = 'CANARY-0' WHERE id <> 5;
                     ALTER TABLE main.hr.{table} SET ROW FILTER main.gov.of_region ON (region);
                     ALTER TABLE main.hr.{table} ALTER COLUMN ssn SET MASK main.gov.hidden_text"
                ))
                .await;
            let client = people.client("alice");
            let mut of_table = Vec::new();
            for query in [
                "SELECT id, region, ssn, _change_type, _commit_version FROM table_changes('main.hr.t', 0)",
                "SELECT count(*), max(id) FROM table_changes('main.hr.t', 0) WHERE id > 1 OR ssn = 'CANARY-7'",
                "SELECT 1 / (id - 7) AS x FROM table_changes('main.hr.t', 0) WHERE _change_type = 'insert'",
                "SELECT id FROM table_changes('main.hr.t', 0) ORDER BY ssn, _change_type LIMIT 2",
            ] {
                let query = query.replace("main.hr.t'", &format!("main.hr.{table}'"));
                of_table.push(client.statement(&query).await.unwrap().sorted().join("\n"));
                for explain in ["EXPLAIN", "EXPLAIN ANALYZE"] {
                    let lines = client.statement(&format!("{explain} {query}")).await.unwrap().lines();
                    let volatile = ["cpu", "total remote execution time", "cache"];
                    let kept = lines.iter().filter(|line| !volatile.iter().any(|word| line.contains(word)));
                    of_table.push(kept.map(|line| line.replace(table, "t")).collect::<Vec<_>>().join("\n"));
                }
            }
            for what in ["HISTORY", "DETAIL"] {
                let told = client.statement(&format!("DESCRIBE {what} main.hr.{table}")).await.unwrap();
                let sizes = ["timestamp", "id", "createdAt", "lastModified", "name"];
                for batch in &told.batches {
                    let kept: Vec<usize> = (0..batch.num_columns())
                        .filter(|column| !sizes.contains(&batch.schema().field(*column).name().as_str()))
                        .collect();
                    of_table.push(weir_testkit::text_of(&[batch.project(&kept).unwrap()]).join("\n"));
                }
            }
            told.push(of_table);
        }
        assert!(told[0][0].contains("1 | north | *** | insert | 1"), "{}", told[0][0]);
        for (one, two) in told[0].iter().zip(&told[1]) {
            assert_eq!(one, two);
        }
    });
}
