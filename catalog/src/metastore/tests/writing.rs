//! Epochs, conflicts, audit, secrets, several processes.

use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_second_bootstrap_is_refused() {
    let fixture = Fixture::new().await;
    let again = fixture.metastore.bootstrap_admin("mallory", now()).await;
    assert!(matches!(again, Err(Error::AlreadyBootstrapped)));
    let other = Metastore::open_sqlite(&fixture.dir.path().join("catalog.sqlite")).await.unwrap();
    assert!(matches!(other.bootstrap_admin("mallory", now()).await, Err(Error::AlreadyBootstrapped)));
    assert!(fixture.metastore.snapshot().await.unwrap().principal_by_name("mallory").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_bootstraps_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let mut racers = JoinSet::new();
    for number in 0..4 {
        let path = dir.path().join("catalog.sqlite");
        racers.spawn(async move {
            let metastore = Metastore::open_sqlite(&path).await.unwrap();
            metastore.bootstrap_admin(&format!("root{number}"), now()).await
        });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let lost = outcomes.into_iter().filter_map(Result::err);
    assert!(lost.into_iter().all(|error| matches!(error, Error::AlreadyBootstrapped)));
}

#[tokio::test]
async fn the_bootstrap_makes_the_first_schema() {
    let fixture = Fixture::new().await;
    let snapshot = fixture.metastore.snapshot().await.unwrap();
    let first = snapshot.schema(&schema("main.default")).unwrap();
    assert_eq!(first.owner, fixture.root);
    assert!(snapshot.principal(fixture.root).unwrap().account_admin);
}

#[tokio::test]
async fn the_epoch_moves_when_something_changes_and_only_then() {
    let fixture = Fixture::new().await;
    let before = fixture.epoch().await;
    fixture.table(fixture.root, "main.default.t").await;
    assert_eq!(fixture.epoch().await, before + 1);
    let again =
        fixture.metastore.table_create(fixture.root, now(), managed("main.default.t"), OnExisting::Keep);
    assert!(matches!(again.await.unwrap(), Created::Kept(_)));
    let refused =
        fixture.metastore.table_create(fixture.alice, now(), managed("main.default.u"), OnExisting::Fail);
    assert_eq!(kind(refused.await), ErrorKind::NotFound);
    fixture
        .metastore
        .grant_remove(fixture.root, now(), &on_table("main.default.t"), "bob", &[Privilege::Select])
        .await
        .unwrap();
    fixture
        .metastore
        .view_drop(fixture.root, now(), &object("main.default.v"), OnMissing::Ignore)
        .await
        .unwrap();
    assert_eq!(fixture.epoch().await, before + 1);
}

#[tokio::test]
async fn an_unmoved_epoch_gives_the_same_snapshot() {
    let fixture = Fixture::new().await;
    let (one, two) =
        (fixture.metastore.snapshot().await.unwrap(), fixture.metastore.snapshot().await.unwrap());
    assert!(Arc::ptr_eq(&one, &two));
}

#[tokio::test]
async fn metastores_on_one_file_see_each_others_writes_at_once() {
    let fixture = Fixture::new().await;
    let other = Metastore::open_sqlite(&fixture.dir.path().join("catalog.sqlite")).await.unwrap();
    assert!(other.snapshot().await.unwrap().table(&object("main.default.t")).is_none());
    let table = fixture.table(fixture.root, "main.default.t").await;
    assert_eq!(other.snapshot().await.unwrap().table(&object("main.default.t")), Some(&table));
    other
        .grant_add(fixture.root, now(), &on_table("main.default.t"), "alice", &[Privilege::Select])
        .await
        .unwrap();
    let snapshot = fixture.metastore.snapshot().await.unwrap();
    assert_eq!(snapshot.grants_on(crate::SecurableId::Table(table.id)).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_writers_decide_again_and_lose_nothing() {
    let fixture = Fixture::new().await;
    let path = fixture.dir.path().join("catalog.sqlite");
    let root = fixture.root;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let path = path.clone();
        writers.spawn(async move {
            let metastore = Metastore::open_sqlite(&path).await.unwrap();
            let mut won = 0;
            for turn in 0..6 {
                let own = managed(&format!("main.default.t{writer}_{turn}"));
                metastore.table_create(root, now(), own, OnExisting::Fail).await.unwrap();
                // All want this one; a conflict must end in AlreadyExists, never in two rows.
                let wanted = managed(&format!("main.default.wanted{turn}"));
                match metastore.table_create(root, now(), wanted, OnExisting::Fail).await {
                    Ok(_) => won += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
                }
            }
            won
        });
    }
    let won: i32 = writers.join_all().await.into_iter().sum();
    assert_eq!(won, 6);
    assert_eq!(fixture.metastore.snapshot().await.unwrap().all_tables().count(), 30);
}

#[tokio::test]
async fn every_write_and_every_refusal_is_audited_with_its_reason() {
    let fixture = Fixture::new().await;
    let table = on_table("main.default.t");
    fixture.table(fixture.root, "main.default.t").await;
    fixture.grant(table.clone(), "alice", &[Privilege::Select]).await;
    let refused =
        fixture.metastore.grant_add(fixture.alice, now(), &table, "bob", &[Privilege::Select]).await;
    assert_eq!(kind(refused), ErrorKind::PermissionDenied);
    let events = fixture.metastore.audit_list(fixture.root, 3).await.unwrap();
    assert_eq!(
        (events[0].by, events[0].action.as_str(), events[0].answer.as_str(), events[0].at),
        (Some(fixture.alice), "grant", "refused", now())
    );
    assert!(events[0].because.contains("MANAGE on table `main.default.t`"), "{}", events[0].because);
    assert_eq!(events[1].securable, "table `main.default.t`");
    let said: Vec<_> = events[1].parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(said, ["principal=alice", "privileges=SELECT"]);
    assert_eq!((events[0].by_name.as_str(), events[1].by_name.as_str()), ("alice", "root"));
    assert!(events[2].because.contains("schema `main.default` owned by `root`"), "{}", events[2].because);
    let stranger = fixture.metastore.audit_list(fixture.alice, 3).await;
    assert!(matches!(stranger, Err(Error::Reserved { act: Reserved::ReadAudit })));
}

#[tokio::test]
async fn a_grant_to_oneself_has_its_own_name_in_the_audit() {
    let fixture = Fixture::new().await;
    fixture.table(fixture.root, "main.default.t").await;
    fixture.grant(on_table("main.default.t"), "root", &[Privilege::Select]).await;
    assert_eq!(fixture.audited().await, "grantToSelf allowed");
}

#[tokio::test]
async fn a_secret_is_made_once() {
    let fixture = Fixture::new().await;
    let other = Metastore::open_sqlite(&fixture.dir.path().join("catalog.sqlite")).await.unwrap();
    let one = fixture.metastore.secret("sealing", || vec![1; 32]).await.unwrap();
    assert_eq!(other.secret("sealing", || vec![2; 32]).await.unwrap(), one);
}

#[tokio::test]
async fn the_disabled_the_gone_and_groups_write_nothing() {
    let fixture = Fixture::new().await;
    fixture.principal("team", PrincipalKind::Group).await;
    let team = fixture.metastore.snapshot().await.unwrap().principal_by_name("team").unwrap().id;
    fixture.metastore.account_admin_set(fixture.root, now(), "alice", AccountAdmin::Yes).await.unwrap();
    let metastore = &fixture.metastore;
    metastore.principal_set_enablement(fixture.root, now(), "alice", Enablement::Disabled).await.unwrap();
    for by in [fixture.alice, team, PrincipalId::fresh()] {
        let spec = catalog_of(name("c"));
        let refused = metastore.catalog_create(by, now(), spec, OnExisting::Fail).await;
        assert!(matches!(refused, Err(Error::CallerUnknown)), "{refused:?}");
    }
}
