//! Plans told and marked: the same where the same governs them, and only there.

use std::hash::DefaultHasher;

use weir_catalog::{PrincipalId, Privilege, SecurableId, TableId};

use super::*;
use crate::test_world::{World, batch, ints, texts};

/// The plan's text and its marks: with the versions and without.
async fn told(world: &World, who: PrincipalId, sql: &str) -> (String, u64, u64, Repeatable) {
    let scope = world.scope(who);
    let plan = world.logical(&scope, sql).await.unwrap();
    let (mut policies, mut whole) = (DefaultHasher::new(), DefaultHasher::new());
    mark_policies(&plan, &mut policies).unwrap();
    let repeatable = mark_plan(&plan, &|_| false, &mut whole).unwrap();
    (canonical(&plan).unwrap(), policies.finish(), whole.finish(), repeatable)
}

/// `t`, whose filter asks a mapping table that has a filter itself; `bob` and `alice` may read `t`.
fn world() -> (World, TableId, TableId) {
    let mut world = World::new();
    let t = world.table("t", batch(vec![ints("x", 0..5), ints("y", 0..5)]));
    let (name, users) = texts("who", [Some("alice"), Some("bob")]);
    let map = world.hidden_table("map", batch(vec![ints("x", 0..2), (name, users)]));
    world.filter(map, &["v INT"], "v < 5 AND current_user() = 'root'", &["x"]);
    world.filter(t, &["v INT"], "v IN (SELECT m.x FROM main.hr.map m)", &["x"]);
    world.grant(world.bob, Privilege::Select, SecurableId::Table(t));
    (world, t, map)
}

#[tokio::test]
async fn callers_with_the_same_effective_policy_are_told_the_same_and_others_not() {
    let (mut world, t, _) = world();
    let sql = "SELECT x FROM t WHERE y > 1";
    let (alice, bob) = (told(&world, world.alice, sql).await, told(&world, world.bob, sql).await);
    assert_eq!(alice, bob);
    assert_eq!(alice.3, Repeatable::Yes);
    world.mask(t, "y", &["v INT"], "INT", "CASE WHEN current_user() = 'bob' THEN 1 ELSE 2 END", &[]);
    let (alice, bob) = (told(&world, world.alice, sql).await, told(&world, world.bob, sql).await);
    assert_ne!(alice.0, bob.0);
    assert_ne!(alice.1, bob.1);
    assert_ne!(alice.2, bob.2);
}

#[tokio::test]
async fn the_policies_of_what_a_policy_reads_are_told() {
    let (mut world, _, map) = world();
    let sql = "SELECT x FROM t";
    let before = told(&world, world.alice, sql).await;
    world.filter(map, &["v INT"], "v < 4 AND current_user() = 'root'", &["x"]);
    let after = told(&world, world.alice, sql).await;
    assert_ne!(before.0, after.0);
    assert_ne!(before.1, after.1);
    assert_ne!(before.2, after.2);
}

#[tokio::test]
async fn the_versions_of_what_a_policy_reads_are_not_in_the_text() {
    let (world, _, map) = world();
    let (text, ..) = told(&world, world.alice, "SELECT x FROM t").await;
    let map = map.to_string();
    let line = text.lines().find(|line| line.contains(&map)).unwrap();
    assert!(line.contains(&format!("{map}@-")) && !line.contains(&format!("{map}@7")), "{line}");
    assert!(text.contains("@7 t Standard"), "{text}");
    let scope = world.scope(world.alice);
    world.logical(&scope, "SELECT x FROM t").await.unwrap();
    let pinned = scope.pinned().await;
    assert_eq!(pinned.iter().filter(|pinned| pinned.version == Some(7)).count(), 2, "{pinned:?}");
}

#[tokio::test]
async fn a_plan_is_marked_by_its_values_and_not_by_how_they_are_shown() {
    let (world, ..) = world();
    let (mut marks, mut policies) = (Vec::new(), Vec::new());
    for sql in [
        "SELECT x FROM t WHERE y = 1",
        "SELECT x FROM t WHERE y = 2",
        "SELECT x, 'a' AS a FROM t",
        "SELECT x, 'A' AS a FROM t",
        "SELECT x, 'a\"), Utf8(\"b' AS a FROM t",
        "SELECT x, 'a''b' AS a FROM t",
        "SELECT x, 'a''''b' AS a FROM t",
        "SELECT x, 1 AS a FROM t",
        "SELECT x, CAST(1 AS INT) AS a FROM t",
        "SELECT x, make_array('a, b') AS a FROM t",
        "SELECT x, make_array('a', 'b') AS a FROM t",
    ] {
        let (_, policy, whole, repeatable) = told(&world, world.alice, sql).await;
        assert_eq!(repeatable, Repeatable::Yes, "{sql}");
        assert!(!marks.contains(&whole), "{sql}");
        marks.push(whole);
        policies.push(policy);
    }
    policies.dedup();
    assert_eq!(policies.len(), 1, "the policies are the same whatever is asked");
    let spaced = told(&world, world.alice, "select  X\nfrom T where Y = 1 -- once more").await;
    let plain = told(&world, world.alice, "SELECT x FROM t WHERE y = 1").await;
    assert_eq!(spaced.2, plain.2);
}

#[tokio::test]
async fn who_asks_is_part_of_a_plan_that_says_so_and_time_and_chance_make_it_unrepeatable() {
    let (mut world, ..) = world();
    world.group("hr", &[world.alice]);
    for (sql, expected) in [
        ("SELECT x, current_user() FROM t", Repeatable::Yes),
        ("SELECT x FROM t WHERE is_account_group_member('hr')", Repeatable::Yes),
        ("SELECT x, now() FROM t", Repeatable::No),
        ("SELECT x FROM t WHERE random() > 2", Repeatable::No),
        ("SELECT x FROM t WHERE x IN (SELECT y FROM t WHERE random() > 2)", Repeatable::No),
    ] {
        let (alice, bob) = (told(&world, world.alice, sql).await, told(&world, world.bob, sql).await);
        assert_eq!((alice.3, bob.3), (expected, expected), "{sql}");
        assert_eq!(alice.2 != bob.2, sql.contains("current_user") || sql.contains("member"), "{sql}");
    }
}

#[tokio::test]
async fn the_query_of_a_sealed_view_is_told_with_the_policies_in_it() {
    let (mut world, t, _) = world();
    world.content.grants.retain(|grant| grant.securable != SecurableId::Table(t));
    let mut seen = Vec::new();
    for text in ["SELECT x FROM main.hr.t WHERE y <> 3", "SELECT x FROM main.hr.t WHERE y <> 4"] {
        let view = world.view("v", &["x"], text, &[t]);
        let (text, policies, whole, repeatable) = told(&world, world.alice, "SELECT x FROM v").await;
        assert_eq!(repeatable, Repeatable::Yes);
        assert!(!text.contains("@7"), "versions below a sealed view are not told: {text}");
        seen.push((text, policies, whole));
        world.content.tables.retain(|table| table.id != view);
    }
    let (first, second) = (seen.first().unwrap(), seen.last().unwrap());
    assert!(first.1 != second.1 && first.2 != second.2);
    world.filter(t, &["v INT"], "v < 3", &["x"]);
    world.view("v", &["x"], "SELECT x FROM main.hr.t WHERE y <> 4", &[t]);
    let changed = told(&world, world.alice, "SELECT x FROM v").await;
    assert!(changed.0 != second.0 && changed.1 != second.1);
}
