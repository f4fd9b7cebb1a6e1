//! DESCRIBE TABLE EXTENDED … AS JSON: what the rows of DESCRIBE EXTENDED tell, as one document in the reference's keys.
//! What the caller may not know is left out here as it is there.

use arrow::datatypes::DataType;
use serde_json::{Map, Value, json};
use weir_catalog::{Column, ObjectName, Table, TableKind};

use super::{administers, require_description, require_text};
use crate::command::sight::Sight;
use crate::error::{Error, Result};
use crate::sql::{policy_text, types};
use crate::system::ServerTable;

/// The document of a table or view.
pub(super) fn document(sight: Sight<'_>, table: &Table, partitions: &[String]) -> Result<String> {
    require_description(sight, table)?;
    let mut told =
        head(&[&table.name.catalog, &table.name.schema, &table.name.object].map(ToString::to_string));
    let (kind, location) = match &table.kind {
        TableKind::Managed { location } => ("MANAGED", Some(location)),
        TableKind::External { location } => ("EXTERNAL", Some(location)),
        TableKind::View(_) => ("VIEW", None),
    };
    told.insert("type".to_owned(), json!(kind));
    if table.view().is_none() {
        told.insert("provider".to_owned(), json!("delta"));
        told.insert("partition_columns".to_owned(), json!(partitions));
    }
    told.insert("columns".to_owned(), Value::Array(table.columns.iter().map(column).collect::<Result<_>>()?));
    told.insert("owner".to_owned(), json!(sight.principal_name(table.owner)));
    told.insert("created_time".to_owned(), json!(table.stamps.created_at.to_rfc3339()));
    if let Some(comment) = &table.comment {
        told.insert("comment".to_owned(), json!(comment));
    }
    if !table.properties.is_empty() {
        told.insert("table_properties".to_owned(), json!(table.properties));
    }
    if let Some(key) = table.primary_key() {
        let columns: Vec<&str> = key.columns.iter().map(|column| column.name.as_str()).collect();
        let told_key =
            json!({ "name": key.name, "type": "PRIMARY KEY", "columns": columns, "enforced": false });
        told.insert("table_constraints".to_owned(), json!([told_key]));
    }
    if let Some(location) = location.filter(|_| administers(sight, table)) {
        told.insert("location".to_owned(), json!(location));
    }
    if administers(sight, table) || require_text(sight, table).is_ok() {
        tell_text_and_policies(sight, table, &mut told);
    }
    text(told)
}

/// The document of a table of the server's own.
pub(super) fn of_system(system: ServerTable, name: &ObjectName) -> Result<String> {
    let mut told = head(&[&name.catalog, &name.schema, &name.object].map(ToString::to_string));
    told.insert("type".to_owned(), json!(if system.is_view() { "VIEW" } else { "MANAGED" }));
    let columns = system.columns();
    let columns = columns.iter().map(|column| {
        json!({
            "name": column.name,
            "type": type_of(&column.data_type),
            "comment": column.meaning,
            "nullable": true,
        })
    });
    told.insert("columns".to_owned(), Value::Array(columns.collect()));
    text(told)
}

fn head(name: &[String; 3]) -> Map<String, Value> {
    let [catalog, schema, table] = name;
    let mut told = Map::new();
    told.insert("table_name".to_owned(), json!(table));
    told.insert("catalog_name".to_owned(), json!(catalog));
    told.insert("namespace".to_owned(), json!([schema]));
    told.insert("schema_name".to_owned(), json!(schema));
    told
}

fn text(told: Map<String, Value>) -> Result<String> {
    serde_json::to_string(&Value::Object(told)).map_err(Error::internal)
}

fn column(column: &Column) -> Result<Value> {
    let mut told = Map::new();
    told.insert("name".to_owned(), json!(column.name));
    let known = types::parse(&column.type_text)?;
    let told_type = match (known.length, known.text.split_once('(')) {
        (Some(length), Some((name, _))) => json!({ "name": name.to_lowercase(), "length": length }),
        _ => type_of(&known.arrow),
    };
    told.insert("type".to_owned(), told_type);
    if let Some(comment) = &column.comment {
        told.insert("comment".to_owned(), json!(comment));
    }
    told.insert("nullable".to_owned(), json!(column.nullable));
    Ok(Value::Object(told))
}

fn tell_text_and_policies(sight: Sight<'_>, table: &Table, told: &mut Map<String, Value>) {
    if let Some(view) = table.view() {
        told.insert("view_text".to_owned(), json!(view.text));
    }
    let name = |function| sight.snapshot.policy_function_name(function);
    if let Some(filter) = &table.row_filter {
        let of = json!({
            "function_name": name(filter.function),
            "arguments": policy_text::arguments(&filter.arguments),
        });
        told.insert("row_filter".to_owned(), of);
    }
    if !table.masks.is_empty() {
        let masks = table.masks.iter().map(|mask| {
            json!({
                "column_name": policy_text::place(mask),
                "function_name": name(mask.function),
                "using_columns": policy_text::arguments(&mask.arguments),
            })
        });
        told.insert("column_masks".to_owned(), Value::Array(masks.collect()));
    }
}

fn type_of(data_type: &DataType) -> Value {
    match data_type {
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                json!({
                    "name": field.name(),
                    "type": type_of(field.data_type()),
                    "nullable": field.is_nullable(),
                })
            });
            json!({ "name": "struct", "fields": fields.collect::<Vec<_>>() })
        }
        DataType::List(element) | DataType::LargeList(element) => json!({
            "name": "array",
            "element_type": type_of(element.data_type()),
            "element_nullable": element.is_nullable(),
        }),
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { return json!({ "name": "map" }) };
            let of = |at: usize| fields.get(at).map(|field| type_of(field.data_type()));
            json!({ "name": "map", "key_type": of(0), "value_type": of(1), "value_nullable": true })
        }
        DataType::Decimal128(precision, scale) => {
            json!({ "name": "decimal", "precision": precision, "scale": scale })
        }
        DataType::Timestamp(_, Some(_)) => json!({ "name": "timestamp_ltz" }),
        DataType::Timestamp(_, None) => json!({ "name": "timestamp_ntz" }),
        other => json!({ "name": types::text_of(other).to_lowercase() }),
    }
}
