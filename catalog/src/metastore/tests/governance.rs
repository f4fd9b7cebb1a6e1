//! Grants, ownership and policies.

use super::*;
use crate::policy::{BuiltinMask, ColumnMask, Literal, PolicyArgument, PolicyFunction, SEMANTICS};
use crate::policy_cycle::PolicyCycle;
use crate::securable::SecurableId;

const T: &str = "main.default.t";
const F: &str = "main.default.f";
const G: &str = "main.default.g_of_t";

#[tokio::test]
async fn granting_needs_manage_and_a_privilege_that_applies() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    fixture.table(fixture.root, T).await;
    fixture.grant(on_table(T), "alice", &[Privilege::AllPrivileges]).await;
    fixture.grant_use("alice").await;
    let on = on_table(T);
    let grant = |by| metastore.grant_add(by, now(), &on, "bob", &[Privilege::Select]);
    assert_eq!(kind(grant(fixture.alice).await), ErrorKind::PermissionDenied);
    fixture.grant(on_table(T), "alice", &[Privilege::Manage]).await;
    grant(fixture.alice).await.unwrap();
    let refused =
        metastore.grant_add(fixture.root, now(), &on_table(T), "bob", &[Privilege::UseSchema]).await;
    assert!(matches!(refused, Err(Error::PrivilegeNotApplicable { .. })));
    let refused = metastore
        .grant_add(fixture.alice, now(), &SecurableName::Metastore, "bob", &[Privilege::CreateCatalog])
        .await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::GrantOnMetastore })));
    let refused =
        metastore.grant_add(fixture.root, now(), &on_table(T), "nobody", &[Privilege::Select]).await;
    assert!(matches!(refused, Err(Error::PrincipalNotFound { .. })));
}

#[tokio::test]
async fn revoking_all_privileges_leaves_manage_alone() {
    let fixture = Fixture::new().await;
    let table = fixture.table(fixture.root, T).await;
    let every = [Privilege::AllPrivileges, Privilege::Select, Privilege::Modify, Privilege::Manage];
    fixture.grant(on_table(T), "alice", &every).await;
    fixture.grant(on_table(T), "bob", &[Privilege::Select]).await;
    let all = [Privilege::AllPrivileges];
    fixture.metastore.grant_remove(fixture.root, now(), &on_table(T), "alice", &all).await.unwrap();
    let snapshot = fixture.metastore.snapshot().await.unwrap();
    let left: Vec<_> = snapshot
        .grants_on(SecurableId::Table(table.id))
        .map(|grant| (grant.principal, grant.privilege))
        .collect();
    assert_eq!(left.len(), 2);
    assert!(
        left.contains(&(fixture.alice, Privilege::Manage))
            && left.contains(&(fixture.bob, Privilege::Select))
    );
}

#[tokio::test]
async fn rights_that_run_as_their_owner_are_not_given_away() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    fixture.grant_use("alice").await;
    let default = SecurableName::Schema(schema("main.default"));
    fixture.grant(default, "alice", &[Privilege::CreateTable]).await;
    fixture.principal("team", PrincipalKind::Group).await;
    fixture.view(fixture.alice, view_of("main.default.v", "SELECT 1", &[])).await;
    fixture.table(fixture.alice, T).await;
    let give = |by, text, to| async move { metastore.owner_set(by, now(), &on_table(text), to).await };
    let refused = give(fixture.alice, "main.default.v", "bob").await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::GiveRightsAway })), "{refused:?}");
    assert!(give(fixture.alice, "main.default.v", "team").await.is_err());
    metastore.member_add(fixture.root, now(), "team", "alice").await.unwrap();
    give(fixture.alice, "main.default.v", "team").await.unwrap();
    give(fixture.root, "main.default.v", "bob").await.unwrap();
    give(fixture.alice, T, "bob").await.unwrap();
    assert_eq!(kind(give(fixture.alice, T, "alice").await), ErrorKind::PermissionDenied);
}

/// Root owns the function; alice owns the table.
async fn governed() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.grant_use("alice").await;
    let default = SecurableName::Schema(schema("main.default"));
    fixture.grant(default, "alice", &[Privilege::CreateTable]).await;
    fixture.table(fixture.alice, T).await;
    fixture.function(fixture.root, function_of(F, &["region"], "region = 'EMEA'", &[])).await;
    fixture
}

fn region() -> Vec<PolicyArgument> {
    vec![PolicyArgument::Column(column("region"))]
}

#[tokio::test]
async fn a_policy_needs_execute_and_manage() {
    let fixture = governed().await;
    let (t, f) = (object(T), object(F));
    let set = |by| fixture.metastore.row_filter_set(by, now(), &t, &f, region());
    let (denied, text) = told(set(fixture.alice).await);
    assert_eq!(denied, ErrorKind::PermissionDenied);
    assert!(text.contains("EXECUTE on function `main.default.f`"), "{text}");
    fixture.grant(SecurableName::Function(object(F)), "alice", &[Privilege::Execute]).await;
    set(fixture.alice).await.unwrap();
    fixture.grant(SecurableName::Function(object(F)), "bob", &[Privilege::Execute]).await;
    fixture.grant(on_table(T), "bob", &[Privilege::Select]).await;
    assert_eq!(kind(set(fixture.bob).await), ErrorKind::PermissionDenied);
    assert_eq!(
        kind(fixture.metastore.row_filter_drop(fixture.bob, now(), &object(T)).await),
        ErrorKind::PermissionDenied
    );
    fixture.metastore.row_filter_drop(fixture.alice, now(), &object(T)).await.unwrap();
    let again = fixture.metastore.row_filter_drop(fixture.alice, now(), &object(T)).await;
    assert!(matches!(again, Err(Error::RowFilterNotFound { .. })));
}

#[tokio::test]
async fn a_policy_gives_its_function_as_many_arguments_as_that_takes() {
    let fixture = governed().await;
    let (t, f) = (object(T), object(F));
    let set = |arguments| fixture.metastore.row_filter_set(fixture.root, now(), &t, &f, arguments);
    assert!(matches!(set(vec![]).await, Err(Error::WrongArgumentCount { least: 1, most: 1, found: 0, .. })));
    let two = vec![PolicyArgument::Literal(Literal::Null), PolicyArgument::Literal(Literal::Null)];
    assert!(matches!(set(two).await, Err(Error::WrongArgumentCount { found: 2, .. })));
    set(region()).await.unwrap();
}

async fn function_id(fixture: &Fixture) -> PolicyFunction {
    let snapshot = fixture.metastore.snapshot().await.unwrap();
    PolicyFunction::Sql(snapshot.function(&object(F)).unwrap().id)
}

fn mask_of(name: &str, path: &[&str], function: PolicyFunction) -> ColumnMask {
    ColumnMask {
        column: column(name),
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        function,
        arguments: vec![],
        semantics: SEMANTICS,
    }
}

#[tokio::test]
async fn masks_of_fields_stand_beside_one_another_and_not_within() {
    let fixture = governed().await;
    let metastore = &fixture.metastore;
    let hide = PolicyFunction::Builtin(BuiltinMask::MaskNull);
    let set = async |path: &[&str]| {
        metastore.mask_set(fixture.root, now(), &object(T), mask_of("region", path, hide)).await
    };
    set(&["a", "b"]).await.unwrap();
    set(&["a", "c"]).await.unwrap();
    set(&["A", "B"]).await.unwrap();
    for covering in [&[][..], &["a"], &["a", "b", "d"]] {
        assert!(matches!(set(covering).await, Err(Error::MaskOverlap { .. })), "{covering:?}");
    }
    let path = ["a".to_owned(), "c".to_owned()];
    metastore.mask_drop(fixture.root, now(), &object(T), "region", &path).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    assert_eq!(snapshot.table(&object(T)).unwrap().masks.len(), 1);
}

#[tokio::test]
async fn a_column_has_one_mask() {
    let fixture = governed().await;
    let metastore = &fixture.metastore;
    let (root, t) = (fixture.root, object(T));
    let f_id = function_id(&fixture).await;
    metastore.mask_set(root, now(), &t, mask_of("ssn", &[], f_id)).await.unwrap();
    metastore.mask_set(root, now(), &t, mask_of("SSN", &[], f_id)).await.unwrap();
    metastore.mask_set(root, now(), &t, mask_of("region", &[], f_id)).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let masked: Vec<_> =
        snapshot.table(&t).unwrap().masks.iter().map(|mask| mask.column.name.clone()).collect();
    assert_eq!(masked, ["SSN", "region"]);
    metastore.mask_drop(root, now(), &t, "Ssn", &[]).await.unwrap();
    assert!(matches!(
        metastore.mask_drop(root, now(), &t, "ssn", &[]).await,
        Err(Error::MaskNotFound { .. })
    ));
}

#[tokio::test]
async fn a_function_in_use_is_not_dropped_nor_changed_in_signature() {
    let fixture = governed().await;
    let metastore = &fixture.metastore;
    let (root, f) = (fixture.root, object(F));
    let f_id = function_id(&fixture).await;
    metastore.mask_set(root, now(), &object(T), mask_of("region", &[], f_id)).await.unwrap();
    let (refused, text) = told(metastore.function_drop(root, now(), &f, OnMissing::Fail).await);
    assert_eq!(refused, ErrorKind::DependencyExists);
    assert!(text.contains("the mask of column `region` of table `main.default.t`"), "{text}");
    let replace = |spec| metastore.function_create(root, now(), spec, OnExistingDefinition::Replace);
    let before = metastore.snapshot().await.unwrap().function(&f).unwrap().id;
    let other_type = FunctionSpec {
        returns: Returns::Scalar("STRING".to_owned()),
        ..function_of(F, &["region"], "TRUE", &[])
    };
    for refused in
        [other_type, function_of(F, &[], "TRUE", &[]), function_of(F, &["region", "b"], "TRUE", &[])]
    {
        assert_eq!(kind(replace(refused).await), ErrorKind::DependencyExists);
    }
    let Created::Replaced(replaced) = replace(function_of(F, &["r"], "FALSE", &[])).await.unwrap() else {
        unreachable!("the function was there")
    };
    assert_eq!((replaced.id, replaced.body.as_str()), (before, "FALSE"));
    fixture.grant(SecurableName::Function(f.clone()), "alice", &[Privilege::Manage]).await;
    fixture.grant(SecurableName::Schema(schema("main.default")), "alice", &[Privilege::CreateFunction]).await;
    let spec = function_of(F, &["r"], "TRUE", &[]);
    let refused = metastore.function_create(fixture.alice, now(), spec, OnExistingDefinition::Replace).await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::ReplaceDefinition })), "{refused:?}");
}

#[tokio::test]
async fn dependents_one_may_not_see_are_only_counted() {
    let fixture = governed().await;
    let metastore = &fixture.metastore;
    let spec = schema_of(schema("main.secret"));
    metastore.schema_create(fixture.root, now(), spec, OnExisting::Fail).await.unwrap();
    let spec = catalog_of(name("other"));
    metastore.catalog_create(fixture.root, now(), spec, OnExisting::Fail).await.unwrap();
    let spec = schema_of(schema("other.secret"));
    metastore.schema_create(fixture.root, now(), spec, OnExisting::Fail).await.unwrap();
    fixture.grant(on_table(T), "root", &[Privilege::Select]).await;
    let table = metastore.snapshot().await.unwrap().table(&object(T)).unwrap().id;
    fixture
        .view(fixture.root, view_of("other.secret.v", "SELECT region FROM main.default.t", &[table]))
        .await;
    let (refused, text) = told(metastore.table_drop(fixture.alice, now(), &object(T), OnMissing::Fail).await);
    assert_eq!(refused, ErrorKind::DependencyExists);
    assert!(text.contains("1 objects you may not see") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn no_policies_read_in_a_circle_whichever_comes_last() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let root = fixture.root;
    let mapping = fixture.table(root, "main.default.mapping").await;
    let view = fixture.view(root, view_of("main.default.v", "SELECT 1", &[mapping.id])).await;
    fixture.table(root, T).await;
    fixture.function(root, function_of(F, &[], "EXISTS (SELECT 1 FROM main.default.v)", &[view.id])).await;
    fixture.function(root, function_of("main.default.yes", &[], "TRUE", &[])).await;
    let set = |table: &'static str, function: &'static str| async move {
        metastore.row_filter_set(root, now(), &object(table), &object(function), vec![]).await
    };
    let circle = |result: Result<(), Error>| {
        let refused = result.unwrap_err();
        assert!(matches!(refused, Error::PolicyReadsItself { .. }), "{refused:?}");
        refused.to_string()
    };
    // The table it would govern is the one it reads, through the view.
    let told = circle(set("main.default.mapping", F).await);
    assert_eq!(
        told,
        "policies would read in a circle: the policy of table `main.default.mapping` calls function `main.default.f`, which reads view \
         `main.default.v`; view `main.default.v` reads table `main.default.mapping`"
    );
    // A policy may read what has policies, and these may read what has some.
    set(T, F).await.unwrap();
    set("main.default.mapping", "main.default.yes").await.unwrap();
    let governed = fixture.table(root, "main.default.g").await;
    let t = metastore.snapshot().await.unwrap().table(&object(T)).unwrap().id;
    fixture.function(root, function_of(G, &[], "EXISTS (SELECT 1 FROM main.default.t)", &[t])).await;
    set("main.default.g", G).await.unwrap();
    // t reads v, g reads t: a circle comes in by a policy, by the view's text, by the function's.
    let told = circle(set("main.default.v", G).await);
    assert!(told.contains("view `main.default.v`") && told.contains("table `main.default.t`"), "{told}");
    let text = view_of("main.default.v", "SELECT 2", &[governed.id]);
    let refused = metastore.view_create(root, now(), text.clone(), OnExistingDefinition::Replace).await;
    circle(refused.map(drop));
    let v = object("main.default.v");
    circle(metastore.view_set_definition(root, now(), &v, text.definition, text.columns).await);
    let text = function_of(F, &[], "EXISTS (SELECT 1 FROM main.default.g)", &[governed.id]);
    let refused = metastore.function_create(root, now(), text, OnExistingDefinition::Replace).await;
    circle(refused.map(drop));
    // What was refused is not there.
    assert_eq!(PolicyCycle::find(&metastore.snapshot().await.unwrap()), None);
}

#[tokio::test]
async fn a_column_a_policy_is_bound_to_does_not_vanish() {
    let fixture = governed().await;
    let metastore = &fixture.metastore;
    metastore.row_filter_set(fixture.root, now(), &object(T), &object(F), region()).await.unwrap();
    let t = object(T);
    let set = |names: &[&str]| metastore.table_set_columns(fixture.root, now(), &t, columns(names));
    assert_eq!(kind(set(&["ssn"]).await), ErrorKind::DependencyExists);
    set(&["Region", "more"]).await.unwrap();
}
