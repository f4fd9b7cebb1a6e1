//! Functions that call functions: rights, cycles, renames, replacements.

use super::*;

const F: &str = "main.default.f";
const G: &str = "main.default.g";

async fn made(fixture: &Fixture, by: PrincipalId, name: &str, calls: &[FunctionId]) -> FunctionId {
    let spec = FunctionSpec { calls: calls.to_vec(), ..function_of(name, &["r"], "TRUE", &[]) };
    let made = fixture.metastore.function_create(by, now(), spec, OnExistingDefinition::Fail).await;
    made.unwrap().into_inner().id
}

#[tokio::test]
async fn what_is_called_must_be_callable_and_there() {
    let fixture = Fixture::new().await;
    let f = made(&fixture, fixture.root, F, &[]).await;
    fixture.grant_use("alice").await;
    fixture.grant(SecurableName::Schema(schema("main.default")), "alice", &[Privilege::CreateFunction]).await;
    let spec = || FunctionSpec { calls: vec![f], ..function_of(G, &["r"], "TRUE", &[]) };
    let create =
        |spec| fixture.metastore.function_create(fixture.alice, now(), spec, OnExistingDefinition::Fail);
    assert_eq!(kind(create(spec()).await), ErrorKind::PermissionDenied);
    fixture.grant(SecurableName::Function(object(F)), "alice", &[Privilege::Execute]).await;
    create(spec()).await.unwrap();
    let gone =
        FunctionSpec { calls: vec![FunctionId::fresh()], ..function_of("main.default.h", &[], "TRUE", &[]) };
    assert!(matches!(create(gone).await, Err(Error::SourceDropped)));
}

#[tokio::test]
async fn a_function_that_would_call_itself_is_refused() {
    let fixture = Fixture::new().await;
    let root = fixture.root;
    let f = made(&fixture, root, F, &[]).await;
    let g = made(&fixture, root, G, &[f]).await;
    let h = made(&fixture, root, "main.default.h", &[g]).await;
    for calls in [vec![f], vec![g], vec![h]] {
        let spec = FunctionSpec { calls, ..function_of(F, &["r"], "TRUE", &[]) };
        let refused =
            fixture.metastore.function_create(root, now(), spec, OnExistingDefinition::Replace).await;
        assert!(matches!(refused, Err(Error::FunctionCycle { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_function_keeps_its_id_when_renamed_and_is_not_renamed_while_called() {
    let fixture = Fixture::new().await;
    let (metastore, root) = (&fixture.metastore, fixture.root);
    let f = made(&fixture, root, F, &[]).await;
    let to = Name::new("e").unwrap();
    metastore.function_rename(root, now(), &object(F), &to).await.unwrap();
    metastore
        .function_set_comment(root, now(), &object("main.default.e"), Some("x".to_owned()))
        .await
        .unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    assert!(snapshot.function(&object(F)).is_none());
    let renamed = snapshot.function(&object("main.default.e")).unwrap();
    assert_eq!((renamed.id, renamed.comment.as_deref()), (f, Some("x")));
    made(&fixture, root, G, &[f]).await;
    let refused =
        metastore.function_rename(root, now(), &object("main.default.e"), &Name::new("d").unwrap()).await;
    assert_eq!(kind(refused), ErrorKind::DependencyExists);
    let taken = metastore.function_rename(root, now(), &object(G), &to).await;
    assert!(matches!(taken, Err(Error::AlreadyExists { .. })), "{taken:?}");
    let refused = metastore.function_rename(fixture.alice, now(), &object(G), &Name::new("d").unwrap()).await;
    assert_eq!(kind(refused), ErrorKind::NotFound);
    let refused = metastore.function_drop(root, now(), &object("main.default.e"), OnMissing::Fail).await;
    assert_eq!(kind(refused), ErrorKind::DependencyExists);
}

#[tokio::test]
async fn a_replacement_holds_for_the_catalog_it_was_checked_in() {
    let fixture = Fixture::new().await;
    let (metastore, root) = (&fixture.metastore, fixture.root);
    made(&fixture, root, F, &[]).await;
    let checked_at = Some(metastore.snapshot().await.unwrap().epoch());
    made(&fixture, root, G, &[]).await;
    let spec = |checked_at| FunctionSpec { checked_at, ..function_of(F, &["r"], "FALSE", &[]) };
    let replace = |spec| metastore.function_create(root, now(), spec, OnExistingDefinition::Replace);
    assert!(matches!(replace(spec(checked_at)).await, Err(Error::Contention)));
    let checked_at = Some(metastore.snapshot().await.unwrap().epoch());
    replace(spec(checked_at)).await.unwrap();
}

#[tokio::test]
async fn a_policy_does_not_read_what_it_governs_through_a_call() {
    let fixture = Fixture::new().await;
    let (metastore, root) = (&fixture.metastore, fixture.root);
    let t = fixture.table(root, "main.default.t").await;
    let inner = function_of(F, &["r"], "TRUE", &[t.id]);
    let inner = metastore.function_create(root, now(), inner, OnExistingDefinition::Fail).await;
    let inner = inner.unwrap().into_inner().id;
    made(&fixture, root, G, &[inner]).await;
    let (table, function) = (object("main.default.t"), object(G));
    let null = vec![crate::policy::PolicyArgument::Literal(crate::policy::Literal::Null)];
    let refused = metastore.row_filter_set(root, now(), &table, &function, null).await;
    assert!(matches!(refused, Err(Error::PolicyReadsItself { .. })), "{refused:?}");
}
