//! All layers hold together: the view's own policies, those of what it reads, and the view's query.

use weir_catalog::{PrincipalId, TableId};

use crate::permit::Barrier;
use crate::test_world::{World, batch, ints};

/// `base` hides rows from 8 on and masks `s` for alice; the view `v` leaves 0 out, hides odd rows and masks `x`.
fn world() -> (World, TableId, TableId) {
    let mut world = World::new();
    let base = world.table("base", batch(vec![ints("id", 0..12), ints("x", 0..12), ints("s", 100..112)]));
    world.filter(base, &["v INT"], "v < 8 OR current_user() = 'root'", &["id"]);
    world.mask(
        base,
        "s",
        &["v INT"],
        "INT",
        "CASE WHEN current_user() = 'root' THEN v ELSE CAST(0 AS INT) END",
        &[],
    );
    let text = "SELECT id, x, s, 10 / x AS tenth FROM main.hr.base WHERE x <> 0";
    let view = world.view("v", &["id", "x", "s", "tenth DOUBLE"], text, &[base]);
    let body = "v % 2 = 0 OR current_user() = 'root'";
    world.filter(view, &["v INT"], body, &["id"]);
    world.mask(
        view,
        "x",
        &["v INT"],
        "INT",
        "CASE WHEN current_user() = 'root' THEN v ELSE CAST(-1 AS INT) END",
        &[],
    );
    (world, base, view)
}

async fn rows(world: &World, who: PrincipalId, sql: &str) -> Vec<String> {
    world.rows(who, sql).await.unwrap()
}

#[tokio::test]
async fn the_policies_of_a_view_and_of_its_table_hold_together() {
    let (mut world, _, view) = world();
    world.of(view).columns[3].type_text = "INT".to_owned();
    let seen = ["2|-1|0", "4|-1|0", "6|-1|0"];
    assert_eq!(rows(&world, world.alice, "SELECT id, x, s FROM v").await, seen);
    assert_eq!(rows(&world, world.alice, "SELECT id FROM v WHERE x = 2").await, Vec::<String>::new());
    assert_eq!(
        rows(&world, world.alice, "SELECT id FROM v WHERE x = -1 AND s = 0 AND id > 3").await,
        ["4", "6"]
    );
    assert_eq!(rows(&world, world.alice, "SELECT id FROM v WHERE tenth = 5").await, ["2"]);
    assert_eq!(rows(&world, world.root, "SELECT count(*), max(x), max(s) FROM v").await, ["11|11|111"]);
}

#[tokio::test]
async fn a_view_over_a_view_with_policies_keeps_them() {
    let (mut world, _, view) = world();
    let over = world.view("w", &["id", "y"], "SELECT id, x + 1 FROM main.hr.v WHERE id > 2", &[view]);
    assert_eq!(rows(&world, world.alice, "SELECT id, y FROM w").await, ["4|0", "6|0"]);
    world.filter(over, &["v INT"], "v <> 4", &["id"]);
    assert_eq!(rows(&world, world.alice, "SELECT id, y FROM w").await, ["6|0"]);
    let joined = "SELECT w.id, v.x FROM w JOIN v ON w.id = v.id JOIN base b ON b.id = v.id";
    assert_eq!(rows(&world, world.alice, joined).await, ["6|-1"]);
    let cte = "WITH c AS (SELECT id FROM v) SELECT a.id FROM c a JOIN c b ON a.id = b.id";
    assert_eq!(rows(&world, world.alice, cte).await, ["2", "4", "6"]);
}

#[tokio::test]
async fn whom_the_policies_spare_gets_a_leaf_that_hides_nothing() {
    let (world, _, _) = world();
    let (_, plan) = world.plan(world.root, "SELECT id FROM v WHERE id = 3").await.unwrap();
    let permit = &plan.permits()[0];
    assert_eq!((permit.name.as_str(), permit.exempt, permit.barrier), ("main.hr.v", true, Barrier::None));
    let (_, plan) = world.plan(world.alice, "SELECT id FROM v WHERE id = 3").await.unwrap();
    let permit = &plan.permits()[0];
    assert_eq!((permit.exempt, permit.barrier), (false, Barrier::Standard));
    let mut functions = permit.policies.clone();
    functions.sort();
    assert_eq!(functions, ["main.hr.keep", "main.hr.keep", "main.hr.mask_s", "main.hr.mask_x"]);
}

#[tokio::test]
async fn the_books_hear_of_a_views_policies_once_and_count_its_rows() {
    let (world, base, view) = world();
    let (scope, plan) = world.plan(world.alice, "SELECT id FROM v").await.unwrap();
    crate::test_world::run(&scope, &plan).await.unwrap();
    let leaves: Vec<_> = plan
        .scanned()
        .into_iter()
        .filter_map(|leaf| Some((leaf.permit.table?, leaf.rows_in, leaf.rows_out)))
        .collect();
    assert_eq!(leaves, [(view, Some(7), 3), (base, None, 7)]);
    let seen = scope.sources().witness.witnessed();
    let governed: Vec<_> = seen.governed.iter().map(|(id, policies)| (*id, policies.len())).collect();
    assert_eq!(governed, [(base, 2), (view, 2)]);
    assert_eq!(seen.governed[1].1[0].scope, "view `main.hr.v`");
}

#[tokio::test]
async fn a_strict_table_below_makes_a_view_strict() {
    let (mut world, base, _) = world();
    world.protect(base, "strict");
    let (_, plan) = world.plan(world.alice, "SELECT id FROM v WHERE id = 3").await.unwrap();
    assert_eq!(plan.permits()[0].barrier, Barrier::Strict);
}

#[tokio::test]
async fn a_policy_whose_column_the_views_query_gives_another_type_refuses_the_view() {
    let (mut world, base, view) = world();
    let text = "SELECT CAST(id AS STRING) AS id, x, s, 1 AS tenth FROM main.hr.base";
    if let weir_catalog::TableKind::View(definition) = &mut world.of(view).kind {
        definition.text = text.to_owned();
        definition.reads = vec![base];
    }
    let error = world.error(world.alice, "SELECT x FROM v").await;
    assert!(error.contains("column `id` has changed its type"), "{error}");
}

#[tokio::test]
async fn a_view_that_denies_by_default_shows_nothing() {
    let mut world = World::new();
    let base = world.table("base", batch(vec![ints("x", 0..5)]));
    let view = world.view("v", &["x"], "SELECT x FROM main.hr.base", &[base]);
    assert_eq!(rows(&world, world.alice, "SELECT count(*) FROM v").await, ["5"]);
    world.of(view).properties.insert("policy.default".to_owned(), "deny".to_owned());
    assert_eq!(rows(&world, world.alice, "SELECT count(*) FROM v").await, ["0"]);
    assert_eq!(rows(&world, world.alice, "SELECT count(*) FROM base").await, ["5"]);
}
