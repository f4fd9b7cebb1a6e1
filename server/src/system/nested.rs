//! Arrays of nested types: structs of which a row fills a few fields, and maps of text. The
//! names inside are those of Delta's Arrow form, so nothing is cast on the way to and from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, MapBuilder, MapFieldNames, StringArray, StringBuilder, StructArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

/// A struct type whose fields may all be null.
pub(crate) fn structure(fields: Vec<(&str, DataType)>) -> DataType {
    DataType::Struct(fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect())
}

/// A struct type whose fields are all text.
pub(crate) fn structure_of_text(names: &[&'static str]) -> DataType {
    structure(names.iter().map(|name| (*name, DataType::Utf8)).collect())
}

/// The type of a list of text.
pub(crate) fn list_of_text() -> DataType {
    DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))
}

/// The type of a map from text to text.
pub(crate) fn map_of_text() -> DataType {
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

/// Maps of text, one for each row.
pub(crate) fn maps<'a>(
    rows: impl Iterator<Item = &'a BTreeMap<String, String>>,
) -> Result<ArrayRef, ArrowError> {
    let names =
        MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in row {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true)?;
    }
    Ok(Arc::new(builder.finish()))
}

/// Structs of `data_type`, `rows` of them, of which only the `filled` fields are not null.
pub(crate) fn structs(
    data_type: &DataType,
    rows: usize,
    filled: Vec<(&str, ArrayRef)>,
) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(fields) = data_type else {
        return Err(ArrowError::SchemaError(format!("{data_type} is no struct")));
    };
    if let Some((unknown, _)) = filled.iter().find(|(name, _)| fields.find(name).is_none()) {
        return Err(ArrowError::SchemaError(format!("{data_type} has no field `{unknown}`")));
    }
    let columns = fields.iter().map(|field| {
        let given = filled.iter().find(|(name, _)| name == field.name());
        given.map_or_else(|| new_null_array(field.data_type(), rows), |(_, column)| Arc::clone(column))
    });
    let columns: Vec<ArrayRef> = columns.collect();
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))
}

/// Text, one for each row.
pub(crate) fn text<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(rows.collect::<StringArray>())
}

/// The same text on each row.
pub(crate) fn same_text(value: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows)))
}

/// Truth values, one for each row.
pub(crate) fn truths(rows: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(rows.collect::<BooleanArray>())
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn struct_of_an_unknown_field_is_refused() {
        let data_type = structure_of_text(&["run_as"]);
        assert!(structs(&data_type, 1, vec![("ran_as", same_text("x", 1))]).is_err());
        let filled = structs(&data_type, 1, vec![("run_as", same_text("x", 1))]);
        assert_eq!(filled.map(|array| array.data_type() == &data_type).ok(), Some(true));
    }
}
