//! Column-mapping ids: by what a table knows a column, and a field inside one, whatever they are called.

use std::collections::HashMap;

use deltalake::kernel::{DataType, MetadataValue, StructField, StructType};

use crate::pinned_table::{FIELD_ID, name_in_files};

/// The ids of a version's columns. A table without column mapping has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnIds {
    /// Of the columns, by name.
    pub columns: HashMap<String, i64>,
    /// Of the fields inside a column that has such, each before those inside it; by the column's name. A column of which a
    /// field has no id is not among them.
    pub inside: HashMap<String, Vec<i64>>,
}

impl ColumnIds {
    /// As the columns themselves say.
    pub(crate) fn of(columns: &StructType) -> Self {
        let mut ids = Self::default();
        for column in columns.fields() {
            let Some(id) = id_of(column) else { continue };
            let mut inside = Vec::new();
            let known = add_ids(column.data_type(), &mut inside);
            ids.put(column, id, known.map(|()| inside));
        }
        ids
    }

    /// Those that columns from before column mapping have in a later version: they are known by the names that files have
    /// them by.
    pub(crate) fn of_unmapped(columns: &StructType, later: &StructType, is_mapped: bool) -> Self {
        let mut ids = Self::default();
        for known in later.fields() {
            let column = columns.field(name_in_files(known, is_mapped));
            let (Some(column), Some(id)) = (column, id_of(known)) else { continue };
            let mut inside = Vec::new();
            let told = add_later_ids(column.data_type(), known.data_type(), is_mapped, &mut inside);
            ids.put(column, id, told.map(|()| inside));
        }
        ids
    }

    fn put(&mut self, column: &StructField, id: i64, inside: Option<Vec<i64>>) {
        self.columns.insert(column.name().clone(), id);
        if !matches!(column.data_type(), DataType::Primitive(_)) {
            self.inside.extend(inside.map(|inside| (column.name().clone(), inside)));
        }
    }
}

fn id_of(field: &StructField) -> Option<i64> {
    match field.metadata().get(FIELD_ID) {
        Some(MetadataValue::Number(id)) => Some(*id),
        _ => None,
    }
}

/// Adds the ids of the fields within a type; `None` where one has none.
fn add_ids(data_type: &DataType, ids: &mut Vec<i64>) -> Option<()> {
    match data_type {
        DataType::Struct(fields) => fields.fields().try_for_each(|field| {
            ids.push(id_of(field)?);
            add_ids(field.data_type(), ids)
        }),
        DataType::Array(array) => add_ids(array.element_type(), ids),
        DataType::Map(map) => {
            add_ids(map.key_type(), ids)?;
            add_ids(map.value_type(), ids)
        }
        DataType::Primitive(_) | DataType::Variant(_) => Some(()),
    }
}

/// Adds the ids that the fields within a type have in a `later` one; `None` where one is not there.
fn add_later_ids(data_type: &DataType, later: &DataType, is_mapped: bool, ids: &mut Vec<i64>) -> Option<()> {
    match (data_type, later) {
        (DataType::Struct(fields), DataType::Struct(later)) => fields.fields().try_for_each(|field| {
            let known = later.fields().find(|known| name_in_files(known, is_mapped) == field.name())?;
            ids.push(id_of(known)?);
            add_later_ids(field.data_type(), known.data_type(), is_mapped, ids)
        }),
        (DataType::Array(array), DataType::Array(later)) => {
            add_later_ids(array.element_type(), later.element_type(), is_mapped, ids)
        }
        (DataType::Map(map), DataType::Map(later)) => {
            add_later_ids(map.key_type(), later.key_type(), is_mapped, ids)?;
            add_later_ids(map.value_type(), later.value_type(), is_mapped, ids)
        }
        (DataType::Primitive(_), DataType::Primitive(_)) | (DataType::Variant(_), DataType::Variant(_)) => {
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn field(name: &str, id: i64, data_type: &Value) -> Value {
        let physical = format!("f{id}");
        let metadata = json!({FIELD_ID: id, "delta.columnMapping.physicalName": physical});
        json!({"name": name, "type": data_type, "nullable": true, "metadata": metadata})
    }

    fn plain(name: &str, data_type: &Value) -> Value {
        json!({"name": name, "type": data_type, "nullable": true, "metadata": {}})
    }

    fn structure(fields: &[Value]) -> Value {
        json!({"type": "struct", "fields": fields})
    }

    fn list(element: &Value) -> Value {
        json!({"type": "array", "elementType": element, "containsNull": true})
    }

    fn columns(fields: &[Value]) -> StructType {
        serde_json::from_value(structure(fields)).unwrap()
    }

    #[test]
    fn fields_inside_columns_are_told_by_id_at_every_depth() {
        let text = json!("string");
        let inner =
            structure(&[field("a", 4, &text), field("b", 5, &list(&structure(&[field("c", 6, &text)])))]);
        let ids = ColumnIds::of(&columns(&[
            field("id", 1, &text),
            field("deep", 2, &structure(&[field("x", 3, &inner), field("y", 7, &text)])),
            field("flat", 8, &list(&text)),
            field("torn", 9, &structure(&[field("x", 10, &text), plain("y", &text)])),
            plain("bare", &text),
        ]));
        assert_eq!(ids.columns.len(), 4);
        assert_eq!(ids.columns["torn"], 9);
        let mut inside: Vec<_> = ids.inside.into_iter().collect();
        inside.sort();
        assert_eq!(inside, [("deep".to_owned(), vec![3, 4, 5, 6, 7]), ("flat".to_owned(), Vec::new())]);
    }

    #[test]
    fn fields_from_before_column_mapping_are_known_by_the_names_in_files() {
        let text = json!("string");
        let before = columns(&[
            plain("f1", &text),
            plain("f2", &structure(&[plain("f4", &text), plain("f3", &text)])),
            plain("f5", &list(&structure(&[plain("gone", &text)]))),
            plain("other", &text),
        ]);
        let later = columns(&[
            field("id", 1, &text),
            field("home", 2, &structure(&[field("ssn", 3, &text), field("code", 4, &text)])),
            field("more", 5, &list(&structure(&[field("gone", 6, &text)]))),
        ]);
        let ids = ColumnIds::of_unmapped(&before, &later, true);
        assert_eq!((ids.columns.len(), ids.columns["f2"]), (3, 2));
        assert_eq!(ids.inside.into_iter().collect::<Vec<_>>(), [("f2".to_owned(), vec![4, 3])]);
    }
}
