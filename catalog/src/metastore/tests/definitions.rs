//! Catalogs, schemas, tables, views and functions: making, altering, dropping.

use super::*;

#[tokio::test]
async fn what_one_may_not_see_is_told_as_what_is_missing() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (root, alice) = (fixture.root, fixture.alice);
    let spec = schema_of(schema("main.gone"));
    metastore.schema_create(root, now(), spec, OnExisting::Fail).await.unwrap();
    let gone = fixture.table(root, "main.gone.t").await;
    fixture.function(root, function_of("main.gone.f", &[], "TRUE", &[])).await;
    let mut told_before = Vec::new();
    for round in 0..2 {
        let (t, f, s) = (object("main.gone.t"), object("main.gone.f"), schema("main.gone"));
        let comment = || Some("x".to_owned());
        let answers = vec![
            told(metastore.table_drop(alice, now(), &t, OnMissing::Fail).await),
            told(metastore.view_drop(alice, now(), &t, OnMissing::Fail).await),
            told(metastore.table_rename(alice, now(), &t, &name("u")).await),
            told(metastore.table_set_comment(alice, now(), &t, comment()).await),
            told(metastore.row_filter_set(alice, now(), &t, &f, vec![]).await),
            told(metastore.mask_drop(alice, now(), &t, "ssn", &[]).await),
            told(metastore.function_drop(alice, now(), &f, OnMissing::Fail).await),
            told(metastore.schema_drop(alice, now(), &s, Contents::Cascade, OnMissing::Fail).await),
            told(metastore.schema_set_comment(alice, now(), &s, comment()).await),
            told(metastore.table_create(alice, now(), managed("main.gone.t"), OnExisting::Keep).await),
            told(
                metastore
                    .grant_add(alice, now(), &SecurableName::Table(t.clone()), "alice", &[Privilege::Select])
                    .await,
            ),
            told(metastore.owner_set(alice, now(), &SecurableName::Function(f), "alice").await),
        ];
        assert!(answers.iter().all(|(kind, _)| *kind == ErrorKind::NotFound), "{answers:?}");
        if round == 0 {
            told_before = answers;
            metastore.table_drop(root, now(), &t, OnMissing::Fail).await.unwrap();
            metastore.schema_drop(root, now(), &s, Contents::Cascade, OnMissing::Fail).await.unwrap();
        } else {
            assert_eq!(answers, told_before);
        }
    }
    assert!(metastore.snapshot().await.unwrap().table_by_id(gone.id).is_none());
}

#[tokio::test]
async fn creating_needs_the_privilege_and_use_on_the_way() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let default = SecurableName::Schema(schema("main.default"));
    fixture.grant(default.clone(), "alice", &[Privilege::CreateTable]).await;
    let refused =
        metastore.table_create(fixture.alice, now(), managed("main.default.t"), OnExisting::Fail).await;
    let (denied, text) = told(refused);
    assert_eq!(denied, ErrorKind::PermissionDenied);
    assert!(text.contains("USE SCHEMA on schema `main.default`, USE CATALOG on catalog `main`"), "{text}");
    fixture.grant_use("alice").await;
    let table = fixture.table(fixture.alice, "main.default.t").await;
    assert_eq!((table.owner, table.stamps.created_at), (fixture.alice, now()));
    let spec = function_of("main.default.f", &[], "TRUE", &[]);
    let refused = metastore.function_create(fixture.alice, now(), spec, OnExistingDefinition::Fail).await;
    assert_eq!(kind(refused), ErrorKind::PermissionDenied);
    let spec = catalog_of(name("mine"));
    let refused = metastore.catalog_create(fixture.alice, now(), spec.clone(), OnExisting::Fail).await;
    assert_eq!(kind(refused), ErrorKind::PermissionDenied);
    fixture.grant(SecurableName::Metastore, "alice", &[Privilege::CreateCatalog]).await;
    metastore.catalog_create(fixture.alice, now(), spec, OnExisting::Fail).await.unwrap();
}

#[tokio::test]
async fn reserved_names_are_refused() {
    let fixture = Fixture::new().await;
    let spec = catalog_of(name("SYSTEM"));
    let refused = fixture.metastore.catalog_create(fixture.root, now(), spec, OnExisting::Fail).await;
    assert!(matches!(refused, Err(Error::ReservedName { .. })));
    let spec = schema_of(schema("main.information_schema"));
    let refused = fixture.metastore.schema_create(fixture.root, now(), spec, OnExisting::Fail).await;
    assert!(matches!(refused, Err(Error::ReservedName { .. })));
}

#[tokio::test]
async fn files_belong_to_one_table_only() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let create = |by, spec| metastore.table_create(by, now(), spec, OnExisting::Fail);
    create(fixture.root, external("main.default.a", "file:///lake/a/")).await.unwrap();
    for (number, location) in
        ["file:///lake/a/", "file:///lake/", "file:///lake/a/b/"].into_iter().enumerate()
    {
        let refused = create(fixture.root, external(&format!("main.default.x{number}"), location)).await;
        let (refused, text) = told(refused);
        assert_eq!(refused, ErrorKind::Invalid);
        assert!(text.contains("main.default.a"), "{text}");
    }
    create(fixture.root, external("main.default.ab", "file:///lake/ab/")).await.unwrap();
    create(fixture.root, managed("main.default.m")).await.unwrap();
    let refused =
        table_at("main.default.n", Storage::Managed { location: "tables/main.default.m/x".to_owned() });
    assert_eq!(kind(create(fixture.root, refused).await), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_overlap_names_no_table_the_caller_may_not_see() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let secret = schema_of(schema("main.secret"));
    metastore.schema_create(fixture.root, now(), secret, OnExisting::Fail).await.unwrap();
    fixture.table(fixture.root, "main.secret.t").await;
    fixture.grant(SecurableName::Metastore, "alice", &[Privilege::CreateCatalog]).await;
    let spec = catalog_of(name("mine"));
    metastore.catalog_create(fixture.alice, now(), spec, OnExisting::Fail).await.unwrap();
    let spec = schema_of(schema("mine.s"));
    metastore.schema_create(fixture.alice, now(), spec, OnExisting::Fail).await.unwrap();
    let spec = table_at("mine.s.t", Storage::Managed { location: "tables/main.secret.t".to_owned() });
    let refused = metastore.table_create(fixture.alice, now(), spec, OnExisting::Fail).await;
    assert!(matches!(refused, Err(Error::LocationOverlap { other: None, .. })), "{refused:?}");
    let refused =
        metastore.table_create(fixture.alice, now(), external("mine.s.e", "file:///e/"), OnExisting::Fail);
    assert!(matches!(refused.await, Err(Error::Reserved { act: Reserved::CreateExternalTable })));
}

#[tokio::test]
async fn a_full_container_goes_only_with_cascade() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let table = fixture.table(fixture.root, "main.default.t").await;
    fixture
        .view(fixture.root, view_of("main.default.v", "SELECT region FROM main.default.t", &[table.id]))
        .await;
    fixture.function(fixture.root, function_of("main.default.f", &["region"], "TRUE", &[])).await;
    metastore
        .row_filter_set(
            fixture.root,
            now(),
            &object("main.default.t"),
            &object("main.default.f"),
            vec![crate::PolicyArgument::Column(column("region"))],
        )
        .await
        .unwrap();
    let refused = metastore
        .schema_drop(fixture.root, now(), &schema("main.default"), Contents::Restrict, OnMissing::Fail)
        .await;
    assert!(matches!(refused, Err(Error::NotEmpty { .. })));
    let refused =
        metastore.catalog_drop(fixture.root, now(), &name("main"), Contents::Restrict, OnMissing::Fail).await;
    assert!(matches!(refused, Err(Error::NotEmpty { .. })));
    let dropped =
        metastore.catalog_drop(fixture.root, now(), &name("main"), Contents::Cascade, OnMissing::Fail).await;
    assert!(dropped.unwrap());
    let snapshot = metastore.snapshot().await.unwrap();
    assert_eq!(
        (snapshot.catalogs().count(), snapshot.all_tables().count(), snapshot.all_functions().count()),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn a_cascade_stops_at_a_policy_outside() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let spec = schema_of(schema("main.rules"));
    metastore.schema_create(fixture.root, now(), spec, OnExisting::Fail).await.unwrap();
    fixture.function(fixture.root, function_of("main.rules.f", &[], "TRUE", &[])).await;
    fixture.table(fixture.root, "main.default.t").await;
    let (table, function) = (object("main.default.t"), object("main.rules.f"));
    metastore.row_filter_set(fixture.root, now(), &table, &function, vec![]).await.unwrap();
    let rules = schema("main.rules");
    let refused =
        metastore.schema_drop(fixture.root, now(), &rules, Contents::Cascade, OnMissing::Fail).await;
    let (refused, text) = told(refused);
    assert_eq!(refused, ErrorKind::DependencyExists);
    assert!(text.contains("the row filter of table `main.default.t`"), "{text}");
    metastore.row_filter_drop(fixture.root, now(), &table).await.unwrap();
    metastore.schema_drop(fixture.root, now(), &rules, Contents::Cascade, OnMissing::Fail).await.unwrap();
}

#[tokio::test]
async fn what_is_read_is_neither_dropped_nor_renamed() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (root, t) = (fixture.root, object("main.default.t"));
    let table = fixture.table(root, "main.default.t").await;
    fixture.view(root, view_of("main.default.v", "SELECT region FROM main.default.t", &[table.id])).await;
    fixture
        .function(
            root,
            function_of("main.default.f", &[], "EXISTS (SELECT 1 FROM main.default.t)", &[table.id]),
        )
        .await;
    for refused in [
        told(metastore.table_drop(root, now(), &t, OnMissing::Fail).await.map(drop)),
        told(metastore.table_rename(root, now(), &t, &name("u")).await),
        told(metastore.schema_rename(root, now(), &schema("main.default"), &name("other")).await),
        told(metastore.catalog_rename(root, now(), &name("main"), &name("other")).await),
    ] {
        assert_eq!(refused.0, ErrorKind::DependencyExists);
        assert!(refused.1.contains("function `main.default.f`, view `main.default.v`"), "{}", refused.1);
    }
    metastore.function_drop(root, now(), &object("main.default.f"), OnMissing::Fail).await.unwrap();
    metastore.view_drop(root, now(), &object("main.default.v"), OnMissing::Fail).await.unwrap();
    metastore.table_rename(root, now(), &t, &name("u")).await.unwrap();
    metastore.schema_rename(root, now(), &schema("main.default"), &name("other")).await.unwrap();
    metastore.catalog_rename(root, now(), &name("main"), &name("prod")).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    assert_eq!(snapshot.table(&object("prod.other.u")).unwrap().id, table.id);
}

#[tokio::test]
async fn a_table_goes_with_the_views_that_only_read_it_and_takes_no_policy_along() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (root, t) = (fixture.root, object("main.default.t"));
    let table = fixture.table(root, "main.default.t").await;
    let view = view_of("main.default.v", "SELECT region FROM main.default.t", &[table.id]);
    fixture.view(root, view).await;
    let v = object("main.default.v");
    let read = metastore.snapshot().await.unwrap().table(&v).unwrap().id;
    fixture.view(root, view_of("main.default.w", "SELECT region FROM main.default.v", &[read])).await;
    fixture.function(root, function_of("main.default.f", &["region"], "TRUE", &[])).await;
    let region = crate::policy::PolicyArgument::Column(column("region"));
    let (f, w) = (object("main.default.f"), object("main.default.w"));
    metastore.row_filter_set(root, now(), &w, &f, vec![region]).await.unwrap();
    let cascade = || {
        metastore.drop_with_readers(root, now(), &t, crate::securable::SecurableKind::Table, OnMissing::Fail)
    };
    let (refused, text) = told(cascade().await.map(drop));
    assert_eq!(refused, ErrorKind::DependencyExists);
    assert!(text.contains("the policies of view `main.default.w`"), "{text}");
    metastore.row_filter_drop(root, now(), &w).await.unwrap();
    assert_eq!(cascade().await.unwrap().unwrap().id, table.id);
    assert_eq!(metastore.snapshot().await.unwrap().all_tables().count(), 0);
}

#[tokio::test]
async fn a_cascade_needs_rights_on_each_view_and_stops_at_a_hidden_one() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (root, alice, t) = (fixture.root, fixture.alice, object("main.default.t"));
    let table = fixture.table(root, "main.default.t").await;
    let spec = catalog_of(name("other"));
    metastore.catalog_create(root, now(), spec, OnExisting::Fail).await.unwrap();
    let spec = schema_of(schema("other.far"));
    metastore.schema_create(root, now(), spec, OnExisting::Fail).await.unwrap();
    fixture.view(root, view_of("other.far.v", "SELECT region FROM main.default.t", &[table.id])).await;
    fixture.grant_use("alice").await;
    fixture.grant(on_table("main.default.t"), "alice", &[Privilege::Manage]).await;
    let cascade = || {
        metastore.drop_with_readers(alice, now(), &t, crate::securable::SecurableKind::Table, OnMissing::Fail)
    };
    let (refused, text) = told(cascade().await.map(drop));
    assert_eq!(refused, ErrorKind::DependencyExists);
    assert!(text.contains('1') && !text.contains("other.far.v"), "{text}");
    fixture.grant(on_table("other.far.v"), "alice", &[Privilege::Select]).await;
    let (refused, text) = told(cascade().await.map(drop));
    assert_eq!(refused, ErrorKind::PermissionDenied, "{text}");
    fixture.grant(on_table("other.far.v"), "alice", &[Privilege::Manage]).await;
    fixture.grant(SecurableName::Catalog(name("other")), "alice", &[Privilege::UseCatalog]).await;
    fixture.grant(SecurableName::Schema(schema("other.far")), "alice", &[Privilege::UseSchema]).await;
    assert!(cascade().await.unwrap().is_some());
}

#[tokio::test]
async fn a_replaced_view_keeps_id_grants_and_owner_and_only_its_owner_replaces_it() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let table = fixture.table(fixture.root, "main.default.t").await;
    let view = fixture.view(fixture.root, view_of("main.default.v", "one", &[table.id])).await;
    fixture.grant(on_table("main.default.v"), "alice", &[Privilege::Select, Privilege::Manage]).await;
    fixture.grant_use("alice").await;
    fixture.grant(SecurableName::Schema(schema("main.default")), "alice", &[Privilege::CreateTable]).await;
    let replace = |by, reads: &[TableId]| {
        metastore.view_create(
            by,
            now(),
            view_of("main.default.v", "two", reads),
            OnExistingDefinition::Replace,
        )
    };
    let refused = replace(fixture.alice, &[]).await;
    assert!(matches!(refused, Err(Error::Reserved { act: Reserved::ReplaceDefinition })), "{refused:?}");
    let cycle = replace(fixture.root, &[view.id]).await;
    assert!(matches!(cycle, Err(Error::ViewCycle { .. })), "{cycle:?}");
    let Created::Replaced(replaced) = replace(fixture.root, &[]).await.unwrap() else {
        unreachable!("the view was there")
    };
    assert_eq!((replaced.id, replaced.view().unwrap().text.as_str()), (view.id, "two"));
    let snapshot = metastore.snapshot().await.unwrap();
    assert_eq!(snapshot.grants_on(crate::SecurableId::Table(view.id)).count(), 2);
    let on_a_table = view_of("main.default.t", "x", &[]);
    let refused = metastore.view_create(fixture.root, now(), on_a_table, OnExistingDefinition::Replace).await;
    assert!(matches!(refused, Err(Error::WrongKind { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_replaced_view_keeps_the_properties_that_govern_it() {
    let fixture = Fixture::new().await;
    let properties = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let replaced = async |said: &[(&str, &str)]| {
        let spec = ViewSpec { properties: properties(said), ..view_of("main.default.v", "two", &[]) };
        let replace = OnExistingDefinition::Replace;
        let view = fixture.metastore.view_create(fixture.root, now(), spec, replace).await.unwrap();
        view.into_inner().properties
    };
    let (strict, deny) = (("governance.protection", "strict"), ("policy.default", "deny"));
    replaced(&[strict, deny, ("team", "blue")]).await;
    assert_eq!(replaced(&[("team", "red")]).await, properties(&[strict, deny, ("team", "red")]));
    assert_eq!(replaced(&[]).await, properties(&[strict, deny]));
    let standard = ("governance.protection", "standard");
    assert_eq!(replaced(&[standard]).await, properties(&[standard, deny]));
}

#[tokio::test]
async fn a_view_needs_select_on_what_it_reads() {
    let fixture = Fixture::new().await;
    let table = fixture.table(fixture.root, "main.default.t").await;
    fixture.grant_use("alice").await;
    fixture.grant(SecurableName::Schema(schema("main.default")), "alice", &[Privilege::CreateTable]).await;
    let spec = view_of("main.default.v", "SELECT region FROM main.default.t", &[table.id]);
    let create = |spec| fixture.metastore.view_create(fixture.alice, now(), spec, OnExistingDefinition::Fail);
    assert_eq!(kind(create(spec.clone()).await), ErrorKind::PermissionDenied);
    fixture.grant(on_table("main.default.t"), "alice", &[Privilege::Select]).await;
    create(spec).await.unwrap();
    let gone = create(view_of("main.default.w", "x", &[TableId::fresh()])).await;
    assert!(matches!(gone, Err(Error::SourceDropped)));
}

#[tokio::test]
async fn a_function_needs_select_on_what_it_reads() {
    let fixture = Fixture::new().await;
    let table = fixture.table(fixture.root, "main.default.t").await;
    fixture.grant_use("alice").await;
    fixture.grant(SecurableName::Schema(schema("main.default")), "alice", &[Privilege::CreateFunction]).await;
    let create = || {
        let spec = function_of("main.default.f", &[], "EXISTS (SELECT 1 FROM main.default.t)", &[table.id]);
        fixture.metastore.function_create(fixture.alice, now(), spec, OnExistingDefinition::Fail)
    };
    assert_eq!(kind(create().await), ErrorKind::PermissionDenied);
    fixture.grant(on_table("main.default.t"), "alice", &[Privilege::Select]).await;
    create().await.unwrap();
}

#[tokio::test]
async fn dropping_a_catalog_stops_at_a_view_in_another() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let table = fixture.table(fixture.root, "main.default.t").await;
    let spec = catalog_of(name("other"));
    metastore.catalog_create(fixture.root, now(), spec, OnExisting::Fail).await.unwrap();
    let spec = schema_of(schema("other.s"));
    metastore.schema_create(fixture.root, now(), spec, OnExisting::Fail).await.unwrap();
    fixture.view(fixture.root, view_of("other.s.v", "SELECT region FROM main.default.t", &[table.id])).await;
    let main = name("main");
    let drop = || metastore.catalog_drop(fixture.root, now(), &main, Contents::Cascade, OnMissing::Fail);
    assert_eq!(kind(drop().await), ErrorKind::DependencyExists);
    metastore.view_drop(fixture.root, now(), &object("other.s.v"), OnMissing::Fail).await.unwrap();
    assert!(drop().await.unwrap());
}

#[tokio::test]
async fn properties_and_columns_are_checked() {
    let fixture = Fixture::new().await;
    let (root, t) = (fixture.root, object("main.default.t"));
    fixture.table(root, "main.default.t").await;
    let set = |value: &str| {
        let set = BTreeMap::from([("governance.protection".to_owned(), value.to_owned())]);
        fixture.metastore.table_set_properties(root, now(), &t, PropertyChange::Set(set))
    };
    assert!(matches!(set("lax").await, Err(Error::InvalidProperty { .. })));
    set("strict").await.unwrap();
    let snapshot = fixture.metastore.snapshot().await.unwrap();
    assert_eq!(snapshot.table(&t).unwrap().protection(), Some(crate::Protection::Strict));
    let twice = TableSpec { columns: columns(&["a", "A"]), ..managed("main.default.u") };
    let refused = fixture.metastore.table_create(root, now(), twice, OnExisting::Fail).await;
    assert!(matches!(refused, Err(Error::DuplicateColumn { .. })));
}
