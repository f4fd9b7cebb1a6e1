//! What a decision costs, in entries looked at: it grows with the depth of the tree and the groups of who
//! asks, and with nothing else.

use super::*;
use crate::authorize::visible_tables;
use crate::id::TagPolicyId;
use crate::policy::PolicyFunction;
use crate::snapshot::probes::count;
use crate::tag_policy::{Audience, Composition, OnNoMatch, TagCondition, TagPolicy, TagPolicyRule};

/// A world with `size` further users, each with a grant on the table, on a schema of its own and on a table
/// in it.
fn crowded(size: usize) -> World {
    let mut world = World::new();
    let (people, hr) = (world.content.tables[0].clone(), world.content.schemas[0].clone());
    for number in 0..size {
        let user = world.add(&format!("user {number}"));
        let name = ObjectName::new("main", &format!("s{number}"), "t").unwrap();
        let schema = Schema { id: SchemaId::fresh(), name: name.schema_name(), ..hr.clone() };
        let table = Table { id: TableId::fresh(), schema: schema.id, name, ..people.clone() };
        for securable in [world.table, SecurableId::Schema(schema.id), SecurableId::Table(table.id)] {
            world.content.grants.push(crate::grant::Grant::allow(user, Privilege::Select, securable));
        }
        world.content.schemas.push(schema);
        world.content.tables.push(table);
    }
    world.grant("alice", Privilege::Select, world.table);
    world.grant("alice", Privilege::UseSchema, world.schema);
    world.grant("alice", Privilege::UseCatalog, world.catalog);
    world
}

fn cost_of_a_read(world: &World, groups: usize) -> u64 {
    let mut content = world.content.clone();
    let alice = world.id("alice");
    for number in 0..groups {
        let group = principal(&format!("group {number}"), PrincipalKind::Group);
        content.memberships.push((group.id, alice));
        content.principals.push(group);
    }
    let snapshot = Snapshot::new(Epoch(1), content);
    let (cost, decision) = count(|| authorize(&snapshot, alice, Privilege::Select, world.table));
    assert!(decision.is_allowed());
    cost
}

#[test]
fn a_decision_does_not_grow_with_users_securables_and_grants() {
    let (few, many) = (cost_of_a_read(&crowded(10), 0), cost_of_a_read(&crowded(2_000), 0));
    assert_eq!(few, many);
}

#[test]
fn a_decision_grows_with_the_shorter_of_groups_and_holders() {
    let alone = World::new();
    let mut world = World { content: alone.content.clone(), ..alone };
    world.grant("alice", Privilege::Select, world.table);
    world.grant("alice", Privilege::UseSchema, world.schema);
    world.grant("alice", Privilege::UseCatalog, world.catalog);
    // One holder on each securable: two hundred groups cost what one does.
    assert_eq!(cost_of_a_read(&world, 1), cost_of_a_read(&world, 200));
    // Many holders on the table: what the groups cost is bounded by their number at each step.
    let world = crowded(1_000);
    let (one, twenty, many) =
        (cost_of_a_read(&world, 1), cost_of_a_read(&world, 20), cost_of_a_read(&world, 200));
    assert!(one < twenty && twenty < many, "{one} {twenty} {many}");
    assert!(many <= one + 200 * 3, "each step looks at each group once: {one} {many}");
}

#[test]
fn listing_costs_what_is_visible() {
    for size in [10, 2_000] {
        let world = crowded(size);
        let snapshot = world.snapshot();
        let (cost, tables) = count(|| visible_tables(&snapshot, world.id("user 3")).len());
        assert_eq!(tables, 2);
        assert!(cost < 60, "{size}: {cost}");
        let all = visible_tables(&snapshot, world.id("root")).len();
        assert_eq!(all, size + 2);
    }
}

#[test]
fn a_change_costs_what_changed() {
    let cost = |size| {
        let world = crowded(size);
        let snapshot = world.snapshot();
        let user = world.id("user 3");
        let mut content = Content::empty(world.content.metastore);
        content.grants = snapshot.grants_on(world.schema).collect();
        content.grants.push(crate::grant::Grant::allow(user, Privilege::UseSchema, world.schema));
        let mut increment = crate::snapshot::Increment::whole(content);
        increment.granted.insert(world.schema);
        let (cost, next) = count(|| snapshot.advanced(Epoch(2), increment));
        assert!(next.is_granted(user, Privilege::UseSchema, world.schema));
        assert!(
            !snapshot.is_granted(user, Privilege::UseSchema, world.schema),
            "the one before stays as it was"
        );
        assert_eq!(next.epoch(), Epoch(2));
        cost
    };
    assert_eq!(cost(10), cost(2_000));
}

#[test]
fn policies_elsewhere_cost_nothing() {
    let cost = |size: usize| {
        let world = crowded(size);
        let mut content = world.content.clone();
        let elsewhere: Vec<SecurableId> =
            content.schemas.iter().skip(2).map(|schema| SecurableId::Schema(schema.id)).collect();
        for scope in elsewhere.into_iter().chain([world.schema]) {
            content.tag_policies.push(policy_on(scope, world.id("alice")));
        }
        let snapshot = Snapshot::new(Epoch(1), content);
        let people = snapshot.table(&ObjectName::new("main", "hr", "people").unwrap()).unwrap();
        let (cost, policies) = count(|| snapshot.tag_policies_over(people).len());
        assert_eq!(policies, 1);
        cost
    };
    assert_eq!(cost(10), cost(2_000));
}

fn policy_on(scope: SecurableId, to: PrincipalId) -> TagPolicy {
    TagPolicy {
        id: TagPolicyId::fresh(),
        name: Name::new("hide").unwrap(),
        scope,
        rule: TagPolicyRule::RowFilter,
        function: PolicyFunction::Sql(FunctionId::fresh()),
        audience: Audience { to: vec![to], except: Vec::new() },
        when: TagCondition::True,
        matches: Vec::new(),
        arguments: Vec::new(),
        composition: Composition::Restrictive,
        on_no_match: OnNoMatch::Skip,
        comment: None,
        semantics: 1,
        stamps: Stamps::new(DateTime::UNIX_EPOCH, to),
    }
}
