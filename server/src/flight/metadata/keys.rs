//! GetPrimaryKeys, and the schemas of the answers about keys.
//!
//! A key is told to whom the table's columns are told: who may read, modify or administer it, or browse there.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow_flight::sql::CommandGetPrimaryKeys;
use weir_catalog::{Privilege, SecurableId, Snapshot, Table, authorize};

use super::{visible, within};
use crate::context::Context;
use crate::error::{Error, Result};

/// The keys of the tables of that name, in the order of their names.
pub(super) fn list(
    snapshot: &Snapshot,
    context: &Context,
    command: &CommandGetPrimaryKeys,
) -> Result<RecordBatch> {
    let caller = context.identity().principal();
    let told = |table: &&Table| {
        let privileges = [Privilege::Select, Privilege::Modify, Privilege::Manage, Privilege::Browse];
        let on = SecurableId::Table(table.id);
        privileges.iter().any(|privilege| authorize(snapshot, caller, *privilege, on).is_allowed())
    };
    let in_schema = |table: &&Table| {
        command.db_schema.as_ref().is_none_or(|schema| schema.to_lowercase() == table.name.schema.as_str())
    };
    let mut tables = match within(command.catalog.as_deref()) {
        Some(within) => visible(snapshot, context).tables(&within),
        None => Vec::new(),
    };
    let asked = command.table.to_lowercase();
    tables.retain(|table| table.name.object.as_str() == asked && in_schema(table) && told(table));
    tables.sort_by_key(|table| table.name.to_string());
    let mut texts: [Vec<String>; 5] = Default::default();
    let mut places = Vec::new();
    for table in tables {
        let Some(key) = table.primary_key() else { continue };
        for (place, column) in (1_i32..).zip(key.columns) {
            let name = &table.name;
            let of_row =
                [name.catalog.as_str(), name.schema.as_str(), name.object.as_str(), &column.name, key.name];
            for (column, text) in texts.iter_mut().zip(of_row) {
                column.push(text.to_owned());
            }
            places.push(place);
        }
    }
    let [catalogs, schemas, tables, columns, names] =
        texts.map(|texts| Arc::new(StringArray::from(texts)) as ArrayRef);
    let places = Arc::new(Int32Array::from(places));
    RecordBatch::try_new(primary(), vec![catalogs, schemas, tables, columns, places, names])
        .map_err(Error::internal)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn optional_text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

/// GetPrimaryKeys.
pub(super) fn primary() -> SchemaRef {
    Arc::new(Schema::new(vec![
        optional_text("catalog_name"),
        optional_text("db_schema_name"),
        text("table_name"),
        text("column_name"),
        Field::new("key_sequence", DataType::Int32, false),
        optional_text("key_name"),
    ]))
}

/// GetExportedKeys, GetImportedKeys and GetCrossReference.
pub(super) fn foreign() -> SchemaRef {
    Arc::new(Schema::new(vec![
        optional_text("pk_catalog_name"),
        optional_text("pk_db_schema_name"),
        text("pk_table_name"),
        text("pk_column_name"),
        optional_text("fk_catalog_name"),
        optional_text("fk_db_schema_name"),
        text("fk_table_name"),
        text("fk_column_name"),
        Field::new("key_sequence", DataType::Int32, false),
        optional_text("fk_key_name"),
        optional_text("pk_key_name"),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}
