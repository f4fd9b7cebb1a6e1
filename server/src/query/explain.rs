//! EXPLAIN and EXPLAIN ANALYZE, in our own words: the engine's would show what is inside leaves.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};

/// One column `plan`, a line a row.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, true)]))
}

/// The lines as rows.
pub fn rows(lines: Vec<String>) -> Result<RecordBatch> {
    let lines = lines.into_iter().map(Some).collect::<StringArray>();
    RecordBatch::try_new(schema(), vec![Arc::new(lines)]).map_err(Error::internal)
}
