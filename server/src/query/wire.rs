//! Wire types: what leaves the server is plain Arrow that every driver reads.
//!
//! Inside, strings may be views, columns dictionaries and numbers unsigned; JDBC, ODBC, Grafana and older ADBC
//! drivers know none of these. [`wire_schema`] maps a schema to the types that go out, at any depth,
//! and strips all metadata (a Delta log's expressions stand there); [`to_wire`] casts a batch
//! to exactly that schema, nullability included: drivers compare the announced schema with the
//! one of the stream and refuse on a difference.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, UnionFields};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{Condition, Error, Result};
use crate::query::write::assigned::open;

/// The schema as it goes out: wire types, the same names and nullability, no metadata.
pub fn wire_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(wire_fields(schema.fields())))
}

/// Casts `batch` to `schema`, which [`wire_schema`] made. Columns that are of the right type
/// are passed on untouched. Columns correspond by position.
pub fn to_wire(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let rows = batch.num_rows();
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| to_type(column, field.data_type()))
        .collect::<Result<Vec<_>>>()?;
    let mut pairs = columns.iter().zip(schema.fields());
    if let Some((_, field)) = pairs.find(|(column, field)| !field.is_nullable() && column.null_count() > 0) {
        let text = format!("column `{}` is NOT NULL and a row has NULL there", field.name());
        return Err(Error::new(Condition::ConstraintViolated, text));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(Error::internal)
}

fn to_type(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    if column.data_type() == wanted {
        return Ok(Arc::clone(column));
    }
    // a value that does not fit must be an error, never a silent NULL
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(column, wanted, &options).map_err(|_| {
        if wanted.is_nested() && cast_with_options(column, &open(wanted), &options).is_ok() {
            let text = "a field or element within a value is NOT NULL and a row has NULL there";
            return Error::new(Condition::ConstraintViolated, text);
        }
        // The engine's own text has the value.
        Error::new(
            Condition::ArithmeticError,
            format!("a value does not fit {wanted}, as which results have it"),
        )
        .with_hint("cast the column to DECIMAL(20, 0), or to another type that all values fit")
    })
}

fn wire_fields(fields: &Fields) -> Fields {
    fields.iter().map(wire_field).collect()
}

fn wire_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), wire_type(field.data_type()), field.is_nullable()))
}

fn wire_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        // SQL has no unsigned numbers.
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Dictionary(_, value) => wire_type(value),
        DataType::RunEndEncoded(_, value) => wire_type(value.data_type()),
        DataType::List(item) | DataType::ListView(item) => DataType::List(wire_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(wire_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(wire_field(item), *length),
        DataType::Struct(fields) => DataType::Struct(wire_fields(fields)),
        DataType::Map(entries, sorted) => DataType::Map(wire_field(entries), *sorted),
        DataType::Union(fields, mode) => {
            let fields: UnionFields = fields.iter().map(|(id, field)| (id, wire_field(field))).collect();
            DataType::Union(fields, *mode)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
