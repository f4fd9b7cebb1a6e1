//! What policies read is read in their definers' names.

use std::sync::atomic::Ordering;

use weir_catalog::policy::SEMANTICS;
use weir_catalog::{
    Audience, Composition, Name, OnNoMatch, PolicyFunction, SecurableId, Stamps, TagCondition, TagPolicy,
    TagPolicyId, TagPolicyRule,
};

use super::*;

/// Alice sees people of regions that `mapping` has, of which `root`, the definer, sees own rows alone.
fn governed() -> (World, TableId, TableId) {
    let body = "current_user() = 'alice' AND EXISTS (SELECT 1 FROM main.hr.mapping m WHERE m.r = p)";
    let (mut world, table, mapping, _) = mapped(body);
    let rows = batch(vec![texts("who", ["root", "alice", "bob"]), texts("r", ["us", "eu", "eu"])]);
    world.set_raw(mapping, RawTable::new(vec![rows]));
    world.filter(mapping, &["w STRING"], "w = current_user()", &["who"]);
    (world, table, mapping)
}

#[tokio::test]
async fn the_definers_policies_hold_on_what_a_policy_reads() {
    let (mut world, _, mapping) = governed();
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["2"]);
    // The session user's own reading is another one, in the same statement.
    world.grant(world.alice, weir_catalog::Privilege::Select, SecurableId::Table(mapping));
    let both = "SELECT p.id, m.who FROM people p, mapping m";
    assert_eq!(rows(&world, both).await, ["2|alice"]);
    world.mask(mapping, "r", &["v STRING"], "STRING", "'jp'", &[]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_policy_reads_is_nobodys_access_and_opened_once() {
    let (world, table, _) = governed();
    let (scope, plan) = world.plan(world.alice, "SELECT a.id FROM people a, people b").await.unwrap();
    crate::test_world::run(&scope, &plan).await.unwrap();
    let tables: Vec<_> = plan.scanned().into_iter().map(|leaf| leaf.permit.table).collect();
    assert_eq!(tables, [Some(table), Some(table)]);
    let seen = scope.sources().witness.witnessed();
    assert_eq!(
        seen.accesses.iter().map(|access| access.name.as_str()).collect::<Vec<_>>(),
        ["main.hr.people"]
    );
    assert_eq!(seen.governed.len(), 1);
    assert_eq!(world.opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_policy_reads_views_in_the_definers_name() {
    let (mut world, _, mapping, function) = mapped("p IN (SELECT v.r FROM main.hr.v v)");
    let text = "SELECT r FROM main.hr.mapping WHERE who = current_user()";
    let view = world.view("v", &["r STRING"], text, &[mapping]);
    let listed = batch(vec![texts("who", ["root", "alice"]), texts("r", ["us", "eu"])]);
    world.set_raw(mapping, RawTable::new(vec![listed]));
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["2"]);
    // A view with policies, over a table with policies.
    world.of(mapping).row_filter = None;
    world.filter(view, &["r STRING"], "r <> 'us'", &["r"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await, Vec::<String>::new());
    // Another owner of the function is another definer.
    let owner = world.alice;
    world.content.functions.iter_mut().find(|known| known.id == function).unwrap().owner = owner;
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "4"]);
}

#[tokio::test]
async fn texts_of_others_do_not_read_with_the_definers_exemptions() {
    let (mut world, _, mapping, _) = mapped("p IN (SELECT v.r FROM main.hr.v v)");
    let view = world.view("v", &["r STRING"], "SELECT r FROM main.hr.mapping", &[mapping]);
    let listed = batch(vec![texts("who", ["root", "alice"]), texts("r", ["us", "eu"])]);
    world.set_raw(mapping, RawTable::new(vec![listed]));
    let alice = world.alice;
    world.grant(alice, weir_catalog::Privilege::Select, SecurableId::Table(mapping));
    world.grant(world.root, weir_catalog::Privilege::Select, SecurableId::Schema(world.schema));
    // Nothing is hidden in what the view reads: whose it is does not matter.
    world.of(view).owner = alice;
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "4"]);
    // Root sees all of it and Alice her rows: a view of hers would carry the rest to her.
    world.filter(mapping, &["w STRING"], "current_user() = 'root' OR w = current_user()", &["who"]);
    let error = world.error(alice, "SELECT id FROM people").await;
    assert!(error.contains("`main.hr.keep` does not fit"), "{error}");
    world.of(view).owner = world.root;
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "4"]);
    // The same of a function that the policy calls.
    let (mut world, _, mapping, function) = mapped("main.hr.largest() >= p");
    let body = "(SELECT max(m.r) FROM main.hr.mapping m)";
    let called = world.function("largest", &[], "STRING", body);
    world.content.functions.iter_mut().find(|known| known.id == function).unwrap().calls = vec![called];
    world.filter(mapping, &["w STRING"], "current_user() = 'root' OR w = current_user()", &["who"]);
    assert_eq!(rows(&world, "SELECT id FROM people").await.len(), 3);
    let alice = world.alice;
    world.grant(alice, weir_catalog::Privilege::Select, SecurableId::Table(mapping));
    let root = world.root;
    world.grant(root, weir_catalog::Privilege::Execute, SecurableId::Function(called));
    world.content.functions.iter_mut().find(|known| known.id == called).unwrap().owner = alice;
    let error = world.error(alice, "SELECT id FROM people").await;
    assert!(error.contains("`main.hr.keep` does not fit"), "{error}");
}

#[tokio::test]
async fn policies_that_read_in_a_circle_refuse_their_tables() {
    let (mut world, table, mapping, _) = mapped("p IN (SELECT m.r FROM main.hr.mapping m)");
    let body = "EXISTS (SELECT 1 FROM main.hr.third t WHERE t.r = w)";
    world.filter(mapping, &["w STRING"], body, &["r"]);
    let third = world.hidden_table("third", batch(vec![texts("r", ["eu", "us"])]));
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "4"]);
    world.filter(third, &["w STRING"], "w IN (SELECT p.region FROM main.hr.people p)", &["r"]);
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("`main.hr.keep` does not fit") && !error.contains("third"), "{error}");
    world.grant(world.root, weir_catalog::Privilege::Select, SecurableId::Schema(world.schema));
    let error = world.error(world.root, "SELECT id FROM people").await;
    let way = "`main.hr.people` reads `main.hr.mapping` reads `main.hr.third` reads `main.hr.people`";
    assert!(error.contains(&format!("policies read in a circle: that of {way}")), "{error}");
    // A circle of one.
    world.of(table).row_filter = None;
    world.filter(table, &["w STRING"], "w IN (SELECT p.region FROM main.hr.people p)", &["region"]);
    let error = world.error(world.root, "SELECT id FROM people").await;
    assert!(error.contains("that of `main.hr.people` reads `main.hr.people`"), "{error}");
}

#[tokio::test]
async fn a_definer_whom_the_policy_spares_reads_what_it_governs() {
    let (mut world, _) = people();
    let body = "p < (SELECT max(q.salary) FROM main.hr.people q)";
    let function = world.function("keep", &["p INT DEFAULT 20"], "BOOLEAN", body);
    let (alice, root) = (world.alice, world.root);
    world.content.tag_policies.push(TagPolicy {
        id: TagPolicyId::fresh(),
        name: Name::new("spared").unwrap(),
        scope: SecurableId::Schema(world.schema),
        rule: TagPolicyRule::RowFilter,
        function: PolicyFunction::Sql(function),
        audience: Audience { to: vec![alice, root], except: vec![root] },
        when: TagCondition::True,
        matches: Vec::new(),
        arguments: Vec::new(),
        composition: Composition::Restrictive,
        on_no_match: OnNoMatch::Deny,
        comment: None,
        semantics: SEMANTICS,
        stamps: Stamps::new(Default::default(), root),
    });
    assert_eq!(rows(&world, "SELECT id FROM people").await, ["1", "2", "3", "4"]);
    world.content.tag_policies[0].audience.except.clear();
    let error = world.error(world.alice, "SELECT id FROM people").await;
    assert!(error.contains("`main.hr.keep` does not fit"), "{error}");
}
