//! Statements that would bring a server down are refused, and the server goes on.

use weir_testkit::{TestServer, block_on};

#[test]
fn a_plan_that_doubles_with_each_cte_is_refused_before_it_is_planned() {
    block_on(async {
        let server = TestServer::start().await;
        let mut text = "WITH c0 AS (SELECT 1 AS id)".to_owned();
        for level in 1..25 {
            let below = level - 1;
            text.push_str(&format!(", c{level} AS (SELECT a.id FROM c{below} a, c{below} b)"));
        }
        text.push_str(" SELECT count(*) FROM c24");
        let refusal = server.sql("admin", &text).await.unwrap_err();
        assert!(refusal.text.contains("RESOURCE_EXHAUSTED"), "{}", refusal.text);
        assert!(server.sql("admin", "SELECT 1").await.is_ok());
    });
}

#[test]
fn subqueries_within_each_other_are_counted_as_often_as_they_are_walked() {
    block_on(async {
        let server = TestServer::start().await;
        let nested = |depth: usize| {
            let within = (0..depth).rev().fold("true".to_owned(), |within, level| {
                let outer = level.checked_sub(1).map_or("a".to_owned(), |outer| format!("b{outer}"));
                format!("EXISTS (SELECT 1 FROM (VALUES (1)) u{level}(b{level}) WHERE b{level} = {outer} AND {within})")
            });
            format!("SELECT count(*) FROM (VALUES (1)) t(a) WHERE {within}")
        };
        assert_eq!(server.rows("admin", &nested(6)).await, ["1"]);
        let refusal = server.sql("admin", &nested(25)).await.unwrap_err();
        assert!(refusal.text.contains("RESOURCE_EXHAUSTED"), "{}", refusal.text);
        let sum = |terms: usize| format!("SELECT {} AS n", vec!["a"; terms].join(" + "));
        let text = format!("{} FROM (VALUES (1)) t(a)", sum(900));
        assert_eq!(server.rows("admin", &text).await, ["900"]);
    });
}

/// A table of so many columns, all masked by one tag policy, and beside them one that is not.
async fn wide(columns: usize) -> TestServer {
    let server = TestServer::start().await;
    let names: Vec<String> = (0..columns).map(|number| format!("c{number} INT")).collect();
    server
        .prepare(&format!(
            "CREATE TABLE main.default.wide (id INT, {});
             INSERT INTO main.default.wide (id, c0, c1) VALUES (1, 77, 77), (2, 88, 88);
             CREATE FUNCTION main.default.zero(v INT) RETURNS INT RETURN 0;
             CREATE GOVERNED TAG open;
             ALTER TABLE main.default.wide ALTER COLUMN id SET TAGS ('open');
             GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice;
             CREATE POLICY all_of_them ON SCHEMA main.default COLUMN MASK main.default.zero TO alice FOR TABLES MATCH COLUMNS NOT has_tag('open') AS m ON COLUMN m",
            names.join(", ")
        ))
        .await;
    server
}

#[test]
fn a_table_of_ten_thousand_masked_columns_is_read_in_time() {
    block_on(async {
        // Policies are resolved in steps that grow with the columns, not with their square or cube: 1000 columns
        // took a minute that way, and these would take hours.
        let server = wide(10_000).await;
        let started = tokio::time::Instant::now();
        let sql = "SELECT id, c0, c1, c9999 FROM main.default.wide WHERE id = 1 OR c0 = 77";
        assert_eq!(server.rows("alice", sql).await, ["1 | 0 | 0 | 0"]);
        println!("a query over 10000 masked columns: {:?}", started.elapsed());
    });
}

#[test]
fn all_of_a_thousand_masked_columns_are_read_at_once() {
    block_on(async {
        let server = wide(1_000).await;
        let started = tokio::time::Instant::now();
        let rows = server.sql("alice", "SELECT * FROM main.default.wide").await.unwrap();
        assert_eq!(rows.columns().len(), 1_001);
        let zeros = vec!["0"; 1_000].join(" | ");
        assert_eq!(rows.sorted(), [format!("1 | {zeros}"), format!("2 | {zeros}")]);
        println!("all of 1000 masked columns: {:?}", started.elapsed());
    });
}
