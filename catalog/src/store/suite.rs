//! What every store must do, as one list of cases.
//!
//! A store's tests give [`store_suite!`](crate::store_suite) a function that opens two handles
//! on one fresh store, as two processes would have, and get one test for each case.
//!
//! How to add a case: an `async fn` here and its name in the macro's list.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a case fails by panicking")]

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::DateTime;
use tokio::task::JoinSet;

use super::{Change, Error, Store};
use crate::audit::AuditEvent;
use crate::function::{Function, Parameter};
use crate::grant::Grant;
use crate::id::{CatalogId, FunctionId, PrincipalId, SchemaId, TableId};
use crate::name::{ObjectName, SchemaName};
use crate::policy::{ColumnBinding, ColumnMask, Literal, PolicyArgument, RowFilter, SEMANTICS};
use crate::principal::{Principal, PrincipalKind};
use crate::privilege::Privilege;
use crate::securable::{Catalog, Column, Schema, SecurableId, Table, TableKind, ViewDefinition};
use crate::snapshot::{Content, Epoch};

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

fn event(action: &str) -> AuditEvent {
    AuditEvent {
        at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
        by: Some(PrincipalId::fresh()),
        action: action.to_owned(),
        securable: "catalog `main`".to_owned(),
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
    let catalog =
        Catalog { id: CatalogId::fresh(), name: name.catalog.clone(), owner, comment: comment.clone() };
    let schema = Schema {
        id: SchemaId::fresh(),
        catalog: catalog.id,
        name: SchemaName { catalog: name.catalog.clone(), schema: name.schema.clone() },
        owner: group.id,
        comment: None,
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
        }],
        returns: "BOOLEAN".to_owned(),
        body: "region = 'EMEA'".to_owned(),
        reads: Vec::new(),
        comment: comment.clone(),
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
        }],
        row_filter: Some(RowFilter {
            function: function.id,
            arguments: vec![
                PolicyArgument::Column(binding("Region", None)),
                PolicyArgument::Literal(Literal::String("it's".to_owned())),
                PolicyArgument::Literal(Literal::Number("1.50".to_owned())),
                PolicyArgument::Literal(Literal::Boolean(false)),
                PolicyArgument::Literal(Literal::Null),
            ],
            semantics: SEMANTICS,
        }),
        masks: vec![ColumnMask {
            column: binding("Region", Some(7)),
            function: function.id,
            arguments: vec![PolicyArgument::Literal(Literal::Null)],
            semantics: SEMANTICS,
        }],
        properties: BTreeMap::from([("governance.protection".to_owned(), "strict".to_owned())]),
        comment,
        created_at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
        created_by: owner,
    };
    let view = Table {
        id: TableId::fresh(),
        name: ObjectName::new("main", "hr", "mine").unwrap(),
        kind: TableKind::View(ViewDefinition {
            text: "SELECT * FROM main.hr.people".to_owned(),
            tests_identity: true,
            reads: vec![table.id],
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
    let grant = |privilege, securable| Grant { principal: group.id, privilege, securable };
    Content {
        metastore: crate::id::MetastoreId::fresh(),
        memberships: vec![(group.id, user.id)],
        grants: vec![
            grant(Privilege::CreateCatalog, SecurableId::Metastore),
            grant(Privilege::UseCatalog, SecurableId::Catalog(catalog.id)),
            grant(Privilege::AllPrivileges, SecurableId::Schema(schema.id)),
            grant(Privilege::Select, SecurableId::Table(table.id)),
            grant(Privilege::Execute, SecurableId::Function(function.id)),
        ],
        principals: vec![user, group, app],
        catalogs: vec![catalog],
        schemas: vec![schema],
        tables: vec![table, view, external],
        functions: vec![function],
    }
}

/// Children before parents: the order of changes in a commit is free.
fn puts(content: &Content) -> Vec<Change> {
    let mut changes: Vec<Change> = content.grants.iter().copied().map(Change::GrantAdd).collect();
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

fn sorted(mut content: Content) -> Content {
    content.principals.sort_by_key(|p| p.id);
    content.memberships.sort();
    content.catalogs.sort_by_key(|c| c.id);
    content.schemas.sort_by_key(|s| s.id);
    content.tables.sort_by_key(|t| t.id);
    content.functions.sort_by_key(|f| f.id);
    content.grants.sort();
    content
}

/// Every field of every noun survives the store.
pub async fn everything_put_is_loaded_again(stores: Handles) {
    let mut content = one_of_each();
    stores.one.commit(Epoch(0), &puts(&content), &event("put")).await.unwrap();
    let (epoch, loaded) = stores.one.load().await.unwrap();
    content.metastore = loaded.metastore;
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
    content.metastore = loaded.metastore;
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
    let mut removals = vec![
        Change::CatalogRemove(content.catalogs[0].id),
        Change::SchemaRemove(content.schemas[0].id),
        Change::FunctionRemove(content.functions[0].id),
        Change::GrantRemove(content.grants[0]),
    ];
    removals.extend(content.tables.iter().map(|table| Change::TableRemove(table.id)));
    removals.extend(content.principals.iter().map(|principal| Change::PrincipalRemove(principal.id)));
    stores.one.commit(Epoch(1), &removals, &event("remove")).await.unwrap();
    let (_, loaded) = stores.one.load().await.unwrap();
    let metastore = loaded.metastore;
    let empty = Content {
        metastore,
        principals: vec![],
        memberships: vec![],
        catalogs: vec![],
        schemas: vec![],
        tables: vec![],
        functions: vec![],
        grants: vec![],
    };
    assert_eq!(loaded, empty);
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
    assert_eq!(stores.two.audit_list(1).await.unwrap(), [second]);
}
