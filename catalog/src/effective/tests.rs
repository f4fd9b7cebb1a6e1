//! Which policies hold, rule by rule.

use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::id::{FunctionId, GovernedTagId, MetastoreId, SchemaId, TableId};
use crate::name::SchemaName;
use crate::policy::{BuiltinMask, ColumnBinding, ColumnMask, PolicyArgument, RowFilter, SEMANTICS};
use crate::principal::{Principal, PrincipalKind};
use crate::securable::{Catalog, Schema, TableKind};
use crate::snapshot::{Content, Epoch, MetastoreRoot};
use crate::stamps::Stamps;
use crate::tag::GovernedTag;
use crate::tag_policy::{Audience, ColumnMatch, OnNoMatch, TagPolicyArgument, TagPolicyRule};

/// `main.hr.people` with the columns `id`, `region` (tagged `geo`), `ssn` and `mail` (both tagged `pii`).
/// Alice is in `north`, Bob in nothing.
struct World {
    content: Content,
    alice: PrincipalId,
    bob: PrincipalId,
    north: PrincipalId,
}

fn principal(name: &str, kind: PrincipalKind) -> Principal {
    Principal {
        id: PrincipalId::fresh(),
        name: name.to_owned(),
        kind,
        disabled: false,
        account_admin: false,
        may_act_for_users: false,
    }
}

fn key(text: &str) -> TagKey {
    TagKey::new(text).unwrap()
}

fn tagged(name: &str, tags: &[(&str, &str)]) -> Column {
    let tags = tags.iter().map(|(tag, value)| (key(tag), (*value).to_owned())).collect();
    Column { tags, ..Column::new(name, "STRING") }
}

impl World {
    fn new() -> Self {
        let (alice, bob) = (principal("alice", PrincipalKind::User), principal("bob", PrincipalKind::User));
        let north = principal("north", PrincipalKind::Group);
        let stamps = Stamps::new(DateTime::UNIX_EPOCH, bob.id);
        let name = ObjectName::new("main", "hr", "people").unwrap();
        let main = Catalog::new(name.catalog.clone(), bob.id, stamps);
        let hr = Schema::new(main.id, SchemaName::new("main", "hr").unwrap(), bob.id, stamps);
        let people = Table {
            id: TableId::fresh(),
            schema: hr.id,
            name,
            owner: bob.id,
            kind: TableKind::Managed { location: "1".to_owned() },
            columns: vec![
                tagged("id", &[]),
                tagged("Region", &[("geo", "")]),
                tagged("ssn", &[("pii", "ssn")]),
                tagged("mail", &[("pii", "mail")]),
            ],
            row_filter: None,
            masks: Vec::new(),
            properties: BTreeMap::new(),
            comment: None,
            tags: Tags::new(),
            stamps,
        };
        let owner = bob.id;
        let governed = |text| GovernedTag {
            id: GovernedTagId::fresh(),
            key: key(text),
            values: Vec::new(),
            owner,
            comment: None,
            stamps,
        };
        let root = MetastoreRoot { id: MetastoreId::fresh(), owner: None };
        Self {
            alice: alice.id,
            bob: bob.id,
            north: north.id,
            content: Content {
                memberships: vec![(north.id, alice.id)],
                principals: vec![alice, bob, north],
                governed_tags: vec![governed("geo"), governed("pii"), governed("level")],
                catalogs: vec![main],
                schemas: vec![hr],
                tables: vec![people],
                ..Content::empty(root)
            },
        }
    }

    fn schema(&self) -> SchemaId {
        self.content.schemas[0].id
    }

    fn scopes(&self) -> [SecurableId; 4] {
        [
            SecurableId::Metastore,
            SecurableId::Catalog(self.content.catalogs[0].id),
            SecurableId::Schema(self.schema()),
            SecurableId::Table(self.content.tables[0].id),
        ]
    }

    /// A filter over the column tagged `geo`, for Alice's group, on the catalog.
    fn filter(&mut self, name: &str, alter: impl FnOnce(&mut TagPolicy)) {
        let mut policy = TagPolicy {
            id: TagPolicyId::fresh(),
            name: Name::new(name).unwrap(),
            scope: self.scopes()[1],
            rule: TagPolicyRule::RowFilter,
            function: PolicyFunction::Sql(FunctionId::fresh()),
            audience: Audience { to: vec![self.north], except: Vec::new() },
            when: TagCondition::True,
            matches: vec![ColumnMatch {
                condition: TagCondition::HasTag(key("geo")),
                alias: Some("it".to_owned()),
            }],
            arguments: vec![TagPolicyArgument::Alias("it".to_owned())],
            composition: Composition::Restrictive,
            on_no_match: OnNoMatch::Deny,
            comment: None,
            semantics: SEMANTICS,
            stamps: Stamps::new(DateTime::UNIX_EPOCH, self.bob),
        };
        alter(&mut policy);
        self.content.tag_policies.push(policy);
    }

    /// A mask of the columns tagged `pii`.
    fn mask(&mut self, name: &str, alter: impl FnOnce(&mut TagPolicy)) {
        self.filter(name, |policy| {
            policy.rule = TagPolicyRule::ColumnMask { on: "it".to_owned() };
            policy.function = PolicyFunction::Builtin(BuiltinMask::MaskValue);
            policy.matches[0].condition = TagCondition::HasTag(key("pii"));
            policy.arguments = Vec::new();
            policy.composition = Composition::Permissive;
            policy.on_no_match = OnNoMatch::Skip;
            alter(policy);
        });
    }

    fn over(&self, reader: PrincipalId, columns: &[&str]) -> Result<EffectivePolicies, PolicyRefusal> {
        let snapshot = Snapshot::new(Epoch(1), self.content.clone());
        let table = snapshot.table(&ObjectName::new("main", "hr", "people").unwrap()).unwrap();
        let columns: Vec<_> = columns.iter().map(|name| OpenedColumn { name, field_id: None }).collect();
        snapshot.effective_policies(table, reader, &columns)
    }

    fn policies(&self, reader: PrincipalId) -> Result<EffectivePolicies, PolicyRefusal> {
        self.over(reader, &["id", "region", "ssn", "mail"])
    }
}

fn masked(policies: &EffectivePolicies) -> Vec<(&str, PolicyFunction)> {
    policies.masks.iter().map(|mask| (mask.column.name.as_str(), mask.function)).collect()
}

#[test]
fn a_policy_holds_for_whom_it_names_through_groups_and_on_every_scope() {
    for scope in 0..4 {
        let mut world = World::new();
        let at = world.scopes()[scope];
        world.filter("by_region", |policy| policy.scope = at);
        assert_eq!(world.policies(world.alice).unwrap().filters.len(), 1, "{at:?}");
        assert!(world.policies(world.bob).unwrap().is_empty(), "{at:?}");
    }
    let mut world = World::new();
    let elsewhere = SecurableId::Schema(SchemaId::fresh());
    world.filter("elsewhere", |policy| policy.scope = elsewhere);
    assert!(world.policies(world.alice).unwrap().is_empty());
}

#[test]
fn except_takes_the_policy_away_and_is_told() {
    let mut world = World::new();
    let alice = world.alice;
    world.filter("by_region", |policy| policy.audience.except.push(alice));
    let policies = world.policies(alice).unwrap();
    assert!(policies.is_empty());
    assert_eq!(policies.excepted.len(), 1);
}

#[test]
fn tags_of_containers_count_for_tables_and_not_for_columns() {
    let mut world = World::new();
    let level =
        |policy: &mut TagPolicy| policy.when = TagCondition::HasTagValue(key("LEVEL"), "high".to_owned());
    world.filter("by_level", level);
    assert!(world.policies(world.alice).unwrap().is_empty());
    world.content.catalogs[0].tags.insert(key("level"), "high".to_owned());
    assert_eq!(world.policies(world.alice).unwrap().filters.len(), 1);
    world.content.tables[0].tags.insert(key("level"), "low".to_owned());
    assert!(world.policies(world.alice).unwrap().is_empty(), "the table's own value wins");
    world.content.tag_policies[0].when = TagCondition::True;
    world.content.tag_policies[0].matches[0].condition = TagCondition::HasTag(key("level"));
    let refused = world.policies(world.alice);
    assert!(matches!(refused, Err(PolicyRefusal::NoMatch { .. })), "columns inherit nothing");
}

#[test]
fn what_no_column_matches_is_refused_or_skipped() {
    let mut world = World::new();
    world.content.tables[0].columns[1].tags.clear();
    world.filter("by_region", |_| ());
    assert!(matches!(world.policies(world.alice), Err(PolicyRefusal::NoMatch { .. })));
    assert!(world.policies(world.bob).unwrap().is_empty(), "it says nothing of whom it does not name");
    world.content.tag_policies[0].on_no_match = OnNoMatch::Skip;
    assert!(world.policies(world.alice).unwrap().is_empty());
}

#[test]
fn an_argument_is_one_column_and_a_mask_holds_for_all() {
    let mut world = World::new();
    world.filter("two", |policy| policy.matches[0].condition = TagCondition::HasTag(key("pii")));
    assert!(matches!(world.policies(world.alice), Err(PolicyRefusal::AmbiguousAlias { count: 2, .. })));
    let mut world = World::new();
    world.mask("hide", |_| ());
    let hide = PolicyFunction::Builtin(BuiltinMask::MaskValue);
    assert_eq!(masked(&world.policies(world.alice).unwrap()), [("ssn", hide), ("mail", hide)]);
    world.content.tag_policies[0].arguments = vec![TagPolicyArgument::TagValue(key("pii"))];
    let policies = world.policies(world.alice).unwrap();
    let values: Vec<_> = policies.masks.iter().map(|mask| mask.arguments.clone()).collect();
    let value = |text: &str| vec![EffectiveArgument::Literal(Literal::String(text.to_owned()))];
    assert_eq!(values, [value("ssn"), value("mail")]);
}

#[test]
fn a_filter_of_the_table_and_one_by_tags_that_say_the_same_are_one() {
    let mut world = World::new();
    world.filter("by_region", |_| ());
    let function = world.content.tag_policies[0].function;
    let region = ColumnBinding { name: "region".to_owned(), field_id: None, type_text: "STRING".to_owned() };
    let arguments = vec![PolicyArgument::Column(region)];
    world.content.tables[0].row_filter = Some(RowFilter { function, arguments, semantics: SEMANTICS });
    let policies = world.policies(world.alice).unwrap();
    assert_eq!(policies.filters.len(), 1);
    assert_eq!(policies.filters[0].origins.len(), 2);
    world.content.tag_policies[0].composition = Composition::Permissive;
    assert_eq!(world.policies(world.alice).unwrap().filters.len(), 2, "they compose otherwise");
}

#[test]
fn of_two_masks_a_restrictive_one_wins_over_narrower_scopes_only() {
    let null = PolicyFunction::Builtin(BuiltinMask::MaskNull);
    for (scopes, compositions, wins) in [
        ([1, 1], [Composition::Permissive, Composition::Permissive], false),
        ([1, 2], [Composition::Restrictive, Composition::Permissive], true),
        ([1, 1], [Composition::Restrictive, Composition::Permissive], true),
        ([1, 2], [Composition::Restrictive, Composition::Restrictive], true),
        ([1, 1], [Composition::Restrictive, Composition::Restrictive], false),
        ([2, 1], [Composition::Restrictive, Composition::Permissive], false),
    ] {
        let mut world = World::new();
        let at = world.scopes();
        world.mask("first", |policy| {
            (policy.function, policy.scope, policy.composition) = (null, at[scopes[0]], compositions[0]);
        });
        world.mask("second", |policy| (policy.scope, policy.composition) = (at[scopes[1]], compositions[1]));
        match world.policies(world.alice) {
            Ok(policies) => {
                assert!(wins, "{scopes:?} {compositions:?}");
                assert_eq!(masked(&policies), [("ssn", null), ("mail", null)]);
            }
            Err(refusal) => {
                assert!(!wins, "{scopes:?} {compositions:?}: {refusal}");
                assert!(matches!(refusal, PolicyRefusal::MultipleMasks { .. }));
            }
        }
    }
}

#[test]
fn a_tables_own_mask_never_overrides_one_from_above() {
    let mut world = World::new();
    world.mask("hide", |_| ());
    let column = ColumnBinding { name: "ssn".to_owned(), field_id: None, type_text: "STRING".to_owned() };
    let weak = PolicyFunction::Builtin(BuiltinMask::ShowLast4);
    let own = |path: Vec<String>, function| ColumnMask {
        column: column.clone(),
        path,
        function,
        arguments: Vec::new(),
        semantics: SEMANTICS,
    };
    world.content.tables[0].masks = vec![own(Vec::new(), weak)];
    assert!(matches!(world.policies(world.alice), Err(PolicyRefusal::MultipleMasks { .. })));
    world.content.tag_policies[0].composition = Composition::Restrictive;
    let hide = PolicyFunction::Builtin(BuiltinMask::MaskValue);
    assert_eq!(masked(&world.policies(world.alice).unwrap()), [("ssn", hide), ("mail", hide)]);
    world.content.tables[0].masks = vec![own(vec!["a".to_owned()], weak), own(vec!["b".to_owned()], weak)];
    assert_eq!(masked(&world.policies(world.alice).unwrap()), [("ssn", hide), ("mail", hide)]);
    assert_eq!(world.policies(world.bob).unwrap().masks.len(), 2, "fields beside one another both stand");
}

#[test]
fn with_the_default_deny_whom_no_filter_names_gets_no_rows() {
    let mut world = World::new();
    world.content.schemas[0].properties.insert(POLICY_DEFAULT.to_owned(), "deny".to_owned());
    assert!(world.policies(world.bob).unwrap().denied_by_default);
    world.filter("by_region", |_| ());
    assert!(!world.policies(world.alice).unwrap().denied_by_default);
    assert!(world.policies(world.bob).unwrap().denied_by_default);
    let bob = world.bob;
    world.content.tag_policies[0].audience.except.push(bob);
    assert!(!world.policies(bob).unwrap().denied_by_default, "EXCEPT speaks of him");
    world.content.tables[0].properties.insert(POLICY_DEFAULT.to_owned(), "allow".to_owned());
    world.content.tag_policies.clear();
    assert!(world.policies(bob).unwrap().denied_by_default, "a table opens nothing that its schema closes");
    world.content.schemas[0].properties.insert(POLICY_DEFAULT.to_owned(), "allow".to_owned());
    assert!(!world.policies(bob).unwrap().denied_by_default);
    world.content.tables[0].properties.insert(POLICY_DEFAULT.to_owned(), "deny".to_owned());
    assert!(world.policies(bob).unwrap().denied_by_default, "a table may close what its schema opens");
}

const POLICY_DEFAULT: &str = crate::securable::POLICY_DEFAULT_PROPERTY;

#[test]
fn a_rename_outside_lifts_no_mask() {
    let mut world = World::new();
    world.mask("hide", |_| ());
    let renamed = world.over(world.alice, &["id", "region", "social", "mail"]);
    assert!(matches!(renamed, Err(PolicyRefusal::TaggedColumnMissing { .. })));
    let unasked = world.over(world.bob, &["id", "region", "social", "mail"]);
    assert!(unasked.is_err(), "whoever asks");
    let added = world.over(world.alice, &["id", "region", "ssn", "mail", "extra"]).unwrap();
    assert_eq!(added.masks.len(), 2);
}

#[test]
fn what_is_not_known_refuses() {
    let mut world = World::new();
    world.filter("by_region", |policy| policy.semantics = SEMANTICS + 1);
    assert!(matches!(world.policies(world.alice), Err(PolicyRefusal::UnknownSemantics { .. })));
    let mut world = World::new();
    world.filter("by_region", |_| ());
    world.content.governed_tags.retain(|tag| tag.key != key("geo"));
    assert!(matches!(world.policies(world.alice), Err(PolicyRefusal::UnknownTag { .. })));
    let mut world = World::new();
    world.filter("by_region", |policy| {
        policy.arguments = vec![TagPolicyArgument::Alias("other".to_owned())];
    });
    assert!(matches!(world.policies(world.alice), Err(PolicyRefusal::UnknownAlias { .. })));
}
