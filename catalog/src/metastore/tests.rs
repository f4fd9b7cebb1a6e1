//! The operations, on SQLite: whatever the store, they decide the same.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed unwrap is a failed test")]

mod administration;
mod definitions;
mod functions;
mod governance;
mod proving;
mod storage;
mod tags;
mod writing;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::function::{Parameter, Returns};
use crate::id::{FunctionId, PrincipalId, TableId};
use crate::name::{Name, ObjectName, SchemaName};
use crate::policy::ColumnBinding;
use crate::principal::PrincipalKind;
use crate::privilege::Privilege;
use crate::securable::{Column, SecurableName, Table, ViewDefinition};
use crate::tag::Tags;

/// A metastore whose account admin is `root`; `alice` and `bob` are users without rights.
struct Fixture {
    metastore: Metastore,
    dir: TempDir,
    root: PrincipalId,
    alice: PrincipalId,
    bob: PrincipalId,
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap()
}

fn object(text: &str) -> ObjectName {
    let mut parts = text.split('.');
    let mut part = || parts.next().unwrap();
    ObjectName::new(part(), part(), part()).unwrap()
}

fn schema(text: &str) -> SchemaName {
    let (catalog, schema) = text.split_once('.').unwrap();
    SchemaName::new(catalog, schema).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn on_table(text: &str) -> SecurableName {
    SecurableName::Table(object(text))
}

fn column(name: &str) -> ColumnBinding {
    ColumnBinding { name: name.to_owned(), field_id: None, type_text: "STRING".to_owned() }
}

fn columns(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column::new(*name, "STRING")).collect()
}

fn catalog_of(name: Name) -> CatalogSpec {
    CatalogSpec { name, comment: None, properties: BTreeMap::new() }
}

fn schema_of(name: SchemaName) -> SchemaSpec {
    SchemaSpec { name, comment: None, properties: BTreeMap::new() }
}

fn table_at(text: &str, storage: Storage) -> TableSpec {
    let (name, columns) = (object(text), columns(&["region", "ssn"]));
    TableSpec {
        name,
        storage,
        columns,
        properties: BTreeMap::new(),
        comment: None,
        tags: Tags::new(),
        row_filter: None,
        masks: Vec::new(),
    }
}

fn managed(text: &str) -> TableSpec {
    table_at(text, Storage::Managed { location: format!("tables/{text}") })
}

fn external(text: &str, location: &str) -> TableSpec {
    table_at(text, Storage::External { location: location.to_owned() })
}

fn view_of(text: &str, query: &str, reads: &[TableId]) -> ViewSpec {
    ViewSpec {
        name: object(text),
        definition: ViewDefinition {
            text: query.to_owned(),
            tests_identity: false,
            reads: reads.to_vec(),
            calls: vec![],
        },
        columns: columns(&["region"]),
        properties: BTreeMap::new(),
        comment: None,
        row_filter: None,
        masks: Vec::new(),
    }
}

fn function_of(text: &str, parameters: &[&str], body: &str, reads: &[TableId]) -> FunctionSpec {
    let parameter = |name: &&str| Parameter {
        name: (*name).to_owned(),
        type_text: "STRING".to_owned(),
        default: None,
        comment: None,
    };
    FunctionSpec {
        name: object(text),
        parameters: parameters.iter().map(parameter).collect(),
        returns: Returns::Scalar("BOOLEAN".to_owned()),
        body: body.to_owned(),
        reads: reads.to_vec(),
        calls: vec![],
        comment: None,
        checked_at: None,
    }
}

impl Fixture {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let metastore = Metastore::open_sqlite(&dir.path().join("catalog.sqlite")).await.unwrap();
        let root = metastore.bootstrap_admin("root", now()).await.unwrap().id;
        let mut fixture = Self { metastore, dir, root, alice: root, bob: root };
        fixture.alice = fixture.principal("alice", PrincipalKind::User).await;
        fixture.bob = fixture.principal("bob", PrincipalKind::User).await;
        fixture
    }

    async fn principal(&self, name: &str, kind: PrincipalKind) -> PrincipalId {
        let spec = PrincipalSpec { name: name.to_owned(), kind };
        let created =
            self.metastore.principal_create(self.root, now(), spec, OnExisting::Fail).await.unwrap();
        created.into_inner().id
    }

    async fn grant(&self, securable: SecurableName, principal: &str, privileges: &[Privilege]) {
        self.metastore.grant_add(self.root, now(), &securable, principal, privileges).await.unwrap();
    }

    /// USE SCHEMA and USE CATALOG on `main.default`.
    async fn grant_use(&self, principal: &str) {
        self.grant(SecurableName::Catalog(name("main")), principal, &[Privilege::UseCatalog]).await;
        self.grant(SecurableName::Schema(schema("main.default")), principal, &[Privilege::UseSchema]).await;
    }

    async fn table(&self, by: impl Into<Requester> + Send, text: &str) -> Table {
        let created = self.metastore.table_create(by, now(), managed(text), OnExisting::Fail).await.unwrap();
        created.into_inner()
    }

    async fn function(&self, by: impl Into<Requester> + Send, spec: FunctionSpec) {
        let on_existing = OnExistingDefinition::Fail;
        self.metastore.function_create(by, now(), spec, on_existing).await.unwrap();
    }

    async fn view(&self, by: impl Into<Requester> + Send, spec: ViewSpec) -> Table {
        let on_existing = OnExistingDefinition::Fail;
        self.metastore.view_create(by, now(), spec, on_existing).await.unwrap().into_inner()
    }

    async fn epoch(&self) -> u64 {
        self.metastore.snapshot().await.unwrap().epoch().0
    }

    /// The newest audit event as `action answer`.
    async fn audited(&self) -> String {
        let events = self.metastore.audit_list(self.root, 1).await.unwrap();
        format!("{} {}", events[0].action, events[0].answer)
    }
}

/// The kind and the whole text, for comparing two refusals.
fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (error.kind(), format!("{error} {:?}", error.hint()))
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}
