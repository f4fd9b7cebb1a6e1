//! Principals, groups and passwords.

use super::*;
use crate::audit::Origin;
use crate::principal::ACCOUNT_USERS;
use crate::securable::SecurableId;

#[tokio::test]
async fn only_account_admins_make_principals() {
    let fixture = Fixture::new().await;
    let spec = PrincipalSpec { name: "eve".to_owned(), kind: PrincipalKind::User };
    let refused = fixture.metastore.principal_create(fixture.alice, now(), spec, OnExisting::Fail).await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::ManagePrincipals })));
    let refused = fixture.metastore.account_admin_set(fixture.alice, now(), "alice", AccountAdmin::Yes).await;
    assert_eq!(kind(refused), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn names_are_exact_and_shared_by_all_kinds() {
    let fixture = Fixture::new().await;
    fixture.principal("Alice", PrincipalKind::User).await;
    fixture.principal(" alice", PrincipalKind::Group).await;
    for (name, kind) in [("alice", PrincipalKind::Group), ("alice", PrincipalKind::User)] {
        let spec = PrincipalSpec { name: name.to_owned(), kind };
        let taken = fixture.metastore.principal_create(fixture.root, now(), spec, OnExisting::Fail).await;
        assert!(matches!(taken, Err(Error::PrincipalExists { kind: PrincipalKind::User, .. })));
    }
    let keep = |kind| {
        let spec = PrincipalSpec { name: "alice".to_owned(), kind };
        fixture.metastore.principal_create(fixture.root, now(), spec, OnExisting::Keep)
    };
    assert!(matches!(keep(PrincipalKind::User).await, Ok(Created::Kept(_))));
    assert!(matches!(keep(PrincipalKind::Group).await, Err(Error::PrincipalExists { .. })));
    let long = "x".repeat(256);
    for wrong in ["", "a\nb", long.as_str()] {
        let spec = PrincipalSpec { name: wrong.to_owned(), kind: PrincipalKind::User };
        let refused = fixture.metastore.principal_create(fixture.root, now(), spec, OnExisting::Fail).await;
        assert!(matches!(refused, Err(Error::InvalidPrincipalName { .. })));
    }
}

#[tokio::test]
async fn groups_nest_and_do_not_contain_themselves() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    for group in ["a", "b", "c"] {
        fixture.principal(group, PrincipalKind::Group).await;
    }
    let add = |group, member| metastore.member_add(fixture.root, now(), group, member);
    add("a", "b").await.unwrap();
    add("b", "c").await.unwrap();
    add("c", "alice").await.unwrap();
    for (group, member) in [("a", "a"), ("b", "a"), ("c", "a")] {
        assert!(matches!(add(group, member).await, Err(Error::GroupCycle { .. })));
    }
    assert!(matches!(add("alice", "bob").await, Err(Error::PrincipalKindUnfit { .. })));
    let snapshot = metastore.snapshot().await.unwrap();
    let names: Vec<_> = snapshot.group_names_of(fixture.alice).into_iter().collect();
    assert_eq!(names, ["a", "account users", "b", "c"]);
    metastore.member_remove(fixture.root, now(), "b", "c").await.unwrap();
    let gone = metastore.member_remove(fixture.root, now(), "b", "c").await;
    assert!(matches!(gone, Err(Error::MemberNotFound { .. })));
    let snapshot = metastore.snapshot().await.unwrap();
    assert_eq!(snapshot.group_names_of(fixture.alice).len(), 2);
}

#[tokio::test]
async fn who_holds_something_is_not_dropped() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    fixture.table(fixture.root, "main.default.t").await;
    fixture.grant(on_table("main.default.t"), "alice", &[Privilege::Select]).await;
    metastore.owner_set(fixture.root, now(), &on_table("main.default.t"), "alice").await.unwrap();
    let drop = |name, on_missing| {
        metastore.principal_drop(fixture.root, now(), name, PrincipalKind::User, on_missing)
    };
    let (refused, text) = told(drop("alice", OnMissing::Fail).await);
    assert_eq!(refused, ErrorKind::DependencyExists);
    let holdings = "the grant of SELECT on table `main.default.t`, the ownership of table `main.default.t`";
    assert!(text.contains(holdings), "{text}");
    assert!(drop("bob", OnMissing::Fail).await.unwrap());
    assert!(!drop("bob", OnMissing::Ignore).await.unwrap());
    assert!(matches!(drop("bob", OnMissing::Fail).await, Err(Error::PrincipalNotFound { .. })));
}

#[tokio::test]
async fn a_group_a_text_tests_for_is_not_dropped() {
    let fixture = Fixture::new().await;
    fixture.principal("hr", PrincipalKind::Group).await;
    fixture
        .function(fixture.root, function_of("main.default.f", &[], "is_account_group_member('hr')", &[]))
        .await;
    let drop =
        || fixture.metastore.principal_drop(fixture.root, now(), "hr", PrincipalKind::Group, OnMissing::Fail);
    let (refused, text) = told(drop().await);
    assert_eq!(refused, ErrorKind::DependencyExists);
    assert!(text.contains("group `hr` is used by function `main.default.f`"), "{text}");
    let function = object("main.default.f");
    fixture.metastore.function_drop(fixture.root, now(), &function, OnMissing::Fail).await.unwrap();
    drop().await.unwrap();
}

#[tokio::test]
async fn somebody_is_left_who_can_administer() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let resign = || metastore.account_admin_set(fixture.root, now(), "root", AccountAdmin::No);
    assert!(matches!(resign().await, Err(Error::LastAccountAdmin { .. })));
    let disable = metastore.principal_set_enablement(fixture.root, now(), "root", Enablement::Disabled).await;
    assert!(matches!(disable, Err(Error::LastAccountAdmin { .. })));
    metastore.account_admin_set(fixture.root, now(), "alice", AccountAdmin::Yes).await.unwrap();
    resign().await.unwrap();
    assert_eq!(kind(metastore.audit_list(fixture.root, 1).await), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn only_service_principals_act_for_users_and_groups_have_no_rank() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    fixture.principal("app", PrincipalKind::ServicePrincipal).await;
    fixture.principal("team", PrincipalKind::Group).await;
    let delegate = |name| metastore.delegation_set(fixture.root, now(), name, Delegation::MayActForUsers);
    delegate("app").await.unwrap();
    assert!(matches!(delegate("alice").await, Err(Error::PrincipalKindUnfit { .. })));
    let rank = metastore.account_admin_set(fixture.root, now(), "team", AccountAdmin::Yes).await;
    assert!(matches!(rank, Err(Error::PrincipalKindUnfit { .. })));
    assert!(metastore.snapshot().await.unwrap().principal_by_name("app").unwrap().may_act_for_users);
}

#[tokio::test]
async fn a_login_leaves_its_event_and_no_name_that_nobody_has() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    metastore.password_set(fixture.root, now(), "alice", "correct horse").await.unwrap();
    let origin = Origin { source_address: Some("::1".to_owned()), ..Origin::default() };
    for (user, password, holds) in
        [("alice", "correct horse", true), ("alice", "wrong", false), ("my-password", "alice", false)]
    {
        assert_eq!(metastore.password_check(user, password).await.unwrap(), holds);
        metastore.login_note(user, holds, now(), origin.clone()).await.unwrap();
    }
    let events = metastore.audit_list(fixture.root, 3).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.action.as_str(), event.by, event.by_name.as_str(), event.answer.as_str()))
        .collect();
    let alice = Some(fixture.alice);
    assert_eq!(
        told,
        [
            ("login", None, "", "refused"),
            ("login", alice, "alice", "refused"),
            ("login", alice, "alice", "allowed")
        ]
    );
    assert!(
        events.iter().all(|event| event.origin == origin && !format!("{event:?}").contains("my-password"))
    );
}

#[tokio::test]
async fn passwords_are_checked_against_their_hash() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    metastore.password_set(fixture.root, now(), "alice", "correct horse").await.unwrap();
    assert!(metastore.password_check("alice", "correct horse").await.unwrap());
    assert!(!metastore.password_check("alice", "Correct horse").await.unwrap());
    assert!(!metastore.password_check("bob", "correct horse").await.unwrap());
    assert!(!metastore.password_check("nobody", "correct horse").await.unwrap());
    metastore.password_set(fixture.alice, now(), "alice", "another").await.unwrap();
    assert!(metastore.password_check("alice", "another").await.unwrap());
    let refused = metastore.password_set(fixture.bob, now(), "alice", "mine").await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::SetPassword })));
    assert!(matches!(
        metastore.password_set(fixture.root, now(), "alice", "").await,
        Err(Error::InvalidPassword)
    ));
    metastore.principal_set_enablement(fixture.root, now(), "alice", Enablement::Disabled).await.unwrap();
    assert!(!metastore.password_check("alice", "another").await.unwrap());
    let file = std::fs::read(fixture.dir.path().join("catalog.sqlite-wal")).unwrap();
    assert!(!file.windows(13).any(|bytes| bytes == b"correct horse"));
}

#[tokio::test]
async fn everybody_is_in_the_group_of_all_and_nobody_can_change_that() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    fixture.table(fixture.root, "main.default.t").await;
    fixture.grant(on_table("main.default.t"), ACCOUNT_USERS, &[Privilege::Select]).await;
    fixture.grant_use(ACCOUNT_USERS).await;
    let late = fixture.principal("late", PrincipalKind::ServicePrincipal).await;
    let snapshot = metastore.snapshot().await.unwrap();
    let table = SecurableId::Table(snapshot.table(&object("main.default.t")).unwrap().id);
    for user in [fixture.alice, late] {
        assert!(crate::authorize(&snapshot, user, Privilege::Select, table).is_allowed());
    }
    let add = metastore.member_add(fixture.root, now(), ACCOUNT_USERS, "alice").await;
    assert!(matches!(add, Err(Error::PrincipalKindUnfit { .. })));
    let remove = metastore.member_remove(fixture.root, now(), ACCOUNT_USERS, "alice").await;
    assert!(matches!(remove, Err(Error::PrincipalKindUnfit { .. })));
    let drop = metastore
        .principal_drop(fixture.root, now(), ACCOUNT_USERS, PrincipalKind::Group, OnMissing::Fail)
        .await;
    assert!(matches!(drop, Err(Error::PrincipalKindUnfit { .. })));
}

#[tokio::test]
async fn denials_are_made_and_lifted_by_those_who_grant_but_not_by_the_denied() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let table = on_table("main.default.t");
    fixture.table(fixture.root, "main.default.t").await;
    fixture.grant_use("alice").await;
    fixture.grant(table.clone(), "alice", &[Privilege::Manage, Privilege::Select]).await;
    let select = [Privilege::Select];
    assert_eq!(
        kind(metastore.deny_add(fixture.bob, now(), &table, "alice", &select).await),
        ErrorKind::NotFound
    );
    metastore.deny_add(fixture.root, now(), &table, "alice", &select).await.unwrap();
    let may = async || {
        let snapshot = metastore.snapshot().await.unwrap();
        let id = SecurableId::Table(snapshot.table(&object("main.default.t")).unwrap().id);
        crate::authorize(&snapshot, fixture.alice, Privilege::Select, id).is_allowed()
    };
    assert!(!may().await, "a denial beats the grant");
    metastore.grant_add(fixture.alice, now(), &table, "alice", &select).await.unwrap();
    assert!(!may().await, "a grant to oneself does not help");
    let lifted = metastore.deny_remove(fixture.alice, now(), &table, "alice", &select).await;
    assert!(matches!(lifted, Err(Error::Reserved { act: Reserved::LiftOwnDenial })));
    metastore.grant_remove(fixture.root, now(), &table, "alice", &select).await.unwrap();
    metastore.grant_add(fixture.root, now(), &table, "alice", &select).await.unwrap();
    assert!(!may().await, "REVOKE takes grants and leaves denials");
    metastore.deny_remove(fixture.root, now(), &table, "alice", &select).await.unwrap();
    assert!(may().await);
    assert_eq!(fixture.audited().await, "revokeDenial allowed");
}

#[tokio::test]
async fn only_an_account_admin_says_who_the_metastore_admin_is() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let all = SecurableName::Metastore;
    fixture.principal("admins", PrincipalKind::Group).await;
    metastore.member_add(fixture.root, now(), "admins", "alice").await.unwrap();
    let refused = metastore.owner_set(fixture.alice, now(), &all, "alice").await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::SetMetastoreAdmin })));
    metastore.owner_set(fixture.root, now(), &all, "admins").await.unwrap();
    metastore
        .catalog_create(fixture.alice, now(), catalog_of(name("theirs")), OnExisting::Fail)
        .await
        .unwrap();
    metastore.grant_add(fixture.alice, now(), &all, "bob", &[Privilege::CreateCatalog]).await.unwrap();
    let refused = metastore.owner_set(fixture.alice, now(), &all, "alice").await;
    assert!(matches!(refused, Err(Error::Reserved { .. })), "not even the metastore admin itself");
    let spec = PrincipalSpec { name: "eve".to_owned(), kind: PrincipalKind::User };
    let refused = metastore.principal_create(fixture.alice, now(), spec, OnExisting::Fail).await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::ManagePrincipals })));
}

#[tokio::test]
async fn external_use_is_the_catalog_owners_to_grant() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let on = SecurableName::Schema(schema("main.default"));
    fixture.grant_use("alice").await;
    fixture.grant(SecurableName::Catalog(name("main")), "alice", &[Privilege::Manage]).await;
    let external = [Privilege::ExternalUseSchema];
    let refused = metastore.grant_add(fixture.alice, now(), &on, "bob", &external).await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::GrantExternalUse })));
    metastore.grant_add(fixture.root, now(), &on, "bob", &external).await.unwrap();
}

#[tokio::test]
async fn nobody_has_more_access_tokens_than_may_be() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (alice, most) = (fixture.alice, u8::try_from(ACCESS_TOKENS_MAX).unwrap());
    let make = |by, number: u8, days_later| {
        let digest = [number; 32];
        let spec = AccessTokenSpec { name: name("job"), principal: None, digest, read_only: true, days: 1 };
        metastore.access_token_create(by, now() + chrono::TimeDelta::days(days_later), spec)
    };
    for number in 0..most {
        make(alice, number, 0).await.unwrap();
    }
    let (refused, text) = told(make(alice, most, 0).await);
    assert_eq!(refused, ErrorKind::Exhausted);
    assert!(text.contains("nobody has more than 100") && text.contains("DROP ACCESS TOKEN"), "{text}");
    make(fixture.bob, most + 1, 0).await.unwrap();
    // One that is let go makes room, and so does one that has expired, which is told of for a while.
    let first = metastore.access_token(&[0; 32]).await.unwrap().unwrap();
    metastore.access_token_drop(alice, now(), first.id).await.unwrap();
    make(alice, most + 2, 0).await.unwrap();
    assert_eq!(kind(make(alice, most + 3, 0).await), ErrorKind::Exhausted);
    make(alice, most + 3, 2).await.unwrap();
    assert_eq!(metastore.access_token_list(alice).await.unwrap().len(), ACCESS_TOKENS_MAX + 1);
    make(alice, most + 4, 60).await.unwrap();
    assert_eq!(metastore.access_token_list(alice).await.unwrap().len(), 1);
    assert_eq!(metastore.access_token_list(fixture.bob).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_access_tokens_made_at_once_none_is_over_the_bound() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let make = |number: u8| {
        let digest = [number; 32];
        let spec = AccessTokenSpec { name: name("job"), principal: None, digest, read_only: true, days: 1 };
        metastore.access_token_create(fixture.alice, now(), spec)
    };
    for number in 1..u8::try_from(ACCESS_TOKENS_MAX).unwrap() {
        make(number).await.unwrap();
    }
    let told = tokio::join!(make(201), make(202), make(203));
    let made = [told.0.is_ok(), told.1.is_ok(), told.2.is_ok()];
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    assert_eq!(metastore.access_token_list(fixture.alice).await.unwrap().len(), ACCESS_TOKENS_MAX);
}
