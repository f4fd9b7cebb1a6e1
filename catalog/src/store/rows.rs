//! Row ↔ model. The only place in the crate where things are (de)serialised.
//!
//! Nested values are JSON text; the structs of `rows/nested.rs` spell its shape, so that
//! renaming a field of the model cannot change what is stored. A value that cannot be read back is an error that
//! names it, never a default.

mod nested;

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use chrono::DateTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;

use super::Error;
use crate::audit::AuditEvent;
use crate::function::{Function, Parameter};
use crate::grant::Grant;
use crate::id::{CatalogId, FunctionId, SchemaId};
use crate::name::{Name, ObjectName, SchemaName};
use crate::principal::{Principal, PrincipalKind};
use crate::privilege::Privilege;
use crate::securable::{Catalog, Schema, SecurableId, Table, TableKind, ViewDefinition};
use nested::{ColumnJson, FilterJson, MaskJson, ParameterJson};

pub(super) fn id<T: FromStr>(what: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| damaged(what, text))
}

fn damaged(what: &'static str, value: &str) -> Error {
    Error::Damaged { what, value: value.to_owned() }
}

fn stored_name(text: &str) -> Result<Name, Error> {
    let name = Name::new(text).map_err(|_| damaged("name", text))?;
    if name.as_str() == text { Ok(name) } else { Err(damaged("name", text)) }
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Statement(Box::new(error)))
}

fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| damaged(what, text))
}

#[derive(FromRow)]
pub(super) struct PrincipalRow {
    id: String,
    name: String,
    kind: String,
    disabled: bool,
    account_admin: bool,
    may_act_for_users: bool,
}

impl PrincipalRow {
    pub(super) fn into_model(self) -> Result<Principal, Error> {
        let kind = match self.kind.as_str() {
            "USER" => PrincipalKind::User,
            "SERVICE_PRINCIPAL" => PrincipalKind::ServicePrincipal,
            "GROUP" => PrincipalKind::Group,
            other => return Err(damaged("principal kind", other)),
        };
        Ok(Principal {
            id: id("principal id", &self.id)?,
            name: self.name,
            kind,
            disabled: self.disabled,
            account_admin: self.account_admin,
            may_act_for_users: self.may_act_for_users,
        })
    }
}

pub(super) fn principal_kind(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "USER",
        PrincipalKind::ServicePrincipal => "SERVICE_PRINCIPAL",
        PrincipalKind::Group => "GROUP",
    }
}

#[derive(FromRow)]
pub(super) struct CatalogRow {
    id: String,
    name: String,
    owner: String,
    comment: Option<String>,
}

impl CatalogRow {
    pub(super) fn into_model(self) -> Result<Catalog, Error> {
        Ok(Catalog {
            id: id("catalog id", &self.id)?,
            name: stored_name(&self.name)?,
            owner: id("owner", &self.owner)?,
            comment: self.comment,
        })
    }
}

#[derive(FromRow)]
pub(super) struct SchemaRow {
    id: String,
    catalog_id: String,
    name: String,
    owner: String,
    comment: Option<String>,
}

impl SchemaRow {
    pub(super) fn into_model(self, catalogs: &HashMap<CatalogId, Name>) -> Result<Schema, Error> {
        let catalog = id("catalog id", &self.catalog_id)?;
        let parent = catalogs.get(&catalog).ok_or_else(|| damaged("catalog id", &self.catalog_id))?;
        Ok(Schema {
            id: id("schema id", &self.id)?,
            catalog,
            name: SchemaName { catalog: parent.clone(), schema: stored_name(&self.name)? },
            owner: id("owner", &self.owner)?,
            comment: self.comment,
        })
    }
}

#[derive(FromRow)]
pub(super) struct TableRow {
    id: String,
    schema_id: String,
    name: String,
    owner: String,
    kind: String,
    location: Option<String>,
    view_text: Option<String>,
    view_tests_identity: Option<bool>,
    view_reads: Option<String>,
    columns: String,
    row_filter: Option<String>,
    masks: String,
    properties: String,
    comment: Option<String>,
    created_at_us: i64,
    created_by: String,
}

impl TableRow {
    pub(super) fn into_model(self, schemas: &HashMap<SchemaId, SchemaName>) -> Result<Table, Error> {
        let schema = id("schema id", &self.schema_id)?;
        let columns: Vec<ColumnJson> = from_json("columns", &self.columns)?;
        let masks: Vec<MaskJson> = from_json("masks", &self.masks)?;
        let row_filter = match &self.row_filter {
            Some(text) => Some(from_json::<FilterJson>("row filter", text)?.into_model()?),
            None => None,
        };
        Ok(Table {
            id: id("table id", &self.id)?,
            schema,
            name: object_name(schemas, schema, &self.name)?,
            owner: id("owner", &self.owner)?,
            kind: self.table_kind()?,
            columns: columns.into_iter().map(ColumnJson::into_model).collect(),
            row_filter,
            masks: masks.into_iter().map(MaskJson::into_model).collect::<Result<_, _>>()?,
            properties: from_json::<BTreeMap<String, String>>("properties", &self.properties)?,
            comment: self.comment,
            created_at: DateTime::from_timestamp_micros(self.created_at_us)
                .ok_or_else(|| damaged("created_at_us", &self.created_at_us.to_string()))?,
            created_by: id("created_by", &self.created_by)?,
        })
    }

    fn table_kind(&self) -> Result<TableKind, Error> {
        let location = || self.location.clone().ok_or_else(|| damaged("location", ""));
        match self.kind.as_str() {
            "MANAGED" => Ok(TableKind::Managed { location: location()? }),
            "EXTERNAL" => Ok(TableKind::External { location: location()? }),
            "VIEW" => Ok(TableKind::View(ViewDefinition {
                text: self.view_text.clone().ok_or_else(|| damaged("view_text", ""))?,
                tests_identity: self.view_tests_identity.ok_or_else(|| damaged("view_tests_identity", ""))?,
                reads: ids_from_json("view_reads", self.view_reads.as_deref().unwrap_or_default())?,
            })),
            other => Err(damaged("table kind", other)),
        }
    }
}

fn object_name(
    schemas: &HashMap<SchemaId, SchemaName>,
    schema: SchemaId,
    object: &str,
) -> Result<ObjectName, Error> {
    let parent = schemas.get(&schema).ok_or_else(|| damaged("schema id", &schema.to_string()))?;
    Ok(ObjectName {
        catalog: parent.catalog.clone(),
        schema: parent.schema.clone(),
        object: stored_name(object)?,
    })
}

fn ids_from_json<T: FromStr>(what: &'static str, text: &str) -> Result<Vec<T>, Error> {
    from_json::<Vec<String>>(what, text)?.iter().map(|text| id(what, text)).collect()
}

/// The columns of `tables` that depend on what kind of table it is, and those that hold JSON.
pub(super) struct TableCells {
    pub(super) kind: &'static str,
    pub(super) location: Option<String>,
    pub(super) view_text: Option<String>,
    pub(super) view_tests_identity: Option<bool>,
    pub(super) view_reads: Option<String>,
    pub(super) columns: String,
    pub(super) row_filter: Option<String>,
    pub(super) masks: String,
    pub(super) properties: String,
}

impl TableCells {
    pub(super) fn of(table: &Table) -> Result<Self, Error> {
        let mut cells = Self {
            kind: "VIEW",
            location: None,
            view_text: None,
            view_tests_identity: None,
            view_reads: None,
            columns: to_json(&table.columns.iter().map(ColumnJson::of).collect::<Vec<_>>())?,
            row_filter: table
                .row_filter
                .as_ref()
                .map(|filter| to_json(&FilterJson::of(filter)))
                .transpose()?,
            masks: to_json(&table.masks.iter().map(MaskJson::of).collect::<Vec<_>>())?,
            properties: to_json(&table.properties)?,
        };
        match &table.kind {
            TableKind::Managed { location } => {
                cells.kind = "MANAGED";
                cells.location = Some(location.clone());
            }
            TableKind::External { location } => {
                cells.kind = "EXTERNAL";
                cells.location = Some(location.clone());
            }
            TableKind::View(view) => {
                cells.view_text = Some(view.text.clone());
                cells.view_tests_identity = Some(view.tests_identity);
                cells.view_reads = Some(ids_to_json(&view.reads)?);
            }
        }
        Ok(cells)
    }
}

pub(super) fn ids_to_json<T: ToString>(ids: &[T]) -> Result<String, Error> {
    to_json(&ids.iter().map(T::to_string).collect::<Vec<_>>())
}

pub(super) fn parameters_to_json(parameters: &[Parameter]) -> Result<String, Error> {
    to_json(&parameters.iter().map(ParameterJson::of).collect::<Vec<_>>())
}

#[derive(FromRow)]
pub(super) struct FunctionRow {
    id: String,
    schema_id: String,
    name: String,
    owner: String,
    parameters: String,
    returns: String,
    body: String,
    reads: String,
    comment: Option<String>,
}

impl FunctionRow {
    pub(super) fn into_model(self, schemas: &HashMap<SchemaId, SchemaName>) -> Result<Function, Error> {
        let schema = id("schema id", &self.schema_id)?;
        let parameters: Vec<ParameterJson> = from_json("parameters", &self.parameters)?;
        Ok(Function {
            id: id::<FunctionId>("function id", &self.id)?,
            schema,
            name: object_name(schemas, schema, &self.name)?,
            owner: id("owner", &self.owner)?,
            parameters: parameters.into_iter().map(ParameterJson::into_model).collect(),
            returns: self.returns,
            body: self.body,
            reads: ids_from_json("reads", &self.reads)?,
            comment: self.comment,
        })
    }
}

#[derive(FromRow)]
pub(super) struct GrantRow {
    securable_kind: String,
    securable_id: String,
    principal_id: String,
    privilege: String,
}

impl GrantRow {
    pub(super) fn into_model(self) -> Result<Grant, Error> {
        let text = self.securable_id.as_str();
        let securable = match self.securable_kind.as_str() {
            "METASTORE" => SecurableId::Metastore,
            "CATALOG" => SecurableId::Catalog(id("catalog id", text)?),
            "SCHEMA" => SecurableId::Schema(id("schema id", text)?),
            "TABLE" => SecurableId::Table(id("table id", text)?),
            "FUNCTION" => SecurableId::Function(id("function id", text)?),
            other => return Err(damaged("securable kind", other)),
        };
        let privilege =
            Privilege::parse(&self.privilege).ok_or_else(|| damaged("privilege", &self.privilege))?;
        Ok(Grant { principal: id("principal id", &self.principal_id)?, privilege, securable })
    }
}

/// The two columns that say which securable a grant is on.
pub(super) fn securable_cells(securable: SecurableId) -> (&'static str, String) {
    match securable {
        SecurableId::Metastore => ("METASTORE", String::new()),
        SecurableId::Catalog(id) => ("CATALOG", id.to_string()),
        SecurableId::Schema(id) => ("SCHEMA", id.to_string()),
        SecurableId::Table(id) => ("TABLE", id.to_string()),
        SecurableId::Function(id) => ("FUNCTION", id.to_string()),
    }
}

#[derive(FromRow)]
pub(super) struct AuditRow {
    event_time_us: i64,
    principal_id: Option<String>,
    action: String,
    securable: String,
    answer: String,
    because: String,
}

impl AuditRow {
    pub(super) fn into_model(self) -> Result<AuditEvent, Error> {
        Ok(AuditEvent {
            at: DateTime::from_timestamp_micros(self.event_time_us)
                .ok_or_else(|| damaged("event_time_us", &self.event_time_us.to_string()))?,
            by: self.principal_id.map(|text| id("principal id", &text)).transpose()?,
            action: self.action,
            securable: self.securable,
            answer: self.answer,
            because: self.because,
        })
    }
}
