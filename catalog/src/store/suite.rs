//! What every store must do, as one list of cases.
//!
//! A store's tests give [`store_suite!`](crate::store_suite) a function that opens two handles
//! on one fresh store, as two processes would have, and get one test for each case.
//!
//! How to add a case: an `async fn` here and its name in the macro's list.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a case fails by panicking")]

mod postgres_server;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::task::JoinSet;

use super::{Change, Error, Store};
use crate::access_request::AccessRequest;
use crate::access_token::AccessToken;
use crate::audit::{AuditEvent, Origin};
use crate::function::{Function, Parameter, Returns};
use crate::grant::Grant;
use crate::id::{
    AccessRequestId, AccessTokenId, AuditEventId, ExternalLocationId, FunctionId, GovernedTagId, MetastoreId,
    PolicyTestId, PrincipalId, StorageCredentialId, TableId, TagPolicyId, VolumeId,
};
use crate::name::{Name, ObjectName};
use crate::policy::{
    BuiltinMask, ColumnBinding, ColumnMask, Literal, PolicyArgument, PolicyFunction, RowFilter, SEMANTICS,
};
use crate::policy_test::{Expectation, PolicyTest};
use crate::principal::{Principal, PrincipalKind};
use crate::privilege::Privilege;
use crate::securable::{
    Catalog, Column, ExternalLocation, KeyPart, Schema, SecurableId, StorageCredential, Table, TableKind,
    ViewDefinition, Volume, VolumeKind,
};
use crate::snapshot::{Content, Epoch, Increment, MetastoreRoot, Snapshot};
use crate::stamps::Stamps;
use crate::tag::{GovernedTag, TagKey, Tags};
use crate::tag_policy::{
    Audience, ColumnMatch, Composition, OnNoMatch, TagCondition, TagPolicy, TagPolicyArgument, TagPolicyRule,
};

pub use postgres_server::PostgresServer;

/// Makes one `#[tokio::test]` of each case; `$fresh` is an `async fn() -> Handles`.
#[macro_export]
macro_rules! store_suite {
    ($fresh:path) => {
        $crate::store_suite! { $fresh:
            everything_put_is_loaded_again,
            a_put_overwrites_by_id,
            a_removal_takes_along_what_hangs_on_it,
            the_epoch_moves_with_each_commit_and_only_then,
            of_two_commits_on_one_epoch_one_conflicts,
            a_commit_that_fails_leaves_nothing,
            a_second_handle_sees_the_commit,
            racing_keepers_of_a_secret_get_the_same,
            racing_commits_lose_nothing,
            events_come_last_first,
            an_increment_leads_where_a_load_leads,
            an_increment_costs_what_changed,
            access_requests_come_last_first,
            access_tokens_are_found_by_their_digest_and_go_with_their_principal,
        }
    };
    ($fresh:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::store::suite::$case($fresh().await).await;
            }
        )+
    };
}

/// Two handles on one fresh store.
pub struct Handles {
    /// One.
    pub one: Arc<dyn Store>,
    /// The other.
    pub two: Arc<dyn Store>,
    /// What must live as long as they do, e.g. a directory.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").field("one", &self.one).field("two", &self.two).finish_non_exhaustive()
    }
}

pub(in crate::store) fn event(action: &str) -> AuditEvent {
    AuditEvent {
        id: AuditEventId::fresh(),
        at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
        by: Some(PrincipalId::fresh()),
        by_name: "alice".to_owned(),
        origin: Origin {
            run_by: Some("app".to_owned()),
            session_id: Some("7".to_owned()),
            ..Origin::default()
        },
        action: action.to_owned(),
        securable: "catalog `main`".to_owned(),
        parameters: BTreeMap::from([("to".to_owned(), "bob".to_owned())]),
        answer: "allowed".to_owned(),
        because: String::new(),
    }
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

/// One of each noun, with every optional part filled in.
fn one_of_each() -> Content {
    let mut user = principal(" Alice \"quoted\" O'Neil ", PrincipalKind::User);
    user.account_admin = true;
    let group = principal("readers", PrincipalKind::Group);
    let mut app = principal("app", PrincipalKind::ServicePrincipal);
    app.may_act_for_users = true;
    app.disabled = true;
    let name = ObjectName::new("main", "hr", "people").unwrap();
    let owner = user.id;
    let comment = Some("a remark".to_owned());
    let made = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
    let stamps = Stamps::new(made, owner).altered(made + Duration::from_micros(1), group.id);
    let tags = Tags::from([
        (TagKey::new("pii").unwrap(), "it's".to_owned()),
        (TagKey::new("class.email").unwrap(), String::new()),
    ]);
    let properties = BTreeMap::from([("policy.default".to_owned(), "deny".to_owned())]);
    let catalog = Catalog {
        comment: comment.clone(),
        properties: properties.clone(),
        tags: tags.clone(),
        ..Catalog::new(name.catalog.clone(), owner, stamps)
    };
    let schema = Schema {
        comment: comment.clone(),
        properties,
        tags: tags.clone(),
        ..Schema::new(catalog.id, name.schema_name(), group.id, stamps)
    };
    let binding = |name: &str, field_id| ColumnBinding {
        name: name.to_owned(),
        field_id,
        type_text: "STRING".to_owned(),
    };
    let function = Function {
        id: FunctionId::fresh(),
        schema: schema.id,
        name: ObjectName { object: name.object.clone(), ..name.clone() },
        owner,
        parameters: vec![Parameter {
            name: "region".to_owned(),
            type_text: "STRING".to_owned(),
            default: Some("'EMEA'".to_owned()),
            comment: comment.clone(),
        }],
        returns: Returns::Scalar("BOOLEAN".to_owned()),
        body: "region = 'EMEA'".to_owned(),
        reads: Vec::new(),
        calls: vec![FunctionId::fresh()],
        comment: comment.clone(),
        stamps,
    };
    let rows = Function {
        id: FunctionId::fresh(),
        name: ObjectName::new("main", "hr", "people_of").unwrap(),
        returns: Returns::Table(function.parameters.clone()),
        reads: vec![TableId::fresh()],
        ..function.clone()
    };
    let table = Table {
        id: TableId::fresh(),
        schema: schema.id,
        name: name.clone(),
        owner,
        kind: TableKind::Managed { location: "tables/1".to_owned() },
        columns: vec![Column {
            name: "Region".to_owned(),
            type_text: "DECIMAL(15,2)".to_owned(),
            nullable: true,
            comment: comment.clone(),
            field_id: Some(7),
            tags: tags.clone(),
            primary_key: Some(KeyPart { constraint: "it's a key".to_owned(), place: 2 }),
        }],
        row_filter: Some(RowFilter {
            function: PolicyFunction::Sql(function.id),
            arguments: vec![
                PolicyArgument::Column(binding("Region", None)),
                PolicyArgument::Literal(Literal::String("it's".to_owned())),
                PolicyArgument::Literal(Literal::Number("1.50".to_owned())),
                PolicyArgument::Literal(Literal::Boolean(false)),
                PolicyArgument::Literal(Literal::Interval("'3' DAY".to_owned())),
                PolicyArgument::Literal(Literal::Null),
            ],
            semantics: SEMANTICS,
        }),
        masks: vec![ColumnMask {
            column: binding("Region", Some(7)),
            path: vec!["inner".to_owned(), "Most".to_owned()],
            function: PolicyFunction::Builtin(BuiltinMask::RoundNumber),
            arguments: vec![PolicyArgument::Literal(Literal::Null)],
            semantics: SEMANTICS,
        }],
        properties: BTreeMap::from([("governance.protection".to_owned(), "strict".to_owned())]),
        comment: comment.clone(),
        tags: tags.clone(),
        stamps,
    };
    let view = Table {
        id: TableId::fresh(),
        name: ObjectName::new("main", "hr", "mine").unwrap(),
        kind: TableKind::View(ViewDefinition {
            text: "SELECT * FROM main.hr.people".to_owned(),
            tests_identity: true,
            reads: vec![table.id],
            calls: vec![function.id],
        }),
        row_filter: None,
        masks: Vec::new(),
        ..table.clone()
    };
    let external = Table {
        id: TableId::fresh(),
        name: ObjectName::new("main", "hr", "outside").unwrap(),
        kind: TableKind::External { location: "file:///data/outside/".to_owned() },
        ..view.clone()
    };
    let volume = Volume {
        id: VolumeId::fresh(),
        schema: schema.id,
        name: ObjectName::new("main", "hr", "files").unwrap(),
        owner: group.id,
        kind: VolumeKind::External { location: "s3://bucket/files/".to_owned() },
        comment: comment.clone(),
        tags,
        stamps,
    };
    let credential = StorageCredential {
        id: StorageCredentialId::fresh(),
        name: Name::new("key").unwrap(),
        owner,
        comment: comment.clone(),
        stamps,
    };
    let location = ExternalLocation {
        id: ExternalLocationId::fresh(),
        name: Name::new("outside").unwrap(),
        url: "s3://bucket/".to_owned(),
        credential: Some(credential.id),
        owner,
        comment: comment.clone(),
        stamps,
    };
    let tag = GovernedTag {
        id: GovernedTagId::fresh(),
        key: TagKey::new("pii").unwrap(),
        values: vec!["ssn".to_owned(), "it's".to_owned()],
        owner,
        comment: comment.clone(),
        stamps,
    };
    let test = PolicyTest {
        id: PolicyTestId::fresh(),
        name: Name::new("readers_see_two").unwrap(),
        as_user: app.id,
        query: "SELECT * FROM main.hr.people".to_owned(),
        expectation: Expectation::Error(Some("TABLE_OR_VIEW_NOT_FOUND".to_owned())),
        owner,
        comment: comment.clone(),
        stamps,
    };
    let policy = tag_policy(owner, group.id, &tag.key, PolicyFunction::Sql(function.id), stamps);
    let mask = TagPolicy {
        id: TagPolicyId::fresh(),
        name: Name::new("hide").unwrap(),
        scope: SecurableId::Table(table.id),
        rule: TagPolicyRule::ColumnMask { on: "it".to_owned() },
        function: PolicyFunction::Builtin(BuiltinMask::MaskValue),
        composition: Composition::Permissive,
        on_no_match: OnNoMatch::Skip,
        comment: None,
        ..policy.clone()
    };
    let grant = |privilege, securable| Grant::allow(group.id, privilege, securable);
    Content {
        metastore: MetastoreRoot { id: MetastoreId::fresh(), owner: Some(group.id) },
        memberships: vec![(group.id, user.id)],
        grants: vec![
            grant(Privilege::CreateCatalog, SecurableId::Metastore),
            grant(Privilege::UseCatalog, SecurableId::Catalog(catalog.id)),
            grant(Privilege::AllPrivileges, SecurableId::Schema(schema.id)),
            grant(Privilege::Select, SecurableId::Table(table.id)),
            Grant::deny(group.id, Privilege::Select, SecurableId::Table(table.id)),
            grant(Privilege::Execute, SecurableId::Function(function.id)),
            grant(Privilege::ReadVolume, SecurableId::Volume(volume.id)),
            grant(Privilege::CreateExternalTable, SecurableId::ExternalLocation(location.id)),
            grant(Privilege::CreateExternalLocation, SecurableId::StorageCredential(credential.id)),
            grant(Privilege::Assign, SecurableId::GovernedTag(tag.id)),
        ],
        principals: vec![user, group, app],
        catalogs: vec![catalog],
        schemas: vec![schema],
        tables: vec![table, view, external],
        functions: vec![function, rows],
        volumes: vec![volume],
        external_locations: vec![location],
        storage_credentials: vec![credential],
        governed_tags: vec![tag],
        tag_policies: vec![policy, mask],
        policy_tests: vec![test],
    }
}

/// A row filter with every kind of condition and argument.
fn tag_policy(
    to: PrincipalId,
    except: PrincipalId,
    key: &TagKey,
    function: PolicyFunction,
    stamps: Stamps,
) -> TagPolicy {
    let has = || Box::new(TagCondition::HasTag(key.clone()));
    let has_value = Box::new(TagCondition::HasTagValue(key.clone(), "it's".to_owned()));
    let column = Box::new(TagCondition::HasColumnTag(key.clone()));
    let column_value = Box::new(TagCondition::HasColumnTagValue(key.clone(), "ssn".to_owned()));
    TagPolicy {
        id: TagPolicyId::fresh(),
        name: Name::new("by_region").unwrap(),
        scope: SecurableId::Metastore,
        rule: TagPolicyRule::RowFilter,
        function,
        audience: Audience { to: vec![to], except: vec![except] },
        when: TagCondition::And(
            Box::new(TagCondition::Or(has(), has_value)),
            Box::new(TagCondition::Not(Box::new(TagCondition::And(column, column_value)))),
        ),
        matches: vec![
            ColumnMatch { condition: TagCondition::True, alias: Some("it".to_owned()) },
            ColumnMatch { condition: *has(), alias: None },
        ],
        arguments: vec![
            TagPolicyArgument::Alias("it".to_owned()),
            TagPolicyArgument::Literal(Literal::Number("5".to_owned())),
            TagPolicyArgument::TagValue(key.clone()),
        ],
        composition: Composition::Restrictive,
        on_no_match: OnNoMatch::Deny,
        comment: Some("a remark".to_owned()),
        semantics: SEMANTICS,
        stamps,
    }
}

/// Children before parents: the order of changes in a commit is free.
fn puts(content: &Content) -> Vec<Change> {
    let mut changes: Vec<Change> = content.grants.iter().copied().map(Change::GrantAdd).collect();
    changes.extend(content.tag_policies.iter().cloned().map(|p| Change::TagPolicyPut(Box::new(p))));
    changes.extend(content.policy_tests.iter().cloned().map(Change::PolicyTestPut));
    changes.extend(content.external_locations.iter().cloned().map(Change::ExternalLocationPut));
    changes.extend(content.storage_credentials.iter().cloned().map(Change::StorageCredentialPut));
    changes.extend(content.governed_tags.iter().cloned().map(Change::GovernedTagPut));
    changes.extend(content.volumes.iter().cloned().map(Change::VolumePut));
    changes.push(Change::MetastoreOwnerPut(content.metastore.owner));
    changes.extend(content.functions.iter().cloned().map(|f| Change::FunctionPut(Box::new(f))));
    changes.extend(content.tables.iter().cloned().map(|t| Change::TablePut(Box::new(t))));
    changes.extend(content.schemas.iter().cloned().map(Change::SchemaPut));
    changes.extend(content.catalogs.iter().cloned().map(Change::CatalogPut));
    changes.extend(
        content
            .memberships
            .iter()
            .map(|(group, member)| Change::MemberAdd { group: *group, member: *member }),
    );
    changes.extend(content.principals.iter().cloned().map(Change::PrincipalPut));
    changes
}

/// Parents before children.
fn removals(content: &Content) -> Vec<Change> {
    let mut changes = vec![
        Change::MetastoreOwnerPut(None),
        Change::CatalogRemove(content.catalogs[0].id),
        Change::SchemaRemove(content.schemas[0].id),
        Change::VolumeRemove(content.volumes[0].id),
        Change::ExternalLocationRemove(content.external_locations[0].id),
        Change::StorageCredentialRemove(content.storage_credentials[0].id),
        Change::GovernedTagRemove(content.governed_tags[0].id),
        Change::PolicyTestRemove(content.policy_tests[0].id),
        Change::GrantRemove(content.grants[0]),
    ];
    changes.extend(content.functions.iter().map(|function| Change::FunctionRemove(function.id)));
    changes.extend(content.tag_policies.iter().map(|policy| Change::TagPolicyRemove(policy.id)));
    changes.extend(content.tables.iter().map(|table| Change::TableRemove(table.id)));
    changes.extend(content.principals.iter().map(|principal| Change::PrincipalRemove(principal.id)));
    changes
}

fn sorted(mut content: Content) -> Content {
    content.principals.sort_by_key(|p| p.id);
    content.memberships.sort();
    content.catalogs.sort_by_key(|c| c.id);
    content.schemas.sort_by_key(|s| s.id);
    content.tables.sort_by_key(|t| t.id);
    content.functions.sort_by_key(|f| f.id);
    content.tag_policies.sort_by_key(|p| p.id);
    content.grants.sort();
    content
}

/// Every field of every noun survives the store.
pub async fn everything_put_is_loaded_again(stores: Handles) {
    let mut content = one_of_each();
    stores.one.commit(Epoch(0), &puts(&content), &event("put")).await.unwrap();
    let (epoch, loaded) = stores.one.load().await.unwrap();
    content.metastore.id = loaded.metastore.id;
    assert_eq!(epoch, Epoch(1));
    assert_eq!(sorted(loaded), sorted(content));
}

/// A second put of the same id changes the row.
pub async fn a_put_overwrites_by_id(stores: Handles) {
    let mut content = one_of_each();
    stores.one.commit(Epoch(0), &puts(&content), &event("put")).await.unwrap();
    content.principals[0].disabled = true;
    content.catalogs[0].comment = None;
    content.schemas[0].comment = Some("now".to_owned());
    content.tables[0].row_filter = None;
    content.tables[0].masks.clear();
    content.functions[0].body = "TRUE".to_owned();
    stores.one.commit(Epoch(1), &puts(&content), &event("put")).await.unwrap();
    let (_, loaded) = stores.one.load().await.unwrap();
    content.metastore.id = loaded.metastore.id;
    assert_eq!(sorted(loaded), sorted(content));
}

/// Grants go with their securable; memberships and the password with their principal.
pub async fn a_removal_takes_along_what_hangs_on_it(stores: Handles) {
    let content = one_of_each();
    let user = content.principals[0].clone();
    let mut changes = puts(&content);
    changes.push(Change::PasswordPut { principal: user.id, hash: "hash".to_owned() });
    stores.one.commit(Epoch(0), &changes, &event("put")).await.unwrap();
    assert_eq!(stores.one.password_hash(user.id).await.unwrap().as_deref(), Some("hash"));
    let removals = removals(&content);
    stores.one.commit(Epoch(1), &removals, &event("remove")).await.unwrap();
    let (_, loaded) = stores.one.load().await.unwrap();
    assert_eq!(loaded, Content::empty(loaded.metastore));
    assert_eq!(stores.one.password_hash(user.id).await.unwrap(), None);
}

/// Neither an event nor a secret moves it.
pub async fn the_epoch_moves_with_each_commit_and_only_then(stores: Handles) {
    let store = &stores.one;
    assert_eq!(store.epoch().await.unwrap(), Epoch(0));
    assert_eq!(store.commit(Epoch(0), &[], &event("nothing")).await.unwrap(), Epoch(1));
    store.audit_add(&event("refused")).await.unwrap();
    store.secret_keep("key", b"value").await.unwrap();
    store.load().await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), Epoch(1));
}

/// The second one is refused whole: neither changes nor event.
pub async fn of_two_commits_on_one_epoch_one_conflicts(stores: Handles) {
    let first = [Change::PrincipalPut(principal("first", PrincipalKind::User))];
    let second = [Change::PrincipalPut(principal("second", PrincipalKind::User))];
    stores.one.commit(Epoch(0), &first, &event("first")).await.unwrap();
    let refused = stores.two.commit(Epoch(0), &second, &event("second")).await;
    assert!(matches!(refused, Err(Error::Conflict)), "{refused:?}");
    let (epoch, loaded) = stores.one.load().await.unwrap();
    assert_eq!((epoch, loaded.principals.len()), (Epoch(1), 1));
    assert_eq!(stores.one.audit_list(10).await.unwrap().len(), 1);
}

/// A row that breaks a rule of the store takes the whole commit with it.
pub async fn a_commit_that_fails_leaves_nothing(stores: Handles) {
    let changes = [
        Change::PrincipalPut(principal("same", PrincipalKind::User)),
        Change::PrincipalPut(principal("same", PrincipalKind::Group)),
    ];
    let refused = stores.one.commit(Epoch(0), &changes, &event("put")).await;
    assert!(matches!(refused, Err(Error::Statement(_))), "{refused:?}");
    let content = one_of_each();
    let orphan = [Change::SchemaPut(content.schemas[0].clone())];
    assert!(stores.one.commit(Epoch(0), &orphan, &event("put")).await.is_err());
    let (epoch, loaded) = stores.one.load().await.unwrap();
    assert_eq!((epoch, loaded.principals.len(), loaded.schemas.len()), (Epoch(0), 0, 0));
    assert!(stores.one.audit_list(10).await.unwrap().is_empty());
}

/// At once, not after some time.
pub async fn a_second_handle_sees_the_commit(stores: Handles) {
    assert_eq!(stores.two.epoch().await.unwrap(), Epoch(0));
    let change = [Change::PrincipalPut(principal("first", PrincipalKind::User))];
    stores.one.commit(Epoch(0), &change, &event("put")).await.unwrap();
    assert_eq!(stores.two.epoch().await.unwrap(), Epoch(1));
    let (epoch, loaded) = stores.two.load().await.unwrap();
    assert_eq!((epoch, loaded.principals.len()), (Epoch(1), 1));
    let (_, again) = stores.one.load().await.unwrap();
    assert_eq!(again.metastore, loaded.metastore);
}

/// Whoever comes first wins, and everybody learns who it was.
pub async fn racing_keepers_of_a_secret_get_the_same(stores: Handles) {
    assert_eq!(stores.one.secret("key").await.unwrap(), None);
    let mut keepers = JoinSet::new();
    for number in 0..16u8 {
        let store = Arc::clone(if number % 2 == 0 { &stores.one } else { &stores.two });
        keepers.spawn(async move { store.secret_keep("key", &[number; 32]).await.unwrap() });
    }
    let kept = keepers.join_all().await;
    assert!(kept.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(stores.two.secret("key").await.unwrap().as_ref(), kept.first());
}

/// Optimistic writers on two handles: each commit stands on the one before.
pub async fn racing_commits_lose_nothing(stores: Handles) {
    const EACH: usize = 8;
    let mut writers = JoinSet::new();
    for (number, store) in [Arc::clone(&stores.one), Arc::clone(&stores.two)].into_iter().enumerate() {
        writers.spawn(async move {
            for turn in 0..EACH {
                let put = Change::PrincipalPut(principal(&format!("{number}-{turn}"), PrincipalKind::User));
                loop {
                    let epoch = store.epoch().await.unwrap();
                    let committed = store.commit(epoch, std::slice::from_ref(&put), &event("put")).await;
                    if !matches!(committed, Err(Error::Conflict)) {
                        committed.unwrap();
                        break;
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let (epoch, loaded) = stores.one.load().await.unwrap();
    assert_eq!((epoch, loaded.principals.len()), (Epoch(2 * EACH as u64), 2 * EACH));
    assert_eq!(stores.one.audit_list(100).await.unwrap().len(), 2 * EACH);
}

/// With or without a change beside them.
pub async fn events_come_last_first(stores: Handles) {
    let (first, second) = (event("first"), AuditEvent { by: None, ..event("second") });
    stores.one.commit(Epoch(0), &[], &first).await.unwrap();
    stores.one.audit_add(&second).await.unwrap();
    assert_eq!(stores.two.audit_list(10).await.unwrap(), [second.clone(), first]);
    assert_eq!(stores.two.audit_list(1).await.unwrap(), std::slice::from_ref(&second));
    let page = stores.two.audit_page(0, 1).await.unwrap();
    assert_eq!(page.len(), 1);
    let after = page.first().map(|(number, _)| *number).unwrap();
    let rest = stores.one.audit_page(after, 10).await.unwrap();
    assert_eq!(rest.iter().map(|(_, event)| event).collect::<Vec<_>>(), [&second]);
    let last = rest.first().map(|(number, _)| *number).unwrap();
    assert!(stores.one.audit_page(last, 10).await.unwrap().is_empty());
}

/// A snapshot brought up to date step by step is the one made from everything.
pub async fn an_increment_leads_where_a_load_leads(stores: Handles) {
    let content = one_of_each();
    let (epoch, empty) = stores.two.load().await.unwrap();
    let mut followed = Snapshot::new(epoch, empty);
    let steps = [puts(&content), removals(&content)];
    for (number, changes) in steps.iter().enumerate() {
        for change in changes {
            let expected = stores.one.epoch().await.unwrap();
            // Rows whose parents are not there yet wait for them in one commit of all.
            if number > 0
                || stores.one.commit(expected, std::slice::from_ref(change), &event("one")).await.is_err()
            {
                continue;
            }
            followed = advanced(&stores, followed).await;
            assert_same(&stores, &followed).await;
        }
        let expected = stores.one.epoch().await.unwrap();
        stores.one.commit(expected, changes, &event("all")).await.unwrap();
        followed = advanced(&stores, followed).await;
        assert_same(&stores, &followed).await;
    }
}

async fn advanced(stores: &Handles, snapshot: Snapshot) -> Snapshot {
    let (epoch, increment) = stores.two.increment(snapshot.epoch()).await.unwrap().unwrap();
    snapshot.advanced(epoch, increment)
}

async fn assert_same(stores: &Handles, followed: &Snapshot) {
    let (epoch, content) = stores.one.load().await.unwrap();
    assert_eq!(followed.epoch(), epoch);
    let (followed, loaded) = (followed.outline(), Snapshot::new(epoch, content).outline());
    let differences: Vec<_> = followed
        .iter()
        .filter(|line| !loaded.contains(line))
        .chain(loaded.iter().filter(|line| !followed.contains(line)))
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

/// One changed row is one row read, whatever else there is.
pub async fn an_increment_costs_what_changed(stores: Handles) {
    let content = one_of_each();
    stores.one.commit(Epoch(0), &puts(&content), &event("put")).await.unwrap();
    let renamed = Table { comment: None, ..content.tables[0].clone() };
    stores
        .one
        .commit(Epoch(1), &[Change::TablePut(Box::new(renamed.clone()))], &event("alter"))
        .await
        .unwrap();
    let (epoch, increment) = stores.two.increment(Epoch(1)).await.unwrap().unwrap();
    assert_eq!(epoch, Epoch(2));
    let mut expected = Increment::whole(Content::empty(increment.content.metastore));
    expected.content.tables = vec![renamed];
    assert_eq!(increment, expected);
    let (_, nothing) = stores.two.increment(Epoch(2)).await.unwrap().unwrap();
    assert_eq!(nothing, Increment::whole(Content::empty(nothing.content.metastore)));
    assert_eq!(stores.two.increment(Epoch(3)).await.unwrap(), None, "an epoch that is not there yet");
}

/// And the epoch stays.
pub async fn access_requests_come_last_first(stores: Handles) {
    let request = |micros, reason: Option<&str>| AccessRequest {
        id: AccessRequestId::fresh(),
        at: DateTime::from_timestamp_micros(micros).unwrap(),
        by: PrincipalId::fresh(),
        securable: SecurableId::Table(TableId::fresh()),
        securable_name: "table `main.hr.people`".to_owned(),
        privileges: vec![Privilege::Select, Privilege::UseSchema],
        reason: reason.map(str::to_owned),
    };
    let (first, second) = (request(1, None), request(2, Some("for the audit")));
    stores.one.access_request_add(&first).await.unwrap();
    stores.one.access_request_add(&second).await.unwrap();
    assert_eq!(stores.two.access_request_list(10).await.unwrap(), [second.clone(), first]);
    assert_eq!(stores.two.access_request_list(1).await.unwrap(), [second]);
    assert_eq!(stores.one.epoch().await.unwrap(), Epoch(0));
}

/// And each change moves the epoch.
pub async fn access_tokens_are_found_by_their_digest_and_go_with_their_principal(stores: Handles) {
    let owner = principal("owner", PrincipalKind::User);
    let token = |byte: u8| AccessToken {
        id: AccessTokenId::fresh(),
        principal: owner.id,
        name: Name::new("nightly").unwrap(),
        digest: [byte; 32],
        read_only: byte == 1,
        created_at: DateTime::from_timestamp_micros(1).unwrap(),
        created_by: owner.id,
        expires_at: DateTime::from_timestamp_micros(2).unwrap(),
    };
    let (one, two) = (token(1), token(2));
    let changes = [
        Change::PrincipalPut(owner.clone()),
        Change::AccessTokenPut(one.clone()),
        Change::AccessTokenPut(two.clone()),
    ];
    stores.one.commit(Epoch(0), &changes, &event("make")).await.unwrap();
    assert_eq!(stores.two.access_token(&one.digest).await.unwrap(), Some(one.clone()));
    assert_eq!(stores.two.access_token(&[3; 32]).await.unwrap(), None);
    assert_eq!(stores.two.access_token_by_id(two.id).await.unwrap(), Some(two.clone()));
    assert_eq!(stores.two.access_token_by_id(AccessTokenId::fresh()).await.unwrap(), None);
    let drop = [Change::AccessTokenRemove(one.id)];
    assert_eq!(stores.one.commit(Epoch(1), &drop, &event("drop")).await.unwrap(), Epoch(2));
    assert_eq!(stores.two.access_token(&one.digest).await.unwrap(), None);
    assert_eq!(stores.two.access_token_by_id(one.id).await.unwrap(), None);
    assert_eq!(stores.two.access_token_list().await.unwrap(), [two]);
    stores.one.commit(Epoch(2), &[Change::PrincipalRemove(owner.id)], &event("go")).await.unwrap();
    assert_eq!(stores.two.access_token_list().await.unwrap(), []);
}
