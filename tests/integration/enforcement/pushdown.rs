//! What the optimiser would like to answer from statistics, or push below the filter.

use weir_testkit::{TestServer, block_on};

use super::{Attack, People, rows};

#[test]
fn aggregates_are_not_answered_from_statistics() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT count(*) FROM main.hr.people", &["3"]),
        rows("SELECT count(1), count(id), count(region) FROM main.hr.people", &["3 | 3 | 3"]),
        rows("SELECT min(id), max(id) FROM main.hr.people", &["1 | 3"]),
        rows("SELECT min(region), max(region) FROM main.hr.people", &["north | north"]),
        rows(
            "SELECT min(ssn), max(ssn), min(salary), max(salary), max(born) FROM main.hr.people",
            &["*** | *** | 0.00 | 0.00 | NULL"],
        ),
        rows("SELECT DISTINCT region FROM main.hr.people", &["north"]),
        rows("SELECT approx_distinct(region) FROM main.hr.people", &["1"]),
        rows("SELECT count(*) FROM main.hr.people WHERE region = 'south'", &["0"]),
        rows("SELECT count(*) FROM main.hr.people WHERE region IS NULL", &["0"]),
        rows("SELECT count(*) FROM main.hr.people WHERE id > 1000", &["0"]),
        rows("SELECT max(c.city) FROM main.hr.cities c", &["Ulm"]),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn a_limit_counts_visible_rows() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT count(*) FROM (SELECT * FROM main.hr.people LIMIT 1)", &["1"]),
        rows("SELECT count(*) FROM (SELECT * FROM main.hr.people LIMIT 4)", &["3"]),
        rows("SELECT count(*) FROM (SELECT * FROM main.hr.people LIMIT 10 OFFSET 2)", &["1"]),
        rows("SELECT id FROM main.hr.people ORDER BY id DESC LIMIT 1", &["3"]),
        rows("SELECT id FROM main.hr.people ORDER BY secret DESC, id LIMIT 1", &["3"]),
        rows("SELECT region FROM main.hr.people LIMIT 1", &["north"]),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

#[test]
fn top_rows_and_joins_by_a_masked_column_are_of_the_mask() {
    const ATTACKS: &[Attack] = &[
        rows("SELECT count(*) FROM (SELECT id FROM main.hr.people ORDER BY salary DESC LIMIT 2)", &["2"]),
        rows("SELECT count(*) FROM (SELECT id FROM main.hr.people ORDER BY ssn LIMIT 2)", &["2"]),
        rows("SELECT p.id FROM main.hr.people p JOIN (SELECT '***' AS s) x ON p.ssn = x.s", &["1", "2", "3"]),
        rows(
            "SELECT p.id FROM main.hr.people p JOIN (VALUES ('CANARY-1'), ('CANARY-4')) x(s) ON p.ssn = x.s",
            &[],
        ),
        rows(
            "SELECT p.id FROM main.hr.people p JOIN (VALUES (0.00), (45454545.01)) x(s) ON p.salary = x.s",
            &["1", "2", "3"],
        ),
        rows(
            "SELECT p.id FROM (VALUES ('south'), ('north')) x(r) JOIN main.hr.people p ON p.region = x.r",
            &["1", "2", "3"],
        ),
    ];
    block_on(async { People::ground().await.withstands(ATTACKS).await });
}

/// A number of EXPLAIN ANALYZE.
async fn number(server: &TestServer, user: &str, sql: &str, name: &str) -> String {
    let lines = server.sql(user, &format!("EXPLAIN ANALYZE {sql}")).await.unwrap().lines();
    let prefix = format!("{name}: ");
    let found = lines.iter().find_map(|line| line.trim().strip_prefix(&prefix).map(str::to_owned));
    found.unwrap_or_else(|| panic!("no `{name}` in {lines:#?}"))
}

#[test]
fn a_predicate_on_a_masked_partition_column_prunes_nothing() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.visits (id INT, ward STRING, cost INT) PARTITIONED BY (ward);
                 INSERT INTO main.default.visits VALUES (1, 'cardiology', 10);
                 INSERT INTO main.default.visits VALUES (2, 'oncology', 20);
                 INSERT INTO main.default.visits VALUES (3, 'psychiatry', 30);
                 CREATE FUNCTION main.default.hidden(v STRING) RETURNS STRING RETURN 'ward';
                 CREATE FUNCTION main.default.nothing(v INT) RETURNS INT RETURN 0;
                 ALTER TABLE main.default.visits ALTER COLUMN ward SET MASK main.default.hidden;
                 ALTER TABLE main.default.visits ALTER COLUMN cost SET MASK main.default.nothing;
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.default TO alice;
                 GRANT SELECT ON TABLE main.default.visits TO alice",
            )
            .await;
        for predicate in [
            "TRUE",
            "ward = 'oncology'",
            "ward IN ('oncology')",
            "ward > 'o'",
            "ward IS NULL",
            "cost = 20",
            "cost > 1000",
            "ward = 'ward'",
        ] {
            let sql = format!("SELECT id FROM main.default.visits WHERE {predicate}");
            assert_eq!(number(&server, "alice", &sql, "files pruned").await, "0", "{predicate}");
            assert_eq!(number(&server, "alice", &sql, "files read").await, "3", "{predicate}");
        }
        let top = "SELECT id FROM main.default.visits ORDER BY cost DESC LIMIT 1";
        assert_eq!(number(&server, "alice", top, "rows output").await, "3");
        let rows =
            server.rows("alice", "SELECT id, ward, cost FROM main.default.visits WHERE ward = 'ward'").await;
        assert_eq!(rows, ["1 | ward | 0", "2 | ward | 0", "3 | ward | 0"]);
        let open = "SELECT id FROM main.default.visits WHERE id = 2";
        assert_eq!(number(&server, "alice", open, "files pruned").await, "2", "an open column prunes");
    });
}

#[test]
fn strict_protection_tells_rows_and_bytes_alone() {
    block_on(async {
        let people = People::ground().await;
        people
            .server
            .prepare("ALTER TABLE main.hr.people SET TBLPROPERTIES ('governance.protection' = 'strict')")
            .await;
        let told = |sql: &'static str| {
            let client = people.client("alice");
            async move {
                let rows = client.statement(&format!("EXPLAIN ANALYZE {sql}")).await.unwrap();
                let volatile = ["cpu", "total remote execution time", "cache"];
                let lines = rows.lines().into_iter();
                lines
                    .filter(|line| !volatile.iter().any(|word| line.contains(word)))
                    .collect::<Vec<_>>()
                    .join("\n")
            }
        };
        let all = told("SELECT id FROM main.hr.people").await;
        for banned in ["files", "cache", "execution time"] {
            assert!(!all.contains(banned), "`{banned}` in {all}");
        }
        assert!(all.contains("rows output: 3"), "{all}");
        // the predicate stays outside: the leaf gives the same rows
        assert!(told("SELECT id FROM main.hr.people WHERE id = 1").await.contains("rows output: 3"));
    });
}
