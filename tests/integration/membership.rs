//! `x IN (query)` has three values wherever it stands: what a NULL leaves open holds for nobody.

use weir_testkit::{TestServer, block_on};

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "CREATE TABLE main.default.t (id INT, x INT, k INT);
             INSERT INTO main.default.t VALUES (1, 1, 1), (2, NULL, 1), (3, 3, 1), (4, 4, 2), (5, NULL, 3);
             CREATE TABLE main.default.s (y INT, k INT);
             INSERT INTO main.default.s VALUES (1, 1), (NULL, 1), (9, 2)",
        )
        .await;
    server
}

/// Which rows of `t` a condition holds for, told by hand: `s` holds 1, NULL and 9; with `k`, 1 and NULL for 1, 9 for 2 and
/// nothing for 3.
const CONDITIONS: &[(&str, &[&str])] = &[
    ("x NOT IN (SELECT y FROM main.default.s)", &[]),
    ("x NOT IN (SELECT y FROM main.default.s WHERE y IS NOT NULL)", &["3", "4"]),
    ("x NOT IN (SELECT y FROM main.default.s WHERE y > 100)", &["1", "2", "3", "4", "5"]),
    ("x NOT IN (SELECT y FROM main.default.s) OR id = 100", &[]),
    ("id = 100 OR x NOT IN (SELECT y FROM main.default.s WHERE y IS NOT NULL)", &["3", "4"]),
    ("id = 100 OR x NOT IN (SELECT y FROM main.default.s WHERE y > 100)", &["1", "2", "3", "4", "5"]),
    ("3 NOT IN (SELECT y FROM main.default.s)", &[]),
    ("3 NOT IN (SELECT y FROM main.default.s WHERE y IS NOT NULL)", &["1", "2", "3", "4", "5"]),
    ("x - x + 3 NOT IN (SELECT y FROM main.default.s)", &[]),
    ("current_user() NOT IN (SELECT CAST(y AS STRING) FROM main.default.s)", &[]),
    ("NOT (x IN (SELECT y FROM main.default.s))", &[]),
    ("NOT (x IN (SELECT y FROM main.default.s) AND id > 0)", &[]),
    ("NOT (x NOT IN (SELECT y FROM main.default.s))", &["1"]),
    ("CASE WHEN x IN (SELECT y FROM main.default.s) THEN FALSE ELSE TRUE END", &["2", "3", "4", "5"]),
    ("CASE WHEN x NOT IN (SELECT y FROM main.default.s) THEN TRUE ELSE FALSE END", &[]),
    ("(x IN (SELECT y FROM main.default.s)) IS NULL", &["2", "3", "4", "5"]),
    ("(x IN (SELECT y FROM main.default.s WHERE y IS NOT NULL)) IS NULL", &["2", "5"]),
    ("(x NOT IN (SELECT y FROM main.default.s)) IS NULL", &["2", "3", "4", "5"]),
    ("(x IN (SELECT y FROM main.default.s WHERE y > 100)) = FALSE", &["1", "2", "3", "4", "5"]),
    ("coalesce(x IN (SELECT y FROM main.default.s), TRUE)", &["1", "2", "3", "4", "5"]),
    ("x IN (SELECT y FROM main.default.s) OR id = 4", &["1", "4"]),
    ("x NOT IN (SELECT y FROM main.default.s s WHERE s.k = t.k)", &["4", "5"]),
    ("x NOT IN (SELECT y FROM main.default.s s WHERE s.k = t.k) OR id = 100", &["4", "5"]),
    ("x IN (SELECT y FROM main.default.s s WHERE s.k = t.k) OR id = 100", &["1"]),
    ("id IN (SELECT id FROM main.default.t WHERE x NOT IN (SELECT y FROM main.default.s) OR id = 3)", &["3"]),
    (
        "EXISTS (SELECT 1 FROM main.default.t o WHERE o.id = t.id AND (o.x NOT IN (SELECT y FROM main.default.s) OR o.id = 2))",
        &["2"],
    ),
];

#[test]
fn a_null_leaves_it_open() {
    block_on(async {
        let server = ground().await;
        let mut wrong = Vec::new();
        for (condition, wanted) in CONDITIONS {
            let sql = format!("SELECT id FROM main.default.t WHERE {condition}");
            let told = server.sql("admin", &sql).await;
            let told = told.map(|rows| rows.sorted()).map_err(|refusal| refusal.text);
            let wanted: Result<Vec<String>, String> = Ok(wanted.iter().map(ToString::to_string).collect());
            if told != wanted {
                wrong.push(format!("{condition}\n    {told:?} and not {wanted:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn a_view_meant_as_a_filter_lets_no_null_pass() {
    block_on(async {
        let server = ground().await;
        server
            .prepare(
                "CREATE VIEW main.default.v AS SELECT id FROM main.default.t WHERE x NOT IN (SELECT y FROM main.default.s) OR current_user() = 'nobody';
                 CREATE VIEW main.default.w AS SELECT * FROM main.default.v;
                 CREATE FUNCTION main.default.f(v INT) RETURNS BOOLEAN RETURN v NOT IN (SELECT y FROM main.default.s);
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.default TO alice;
                 GRANT SELECT ON TABLE main.default.w TO alice",
            )
            .await;
        assert!(server.rows("alice", "SELECT id FROM main.default.w").await.is_empty());
        let called = "SELECT id FROM main.default.t WHERE main.default.f(x) OR id = 100";
        assert!(server.rows("admin", called).await.is_empty());
        let deleted = "DELETE FROM main.default.t WHERE x NOT IN (SELECT y FROM main.default.s) OR id = 100";
        assert_eq!(server.done("admin", deleted).await, 0);
        let having = "SELECT k FROM main.default.t GROUP BY k HAVING max(x) NOT IN (SELECT y FROM main.default.s) OR k = 77";
        assert!(server.rows("admin", having).await.is_empty());
        let joined = "SELECT t.id FROM main.default.t t JOIN main.default.s s ON t.k = s.k AND (t.x NOT IN (SELECT y FROM main.default.s) OR t.id = 100)";
        assert!(server.rows("admin", joined).await.is_empty());
    });
}
