//! Denials: they beat grants and ownership wherever either comes from, and rank alone beats them.

use super::*;

/// Every place of a grant against every place of a denial, and to whom each is.
#[test]
#[expect(clippy::panic, clippy::indexing_slicing, reason = "a failed test is a panic")]
fn a_denial_beats_a_grant_wherever_each_comes_from() {
    for granted_to in ["alice", "inner", "outer"] {
        for denied_to in ["alice", "inner", "outer"] {
            for granted_on in 0..3 {
                for denied_on in 0..3 {
                    let mut world = readable();
                    let places = [world.table, world.schema, world.catalog];
                    world.grant(granted_to, Privilege::Select, places[granted_on]);
                    let denied = world.id(denied_to);
                    world.deny(denied, Privilege::Select, places[denied_on]);
                    let (snapshot, alice) = (world.snapshot(), world.id("alice"));
                    let decision = authorize(&snapshot, alice, Privilege::Select, world.table);
                    let Decision::Refused { missing, knows_of_it: true } = decision else {
                        panic!("{granted_to} {denied_to} {granted_on} {denied_on}: {decision:?}")
                    };
                    let denied = Some((denied, places[denied_on]));
                    assert_eq!(missing, [Lack { privilege: Privilege::Select, on: world.table, denied }]);
                }
            }
        }
    }
}

/// Alice has USE on the way to `main.hr`.
fn readable() -> World {
    let mut world = World::new();
    world.grant("alice", Privilege::UseSchema, world.schema);
    world.grant("alice", Privilege::UseCatalog, world.catalog);
    world
}

#[test]
fn a_denial_beats_ownership() {
    let mut world = readable();
    world.own("alice", world.table);
    let may = |world: &World, privilege| {
        authorize(&world.snapshot(), world.id("alice"), privilege, world.table).is_allowed()
    };
    assert!(may(&world, Privilege::Select) && may(&world, Privilege::Manage));
    let alice = world.id("alice");
    world.deny(alice, Privilege::Select, world.schema);
    assert!(!may(&world, Privilege::Select) && may(&world, Privilege::Manage));
    assert!(!may(&world, Privilege::Update), "what needs SELECT is gone with it");
}

#[test]
fn a_denial_of_the_wider_privilege_takes_the_narrower() {
    for (wider, narrower) in [
        (Privilege::Modify, Privilege::Insert),
        (Privilege::Modify, Privilege::Update),
        (Privilege::Modify, Privilege::Delete),
        (Privilege::AllPrivileges, Privilege::Select),
        (Privilege::Manage, Privilege::ManageAccessControl),
    ] {
        let mut world = readable();
        world.grant("alice", Privilege::Select, world.table);
        world.grant("alice", narrower, world.table);
        let alice = world.id("alice");
        let may = |world: &World| authorize(&world.snapshot(), alice, narrower, world.table).is_allowed();
        assert!(may(&world), "{narrower}");
        world.deny(alice, wider, world.table);
        assert!(!may(&world), "{wider} denied, {narrower} granted");
    }
}

#[test]
fn a_denial_of_all_privileges_leaves_administration() {
    let mut world = readable();
    world.grant("alice", Privilege::Manage, world.table);
    let alice = world.id("alice");
    world.deny(alice, Privilege::AllPrivileges, world.table);
    assert!(authorize(&world.snapshot(), alice, Privilege::Manage, world.table).is_allowed());
}

#[test]
fn a_denial_does_not_beat_rank_and_rank_still_reads_nothing() {
    let mut world = World::new();
    let root = world.id("root");
    for privilege in [Privilege::Manage, Privilege::Browse, Privilege::Select] {
        world.deny(root, privilege, world.catalog);
    }
    world.add("owner");
    world.own("owner", world.table);
    let snapshot = world.snapshot();
    assert!(authorize(&snapshot, root, Privilege::Manage, world.table).is_allowed());
    assert!(may_see(&snapshot, root, world.table));
    assert!(!authorize(&snapshot, root, Privilege::Select, world.table).is_allowed());
}

#[test]
fn a_denial_alone_tells_of_nothing() {
    let mut world = World::new();
    let alice = world.id("alice");
    world.deny(alice, Privilege::Select, world.table);
    let snapshot = world.snapshot();
    for securable in [world.table, world.schema, world.catalog] {
        assert!(!may_see(&snapshot, alice, securable));
    }
}

#[test]
fn a_denial_of_browse_hides() {
    let mut world = readable();
    let alice = world.id("alice");
    world.deny(alice, Privilege::Browse, world.schema);
    let snapshot = world.snapshot();
    assert!(!may_see(&snapshot, alice, world.table) && !may_see(&snapshot, alice, world.schema));
    assert!(may_see(&snapshot, alice, world.catalog));
}

#[test]
fn the_metastore_admin_administers_through_a_group_and_acts_as_nobody() {
    let mut world = World::new();
    let admins = world.add_group("admins", &["alice"]);
    world.content.metastore.owner = Some(admins);
    let (snapshot, alice) = (world.snapshot(), world.id("alice"));
    let may = |privilege, on| authorize(&snapshot, alice, privilege, on).is_allowed();
    assert!(may(Privilege::CreateCatalog, SecurableId::Metastore));
    assert!(may(Privilege::Manage, world.table) && may(Privilege::Assign, world.tag));
    assert!(!may(Privilege::Select, world.table) && !may(Privilege::Execute, world.function));
    assert!(!may(Privilege::Impersonate, SecurableId::Metastore), "nobody acts as another by rank");
}
