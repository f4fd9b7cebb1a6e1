//! Names: what a caller may not see does not exist; views are barriers where they must be.

use std::sync::atomic::Ordering;

use datafusion::logical_expr::Volatility;

use super::*;
use crate::test_world::{Canary, World, batch, ints, texts};

fn numbers() -> (World, TableId) {
    let mut world = World::new();
    let table = world.hidden_table("numbers", batch(vec![ints("x", 1..=10), texts("t", ["a"; 10])]));
    (world, table)
}

#[tokio::test]
async fn hidden_and_missing_are_told_in_the_same_words() {
    let (mut world, _) = numbers();
    let stranger = world.user("stranger");
    world.content.grants.retain(|grant| grant.principal != stranger);
    let hidden = world.error(stranger, "SELECT * FROM numbers").await;
    let missing = world.error(stranger, "SELECT * FROM nombers").await;
    assert!(missing.contains("table or view `main.hr.nombers` not found"), "{missing}");
    assert_eq!(hidden.replace("numbers", "nombers"), missing);
    for (hidden, missing) in [
        ("SELECT * FROM MAIN.hr.`Numbers`", "SELECT * FROM MAIN.hr.`Nombers`"),
        ("SELECT y FROM numbers", "SELECT y FROM nombers"),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM numbers)", "SELECT 1 WHERE EXISTS (SELECT 1 FROM nombers)"),
        ("WITH c AS (SELECT * FROM numbers) SELECT 1", "WITH c AS (SELECT * FROM nombers) SELECT 1"),
    ] {
        let (hidden, missing) = (world.error(stranger, hidden).await, world.error(stranger, missing).await);
        assert_eq!(hidden.replace("numbers", "nombers"), missing);
    }
}

#[tokio::test]
async fn who_knows_of_a_table_is_told_what_is_missing() {
    let (mut world, table) = numbers();
    world.grant(world.alice, Privilege::Modify, SecurableId::Table(table));
    let error = world.error(world.alice, "SELECT * FROM numbers").await;
    assert!(error.contains("you need SELECT on table `main.hr.numbers`"), "{error}");
}

#[tokio::test]
async fn a_cte_shadows_and_never_reaches_a_policy() {
    let (mut world, table) = numbers();
    world.grant(world.alice, Privilege::Select, SecurableId::Table(table));
    world.hidden_table("mapping", batch(vec![ints("x", [3])]));
    world.filter(table, &["v INT"], "v IN (SELECT x FROM mapping)", &["x"]);
    let sql = "WITH mapping AS (SELECT 4 AS x) SELECT n.x FROM numbers n, mapping";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["3"]);
    let sql = "WITH numbers AS (SELECT 4 AS x) SELECT x FROM numbers";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["4"]);
}

#[tokio::test]
async fn one_snapshot_of_each_table_in_a_statement() {
    let (mut world, table) = numbers();
    world.grant(world.alice, Privilege::Select, SecurableId::Table(table));
    world.view("v", &["x"], "SELECT x FROM main.hr.numbers", &[table]);
    world.filter(table, &["v INT"], "v IN (SELECT x FROM main.hr.mapping)", &["x"]);
    world.hidden_table("mapping", batch(vec![ints("x", [3])]));
    let sql = "SELECT a.x FROM numbers a JOIN numbers b ON a.x = b.x JOIN v ON a.x = v.x";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["3"]);
    assert_eq!(world.opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_view_runs_with_its_owners_rights() {
    let (mut world, table) = numbers();
    let view = world.view("v", &["x"], "SELECT x FROM main.hr.numbers WHERE x < 3", &[table]);
    assert_eq!(world.rows(world.alice, "SELECT * FROM v").await.unwrap(), ["1", "2"]);
    world.of(view).owner = world.bob;
    let error = world.error(world.alice, "SELECT * FROM v").await;
    assert!(error.contains("view `main.hr.v` cannot be read") && !error.contains("numbers"), "{error}");
}

#[tokio::test]
async fn policies_hold_in_a_view_for_the_session_user() {
    let (mut world, table) = numbers();
    world.filter(table, &["v INT"], "v > 8 OR session_user() = 'root'", &["x"]);
    world.mask(table, "t", &["v STRING"], "STRING", "'***'", &[]);
    world.view("v", &["x", "t"], "SELECT x, t FROM main.hr.numbers", &[table]);
    world.view("w", &["x", "t"], "SELECT x, t FROM main.hr.v", &[]);
    for name in ["v", "w"] {
        let sql = format!("SELECT * FROM {name}");
        assert_eq!(world.rows(world.alice, &sql).await.unwrap(), ["10|***", "9|***"]);
        assert_eq!(world.rows(world.root, &sql).await.unwrap().len(), 10);
    }
}

/// Every value that `sql` of alice shows to the canary must be of `allowed`.
async fn sees_only(world: &mut World, sql: &str, allowed: &[&str]) {
    let (spy, mut canary) = Canary::new("spy", Volatility::Immutable);
    world.callable(spy);
    let rows = world.rows(world.alice, sql).await.unwrap();
    let seen = canary.seen();
    assert!(seen.iter().all(|value| allowed.contains(&value.as_str())), "`{sql}`: {seen:?} {rows:?}");
    assert!(!seen.is_empty(), "`{sql}` calls the canary");
}

#[tokio::test]
async fn a_view_is_a_barrier_for_readers_without_rights_below() {
    let (mut world, table) = numbers();
    world.view("v", &["x"], "SELECT x FROM main.hr.numbers WHERE x <> 5", &[table]);
    assert_eq!(world.rows(world.alice, "SELECT x FROM v WHERE 1/(x-5) > 0").await.unwrap(), ["6"]);
    let allowed = ["1", "2", "3", "4", "6", "7", "8", "9", "10"];
    sees_only(&mut world, "SELECT x FROM v WHERE spy(x) > 0", &allowed).await;
    sees_only(&mut world, "SELECT a.x FROM v a JOIN v b ON spy(a.x) = b.x", &allowed).await;
}

#[tokio::test]
async fn a_view_over_a_view_is_a_barrier_too() {
    let (mut world, table) = numbers();
    let inner = world.view("inner", &["x"], "SELECT x FROM main.hr.numbers WHERE x <> 5", &[table]);
    world.view("outer", &["x"], "SELECT x FROM main.hr.inner", &[inner]);
    let allowed = ["1", "2", "3", "4", "6", "7", "8", "9", "10"];
    sees_only(&mut world, "SELECT x FROM outer WHERE spy(x) > 0", &allowed).await;
    assert_eq!(world.rows(world.alice, "SELECT x FROM outer WHERE 1/(x-5) > 0").await.unwrap(), ["6"]);
}

#[tokio::test]
async fn a_dynamic_view_is_a_barrier_for_everybody() {
    let (mut world, table) = numbers();
    world.grant(world.alice, Privilege::Select, SecurableId::Table(table));
    world.view("v", &["x"], "SELECT x FROM main.hr.numbers WHERE x <> 5 OR current_user() = 'bob'", &[table]);
    assert_eq!(world.rows(world.alice, "SELECT x FROM v WHERE 1/(x-5) > 0").await.unwrap(), ["6"]);
    world.view("w", &["x"], "SELECT x FROM main.hr.v", &[]);
    assert_eq!(world.rows(world.alice, "SELECT x FROM w WHERE 1/(x-5) > 0").await.unwrap(), ["6"]);
}

#[tokio::test]
async fn limits_orders_and_aggregates_over_a_barrier_view() {
    let (mut world, table) = numbers();
    world.view("v", &["x"], "SELECT x FROM main.hr.numbers WHERE x > 5", &[table]);
    assert_eq!(world.rows(world.alice, "SELECT count(*), min(x), max(x) FROM v").await.unwrap(), ["5|6|10"]);
    assert_eq!(world.lines(world.alice, "SELECT x FROM v ORDER BY x LIMIT 1").await.unwrap(), ["6"]);
    assert_eq!(world.rows(world.alice, "SELECT x FROM v LIMIT 2").await.unwrap().len(), 2);
    assert_eq!(
        world.rows(world.alice, "SELECT a.x FROM v a JOIN v b ON a.x = b.x + 1").await.unwrap().len(),
        4
    );
}

#[tokio::test]
async fn views_on_views_end_somewhere() {
    let (mut world, table) = numbers();
    world.view("v0", &["x"], "SELECT x FROM main.hr.numbers", &[table]);
    for level in 1..20 {
        world.view(&format!("v{level}"), &["x"], &format!("SELECT x FROM main.hr.v{}", level - 1), &[]);
    }
    assert_eq!(world.rows(world.alice, "SELECT count(*) FROM v7").await.unwrap(), ["10"]);
    let error = world.error(world.alice, "SELECT count(*) FROM v19").await;
    assert!(error.contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn strict_is_told_by_the_property_in_any_case() {
    let (mut world, table) = numbers();
    world.grant(world.alice, Privilege::Select, SecurableId::Table(table));
    world.filter(table, &["v INT"], "v > 8", &["x"]);
    for (level, expected) in [
        ("standard", Barrier::Standard),
        ("STANDARD", Barrier::Standard),
        ("Strict", Barrier::Strict),
        ("odd", Barrier::Strict),
    ] {
        world.protect(table, level);
        let (_, plan) = world.plan(world.alice, "SELECT x FROM numbers").await.unwrap();
        assert_eq!(plan.permits()[0].barrier, expected, "{level}");
    }
}

#[tokio::test]
async fn columns_that_differ_by_case_only_refuse_the_table() {
    let mut world = World::new();
    world.table("odd", batch(vec![ints("SSN", [1]), ints("ssn", [2])]));
    let error = world.error(world.alice, "SELECT * FROM odd").await;
    assert!(error.contains("differ by case only"), "{error}");
}

#[tokio::test]
async fn recursion_and_table_functions_are_refused() {
    let (mut world, table) = numbers();
    world.grant(world.alice, Privilege::Select, SecurableId::Table(table));
    let sql = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r";
    world.error(world.alice, sql).await;
    world.error(world.alice, "SELECT * FROM generate_series(1, 3)").await;
    world.error(world.alice, "SELECT * FROM numbers, LATERAL generate_series(1, x)").await;
}

#[tokio::test]
async fn the_books_show_a_caller_the_callers_rows() {
    use datafusion::arrow::array::{ArrayRef, StructArray};
    use datafusion::arrow::datatypes::{DataType, Field};

    use crate::open_table::SystemTable;
    use crate::test_world::RawTable;

    let (mut world, _) = numbers();
    let (name, users) = texts("run_as", [Some("alice"), Some("bob"), None]);
    let who = StructArray::from(vec![(Arc::new(Field::new(name, DataType::Utf8, true)), users)]);
    let rows = batch(vec![ints("id", [1, 2, 3]), ("who".to_owned(), Arc::new(who) as ArrayRef)]);
    let path = vec!["who".to_owned(), "run_as".to_owned()];
    world.books = Some(SystemTable {
        provider: Arc::new(RawTable::new(vec![rows])),
        user_field: Some(path),
        shown: None,
    });
    let sql = "SELECT id FROM system.books.entries";
    assert_eq!(world.rows(world.alice, sql).await.unwrap(), ["1"]);
    assert_eq!(world.rows(world.alice, "SELECT count(*) FROM System.Books.Entries").await.unwrap(), ["1"]);
    assert_eq!(world.rows(world.bob, sql).await.unwrap(), ["2"]);
    let root = world.root;
    world.content.principals.iter_mut().filter(|who| who.id == root).for_each(|who| who.account_admin = true);
    assert_eq!(world.rows(root, sql).await.unwrap(), ["1", "2", "3"]);
    let error = world.error(world.alice, "SELECT id FROM system.books.other").await;
    assert!(error.contains("table or view `system.books.other` not found"), "{error}");
}

#[tokio::test]
async fn only_queries_become_plans_that_run() {
    use datafusion::sql::sqlparser::dialect::DatabricksDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    let (mut world, table) = numbers();
    world.grant(world.alice, Privilege::Select, SecurableId::Table(table));
    for sql in [
        "EXPLAIN SELECT x FROM numbers",
        "INSERT INTO numbers SELECT x, t FROM numbers",
        "DELETE FROM numbers WHERE x IN (SELECT x FROM numbers)",
        "UPDATE numbers SET x = 1",
        "CREATE TABLE copy AS SELECT x FROM numbers",
        "SET datafusion.optimizer.max_passes = 0",
    ] {
        let statement = Parser::parse_sql(&DatabricksDialect {}, sql).unwrap().pop().unwrap();
        let scope = world.scope(world.alice);
        let access = Access::of_caller(scope.caller(), "main", "hr");
        let governed = match crate::bind_statement(&scope, &access, statement).await {
            Ok(plan) => crate::govern(&scope, scope.state(), &plan).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(governed.is_err(), "{sql}");
    }
}
