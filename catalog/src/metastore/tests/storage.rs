//! Volumes, external locations, storage credentials: who may lay files where; replaced tables and columns.

use super::*;
use crate::securable::SecurableId;

fn at(text: &str, location: Option<&str>) -> VolumeSpec {
    let storage = match location {
        None => Storage::Managed { location: format!("volumes/{text}") },
        Some(location) => Storage::External { location: location.to_owned() },
    };
    VolumeSpec { name: object(text), storage, comment: None }
}

fn location(text: &str, url: &str, credential: Option<&str>) -> ExternalLocationSpec {
    ExternalLocationSpec {
        name: name(text),
        url: url.to_owned(),
        credential: credential.map(name),
        comment: None,
    }
}

impl Fixture {
    async fn location(&self, text: &str, url: &str) {
        let spec = location(text, url, None);
        self.metastore.external_location_create(self.root, now(), spec, OnExisting::Fail).await.unwrap();
    }

    /// USE on the way, and CREATE TABLE and CREATE VOLUME in `main.default`.
    async fn grant_creation(&self, principal: &str) {
        self.grant_use(principal).await;
        let created = [Privilege::CreateTable, Privilege::CreateVolume];
        self.grant(SecurableName::Schema(schema("main.default")), principal, &created).await;
    }
}

#[tokio::test]
async fn files_outside_the_data_root_need_the_location_that_covers_them() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    fixture.grant_creation("alice").await;
    let table = |url: &str| {
        metastore.table_create(fixture.alice, now(), external("main.default.t", url), OnExisting::Fail)
    };
    let nowhere = told(table("file:///x/t/").await);
    fixture.location("x", "file:///x/").await;
    assert_eq!(told(table("file:///x/t/").await), nowhere, "a location one may not see is none");
    let on = SecurableName::ExternalLocation(name("x"));
    fixture.grant(on.clone(), "alice", &[Privilege::CreateExternalVolume]).await;
    let (denied, text) = told(table("file:///x/t/").await);
    assert_eq!(denied, ErrorKind::PermissionDenied);
    assert!(text.contains("CREATE EXTERNAL TABLE on external location `x`"), "{text}");
    let volume = |text: &'static str, url: &'static str| {
        metastore.volume_create(fixture.alice, now(), at(text, Some(url)), OnExisting::Fail)
    };
    volume("main.default.v", "file:///x/v/").await.unwrap();
    assert_eq!(told(table("file:///X/t/").await).0, ErrorKind::PermissionDenied, "to the letter");
    fixture.grant(on.clone(), "alice", &[Privilege::CreateExternalTable]).await;
    let refused = table("file:///x/v/inner/").await;
    assert!(matches!(refused, Err(Error::LocationOverlap { other: Some(_), .. })), "{refused:?}");
    table("file:///x/t/").await.unwrap();
    let refused = volume("main.default.w", "file:///x/").await;
    assert!(matches!(refused, Err(Error::LocationOverlap { .. })), "{refused:?}");
    let (in_use, text) =
        told(metastore.external_location_drop(fixture.root, now(), &name("x"), OnMissing::Fail).await);
    assert_eq!(in_use, ErrorKind::DependencyExists);
    assert!(text.contains("table `main.default.t`, volume `main.default.v`"), "{text}");
    let moved = metastore.external_location_set_url(fixture.root, now(), &name("x"), "file:///x/t/").await;
    assert_eq!(kind(moved), ErrorKind::DependencyExists, "the volume would be left outside");
}

#[tokio::test]
async fn locations_do_not_overlap_and_their_credentials_stay() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let root = fixture.root;
    let key = StorageCredentialSpec { name: name("key"), comment: None };
    let create = |by| metastore.storage_credential_create(by, now(), key.clone(), OnExisting::Fail);
    assert_eq!(kind(create(fixture.alice).await), ErrorKind::PermissionDenied);
    create(root).await.unwrap();
    let make = |by, spec| metastore.external_location_create(by, now(), spec, OnExisting::Fail);
    assert_eq!(
        kind(make(fixture.alice, location("a", "s3://b/a/", None)).await),
        ErrorKind::PermissionDenied
    );
    let privileges = [Privilege::CreateExternalLocation];
    fixture.grant(SecurableName::Metastore, "alice", &privileges).await;
    let hidden = make(fixture.alice, location("a", "s3://b/a/", Some("key"))).await;
    assert_eq!(kind(hidden), ErrorKind::NotFound);
    fixture.grant(SecurableName::StorageCredential(name("key")), "alice", &privileges).await;
    make(fixture.alice, location("a", "s3://b/a/", Some("key"))).await.unwrap();
    for overlapping in ["s3://b/a/", "s3://b/a/inner/", "s3://b/A/", "s3://b/"] {
        let refused = make(root, location("other", overlapping, None)).await;
        assert!(matches!(refused, Err(Error::LocationOverlap { .. })), "{overlapping} {refused:?}");
    }
    let dropped = metastore.storage_credential_drop(root, now(), &name("key"), OnMissing::Fail).await;
    let (in_use, text) = told(dropped);
    assert_eq!(in_use, ErrorKind::DependencyExists);
    assert!(text.contains("external location `a`"), "{text}");
    metastore.storage_credential_rename(root, now(), &name("key"), &name("lock")).await.unwrap();
    metastore.external_location_set_credential(root, now(), &name("a"), None).await.unwrap();
    assert!(metastore.storage_credential_drop(root, now(), &name("lock"), OnMissing::Fail).await.unwrap());
    // Grants on a location hold for what its URL says, so that its owner alone does not move it.
    metastore.grant_remove(root, now(), &SecurableName::Metastore, "alice", &privileges).await.unwrap();
    let moved = metastore.external_location_set_url(fixture.alice, now(), &name("a"), "s3://c/").await;
    assert_eq!(kind(moved), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_volume_hides_is_renamed_and_goes_with_its_schema() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let root = fixture.root;
    let v = object("main.default.v");
    metastore.volume_create(root, now(), at("main.default.v", None), OnExisting::Fail).await.unwrap();
    let hidden = told(metastore.volume_drop(fixture.alice, now(), &v, OnMissing::Fail).await);
    let missing = object("main.default.none");
    let missing = told(metastore.volume_drop(fixture.alice, now(), &missing, OnMissing::Fail).await);
    assert_eq!(hidden.1.replace("default.v", ""), missing.1.replace("default.none", ""));
    fixture.grant(SecurableName::Volume(v.clone()), "alice", &[Privilege::ReadVolume]).await;
    metastore.volume_rename(root, now(), &v, &name("w")).await.unwrap();
    let snapshot = metastore.snapshot().await.unwrap();
    let renamed = snapshot.volume(&object("main.default.w")).unwrap().id;
    assert_eq!(snapshot.grants_on(SecurableId::Volume(renamed)).count(), 1, "grants stay");
    let drop = |contents| metastore.schema_drop(root, now(), &SCHEMA, contents, OnMissing::Fail);
    assert!(matches!(drop(Contents::Restrict).await, Err(Error::NotEmpty { .. })));
    assert!(drop(Contents::Cascade).await.unwrap());
    assert_eq!(metastore.snapshot().await.unwrap().all_volumes().count(), 0);
}

static SCHEMA: std::sync::LazyLock<SchemaName> = std::sync::LazyLock::new(|| schema("main.default"));

#[tokio::test]
async fn a_replaced_table_keeps_what_governs_it() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (root, t, f) = (fixture.root, object("main.default.t"), object("main.default.f"));
    let table = fixture.table(root, "main.default.t").await;
    fixture.function(root, function_of("main.default.f", &["region"], "region = 'EMEA'", &[])).await;
    let region = vec![crate::policy::PolicyArgument::Column(column("region"))];
    metastore.row_filter_set(root, now(), &t, &f, region).await.unwrap();
    let hide = metastore.snapshot().await.unwrap().function(&f).unwrap().id;
    let mask = crate::policy::ColumnMask {
        column: column("ssn"),
        path: vec![],
        function: crate::policy::PolicyFunction::Sql(hide),
        arguments: vec![],
        semantics: crate::policy::SEMANTICS,
    };
    metastore.mask_set(root, now(), &t, mask).await.unwrap();
    fixture.grant(on_table("main.default.t"), "alice", &[Privilege::Select]).await;
    let deny = BTreeMap::from([("policy.default".to_owned(), "deny".to_owned())]);
    metastore.table_set_properties(root, now(), &t, PropertyChange::Set(deny)).await.unwrap();
    let with = |columns: Vec<Column>| TableSpec {
        columns,
        ..table_at("main.default.t", Storage::Managed { location: "tables/fresh".to_owned() })
    };
    let replace = |columns| metastore.table_replace(root, now(), with(columns));
    let (orphaned, text) = told(replace(columns(&["region"])).await);
    assert_eq!(orphaned, ErrorKind::DependencyExists);
    assert!(text.contains("mask of column `ssn`"), "{text}");
    let retyped = vec![Column::new("region", "INT"), Column::new("ssn", "STRING")];
    let (_, text) = told(replace(retyped).await);
    assert!(
        text.contains("row filter of table `main.default.t` (needs column `region` of type STRING)"),
        "{text}"
    );
    assert_eq!(
        kind(metastore.table_replace(fixture.alice, now(), with(columns(&["a"]))).await),
        ErrorKind::PermissionDenied
    );
    let Created::Replaced(replaced) = replace(columns(&["more", "SSN", "Region"])).await.unwrap() else {
        unreachable!("the table was there")
    };
    assert_eq!((replaced.id, replaced.owner, replaced.masks.len()), (table.id, root, 1));
    assert!(replaced.row_filter.is_some());
    assert_eq!(replaced.properties.get("policy.default").map(String::as_str), Some("deny"));
    let snapshot = metastore.snapshot().await.unwrap();
    assert_eq!(snapshot.grants_on(SecurableId::Table(table.id)).count(), 1);
}

#[tokio::test]
async fn alterations_at_the_same_time_lose_nothing() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let t = object("main.default.t");
    fixture.table(fixture.root, "main.default.t").await;
    let comment = |column: &'static str| {
        metastore.column_set_comment(fixture.root, now(), &t, column, Some(column.to_owned()))
    };
    let set = |key: &str| {
        let set = BTreeMap::from([(key.to_owned(), "1".to_owned())]);
        metastore.table_set_properties(fixture.root, now(), &t, PropertyChange::Set(set))
    };
    let added = [ColumnSpec { column: Column::new("more", "STRING"), mask: None }];
    let results = tokio::join!(
        comment("region"),
        comment("ssn"),
        set("a"),
        set("b"),
        metastore.columns_add(fixture.root, now(), &t, &added),
    );
    assert!(results.0.is_ok() && results.1.is_ok() && results.2.is_ok() && results.3.is_ok());
    results.4.unwrap();
    let again = metastore.columns_add(fixture.root, now(), &t, &added).await;
    assert!(matches!(again, Err(Error::DuplicateColumn { .. })), "{again:?}");
    let snapshot = metastore.snapshot().await.unwrap();
    let table = snapshot.table(&t).unwrap();
    let comments: Vec<_> = table.columns.iter().filter_map(|column| column.comment.as_deref()).collect();
    assert_eq!((comments, table.columns.len(), table.properties.len()), (vec!["region", "ssn"], 3, 2));
    let unset = |on_missing| {
        let properties = vec!["none".to_owned()];
        metastore.table_set_properties(
            fixture.root,
            now(),
            &t,
            PropertyChange::Unset { properties, on_missing },
        )
    };
    assert!(matches!(unset(OnMissing::Fail).await, Err(Error::PropertyNotFound { .. })));
    unset(OnMissing::Ignore).await.unwrap();
}

#[tokio::test]
async fn a_renamed_column_takes_what_is_bound_to_it_along_and_a_used_one_is_not_dropped() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (root, t) = (fixture.root, object("main.default.t"));
    fixture.table(root, "main.default.t").await;
    fixture.function(root, function_of("main.default.f", &["v"], "TRUE", &[])).await;
    let region = crate::policy::PolicyArgument::Column(column("region"));
    metastore.row_filter_set(root, now(), &t, &object("main.default.f"), vec![region]).await.unwrap();
    metastore.column_rename(root, now(), &t, ("Region", "area"), 7).await.unwrap();
    let bound = |table: &Table| match &table.row_filter.as_ref().unwrap().arguments[0] {
        crate::policy::PolicyArgument::Column(binding) => (binding.name.clone(), binding.field_id),
        crate::policy::PolicyArgument::Literal(_) => unreachable!("a column"),
    };
    let snapshot = metastore.snapshot().await.unwrap();
    let table = snapshot.table(&t).unwrap();
    assert_eq!(bound(table), ("area".to_owned(), Some(7)));
    assert_eq!((table.columns[0].name.as_str(), table.columns[0].field_id), ("area", Some(7)));
    // said again, when the log was left behind, it changes nothing
    let epoch = fixture.epoch().await;
    metastore.column_rename(root, now(), &t, ("region", "area"), 7).await.unwrap();
    assert_eq!(fixture.epoch().await, epoch);
    assert_eq!(kind(metastore.column_rename(root, now(), &t, ("area", "SSN"), 7).await), ErrorKind::Invalid);

    let drop = async |name: &str, id| metastore.columns_drop(root, now(), &t, &[(name.to_owned(), id)]).await;
    let (refused, text) = told(drop("area", 7).await);
    assert_eq!(refused, ErrorKind::DependencyExists);
    assert!(text.contains("the row filter of table `main.default.t`"), "{text}");
    // one that the catalog does not know is told by its id
    assert_eq!(kind(drop("unheard_of", 7).await), ErrorKind::DependencyExists);
    let dropped = drop("ssn", 8).await.unwrap();
    assert_eq!(metastore.snapshot().await.unwrap().table(&t).unwrap().columns.len(), 1);
    metastore.columns_restore(root, now(), &t, &dropped).await.unwrap();
    let names: Vec<String> = metastore
        .snapshot()
        .await
        .unwrap()
        .table(&t)
        .unwrap()
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    assert_eq!(names, ["area", "ssn"]);
    assert_eq!(kind(metastore.columns_drop(fixture.alice, now(), &t, &[]).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_field_id_is_of_one_column_whoever_adds_the_next() {
    let fixture = Fixture::new().await;
    let metastore = &fixture.metastore;
    let (root, t) = (fixture.root, object("main.default.t"));
    fixture.table(root, "main.default.t").await;
    let spec = |name: &str, id| {
        let column = Column { field_id: Some(id), ..Column::new(name, "STRING") };
        ColumnSpec { column, mask: None }
    };
    let add = async |specs: &[ColumnSpec]| metastore.columns_add(root, now(), &t, specs).await;
    add(&[spec("plain", 3)]).await.unwrap();
    assert!(matches!(add(&[spec("secret", 3)]).await, Err(Error::Contention)));
    assert!(matches!(add(&[spec("a", 4), spec("b", 4)]).await, Err(Error::Contention)));
    add(&[spec("secret", 4)]).await.unwrap();
    // Nor is it that of a column of which policies alone know.
    let mask = crate::policy::ColumnMask {
        column: ColumnBinding { field_id: Some(9), ..column("elsewhere") },
        path: vec![],
        function: crate::policy::PolicyFunction::Builtin(crate::policy::BuiltinMask::MaskNull),
        arguments: vec![],
        semantics: crate::policy::SEMANTICS,
    };
    metastore.mask_set(root, now(), &t, mask).await.unwrap();
    assert!(matches!(add(&[spec("more", 9)]).await, Err(Error::Contention)));
    let snapshot = metastore.snapshot().await.unwrap();
    let table = snapshot.table(&t).unwrap();
    assert_eq!((table.columns.len(), table.highest_field_id()), (4, Some(9)));
}
