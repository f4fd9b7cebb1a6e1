//! Between Arrow's types and those of a Delta table.
//!
//! Outwards a table has plain types: no views, no dictionaries, no metadata of formats on its fields. Inwards the many
//! Arrow types of one kind become the one that Delta has; a type without counterpart is refused by column name.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, Result};
use crate::text_length;

/// The same columns without metadata of Delta or Parquet.
pub(crate) fn without_metadata(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(plain_fields(schema.fields())))
}

fn plain_fields(fields: &Fields) -> Fields {
    fields.iter().map(plain_field).collect()
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(plain_fields(fields)),
        DataType::List(item) => DataType::List(plain_field(item)),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

/// The columns as they are read: strings as views, which decoding and filtering copy less of.
pub(crate) fn as_read(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

/// The same columns, each of which may be NULL.
pub(crate) fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

/// The columns as a Delta table can hold them, and the lengths that bound texts.
pub(crate) fn for_delta(schema: &Schema) -> Result<SchemaRef> {
    let fields =
        schema.fields().iter().map(|field| delta_field(field, field.name())).collect::<Result<Fields>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn delta_field(field: &FieldRef, column: &str) -> Result<FieldRef> {
    let data_type = delta_type(field.data_type(), column)?;
    Ok(Arc::new(
        Field::new(field.name(), data_type, field.is_nullable()).with_metadata(text_length::kept(field)),
    ))
}

fn delta_type(data_type: &DataType, column: &str) -> Result<DataType> {
    Ok(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => delta_type(value, column)?,
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| delta_field(field, column)).collect::<Result<_>>()?)
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            DataType::List(delta_field(item, column)?)
        }
        DataType::Map(entries, sorted) => DataType::Map(delta_field(entries, column)?, *sorted),
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Decimal128(..) => data_type.clone(),
        other => {
            return Err(Error::UnsupportedType { column: column.to_owned(), data_type: other.to_string() });
        }
    })
}
