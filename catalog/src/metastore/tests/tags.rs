//! Governed tags, tags and tag policies, and the ways round them that are shut.

use std::collections::BTreeSet;

use super::*;
use crate::policy::BuiltinMask;
use crate::securable::{SecurableId, SecurableKind};
use crate::tag::{TagKey, Tags};
use crate::tag_policy::{
    ColumnMatch, Composition, OnNoMatch, TagCondition, TagPolicy, TagPolicyArgument, TagPolicyRule,
};

const T: &str = "main.default.t";
const F: &str = "main.default.f";

fn key(text: &str) -> TagKey {
    TagKey::new(text).unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(name, value)| (key(name), (*value).to_owned())).collect()
}

fn keys(names: &[&str]) -> BTreeSet<TagKey> {
    names.iter().map(|name| key(name)).collect()
}

fn ssn() -> TagTarget {
    TagTarget::Column { table: object(T), column: "SSN".to_owned() }
}

fn table_target() -> TagTarget {
    TagTarget::Securable(on_table(T))
}

/// A mask of every column of the schema that is tagged `pii` = `ssn`.
fn mask_policy(name_of: &str, scope: SecurableName) -> TagPolicySpec {
    TagPolicySpec {
        name: name(name_of),
        scope,
        rule: TagPolicyRule::ColumnMask { on: "m".to_owned() },
        function: object("system.policy.mask_null"),
        to: vec!["account users".to_owned()],
        except: Vec::new(),
        when: TagCondition::True,
        matches: vec![ColumnMatch {
            condition: TagCondition::HasTagValue(key("pii"), "ssn".to_owned()),
            alias: Some("m".to_owned()),
        }],
        arguments: Vec::new(),
        composition: Composition::Restrictive,
        on_no_match: OnNoMatch::Skip,
        comment: None,
    }
}

fn filter_policy(name_of: &str, scope: SecurableName, function: &str) -> TagPolicySpec {
    TagPolicySpec {
        rule: TagPolicyRule::RowFilter,
        function: object(function),
        matches: Vec::new(),
        ..mask_policy(name_of, scope)
    }
}

fn default_schema() -> SecurableName {
    SecurableName::Schema(schema("main.default"))
}

impl Fixture {
    async fn governed(&self, text: &str, values: &[&str]) {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let spec = GovernedTagSpec { key: key(text), values, comment: None };
        self.metastore.governed_tag_create(self.root, now(), spec, OnExisting::Fail).await.unwrap();
    }

    async fn policy(&self, by: PrincipalId, spec: TagPolicySpec) -> Result<Created<TagPolicy>, Error> {
        self.metastore.tag_policy_create(by, now(), spec, OnExistingDefinition::Fail).await
    }

    /// `pii` is governed, alice owns a table whose ssn is tagged, a policy on the schema masks it.
    async fn masked() -> Self {
        let fixture = Self::new().await;
        fixture.governed("pii", &["ssn", "email"]).await;
        fixture.grant_use("alice").await;
        fixture.grant(default_schema(), "alice", &[Privilege::CreateTable, Privilege::CreateView]).await;
        fixture.table(fixture.alice, T).await;
        fixture.grant(on_table(T), "root", &[Privilege::ApplyTag]).await;
        fixture.grant_use("root").await;
        let set = fixture.metastore.tags_set(fixture.root, now(), &ssn(), tags(&[("pii", "ssn")])).await;
        set.unwrap();
        fixture.policy(fixture.root, mask_policy("mask_pii", default_schema())).await.unwrap();
        fixture
    }
}

#[tokio::test]
async fn an_owner_cannot_lift_a_policy_by_its_tag() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let removed = metastore.tags_unset(fixture.alice, now(), &ssn(), &keys(&["PII"])).await;
    let (kind_of, text) = told(removed);
    assert_eq!(kind_of, ErrorKind::PermissionDenied);
    assert!(text.contains("ASSIGN on governed tag `pii`"), "{text}");
    let changed = metastore.tags_set(fixture.alice, now(), &ssn(), tags(&[("pii", "email")])).await;
    assert_eq!(kind(changed), ErrorKind::PermissionDenied);
    let shadowed = metastore.tags_set(fixture.alice, now(), &table_target(), tags(&[("pii", "email")])).await;
    assert_eq!(kind(shadowed), ErrorKind::PermissionDenied);
    // What is not governed is the owner's own.
    metastore.tags_set(fixture.alice, now(), &ssn(), tags(&[("team", "red")])).await.unwrap();
    fixture.grant(SecurableName::GovernedTag(key("pii")), "alice", &[Privilege::Assign]).await;
    metastore.tags_unset(fixture.alice, now(), &ssn(), &keys(&["pii"])).await.unwrap();
}

#[tokio::test]
async fn an_owner_cannot_lose_a_tagged_column() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let gone = metastore.table_set_columns(fixture.alice, now(), &object(T), columns(&["region"])).await;
    let (kind_of, text) = told(gone);
    assert_eq!(kind_of, ErrorKind::DependencyExists);
    assert!(text.contains("`pii`"), "{text}");
    // Made again under its name, it has its tags again.
    let again = columns(&["region", "SSN", "more"]);
    metastore.table_set_columns(fixture.alice, now(), &object(T), again).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let table = snapshot.table(&object(T)).unwrap();
    assert_eq!(table.column("ssn").unwrap().tags, tags(&[("pii", "ssn")]));
    // Tags do not come in by the columns either.
    let mut forged = columns(&["region", "ssn", "more"]);
    forged[0].tags = tags(&[("pii", "ssn")]);
    forged[1].tags = Tags::new();
    metastore.table_set_columns(fixture.alice, now(), &object(T), forged).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let table = snapshot.table(&object(T)).unwrap();
    assert!(table.column("region").unwrap().tags.is_empty());
    assert_eq!(table.column("ssn").unwrap().tags, tags(&[("pii", "ssn")]));
}

/// Alice may make tables over the files below `file:///x/`, and has one.
async fn registered() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.grant_use("alice").await;
    fixture.grant(default_schema(), "alice", &[Privilege::CreateTable]).await;
    let url = "file:///x/".to_owned();
    let spec = ExternalLocationSpec { name: name("x"), url, credential: None, comment: None };
    fixture.metastore.external_location_create(fixture.root, now(), spec, OnExisting::Fail).await.unwrap();
    let on = SecurableName::ExternalLocation(name("x"));
    fixture.grant(on, "alice", &[Privilege::CreateExternalTable]).await;
    fixture.register(T).await;
    fixture
}

impl Fixture {
    async fn register(&self, text: &str) {
        let spec = external(text, "file:///x/t/");
        self.metastore.table_create(self.alice, now(), spec, OnExisting::Fail).await.unwrap();
    }
}

#[tokio::test]
async fn an_owner_cannot_lift_a_policy_by_registering_files_again() {
    let fixture = registered().await;
    let metastore = &fixture.metastore;
    let (root, alice, t) = (fixture.root, fixture.alice, object(T));
    let drop = || metastore.table_drop(alice, now(), &t, OnMissing::Fail);
    drop().await.unwrap();
    fixture.register(T).await;
    fixture.governed("pii", &["ssn"]).await;
    fixture.governed("area", &[]).await;
    fixture.grant_use("root").await;
    fixture.grant(on_table(T), "root", &[Privilege::ApplyTag]).await;
    metastore.tags_set(root, now(), &ssn(), tags(&[("pii", "ssn"), ("team", "red")])).await.unwrap();
    // Elsewhere it would not inherit it.
    let schema_target = TagTarget::Securable(default_schema());
    metastore.tags_set(root, now(), &schema_target, tags(&[("area", "eu")])).await.unwrap();
    let (refused, text) = told(drop().await);
    assert_eq!(refused, ErrorKind::PermissionDenied);
    for tag in ["area", "pii"] {
        assert!(text.contains(&format!("ASSIGN on governed tag `{tag}`")), "{text}");
    }
    let cascade = metastore.drop_with_readers(alice, now(), &t, SecurableKind::Table, OnMissing::Fail).await;
    assert_eq!(kind(cascade), ErrorKind::PermissionDenied);
    // Nor with what contains it, and a new name changes nothing.
    metastore.owner_set(root, now(), &default_schema(), "alice").await.unwrap();
    metastore.owner_set(root, now(), &SecurableName::Catalog(name("main")), "alice").await.unwrap();
    let (default, all) = (schema("main.default"), Contents::Cascade);
    let dropped = metastore.schema_drop(alice, now(), &default, all, OnMissing::Fail).await;
    assert_eq!(kind(dropped), ErrorKind::PermissionDenied);
    let dropped = metastore.catalog_drop(alice, now(), &name("main"), all, OnMissing::Fail).await;
    assert_eq!(kind(dropped), ErrorKind::PermissionDenied);
    metastore.table_rename(alice, now(), &t, &name("u")).await.unwrap();
    metastore.table_rename(alice, now(), &object("main.default.u"), &name("t")).await.unwrap();
    assert_eq!(kind(drop().await), ErrorKind::PermissionDenied);
    for tag in ["area", "pii"] {
        fixture.grant(SecurableName::GovernedTag(key(tag)), "alice", &[Privilege::Assign]).await;
    }
    drop().await.unwrap();
}

#[tokio::test]
async fn nobody_lifts_a_denial_by_registering_files_again() {
    let fixture = registered().await;
    let metastore = &fixture.metastore;
    let t = object(T);
    let denied = &[Privilege::Select];
    let drop = || metastore.table_drop(fixture.alice, now(), &t, OnMissing::Fail);
    for on in [on_table(T), default_schema()] {
        metastore.deny_add(fixture.root, now(), &on, "alice", denied).await.unwrap();
        let refused = drop().await;
        assert!(
            matches!(refused, Err(Error::Reserved { act: Reserved::LiftOwnDenial })),
            "{on}: {refused:?}"
        );
        metastore.deny_remove(fixture.root, now(), &on, "alice", denied).await.unwrap();
    }
    // One that holds for another is not lifted by whom it does not hold for: it is the other's to ask.
    metastore.deny_add(fixture.root, now(), &on_table(T), "bob", denied).await.unwrap();
    drop().await.unwrap();
    // What is managed goes with its rows.
    fixture.table(fixture.alice, T).await;
    metastore.deny_add(fixture.root, now(), &on_table(T), "alice", denied).await.unwrap();
    drop().await.unwrap();
}

#[tokio::test]
async fn a_replaced_view_keeps_its_governed_tags() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let table = metastore.snapshot().await.unwrap().table(&object(T)).unwrap().id;
    let mut spec = view_of("main.default.v", "SELECT 1", &[table]);
    spec.columns = columns(&["a", "b"]);
    fixture.view(fixture.alice, spec.clone()).await;
    let on = |column: &str| TagTarget::Column { table: object("main.default.v"), column: column.to_owned() };
    fixture.grant(SecurableName::GovernedTag(key("pii")), "alice", &[Privilege::Assign]).await;
    metastore.tags_set(fixture.alice, now(), &on("a"), tags(&[("pii", "ssn")])).await.unwrap();
    metastore.tags_set(fixture.alice, now(), &on("b"), tags(&[("team", "")])).await.unwrap();
    spec.columns = columns(&["b"]);
    let replace = OnExistingDefinition::Replace;
    let lost = metastore.view_create(fixture.alice, now(), spec.clone(), replace).await;
    assert!(matches!(lost, Err(Error::TaggedColumn { .. })), "{lost:?}");
    spec.columns = columns(&["A"]);
    metastore.view_create(fixture.alice, now(), spec, replace).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let view = snapshot.table(&object("main.default.v")).unwrap();
    assert_eq!(view.column("a").unwrap().tags, tags(&[("pii", "ssn")]));
}

#[tokio::test]
async fn mistyped_tags_and_values_are_refused() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let wrong = metastore.tags_set(fixture.root, now(), &ssn(), tags(&[("pii", "SSN")])).await;
    assert!(matches!(wrong, Err(Error::TagValueNotTaken { .. })), "{wrong:?}");
    let asking = |condition| {
        let mut spec = mask_policy("p", default_schema());
        spec.matches[0].condition = condition;
        spec
    };
    let value = TagCondition::HasColumnTagValue(key("pii"), "sns".to_owned());
    let refused = fixture.policy(fixture.root, asking(value)).await;
    assert!(matches!(refused, Err(Error::TagValueNotTaken { .. })), "{refused:?}");
    let refused = fixture.policy(fixture.root, asking(TagCondition::HasTag(key("pi")))).await;
    assert!(matches!(refused, Err(Error::TagNotGoverned { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let root = fixture.root;
    let (kind_of, text) = told(metastore.governed_tag_drop(root, now(), &key("pii"), OnMissing::Fail).await);
    assert_eq!(kind_of, ErrorKind::DependencyExists);
    assert!(text.contains("policy `mask_pii` on schema `main.default`"), "{text}");
    assert!(text.contains("the tag of column `ssn` of table `main.default.t`"), "{text}");
    let pii = key("pii");
    let values = |change: TagValues| metastore.governed_tag_set_values(root, now(), &pii, change);
    let drop_ssn = TagValues::Drop(vec!["ssn".to_owned()]);
    assert_eq!(kind(values(drop_ssn).await), ErrorKind::DependencyExists);
    let without = TagValues::Set(vec!["email".to_owned()]);
    assert_eq!(kind(values(without).await), ErrorKind::DependencyExists);
    values(TagValues::Drop(vec!["email".to_owned()])).await.unwrap();
    let emptied = values(TagValues::Drop(vec!["ssn".to_owned()])).await;
    assert!(matches!(emptied, Err(Error::InvalidTagValues { .. })), "{emptied:?}");
    values(TagValues::Add(vec!["phone".to_owned()])).await.unwrap();
    // A key that is set with other values does not become governed.
    metastore.tags_set(fixture.alice, now(), &table_target(), tags(&[("tier", "gold")])).await.unwrap();
    let spec = GovernedTagSpec { key: key("tier"), values: vec!["silver".to_owned()], comment: None };
    let refused = metastore.governed_tag_create(root, now(), spec, OnExisting::Fail).await;
    assert_eq!(kind(refused), ErrorKind::DependencyExists);
}

#[tokio::test]
async fn the_function_and_principals_of_a_policy_stay() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let function = function_of(F, &[], "true", &[]);
    fixture.function(fixture.root, function.clone()).await;
    fixture.principal("analysts", PrincipalKind::Group).await;
    let mut spec = filter_policy("f", default_schema(), F);
    spec.to = vec!["analysts".to_owned()];
    fixture.policy(fixture.root, spec).await.unwrap();
    let (kind_of, text) =
        told(metastore.function_drop(fixture.root, now(), &object(F), OnMissing::Fail).await);
    assert_eq!(kind_of, ErrorKind::DependencyExists);
    assert!(text.contains("policy `f` on schema `main.default`"), "{text}");
    let group = PrincipalKind::Group;
    let dropped = metastore.principal_drop(fixture.root, now(), "analysts", group, OnMissing::Fail).await;
    assert_eq!(kind(dropped), ErrorKind::DependencyExists);
    let replaced = FunctionSpec { parameters: function_of(F, &["a"], "true", &[]).parameters, ..function };
    let replace = OnExistingDefinition::Replace;
    let refused = metastore.function_create(fixture.root, now(), replaced, replace).await;
    assert_eq!(kind(refused), ErrorKind::DependencyExists);
}

#[tokio::test]
async fn who_owns_below_touches_nothing_above() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let (scope, mask) = (default_schema(), name("mask_pii"));
    let drop_it = |by: PrincipalId| metastore.tag_policy_drop(by, now(), &scope, &mask, OnMissing::Fail);
    assert_eq!(kind(drop_it(fixture.alice).await), ErrorKind::PermissionDenied);
    let replace = OnExistingDefinition::Replace;
    let spec = mask_policy("mask_pii", default_schema());
    let refused = metastore.tag_policy_create(fixture.alice, now(), spec, replace).await;
    assert_eq!(kind(refused), ErrorKind::PermissionDenied);
    let everywhere = SecurableName::Metastore;
    let refused = fixture.policy(fixture.alice, mask_policy("x", everywhere.clone())).await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::SetMetastorePolicy })));
    // One of the same name below is another one.
    fixture.grant(SecurableName::GovernedTag(key("pii")), "alice", &[Privilege::Browse]).await;
    fixture.policy(fixture.alice, mask_policy("mask_pii", on_table(T))).await.unwrap();
    let unnamed = fixture.policy(fixture.alice, mask_policy("mask_pii", on_table(T))).await;
    assert!(matches!(unnamed, Err(Error::TagPolicyExists { .. })));
    fixture.policy(fixture.root, mask_policy("mask_pii", everywhere)).await.unwrap();
    let below = on_table(T);
    metastore.tag_policy_drop(fixture.alice, now(), &below, &mask, OnMissing::Fail).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let table = snapshot.table(&object(T)).unwrap();
    assert_eq!(snapshot.tag_policies_over(table).len(), 2);
    assert!(snapshot.is_governed(table));
    drop_it(fixture.root).await.unwrap();
    assert_eq!(kind(drop_it(fixture.root).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn policies_go_with_their_scope_and_with_nothing_else() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    fixture.policy(fixture.root, mask_policy("own", on_table(T))).await.unwrap();
    metastore.table_drop(fixture.alice, now(), &object(T), OnMissing::Fail).await.unwrap();
    let left: Vec<String> = {
        let snapshot = metastore.snapshot().await.unwrap();
        snapshot.all_tag_policies().map(|policy| policy.name.to_string()).collect()
    };
    assert_eq!(left, ["mask_pii"]);
    let default = schema("main.default");
    let cascade = Contents::Cascade;
    metastore.schema_drop(fixture.root, now(), &default, cascade, OnMissing::Fail).await.unwrap();
    assert_eq!(metastore.snapshot().await.unwrap().all_tag_policies().count(), 0);
}

#[tokio::test]
async fn no_policy_reads_what_it_governs_whichever_came_first() {
    let fixture = Fixture::masked().await;
    let metastore = &fixture.metastore;
    let lookup = fixture.table(fixture.root, "main.default.lookup").await;
    fixture.function(fixture.root, function_of(F, &[], "exists (…)", &[lookup.id])).await;
    let (kind_of, text) = told(fixture.policy(fixture.root, filter_policy("f", default_schema(), F)).await);
    assert_eq!(kind_of, ErrorKind::Invalid);
    assert!(text.contains("policy `f` on schema `main.default` calls function"), "{text}");
    fixture.governed("filtered", &[]).await;
    let tagged = TagPolicySpec {
        when: TagCondition::HasTag(key("filtered")),
        ..filter_policy("f", default_schema(), F)
    };
    // The mask speaks of every table of the schema, the one the filter reads among them.
    metastore
        .tag_policy_drop(fixture.root, now(), &default_schema(), &name("mask_pii"), OnMissing::Fail)
        .await
        .unwrap();
    fixture.policy(fixture.root, tagged).await.unwrap();
    let on = TagTarget::Securable(on_table("main.default.lookup"));
    let refused = metastore.tags_set(fixture.root, now(), &on, tags(&[("filtered", "")])).await;
    assert!(matches!(refused, Err(Error::PolicyReadsItself { .. })), "{refused:?}");
    // Whom the policy spares reads the table without it: in the name of the function's owner there is no circle.
    let spared = TagPolicySpec {
        except: vec!["root".to_owned()],
        when: TagCondition::HasTag(key("filtered")),
        ..filter_policy("f", default_schema(), F)
    };
    metastore.tag_policy_create(fixture.root, now(), spared, OnExistingDefinition::Replace).await.unwrap();
    metastore.tags_set(fixture.root, now(), &on, tags(&[("filtered", "")])).await.unwrap();
    // Another owner is another definer.
    let owner = metastore.owner_set(fixture.root, now(), &SecurableName::Function(object(F)), "alice").await;
    let (_, text) = told(owner);
    assert!(text.contains("policy `f` on schema `main.default` calls function `main.default.f`"), "{text}");
}

#[tokio::test]
async fn a_policy_that_contradicts_itself_is_refused() {
    let fixture = Fixture::masked().await;
    let change = |alter: fn(&mut TagPolicySpec)| {
        let mut spec = mask_policy("p", default_schema());
        alter(&mut spec);
        fixture.policy(fixture.root, spec)
    };
    for alter in [
        (|spec| spec.rule = TagPolicyRule::ColumnMask { on: "x".to_owned() }) as fn(&mut TagPolicySpec),
        |spec| spec.to.clear(),
        |spec| spec.matches.push(spec.matches[0].clone()),
        |spec| {
            spec.function = object("system.policy.round_number");
            spec.arguments = vec![TagPolicyArgument::Alias("m".to_owned())];
        },
        |spec| spec.rule = TagPolicyRule::RowFilter,
        |spec| {
            for _ in 0..40 {
                spec.when = TagCondition::Not(Box::new(spec.when.clone()));
            }
        },
    ] {
        let refused = change(alter).await;
        assert!(matches!(refused, Err(Error::InvalidTagPolicy { .. })), "{refused:?}");
    }
    let refused = change(|spec| spec.function = object("system.policy.round_number")).await;
    assert!(matches!(refused, Err(Error::WrongArgumentCount { found: 1, .. })), "{refused:?}");
    let refused = change(|spec| spec.to = vec!["nobody".to_owned()]).await;
    assert_eq!(kind(refused), ErrorKind::NotFound);
    let refused = change(|spec| spec.function = object("system.policy.nothing")).await;
    assert_eq!(kind(refused), ErrorKind::NotFound);
    assert_eq!(BuiltinMask::find(&object("system.policy.mask_null")), Some(BuiltinMask::MaskNull));
}

#[tokio::test]
async fn a_thousand_policies_stand_on_one_scope() {
    let fixture = Fixture::masked().await;
    for number in 0..1000 {
        fixture.policy(fixture.root, mask_policy(&format!("p{number}"), default_schema())).await.unwrap();
    }
    let snapshot = fixture.metastore.snapshot().await.unwrap();
    let table = snapshot.table(&object(T)).unwrap();
    let policies = snapshot.tag_policies_over(table);
    assert_eq!(policies.len(), 1001);
    let covered = policies.iter().filter_map(|policy| snapshot.covered(policy, table));
    assert!(covered.into_iter().all(|covered| covered.matched[0].len() == 1));
}

#[tokio::test]
async fn who_may_not_read_a_policy_does_not_hear_its_name() {
    let fixture = Fixture::masked().await;
    fixture.function(fixture.root, function_of(F, &[], "true", &[])).await;
    fixture.policy(fixture.root, filter_policy("hush", SecurableName::Metastore, F)).await.unwrap();
    let on = SecurableName::Function(object(F));
    fixture.grant(on, "alice", &[Privilege::Manage]).await;
    let dropped = fixture.metastore.function_drop(fixture.alice, now(), &object(F), OnMissing::Fail).await;
    let (kind_of, text) = told(dropped);
    assert_eq!(kind_of, ErrorKind::DependencyExists);
    assert!(!text.contains("hush") && text.contains("1 objects you may not see"), "{text}");
    let snapshot = fixture.metastore.snapshot().await.unwrap();
    let reads = |by, scope| crate::authorize::may_read_policies(&snapshot, by, scope);
    assert!(!reads(fixture.alice, SecurableId::Metastore) && reads(fixture.root, SecurableId::Metastore));
    let table = SecurableId::Table(snapshot.table(&object(T)).unwrap().id);
    assert!(reads(fixture.alice, table) && !reads(fixture.bob, table));
}

#[tokio::test]
async fn changes_of_tags_and_policies_are_in_the_trail() {
    let fixture = Fixture::masked().await;
    let trail = fixture.metastore.audit_list(fixture.root, 50).await.unwrap();
    let actions: Vec<&str> = trail.iter().map(|event| event.action.as_str()).collect();
    for action in ["createPolicy", "createEntityTagAssignment", "createGovernedTag"] {
        assert!(actions.contains(&action), "{action} {actions:?}");
    }
}
