//! The rules as truth tables over small catalogs, and the privilege matrix.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

mod claimed;
mod denial;
mod growth;
mod matrix;
mod visible;

use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::function::{Function, Returns};
use crate::id::{
    CatalogId, ExternalLocationId, FunctionId, GovernedTagId, MetastoreId, SchemaId, StorageCredentialId,
    TableId, VolumeId,
};
use crate::name::{Name, ObjectName, SchemaName};
use crate::principal::{Principal, PrincipalKind};
use crate::securable::{
    Catalog, ExternalLocation, Schema, StorageCredential, Table, TableKind, ViewDefinition, Volume,
    VolumeKind,
};
use crate::snapshot::{Content, Epoch, MetastoreRoot};
use crate::stamps::Stamps;
use crate::tag::{GovernedTag, TagKey, Tags};

/// `main.hr` with a table `people`, a view `mine` and a function `mask`; beside it `main.ops`
/// and the catalog `other`. All is owned by `root`, an account admin. Members: `alice` is in
/// `inner`, which is in `outer`.
pub(super) struct World {
    pub(super) content: Content,
    pub(super) catalog: SecurableId,
    pub(super) schema: SecurableId,
    pub(super) table: SecurableId,
    pub(super) view: SecurableId,
    pub(super) function: SecurableId,
    pub(super) other: SecurableId,
    pub(super) volume: SecurableId,
    pub(super) location: SecurableId,
    pub(super) credential: SecurableId,
    pub(super) tag: SecurableId,
}

impl World {
    pub(super) fn new() -> Self {
        let root = principal("root", PrincipalKind::User);
        let root = Principal { account_admin: true, ..root };
        let owner = root.id;
        let (alice, inner, outer) = (
            principal("alice", PrincipalKind::User),
            principal("inner", PrincipalKind::Group),
            principal("outer", PrincipalKind::Group),
        );
        let stamps = Stamps::new(DateTime::UNIX_EPOCH, owner);
        let name = |object| ObjectName::new("main", "hr", object).unwrap();
        let main = Catalog::new(name("x").catalog, owner, stamps);
        let other = Catalog { id: CatalogId::fresh(), name: Name::new("other").unwrap(), ..main.clone() };
        let hr = Schema::new(main.id, name("x").schema_name(), owner, stamps);
        let ops =
            Schema { id: SchemaId::fresh(), name: SchemaName::new("main", "ops").unwrap(), ..hr.clone() };
        let people = Table {
            id: TableId::fresh(),
            schema: hr.id,
            name: name("people"),
            owner,
            kind: TableKind::Managed { location: "1".to_owned() },
            columns: Vec::new(),
            row_filter: None,
            masks: Vec::new(),
            properties: BTreeMap::new(),
            comment: None,
            tags: Tags::new(),
            stamps,
        };
        let view = ViewDefinition {
            text: String::new(),
            tests_identity: false,
            reads: vec![people.id],
            calls: vec![],
        };
        let mine =
            Table { id: TableId::fresh(), name: name("mine"), kind: TableKind::View(view), ..people.clone() };
        let mask = Function {
            id: FunctionId::fresh(),
            schema: hr.id,
            name: name("mask"),
            owner,
            parameters: Vec::new(),
            returns: Returns::Scalar("STRING".to_owned()),
            body: "''".to_owned(),
            reads: Vec::new(),
            calls: Vec::new(),
            comment: None,
            stamps,
        };
        let files = Volume {
            id: VolumeId::fresh(),
            schema: hr.id,
            name: name("files"),
            owner,
            kind: VolumeKind::Managed { location: "volumes/1".to_owned() },
            comment: None,
            tags: Tags::new(),
            stamps,
        };
        let key = StorageCredential {
            id: StorageCredentialId::fresh(),
            name: Name::new("key").unwrap(),
            owner,
            comment: None,
            stamps,
        };
        let bucket = ExternalLocation {
            id: ExternalLocationId::fresh(),
            name: Name::new("bucket").unwrap(),
            url: "s3://bucket/".to_owned(),
            credential: Some(key.id),
            owner,
            comment: None,
            stamps,
        };
        let pii = GovernedTag {
            id: GovernedTagId::fresh(),
            key: TagKey::new("pii").unwrap(),
            values: Vec::new(),
            owner,
            comment: None,
            stamps,
        };
        Self {
            other: SecurableId::Catalog(other.id),
            volume: SecurableId::Volume(files.id),
            location: SecurableId::ExternalLocation(bucket.id),
            credential: SecurableId::StorageCredential(key.id),
            tag: SecurableId::GovernedTag(pii.id),
            catalog: SecurableId::Catalog(main.id),
            schema: SecurableId::Schema(hr.id),
            table: SecurableId::Table(people.id),
            view: SecurableId::Table(mine.id),
            function: SecurableId::Function(mask.id),
            content: Content {
                memberships: vec![(inner.id, alice.id), (outer.id, inner.id)],
                principals: vec![root, alice, inner, outer],
                catalogs: vec![main, other],
                schemas: vec![hr, ops],
                tables: vec![people, mine],
                functions: vec![mask],
                volumes: vec![files],
                external_locations: vec![bucket],
                storage_credentials: vec![key],
                governed_tags: vec![pii],
                ..Content::empty(MetastoreRoot { id: MetastoreId::fresh(), owner: None })
            },
        }
    }

    pub(super) fn id(&self, name: &str) -> PrincipalId {
        self.content.principals.iter().find(|principal| principal.name == name).unwrap().id
    }

    pub(super) fn add(&mut self, name: &str) -> PrincipalId {
        let added = principal(name, PrincipalKind::User);
        self.content.principals.push(added.clone());
        added.id
    }

    pub(super) fn grant(&mut self, name: &str, privilege: Privilege, securable: SecurableId) {
        let principal = self.id(name);
        self.content.grants.push(Grant::allow(principal, privilege, securable));
    }

    pub(super) fn deny(&mut self, principal: PrincipalId, privilege: Privilege, securable: SecurableId) {
        self.content.grants.push(Grant::deny(principal, privilege, securable));
    }

    pub(super) fn add_group(&mut self, name: &str, members: &[&str]) -> PrincipalId {
        let group = principal(name, PrincipalKind::Group);
        let id = group.id;
        self.content.principals.push(group);
        for member in members {
            let member = self.id(member);
            self.content.memberships.push((id, member));
        }
        id
    }

    pub(super) fn own(&mut self, name: &str, securable: SecurableId) {
        let owner = self.id(name);
        let content = &mut self.content;
        match securable {
            SecurableId::Metastore => content.metastore.owner = Some(owner),
            SecurableId::Catalog(id) => {
                content.catalogs.iter_mut().find(|c| c.id == id).unwrap().owner = owner
            }
            SecurableId::Schema(id) => content.schemas.iter_mut().find(|s| s.id == id).unwrap().owner = owner,
            SecurableId::Table(id) => content.tables.iter_mut().find(|t| t.id == id).unwrap().owner = owner,
            SecurableId::Function(id) => {
                content.functions.iter_mut().find(|f| f.id == id).unwrap().owner = owner;
            }
            SecurableId::Volume(id) => {
                content.volumes.iter_mut().find(|v| v.id == id).unwrap().owner = owner;
            }
            SecurableId::ExternalLocation(id) => {
                content.external_locations.iter_mut().find(|l| l.id == id).unwrap().owner = owner;
            }
            SecurableId::StorageCredential(id) => {
                content.storage_credentials.iter_mut().find(|c| c.id == id).unwrap().owner = owner;
            }
            SecurableId::GovernedTag(id) => {
                content.governed_tags.iter_mut().find(|t| t.id == id).unwrap().owner = owner;
            }
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot::new(Epoch(1), self.content.clone())
    }
}

pub(super) fn principal(name: &str, kind: PrincipalKind) -> Principal {
    Principal {
        id: PrincipalId::fresh(),
        name: name.to_owned(),
        kind,
        disabled: false,
        account_admin: false,
        may_act_for_users: false,
    }
}

/// All subsets of what could matter for reading a table, granted to the user, to a group and to
/// a group around that; against the rule written as one formula.
#[test]
fn a_read_needs_select_and_both_uses_wherever_each_comes_from() {
    use Privilege::{AllPrivileges, Browse, Manage, Modify, Select, UseCatalog, UseSchema};
    for holder in ["alice", "inner", "outer"] {
        let world = World::new();
        let (c, s, t) = (world.catalog, world.schema, world.table);
        let candidates = [
            (Select, t),
            (Select, s),
            (Select, c),
            (AllPrivileges, t),
            (AllPrivileges, s),
            (AllPrivileges, c),
            (UseSchema, s),
            (UseSchema, c),
            (UseCatalog, c),
            (Manage, c),
            (Browse, c),
            (Modify, s),
        ];
        for subset in 0..(1u32 << candidates.len()) {
            let mut world = World { content: world.content.clone(), ..World::new() };
            let granted: Vec<_> = candidates
                .iter()
                .enumerate()
                .filter(|(number, _)| subset & (1 << number) != 0)
                .map(|(_, granted)| *granted)
                .collect();
            for (privilege, securable) in &granted {
                world.grant(holder, *privilege, *securable);
            }
            let (snapshot, alice) = (world.snapshot(), world.id("alice"));
            let any = |wanted: &[(Privilege, SecurableId)]| wanted.iter().any(|one| granted.contains(one));
            let select = any(&[
                (Select, t),
                (Select, s),
                (Select, c),
                (AllPrivileges, t),
                (AllPrivileges, s),
                (AllPrivileges, c),
            ]);
            let modify = any(&[(Modify, s), (AllPrivileges, t), (AllPrivileges, s), (AllPrivileges, c)]);
            let use_schema = any(&[(UseSchema, s), (UseSchema, c), (AllPrivileges, s), (AllPrivileges, c)]);
            let use_catalog = any(&[(UseCatalog, c), (AllPrivileges, c)]);
            let may = |privilege| authorize(&snapshot, alice, privilege, t).is_allowed();
            let path = use_schema && use_catalog;
            assert_eq!(may(Select), select && path, "{holder}: {granted:?}");
            assert_eq!(may(Modify), select && modify && path, "{holder}: {granted:?}");
            assert_eq!(may(Manage), any(&[(Manage, c)]) && path, "{holder}: {granted:?}");
            assert_eq!(may_see(&snapshot, alice, t), !granted.is_empty(), "{holder}: {granted:?}");
        }
    }
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let world = World::new();
    let refused = authorize(&world.snapshot(), world.id("alice"), Privilege::Modify, world.table);
    let missing = vec![
        (Privilege::Modify, world.table),
        (Privilege::Select, world.table),
        (Privilege::UseSchema, world.schema),
        (Privilege::UseCatalog, world.catalog),
    ];
    let missing = missing.into_iter().map(|(privilege, on)| Lack { privilege, on, denied: None }).collect();
    assert_eq!(refused, Decision::Refused { missing, knows_of_it: false });
}

#[test]
fn the_deciding_grant_is_named() {
    let mut world = World::new();
    world.grant("outer", Privilege::Select, world.catalog);
    world.grant("outer", Privilege::UseCatalog, world.catalog);
    world.grant("alice", Privilege::AllPrivileges, world.schema);
    let allowed = authorize(&world.snapshot(), world.id("alice"), Privilege::Select, world.view);
    let (alice, outer) = (world.id("alice"), world.id("outer"));
    let all = Reason::Granted { to: alice, privilege: Privilege::AllPrivileges, on: world.schema };
    let uses = Reason::Granted { to: outer, privilege: Privilege::UseCatalog, on: world.catalog };
    assert_eq!(allowed, Decision::Allowed { because: vec![all, all, uses] });
}

#[test]
fn an_owner_needs_use_on_the_way() {
    let mut world = World::new();
    world.own("alice", world.table);
    let may = |world: &World, privilege| {
        authorize(&world.snapshot(), world.id("alice"), privilege, world.table).is_allowed()
    };
    assert!(!may(&world, Privilege::Select) && !may(&world, Privilege::Manage));
    world.grant("alice", Privilege::UseSchema, world.catalog);
    world.grant("alice", Privilege::UseCatalog, world.catalog);
    for privilege in [Privilege::Select, Privilege::Modify, Privilege::Manage] {
        assert!(may(&world, privilege), "{privilege}");
    }
}

#[test]
fn who_owns_a_container_manages_what_it_holds_and_reads_none_of_it() {
    let mut world = World::new();
    world.own("outer", world.catalog);
    let (snapshot, alice) = (world.snapshot(), world.id("alice"));
    for securable in [world.catalog, world.schema, world.table, world.view, world.function] {
        assert!(authorize(&snapshot, alice, Privilege::Manage, securable).is_allowed(), "{securable:?}");
    }
    for (privilege, securable) in [
        (Privilege::Select, world.table),
        (Privilege::Select, world.view),
        (Privilege::Execute, world.function),
    ] {
        assert!(!authorize(&snapshot, alice, privilege, securable).is_allowed(), "{privilege}");
    }
    assert!(authorize(&snapshot, alice, Privilege::CreateSchema, world.catalog).is_allowed());
    assert!(!authorize(&snapshot, alice, Privilege::CreateTable, world.schema).is_allowed());
}

#[test]
fn an_account_admin_manages_everything_and_reads_nothing_by_rank() {
    let mut world = World::new();
    world.add("owner");
    for securable in [world.catalog, world.schema, world.table, world.view, world.function] {
        world.own("owner", securable);
    }
    let (snapshot, root) = (world.snapshot(), world.id("root"));
    for securable in [world.catalog, world.schema, world.table, world.view, world.function] {
        assert!(authorize(&snapshot, root, Privilege::Manage, securable).is_allowed());
        for privilege in [Privilege::Select, Privilege::Modify, Privilege::Execute, Privilege::AllPrivileges]
        {
            assert!(!authorize(&snapshot, root, privilege, securable).is_allowed(), "{privilege}");
        }
    }
}

#[test]
fn rank_is_no_groups() {
    let mut world = World::new();
    let group = world.id("inner");
    world.content.principals.iter_mut().find(|p| p.id == group).unwrap().account_admin = true;
    let snapshot = world.snapshot();
    assert!(!authorize(&snapshot, world.id("alice"), Privilege::Manage, world.table).is_allowed());
}

#[test]
fn grants_on_the_metastore_do_not_reach_catalogs() {
    let mut world = World::new();
    for privilege in Privilege::ALL {
        world.grant("alice", *privilege, SecurableId::Metastore);
    }
    let (snapshot, alice) = (world.snapshot(), world.id("alice"));
    assert!(authorize(&snapshot, alice, Privilege::CreateCatalog, SecurableId::Metastore).is_allowed());
    for securable in [world.catalog, world.schema, world.table] {
        for privilege in Privilege::ALL {
            assert!(!authorize(&snapshot, alice, *privilege, securable).is_allowed(), "{privilege}");
        }
        assert!(!may_see(&snapshot, alice, securable));
    }
}

#[test]
fn a_grant_inside_shows_the_containers_and_not_the_siblings() {
    let mut world = World::new();
    world.grant("outer", Privilege::Select, world.table);
    let (snapshot, alice) = (world.snapshot(), world.id("alice"));
    for seen in [world.table, world.schema, world.catalog] {
        assert!(may_see(&snapshot, alice, seen));
    }
    let ops = snapshot.schema(&SchemaName::new("main", "ops").unwrap()).unwrap();
    let other = snapshot.catalog(&Name::new("other").unwrap()).unwrap();
    for hidden in [world.view, world.function, SecurableId::Schema(ops.id), SecurableId::Catalog(other.id)] {
        assert!(!may_see(&snapshot, alice, hidden));
    }
}

#[test]
fn hidden_and_missing_are_the_same_error() {
    let world = World::new();
    let (snapshot, alice) = (world.snapshot(), world.id("alice"));
    let hidden = SecurableName::Table(ObjectName::new("main", "hr", "people").unwrap());
    let error = resolve(&snapshot, alice, &hidden).unwrap_err();
    let empty = Snapshot::new(
        Epoch(1),
        Content { tables: Vec::new(), schemas: Vec::new(), functions: Vec::new(), ..world.content.clone() },
    );
    let missing = resolve(&empty, alice, &hidden).unwrap_err();
    assert_eq!(format!("{error:?} {error}"), format!("{missing:?} {missing}"));
    let refused = authorize(&snapshot, alice, Privilege::Select, world.table).require(&snapshot, &hidden);
    assert_eq!(format!("{:?}", refused.unwrap_err()), format!("{missing:?}"));
}

#[test]
fn one_sees_ones_own_grants_and_others_only_with_manage() {
    let mut world = World::new();
    world.add("bob");
    world.grant("bob", Privilege::Select, world.table);
    world.grant("outer", Privilege::Select, world.schema);
    let snapshot = world.snapshot();
    let seen = |name: &str| visible_grants(&snapshot, world.id(name), world.table).len();
    assert_eq!((seen("alice"), seen("bob"), seen("root")), (1, 1, 2));
}

#[test]
fn a_stored_cycle_of_groups_ends() {
    let mut world = World::new();
    let (inner, outer) = (world.id("inner"), world.id("outer"));
    world.content.memberships.push((inner, outer));
    let snapshot = world.snapshot();
    assert_eq!(snapshot.groups_of(world.id("alice")).len(), 2);
}
