//! Memberships that a token claims: they decide as stored ones do, for one caller, and give no rank.

use std::sync::Arc;

use super::*;
use crate::snapshot::{ClaimedGroups, Increment, Unclaimable};

fn groups(names: &[&str]) -> ClaimedGroups {
    names.iter().copied().collect()
}

/// The world without Alice's membership; `inner` and `outer` hold something.
fn world() -> World {
    let mut world = World::new();
    let alice = world.id("alice");
    world.content.memberships.retain(|(_, member)| *member != alice);
    let bob = world.add("bob");
    world.grant("outer", Privilege::UseCatalog, world.catalog);
    world.grant("inner", Privilege::UseSchema, world.schema);
    world.grant("inner", Privilege::Select, world.schema);
    world.deny(world.id("outer"), Privilege::Execute, world.function);
    world.grant("alice", Privilege::Execute, world.function);
    world.content.grants.push(Grant::allow(bob, Privilege::Browse, world.other));
    world.own("outer", world.view);
    world
}

/// Every answer that hangs on who somebody counts as.
fn answers(snapshot: &Snapshot, world: &World) -> Vec<String> {
    let mut answers = Vec::new();
    for principal in &world.content.principals {
        let (id, name) = (principal.id, &principal.name);
        answers.push(format!("{name} is in {:?}", snapshot.group_names_of(id)));
        for on in [world.catalog, world.schema, world.table, world.view, world.function, world.other] {
            let may = |privilege: &&Privilege| authorize(snapshot, id, **privilege, on).is_allowed();
            let may: Vec<_> = Privilege::ALL.iter().filter(may).map(|privilege| privilege.name()).collect();
            let grants = visible_grants(snapshot, id, on);
            answers.push(format!("{name} {on:?} {may:?} {grants:?} {}", may_see(snapshot, id, on)));
        }
        let tables = visible_tables(snapshot, id);
        answers.push(format!("{name} {:?}", tables.iter().map(|table| table.id).collect::<Vec<_>>()));
    }
    answers
}

#[test]
fn a_claimed_group_decides_as_a_stored_one_for_its_caller_alone() {
    let world = world();
    let (alice, bob) = (world.id("alice"), world.id("bob"));
    let catalog = Arc::new(world.snapshot());
    let mut stored = World { content: world.content.clone(), ..World::new() };
    stored.content.memberships.push((world.id("inner"), alice));
    let without = answers(&catalog, &world);
    let with = answers(&stored.snapshot(), &world);
    assert_ne!(without, with);
    let claiming = catalog.claiming(alice, &groups(&["inner"]));
    assert_eq!(answers(&claiming, &world), with);
    // Nothing of it is in the catalog, nor in the next one, nor with another caller.
    assert_eq!(answers(&catalog, &world), without);
    assert_eq!(answers(&claiming.without_claims(), &world), without);
    assert_eq!(answers(claiming.unclaimed(), &world), without);
    assert!(Arc::ptr_eq(&claiming.without_claims(), &catalog));
    assert!(Arc::ptr_eq(&claiming.claiming(alice, &groups(&["inner"])), &claiming));
    assert!(Arc::ptr_eq(&claiming.claiming(alice, &groups(&[])), &catalog));
    let of_bob = claiming.claiming(bob, &groups(&["outer"]));
    assert_eq!(of_bob.groups_of(alice), []);
    assert_eq!(of_bob.groups_of(bob), [world.id("outer")]);
    let increment = Increment::whole(Content::empty(world.content.metastore));
    assert_eq!(answers(&claiming.advanced(Epoch(2), increment), &world), without);
}

#[test]
fn a_claim_reaches_no_administrators_and_nothing_that_is_no_group() {
    let mut world = world();
    let admins = world.add_group("admins", &["outer"]);
    world.own("admins", SecurableId::Metastore);
    world.add_group("plain", &[]);
    let catalog = Arc::new(world.snapshot());
    let alice = world.id("alice");
    assert!(catalog.acts_as(world.id("inner"), admins));
    for (name, cause) in [
        ("admins", Unclaimable::Administers),
        ("outer", Unclaimable::Administers),
        ("inner", Unclaimable::Administers),
        ("root", Unclaimable::NoGroup),
        ("alice", Unclaimable::NoGroup),
        ("nobody", Unclaimable::NoGroup),
        ("Plain", Unclaimable::NoGroup),
        ("", Unclaimable::NoGroup),
    ] {
        assert_eq!(catalog.claimable(name).unwrap_err(), cause, "{name}");
        assert!(Arc::ptr_eq(&catalog.claiming(alice, &groups(&[name])), &catalog), "{name}");
    }
    let claiming = catalog.claiming(alice, &groups(&["admins", "inner", "nobody", "plain", "root"]));
    assert_eq!(claiming.group_names_of(alice), ["plain".to_owned()].into());
    assert!(!is_metastore_admin(&claiming, alice) && !is_account_admin(&claiming, alice));
    // A group that becomes one of administrators is out from then on.
    world.own("plain", SecurableId::Metastore);
    let later = Arc::new(world.snapshot());
    assert!(later.claiming(alice, &groups(&["plain"])).groups_of(alice).is_empty());
}

#[test]
fn claimed_groups_are_a_set() {
    let set = groups(&["b", "a", "b"]);
    assert_eq!(set.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(set, groups(&["a", "b"]));
    assert_eq!(set.shared(&groups(&["b", "c"])), groups(&["b"]));
    assert_eq!(set.shared(&groups(&[])), ClaimedGroups::default());
    assert!(groups(&[]).is_empty() && !set.is_empty());
}
