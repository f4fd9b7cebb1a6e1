//! Metadata commands: what is there, for this caller.
//!
//! What one may not see is not listed. Answers are made when they are fetched, from the
//! catalog of that moment. Every schema is the protocol's, nullability included: drivers
//! compare.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use weir_catalog::{Name, Snapshot, Visible, Within};

use super::Door;
use super::call::Call;
use super::command::Metadata;
use super::{sql_info, type_info};
use crate::context::Context;
use crate::error::{Error, Result};

mod catalogs;
mod keys;
mod pattern;
mod schemas;
mod tables;

/// The catalog of the server's own books; it stands in no store.
pub(crate) const SYSTEM_CATALOG: &str = "system";

impl Metadata {
    /// The schema of the answer.
    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            Metadata::Catalogs(command) => command.into_builder().schema(),
            Metadata::DbSchemas(command) => command.clone().into_builder().schema(),
            Metadata::Tables(command) => command.clone().into_builder().schema(),
            Metadata::TableTypes(command) => command.into_builder().schema(),
            Metadata::PrimaryKeys(_) => keys::primary(),
            Metadata::ExportedKeys(_) | Metadata::ImportedKeys(_) | Metadata::CrossReference(_) => {
                keys::foreign()
            }
            Metadata::SqlInfo(_) => sql_info::schema(),
            Metadata::XdbcTypeInfo(_) => type_info::schema(),
        }
    }
}

impl Door {
    pub(crate) async fn metadata(&self, call: &Call, command: Metadata) -> Result<RecordBatch> {
        let schema = command.schema();
        match command {
            Metadata::Catalogs(command) => {
                catalogs::list(&*self.warehouse.snapshot_for(&call.context).await?, &call.context, command)
            }
            Metadata::DbSchemas(command) => schemas::list(&self.warehouse, &call.context, command).await,
            Metadata::Tables(command) => tables::list(&self.warehouse, &call.context, command).await,
            Metadata::TableTypes(command) => tables::types(command),
            Metadata::PrimaryKeys(command) => {
                keys::list(&*self.warehouse.snapshot_for(&call.context).await?, &call.context, &command)
            }
            // No key refers to another; the answer is empty, and an answer
            Metadata::ExportedKeys(_) | Metadata::ImportedKeys(_) | Metadata::CrossReference(_) => {
                Ok(RecordBatch::new_empty(schema))
            }
            Metadata::SqlInfo(command) => sql_info::answer(&self.sql_info, command),
            Metadata::XdbcTypeInfo(command) => {
                command.into_builder(&self.type_info).build().map_err(Error::internal)
            }
        }
    }
}

/// What the caller may be told of.
fn visible<'a>(snapshot: &'a Snapshot, context: &Context) -> Visible<'a> {
    Visible::new(snapshot, context.identity().principal())
}

/// What the catalog filter of a command narrows a listing to; `None` if nothing can fulfil it.
fn within(filter: Option<&str>) -> Option<Within> {
    let catalog = filter.map(Name::new).transpose().ok()?;
    Some(Within { catalog, ..Within::default() })
}

/// The catalogs of the caller that fulfil the filter, `system` among them: each shows tables of the
/// server's own.
fn catalogs_of(snapshot: &Snapshot, context: &Context, filter: Option<&str>) -> Vec<String> {
    let Some(within) = within(filter) else { return Vec::new() };
    let seen = visible(snapshot, context).catalogs(&within);
    let mut names: Vec<String> = seen.into_iter().map(|catalog| catalog.name.to_string()).collect();
    if catalog_matches(filter, SYSTEM_CATALOG) {
        names.push(SYSTEM_CATALOG.to_owned());
    }
    names
}

/// Whether the catalog filter of a command lets `catalog` pass: exact, but for case, which
/// names do not have. An empty filter asks for what has no catalog, and nothing has none.
fn catalog_matches(filter: Option<&str>, catalog: &str) -> bool {
    filter.is_none_or(|filter| filter.to_lowercase() == catalog)
}
