//! Row ↔ model. The only place in the crate where things are (de)serialised.
//!
//! Nested values are JSON text; the structs of `rows/nested.rs` and `rows/tag_policy.rs` spell its shape,
//! so that renaming a field of the model cannot change what is stored. A value that cannot be read back is
//! an error that names it, never a default.

mod access_token;
mod grant;
pub(crate) mod nested;
mod securable;
pub(crate) mod tag_policy;
mod trail;

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;

use super::Error;
use crate::function::{Function, Parameter, Returns};
use crate::id::FunctionId;
use crate::name::{Name, ObjectName, SchemaName};
use crate::policy_test::{Expectation, PolicyTest};
use crate::principal::{Principal, PrincipalKind};
use crate::securable::{
    Catalog, ExternalLocation, Schema, StorageCredential, Table, TableKind, ViewDefinition, Volume,
    VolumeKind,
};
use crate::stamps::Stamps;
use crate::tag::{GovernedTag, TagKey, Tags};
use crate::tag_policy::TagPolicy;
pub(super) use access_token::{AccessTokenRow, digest_cell};
use grant::privilege;
pub(super) use grant::{GrantRow, effect_cell};
use nested::{ColumnJson, ExpectationJson, FilterJson, MaskJson, ParameterJson};
pub(super) use securable::{securable_cells, securable_id};
use tag_policy::TagPolicyJson;
pub(super) use trail::{AccessRequestRow, AuditRow, NumberedAuditRow, origin_to_json, privileges_to_json};

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

fn moment(what: &'static str, micros: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| damaged(what, &micros.to_string()))
}

/// The columns that say when and by whom.
#[derive(FromRow)]
struct StampCells {
    created_at_us: i64,
    created_by: String,
    altered_at_us: i64,
    altered_by: String,
}

impl StampCells {
    fn into_model(self) -> Result<Stamps, Error> {
        Ok(Stamps {
            created_at: moment("created_at_us", self.created_at_us)?,
            created_by: id("created_by", &self.created_by)?,
            altered_at: moment("altered_at_us", self.altered_at_us)?,
            altered_by: id("altered_by", &self.altered_by)?,
        })
    }
}

pub(super) fn tags_to_json(tags: &Tags) -> Result<String, Error> {
    to_json(&tags.iter().map(|(key, value)| (key.as_str(), value)).collect::<BTreeMap<_, _>>())
}

fn tag_key(text: &str) -> Result<TagKey, Error> {
    let key = TagKey::new(text).map_err(|_| damaged("tag key", text))?;
    if key.as_str() == text { Ok(key) } else { Err(damaged("tag key", text)) }
}

fn tags_of(tags: BTreeMap<String, String>) -> Result<Tags, Error> {
    tags.into_iter().map(|(key, value)| Ok((tag_key(&key)?, value))).collect()
}

fn tags_from_json(text: &str) -> Result<Tags, Error> {
    tags_of(from_json("tags", text)?)
}

pub(super) fn texts_to_json(properties: &BTreeMap<String, String>) -> Result<String, Error> {
    to_json(properties)
}

fn properties(text: &str) -> Result<BTreeMap<String, String>, Error> {
    from_json("properties", text)
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
    properties: String,
    tags: String,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl CatalogRow {
    pub(super) fn into_model(self) -> Result<Catalog, Error> {
        Ok(Catalog {
            id: id("catalog id", &self.id)?,
            name: stored_name(&self.name)?,
            owner: id("owner", &self.owner)?,
            comment: self.comment,
            properties: properties(&self.properties)?,
            tags: tags_from_json(&self.tags)?,
            stamps: self.stamps.into_model()?,
        })
    }
}

/// A schema with its catalog's name.
#[derive(FromRow)]
pub(super) struct SchemaRow {
    id: String,
    catalog_id: String,
    name: String,
    catalog_name: String,
    owner: String,
    comment: Option<String>,
    properties: String,
    tags: String,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl SchemaRow {
    pub(super) fn into_model(self) -> Result<Schema, Error> {
        Ok(Schema {
            id: id("schema id", &self.id)?,
            catalog: id("catalog id", &self.catalog_id)?,
            name: SchemaName { catalog: stored_name(&self.catalog_name)?, schema: stored_name(&self.name)? },
            owner: id("owner", &self.owner)?,
            comment: self.comment,
            properties: properties(&self.properties)?,
            tags: tags_from_json(&self.tags)?,
            stamps: self.stamps.into_model()?,
        })
    }
}

/// The columns that say where in the tree an object is, with the names on the way.
#[derive(FromRow)]
struct PlaceCells {
    schema_id: String,
    name: String,
    schema_name: String,
    catalog_name: String,
}

impl PlaceCells {
    fn name(&self) -> Result<ObjectName, Error> {
        Ok(ObjectName {
            catalog: stored_name(&self.catalog_name)?,
            schema: stored_name(&self.schema_name)?,
            object: stored_name(&self.name)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct TableRow {
    id: String,
    #[sqlx(flatten)]
    place: PlaceCells,
    owner: String,
    kind: String,
    location: Option<String>,
    view_text: Option<String>,
    view_tests_identity: Option<bool>,
    view_reads: Option<String>,
    view_calls: Option<String>,
    columns: String,
    row_filter: Option<String>,
    masks: String,
    properties: String,
    comment: Option<String>,
    tags: String,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl TableRow {
    pub(super) fn into_model(self) -> Result<Table, Error> {
        let columns: Vec<ColumnJson> = from_json("columns", &self.columns)?;
        let masks: Vec<MaskJson> = from_json("masks", &self.masks)?;
        let row_filter = match &self.row_filter {
            Some(text) => Some(from_json::<FilterJson>("row filter", text)?.into_model()?),
            None => None,
        };
        Ok(Table {
            id: id("table id", &self.id)?,
            schema: id("schema id", &self.place.schema_id)?,
            name: self.place.name()?,
            owner: id("owner", &self.owner)?,
            kind: self.table_kind()?,
            columns: columns.into_iter().map(ColumnJson::into_model).collect::<Result<_, _>>()?,
            row_filter,
            masks: masks.into_iter().map(MaskJson::into_model).collect::<Result<_, _>>()?,
            properties: properties(&self.properties)?,
            comment: self.comment,
            tags: tags_from_json(&self.tags)?,
            stamps: self.stamps.into_model()?,
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
                // Views stored before calls were kept call no function.
                calls: ids_from_json("view_calls", self.view_calls.as_deref().unwrap_or("[]"))?,
            })),
            other => Err(damaged("table kind", other)),
        }
    }
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
    pub(super) view_calls: Option<String>,
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
            view_calls: None,
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
                cells.view_calls = Some(ids_to_json(&view.calls)?);
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

/// The two columns that say what a function gives.
pub(super) fn returns_cells(returns: &Returns) -> Result<(String, Option<String>), Error> {
    Ok(match returns {
        Returns::Scalar(text) => (text.clone(), None),
        Returns::Table(columns) => (String::new(), Some(parameters_to_json(columns)?)),
    })
}

fn parameters_from_json(what: &'static str, text: &str) -> Result<Vec<Parameter>, Error> {
    let parameters: Vec<ParameterJson> = from_json(what, text)?;
    Ok(parameters.into_iter().map(ParameterJson::into_model).collect())
}

#[derive(FromRow)]
pub(super) struct FunctionRow {
    id: String,
    #[sqlx(flatten)]
    place: PlaceCells,
    owner: String,
    parameters: String,
    returns: String,
    returns_table: Option<String>,
    body: String,
    reads: String,
    calls: String,
    comment: Option<String>,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl FunctionRow {
    pub(super) fn into_model(self) -> Result<Function, Error> {
        Ok(Function {
            id: id::<FunctionId>("function id", &self.id)?,
            schema: id("schema id", &self.place.schema_id)?,
            name: self.place.name()?,
            owner: id("owner", &self.owner)?,
            parameters: parameters_from_json("parameters", &self.parameters)?,
            returns: match &self.returns_table {
                None => Returns::Scalar(self.returns),
                Some(columns) => Returns::Table(parameters_from_json("returns_table", columns)?),
            },
            body: self.body,
            reads: ids_from_json("reads", &self.reads)?,
            calls: ids_from_json("calls", &self.calls)?,
            comment: self.comment,
            stamps: self.stamps.into_model()?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct VolumeRow {
    id: String,
    #[sqlx(flatten)]
    place: PlaceCells,
    owner: String,
    kind: String,
    location: String,
    comment: Option<String>,
    tags: String,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl VolumeRow {
    pub(super) fn into_model(self) -> Result<Volume, Error> {
        let location = self.location;
        Ok(Volume {
            id: id("volume id", &self.id)?,
            schema: id("schema id", &self.place.schema_id)?,
            name: self.place.name()?,
            owner: id("owner", &self.owner)?,
            kind: match self.kind.as_str() {
                "MANAGED" => VolumeKind::Managed { location },
                "EXTERNAL" => VolumeKind::External { location },
                other => return Err(damaged("volume kind", other)),
            },
            comment: self.comment,
            tags: tags_from_json(&self.tags)?,
            stamps: self.stamps.into_model()?,
        })
    }
}

/// The two columns that say where a volume's files are.
pub(super) fn volume_cells(kind: &VolumeKind) -> (&'static str, &str) {
    match kind {
        VolumeKind::Managed { location } => ("MANAGED", location),
        VolumeKind::External { location } => ("EXTERNAL", location),
    }
}

#[derive(FromRow)]
pub(super) struct ExternalLocationRow {
    id: String,
    name: String,
    url: String,
    credential_id: Option<String>,
    owner: String,
    comment: Option<String>,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl ExternalLocationRow {
    pub(super) fn into_model(self) -> Result<ExternalLocation, Error> {
        Ok(ExternalLocation {
            id: id("external location id", &self.id)?,
            name: stored_name(&self.name)?,
            url: self.url,
            credential: self.credential_id.map(|text| id("storage credential id", &text)).transpose()?,
            owner: id("owner", &self.owner)?,
            comment: self.comment,
            stamps: self.stamps.into_model()?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct StorageCredentialRow {
    id: String,
    name: String,
    owner: String,
    comment: Option<String>,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl StorageCredentialRow {
    pub(super) fn into_model(self) -> Result<StorageCredential, Error> {
        Ok(StorageCredential {
            id: id("storage credential id", &self.id)?,
            name: stored_name(&self.name)?,
            owner: id("owner", &self.owner)?,
            comment: self.comment,
            stamps: self.stamps.into_model()?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct GovernedTagRow {
    id: String,
    tag_key: String,
    tag_values: String,
    owner: String,
    comment: Option<String>,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl GovernedTagRow {
    pub(super) fn into_model(self) -> Result<GovernedTag, Error> {
        Ok(GovernedTag {
            id: id("governed tag id", &self.id)?,
            key: tag_key(&self.tag_key)?,
            values: from_json("tag_values", &self.tag_values)?,
            owner: id("owner", &self.owner)?,
            comment: self.comment,
            stamps: self.stamps.into_model()?,
        })
    }
}

pub(super) fn values_to_json(values: &[String]) -> Result<String, Error> {
    to_json(&values)
}

#[derive(FromRow)]
pub(super) struct TagPolicyRow {
    id: String,
    scope_kind: String,
    scope_id: String,
    name: String,
    definition: String,
    comment: Option<String>,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl TagPolicyRow {
    pub(super) fn into_model(self) -> Result<TagPolicy, Error> {
        let definition: TagPolicyJson = from_json("tag policy", &self.definition)?;
        definition.into_model(
            id("tag policy id", &self.id)?,
            stored_name(&self.name)?,
            securable_id(&self.scope_kind, &self.scope_id)?,
            self.comment,
            self.stamps.into_model()?,
        )
    }
}

pub(super) fn tag_policy_to_json(policy: &TagPolicy) -> Result<String, Error> {
    to_json(&TagPolicyJson::of(policy))
}

#[derive(FromRow)]
pub(super) struct PolicyTestRow {
    id: String,
    name: String,
    as_user: String,
    query: String,
    expectation: String,
    owner: String,
    comment: Option<String>,
    #[sqlx(flatten)]
    stamps: StampCells,
}

impl PolicyTestRow {
    pub(super) fn into_model(self) -> Result<PolicyTest, Error> {
        let expectation: ExpectationJson = from_json("expectation", &self.expectation)?;
        Ok(PolicyTest {
            id: id("policy test id", &self.id)?,
            name: stored_name(&self.name)?,
            as_user: id("principal id", &self.as_user)?,
            query: self.query,
            expectation: expectation.into_model(),
            owner: id("owner", &self.owner)?,
            comment: self.comment,
            stamps: self.stamps.into_model()?,
        })
    }
}

pub(super) fn expectation_to_json(expectation: &Expectation) -> Result<String, Error> {
    to_json(&ExpectationJson::of(expectation))
}
