//! DESCRIBE: what one thing is, as far as the caller may know.
//!
//! * columns: whoever has SELECT, MODIFY, MANAGE or BROWSE
//! * names of policies: whoever reads or administers the table
//! * location: whoever administers it
//! * what the commits did, sizes: whoever reads all of the table
//! * a function's body: whoever may call or administer it

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use weir_catalog::securable::{SecurableId, SecurableName};
use weir_catalog::{Function, ObjectName, Parameter, Privilege, Returns, Snapshot, Table, TableKind, TagKey};
use weir_scan::PinnedTable;

use super::listing::{Columns, Row, listing};
use super::session::is_system;
use super::show::partition_columns;
use super::sight::Sight;
use super::{Call, tag_policy};
use crate::error::convert::not_found;
use crate::error::{Condition, Error, Result};
use crate::query::dependents;
use crate::run::Outcome;
use crate::sql::{Describe, policy_text, types};
use crate::system::ServerTable;

mod detail;
mod history;
mod json;
mod storage;

pub(super) use storage::uses as uses_location;

/// The columns of a description.
pub(super) fn schema(describe: &Describe) -> SchemaRef {
    match describe {
        Describe::History { .. } => history::schema(),
        Describe::Detail(_) => detail::schema(),
        other => columns(other).schema(),
    }
}

/// The columns of a description that is a listing.
fn columns(describe: &Describe) -> Columns {
    match describe {
        Describe::History { .. } | Describe::Detail(_) => Columns::texts(&[]),
        Describe::Table { .. } => Columns::texts(&["col_name", "data_type", "comment"]),
        Describe::Json(_) => Columns::texts(&["json_metadata"]),
        Describe::Column { .. } => Columns::texts(&["info_name", "info_value"]),
        Describe::Policy { .. } | Describe::GovernedTag(_) | Describe::Catalog { .. } => {
            Columns::texts(&["info_name", "info_value"])
        }
        Describe::Schema { .. } => {
            Columns::texts(&["database_description_item", "database_description_value"])
        }
        Describe::Function { .. } => Columns::texts(&["function_desc"]),
        Describe::Volume(_)
        | Describe::ExternalLocation(_)
        | Describe::StorageCredential(_)
        | Describe::Metastore => Columns::texts(&["info_name", "info_value"]),
    }
}

pub(super) async fn run(call: Call<'_>, describe: &Describe) -> Result<Outcome> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let session = &call.context.session;
    let rows = match describe {
        Describe::Table { name, extended } => {
            let name = name.resolve(session)?;
            match system_table(sight, &name) {
                Some(system) => system_rows(system),
                None => table_rows(sight, sight.table(&name)?, *extended)?,
            }
        }
        Describe::History { name, limit } => {
            return history::run(call, sight, &snapshot, &name.resolve(session)?, *limit).await;
        }
        Describe::Detail(name) => return detail::run(call, sight, &snapshot, &name.resolve(session)?).await,
        Describe::Json(name) => vec![json_row(call, sight, &name.resolve(session)?).await?],
        Describe::Column { table, column } => {
            let name = table.resolve(session)?;
            match system_table(sight, &name) {
                Some(system) => column_of_system(system, &name, column)?,
                None => column_of_table(sight, sight.table(&name)?, column)?,
            }
        }
        Describe::Policy { name, scope } => tag_policy::description(call, sight, name, scope)?,
        Describe::GovernedTag(key) => governed_tag(sight, key)?,
        Describe::Catalog { name, extended } => {
            let named = SecurableName::Catalog(name.name.clone());
            sight.find(&named)?;
            let catalog = snapshot.catalog(&name.name).ok_or_else(|| not_found(&named))?;
            let owner = extended.then(|| sight.principal_name(catalog.owner));
            pairs([
                ("Catalog Name", Some(catalog.name.to_string())),
                ("Comment", catalog.comment.clone()),
                ("Owner", owner),
                ("Properties", property_list(&catalog.properties).filter(|_| *extended)),
            ])
        }
        Describe::Schema { name, extended } => {
            let name = name.resolve(session)?;
            let named = SecurableName::Schema(name.clone());
            sight.find(&named)?;
            let schema = snapshot.schema(&name).ok_or_else(|| not_found(&named))?;
            let owner = extended.then(|| sight.principal_name(schema.owner));
            pairs([
                ("Catalog Name", Some(name.catalog.to_string())),
                ("Namespace Name", Some(name.schema.to_string())),
                ("Comment", schema.comment.clone()),
                ("Owner", owner),
                ("Properties", property_list(&schema.properties).filter(|_| *extended)),
            ])
        }
        Describe::Function { name, extended } => {
            function_rows(sight, sight.function(&name.resolve(session)?)?, *extended)
        }
        Describe::Volume(name) => storage::volume(sight, &name.resolve(session)?)?,
        Describe::ExternalLocation(name) => storage::external_location(sight, name)?,
        Describe::StorageCredential(name) => storage::storage_credential(sight, name)?,
        Describe::Metastore => storage::metastore(sight),
    };
    listing(columns(describe), &rows)
}

/// The table that has a log, if the caller reads or administers it.
fn logged<'a>(sight: Sight<'a>, name: &ObjectName, statement: &str) -> Result<&'a Table> {
    let refused = |noun: &str| {
        let text = format!("`{name}` is a {noun}, and {statement} is about Delta tables");
        Err(Error::new(Condition::WrongCommandForObjectType, text))
    };
    if system_table(sight, name).is_some() {
        return refused("system table");
    }
    let table = sight.table(name)?;
    require_text(sight, table)?;
    match table.view() {
        Some(_) => refused("view"),
        None => Ok(table),
    }
}

/// Its newest version.
async fn opened(call: Call<'_>, table: &Table) -> Result<PinnedTable> {
    let location = call.environment.locations.of(table)?;
    let location = location.ok_or_else(|| Error::internal("a view has no files"))?;
    Ok(call.environment.tables.open(&location).await?)
}

/// Whether the caller reads all of the table: no policy takes anything from it. Who administers it without
/// reading it does not.
async fn reads_all(
    call: Call<'_>,
    sight: Sight<'_>,
    snapshot: &Arc<Snapshot>,
    table: &Table,
) -> Result<bool> {
    if !sight.may(Privilege::Select, SecurableId::Table(table.id)) {
        return Ok(false);
    }
    Ok(!call.environment.analysis.hides(call.context, snapshot, &table.name).await?)
}

async fn json_row(call: Call<'_>, sight: Sight<'_>, name: &ObjectName) -> Result<Row> {
    let document = match system_table(sight, name) {
        Some(system) => json::of_system(system, name)?,
        None => {
            let table = sight.table(name)?;
            require_description(sight, table)?;
            json::document(sight, table, &partition_columns(call, table).await?)?
        }
    };
    Ok(Row::of([document.as_str()]))
}

fn governed_tag(sight: Sight<'_>, key: &TagKey) -> Result<Vec<Row>> {
    let named = SecurableName::GovernedTag(key.clone());
    sight.find(&named)?;
    let tag = sight.snapshot.governed_tag(key).ok_or_else(|| not_found(&named))?;
    Ok(pairs([
        ("Tag Key", Some(tag.key.to_string())),
        ("Allowed Values", Some(tag.values.join(", ")).filter(|values| !values.is_empty())),
        ("Comment", tag.comment.clone()),
        ("Owner", Some(sight.principal_name(tag.owner))),
    ]))
}

/// The table of the server's own of that name, where the caller may know of its catalog.
pub(super) fn system_table(sight: Sight<'_>, name: &ObjectName) -> Option<ServerTable> {
    let catalog = SecurableName::Catalog(name.catalog.clone());
    let shown = is_system(name.catalog.as_str()) || sight.find(&catalog).is_ok();
    let find = || ServerTable::find(name.catalog.as_str(), name.schema.as_str(), name.object.as_str());
    shown.then(find).flatten()
}

/// Refuses who may not know the table's columns.
pub(super) fn require_description(sight: Sight<'_>, table: &Table) -> Result<()> {
    let privileges = [Privilege::Select, Privilege::Modify, Privilege::Manage, Privilege::Browse];
    sight.require_any(&privileges, SecurableId::Table(table.id), &SecurableName::Table(table.name.clone()))
}

/// Refuses who may not know the table's policies or a view's text.
pub(super) fn require_text(sight: Sight<'_>, table: &Table) -> Result<()> {
    let privileges = [Privilege::Select, Privilege::Manage];
    sight.require_any(&privileges, SecurableId::Table(table.id), &SecurableName::Table(table.name.clone()))
}

/// Whether the caller administers the table: as its owner, by MANAGE or by rank.
pub(super) fn administers(sight: Sight<'_>, table: &Table) -> bool {
    sight.may(Privilege::Manage, SecurableId::Table(table.id)) || sight.is_account_admin()
}

fn property_list(properties: &std::collections::BTreeMap<String, String>) -> Option<String> {
    let properties: Vec<String> = properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!properties.is_empty()).then(|| format!("[{}]", properties.join(",")))
}

fn pairs<const N: usize>(pairs: [(&str, Option<String>); N]) -> Vec<Row> {
    pairs.into_iter().filter_map(|(name, value)| value.map(|value| Row::of([name, &value]))).collect()
}

fn system_rows(system: ServerTable) -> Vec<Row> {
    let columns = system.columns();
    columns
        .iter()
        .map(|column| Row::of([column.name, &types::text_of(&column.data_type), column.meaning]))
        .collect()
}

fn table_rows(sight: Sight<'_>, table: &Table, extended: bool) -> Result<Vec<Row>> {
    require_description(sight, table)?;
    let mut rows: Vec<Row> = table
        .columns
        .iter()
        .map(|column| Row {
            texts: vec![Some(column.name.clone()), Some(column.type_text.clone()), column.comment.clone()],
            flags: Vec::new(),
        })
        .collect();
    if extended {
        rows.push(Row::of(["", "", ""]));
        rows.push(Row::of(["# Detailed Table Information", "", ""]));
        rows.extend(
            details(sight, table).into_iter().map(|(name, value)| Row::of([name.as_str(), &value, ""])),
        );
    }
    Ok(rows)
}

/// One column. What values it has is not told: that would be of rows that policies hide.
fn column_of_table(sight: Sight<'_>, table: &Table, column: &str) -> Result<Vec<Row>> {
    require_description(sight, table)?;
    let found = table.column(column).ok_or_else(|| no_column(&table.name, column))?;
    Ok(column_rows(&found.name, &found.type_text, found.comment.as_deref()))
}

fn column_of_system(system: ServerTable, name: &ObjectName, column: &str) -> Result<Vec<Row>> {
    let columns = system.columns();
    let found = columns.iter().find(|known| known.name.to_lowercase() == column.to_lowercase());
    let found = found.ok_or_else(|| no_column(name, column))?;
    Ok(column_rows(found.name, &types::text_of(&found.data_type), Some(found.meaning)))
}

fn column_rows(name: &str, type_text: &str, comment: Option<&str>) -> Vec<Row> {
    pairs([
        ("col_name", Some(name.to_owned())),
        ("data_type", Some(type_text.to_owned())),
        ("comment", Some(comment.unwrap_or("NULL").to_owned())),
    ])
}

fn no_column(table: &ObjectName, column: &str) -> Error {
    Error::new(Condition::UnresolvedColumn, format!("column `{column}` is not in table `{table}`"))
        .with_hint("DESCRIBE TABLE lists the columns")
}

pub(super) fn details(sight: Sight<'_>, table: &Table) -> Vec<(String, String)> {
    let (kind, provider, location) = match &table.kind {
        TableKind::Managed { location } => ("MANAGED", Some("delta"), Some(location)),
        TableKind::External { location } => ("EXTERNAL", Some("delta"), Some(location)),
        TableKind::View(_) => ("VIEW", None, None),
    };
    let administers = administers(sight, table);
    let reads = administers || require_text(sight, table).is_ok();
    let view_text = match &table.kind {
        TableKind::View(definition) if reads => Some(definition.text.clone()),
        _ => None,
    };
    let rows = [
        ("Catalog", Some(table.name.catalog.to_string())),
        ("Database", Some(table.name.schema.to_string())),
        ("Table", Some(table.name.object.to_string())),
        ("Owner", Some(sight.principal_name(table.owner))),
        ("Created Time", Some(table.stamps.created_at.to_rfc3339())),
        ("Type", Some(kind.to_owned())),
        ("Provider", provider.map(str::to_owned)),
        ("Comment", table.comment.clone()),
        ("Table Properties", property_list(&table.properties)),
        ("Location", location.filter(|_| administers).cloned()),
        ("View Text", view_text),
    ];
    let mut rows: Vec<(String, String)> =
        rows.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect();
    if let Some(key) = table.primary_key() {
        rows.push(("# Constraints".to_owned(), String::new()));
        rows.push((key.name.to_owned(), policy_text::primary_key(&key)));
    }
    if reads {
        rows.extend(policies(sight, table));
    }
    rows
}

/// The table's policies by the names of their functions.
fn policies(sight: Sight<'_>, table: &Table) -> Vec<(String, String)> {
    let name = |function| sight.snapshot.policy_function_name(function);
    let mut rows = Vec::new();
    if let Some(filter) = &table.row_filter {
        let text = format!("{} ON ({})", name(filter.function), policy_text::arguments(&filter.arguments));
        rows.push(("Row Filter".to_owned(), text));
    }
    if !table.masks.is_empty() {
        rows.push(("# Column Masks".to_owned(), String::new()));
    }
    for mask in &table.masks {
        let mut text = name(mask.function);
        if !mask.arguments.is_empty() {
            text.push_str(&format!(" USING COLUMNS ({})", policy_text::arguments(&mask.arguments)));
        }
        rows.push((policy_text::place(mask), text));
    }
    rows
}

/// The width of the labels before what a function is.
const LABEL_WIDTH: usize = 15;

fn function_rows(sight: Sight<'_>, function: &Function, extended: bool) -> Vec<Row> {
    let id = SecurableId::Function(function.id);
    let reads = sight.may(Privilege::Execute, id) || sight.may(Privilege::Manage, id);
    let (kind, returns) = match &function.returns {
        Returns::Scalar(text) => ("SCALAR", vec![text.clone()]),
        Returns::Table(columns) => ("TABLE", columns.iter().map(|column| field(column, extended)).collect()),
    };
    let mut parts = vec![
        ("Function:", vec![function.name.to_string()]),
        ("Type:", vec![kind.to_owned()]),
        ("Input:", function.parameters.iter().map(|parameter| field(parameter, extended)).collect()),
        ("Returns:", returns),
    ];
    parts.extend(function.comment.clone().map(|comment| ("Comment:", vec![comment])));
    if extended {
        let data = dependents::reads_data(sight.snapshot, &function.reads, &function.calls);
        parts.extend([
            ("Deterministic:", vec!["true".to_owned()]),
            ("Data Access:", vec![if data { "READS SQL DATA" } else { "CONTAINS SQL" }.to_owned()]),
            ("Owner:", vec![sight.principal_name(function.owner)]),
            ("Create Time:", vec![function.stamps.created_at.to_rfc3339()]),
        ]);
        parts.extend(reads.then(|| ("Body:", vec![function.body.clone()])));
    }
    let lines = parts.into_iter().flat_map(|(label, values)| {
        let values = if values.is_empty() { vec!["()".to_owned()] } else { values };
        values.into_iter().enumerate().map(move |(position, value)| {
            let label = if position == 0 { label } else { "" };
            format!("{label:LABEL_WIDTH$}{value}")
        })
    });
    lines.map(|line| Row::of([line.as_str()])).collect()
}

/// A parameter, or a column of a function's rows.
fn field(field: &Parameter, extended: bool) -> String {
    let default = field.default.as_ref().map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    let comment = field.comment.as_ref().filter(|_| extended).map(|comment| format!(" '{comment}'"));
    format!("{} {}{default}{}", field.name, field.type_text, comment.unwrap_or_default())
}
