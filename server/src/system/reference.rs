//! The reference of the system tables as a document, made from the schemas themselves.

use std::fmt::Write as _;

use arrow::datatypes::{DataType, Fields};

use super::information_schema::Reach;
use super::{SYSTEM_CATALOG, ServerTable};

/// The document: each table with its columns, SQL types and meanings.
pub fn markdown() -> String {
    let mut text = String::from("# System tables\n\nAll columns may be null.\n");
    for table in ServerTable::all_in(SYSTEM_CATALOG) {
        text.push_str(&format!(
            "\n## {}system.{}.{}\n\n{}\n\n{}\n\n| column | type | meaning |\n|---|---|---|\n",
            if shown_everywhere(table) { "every catalog, here " } else { "" },
            table.schema(),
            table.table(),
            table.meaning(),
            whose(table),
        ));
        for column in table.columns() {
            text.push_str(&format!(
                "| `{}` | {} | {} |\n",
                column.name,
                sql_type(&column.data_type),
                column.meaning
            ));
        }
    }
    text
}

fn shown_everywhere(table: ServerTable) -> bool {
    matches!(table, ServerTable::Information(view) if view.reach == Reach::Catalog)
}

/// Who sees which rows.
fn whose(table: ServerTable) -> String {
    match table {
        ServerTable::Book(name) => {
            let owner = name.owner_column();
            let field = owner.field.map(|field| format!(".{field}")).unwrap_or_default();
            let admins =
                if name.is_of_the_metastore() { "account and metastore admins" } else { "account admins" };
            format!("Users see the rows whose `{}{field}` is their name, {admins} all rows.", owner.column)
        }
        ServerTable::Information(_) => "Everybody sees the rows about what they may know of.".to_owned(),
    }
}

fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "string".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Struct(fields) => format!("struct<{}>", sql_fields(fields)),
        DataType::List(element) => format!("array<{}>", sql_type(element.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let types: Vec<_> = fields.iter().map(|field| sql_type(field.data_type())).collect();
                format!("map<{}>", types.join(","))
            }
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

fn sql_fields(fields: &Fields) -> String {
    let mut text = String::new();
    for (index, field) in fields.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _written = write!(text, "{comma}{}: {}", field.name(), sql_type(field.data_type()));
    }
    text
}
