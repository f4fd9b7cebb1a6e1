//! Impersonation, policy tests and requests for access.

use super::*;
use crate::metastore::policy_tests::{policy_test, policy_tests};
use crate::policy_test::Expectation;

fn test_of(text: &str, user: &str, rows: u64) -> PolicyTestSpec {
    PolicyTestSpec {
        name: name(text),
        as_user: user.to_owned(),
        query: "SELECT 1".to_owned(),
        expectation: Expectation::Rows(rows),
        comment: None,
    }
}

#[tokio::test]
async fn nobody_runs_as_another_by_rank_and_a_denial_beats_the_grant() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let refused = told(metastore.user_impersonate(fixture.root, now(), "bob").await);
    assert_eq!(refused.0, ErrorKind::PermissionDenied);
    assert_eq!(fixture.audited().await, "executeAsUser refused");
    assert_eq!(told(metastore.user_impersonable(fixture.root, now(), "no one").await), refused);
    fixture.grant(SecurableName::Metastore, "alice", &[Privilege::Impersonate]).await;
    let epoch = fixture.epoch().await;
    let allowed = metastore.user_impersonate(fixture.alice, now(), "bob").await.unwrap();
    assert_eq!((allowed.by(), allowed.user(), allowed.user_name()), (fixture.alice, fixture.bob, "bob"));
    assert_eq!(fixture.audited().await, "executeAsUser allowed");
    assert_eq!(fixture.epoch().await, epoch, "running a query changes nothing");
    metastore
        .deny_add(fixture.root, now(), &SecurableName::Metastore, "alice", &[Privilege::Impersonate])
        .await
        .unwrap();
    assert_eq!(
        kind(metastore.user_impersonate(fixture.alice, now(), "bob").await),
        ErrorKind::PermissionDenied
    );
}

#[tokio::test]
async fn groups_and_disabled_users_are_told_like_nobody() {
    let fixture = Fixture::new().await;
    fixture.principal("hr", PrincipalKind::Group).await;
    fixture.grant(SecurableName::Metastore, "alice", &[Privilege::Impersonate]).await;
    let metastore = &fixture.metastore;
    metastore.principal_set_enablement(fixture.root, now(), "bob", Enablement::Disabled).await.unwrap();
    for user in ["hr", "bob", "no one"] {
        let refused = metastore.user_impersonate(fixture.alice, now(), user).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("principal `{user}` not found"));
    }
}

#[tokio::test]
async fn a_test_needs_what_running_it_needs_and_belongs_to_its_maker() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let fail = OnExistingDefinition::Fail;
    let create = |by, spec, on_existing| metastore.policy_test_create(by, now(), spec, on_existing);
    assert_eq!(kind(create(fixture.root, test_of("t", "bob", 1), fail).await), ErrorKind::PermissionDenied);
    for user in ["alice", "bob"] {
        fixture.grant(SecurableName::Metastore, user, &[Privilege::Impersonate]).await;
    }
    let made = create(fixture.alice, test_of("t", "bob", 1), fail).await.unwrap().into_inner();
    assert_eq!(kind(create(fixture.alice, test_of("t", "bob", 2), fail).await), ErrorKind::AlreadyExists);
    let replace = OnExistingDefinition::Replace;
    assert_eq!(kind(create(fixture.bob, test_of("t", "bob", 2), replace).await), ErrorKind::PermissionDenied);
    let replaced = create(fixture.alice, test_of("t", "alice", 2), replace).await.unwrap().into_inner();
    assert_eq!((replaced.id, replaced.owner, replaced.as_user), (made.id, fixture.alice, fixture.alice));
    let kept = create(fixture.alice, test_of("t", "bob", 3), OnExistingDefinition::Keep).await.unwrap();
    assert_eq!(kept, Created::Kept(replaced));
    let drop = |by, on_missing| metastore.policy_test_drop(by, now(), &made.name, on_missing);
    assert_eq!(kind(drop(fixture.bob, OnMissing::Fail).await), ErrorKind::PermissionDenied);
    assert!(drop(fixture.root, OnMissing::Fail).await.unwrap(), "rank tidies up");
    assert_eq!(kind(drop(fixture.alice, OnMissing::Fail).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn tests_are_told_to_owners_to_those_who_may_run_them_and_to_rank() {
    let fixture = Fixture::new().await;
    fixture.grant(SecurableName::Metastore, "alice", &[Privilege::Impersonate]).await;
    let metastore = &fixture.metastore;
    metastore
        .policy_test_create(fixture.alice, now(), test_of("t", "bob", 1), OnExistingDefinition::Fail)
        .await
        .unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let seen = |by| policy_tests(&snapshot, by).len();
    assert_eq!((seen(fixture.alice), seen(fixture.root), seen(fixture.bob)), (1, 1, 0));
    assert!(policy_test(&snapshot, fixture.bob, &name("t")).is_none());
    let hidden = told(metastore.policy_test_drop(fixture.bob, now(), &name("t"), OnMissing::Fail).await);
    let missing = told(metastore.policy_test_drop(fixture.bob, now(), &name("u"), OnMissing::Fail).await);
    assert_eq!((hidden.0, hidden.1.replace("`t`", "`u`")), missing);
}

#[tokio::test]
async fn access_is_asked_for_where_one_may_know_of_the_thing() {
    let fixture = Fixture::new().await;
    fixture.table(fixture.root, "main.default.t").await;
    let metastore = &fixture.metastore;
    let on = on_table("main.default.t");
    let ask = |privileges: &'static [Privilege]| {
        metastore.access_request_add(fixture.bob, now(), &on, privileges, Some("why".to_owned()))
    };
    assert_eq!(kind(ask(&[]).await), ErrorKind::NotFound);
    fixture.grant(SecurableName::Catalog(name("main")), "bob", &[Privilege::Browse]).await;
    let epoch = fixture.epoch().await;
    let asked = ask(&[]).await.unwrap();
    assert_eq!(asked.privileges, [Privilege::Select]);
    assert_eq!(kind(ask(&[Privilege::Execute]).await), ErrorKind::Invalid);
    let long = Some("x".repeat(5000));
    assert_eq!(
        kind(metastore.access_request_add(fixture.bob, now(), &on, &[], long).await),
        ErrorKind::Invalid
    );
    assert_eq!(fixture.epoch().await, epoch, "asking changes nothing");
    let read = |by| metastore.access_request_list(by, Some(&on));
    assert_eq!(read(fixture.bob).await.unwrap(), std::slice::from_ref(&asked));
    assert_eq!(read(fixture.root).await.unwrap(), std::slice::from_ref(&asked));
    assert_eq!(kind(read(fixture.alice).await), ErrorKind::NotFound);
    assert!(metastore.access_request_list(fixture.alice, None).await.unwrap().is_empty());
    fixture.grant_use("alice").await;
    fixture.grant(on.clone(), "alice", &[Privilege::Manage]).await;
    assert_eq!(metastore.access_request_list(fixture.alice, None).await.unwrap(), [asked]);
}

#[tokio::test]
async fn nobody_fills_the_list_of_requests() {
    let fixture = Fixture::new().await;
    fixture.table(fixture.root, "main.default.t").await;
    let metastore = &fixture.metastore;
    for user in ["alice", "bob"] {
        fixture.grant(SecurableName::Catalog(name("main")), user, &[Privilege::Browse]).await;
    }
    let on = on_table("main.default.t");
    let ask = |by, days_later| {
        metastore.access_request_add(by, now() + chrono::TimeDelta::days(days_later), &on, &[], None)
    };
    for _ in 0..ACCESS_REQUESTS_MAX {
        ask(fixture.bob, 0).await.unwrap();
    }
    assert_eq!(kind(ask(fixture.bob, ACCESS_REQUEST_DAYS - 1).await), ErrorKind::Exhausted);
    ask(fixture.alice, 0).await.unwrap();
    ask(fixture.bob, ACCESS_REQUEST_DAYS).await.unwrap();
}
