//! DESCRIBE QUERY: the columns that a query would give. It is planned for the caller and not run.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::sql::types;

/// The columns of the answer.
pub(super) fn schema() -> SchemaRef {
    let names = ["col_name", "data_type", "comment"];
    Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Utf8, true)).to_vec()))
}

/// A row for each column of a query's `columns`.
pub(super) fn rows(columns: &Schema) -> Result<RecordBatch> {
    let fields = columns.fields();
    let names: StringArray = fields.iter().map(|field| Some(field.name().as_str())).collect();
    let types: StringArray = fields.iter().map(|field| Some(types::text_of(field.data_type()))).collect();
    let comments: StringArray = fields.iter().map(|_| None::<&str>).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(types), Arc::new(comments)];
    RecordBatch::try_new(schema(), columns).map_err(Error::internal)
}
