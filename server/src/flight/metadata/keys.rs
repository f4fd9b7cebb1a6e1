//! Schemas of the answers about keys.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

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
