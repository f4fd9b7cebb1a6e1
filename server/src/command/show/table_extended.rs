//! SHOW TABLE EXTENDED: each table with a text of lines `Name: value` and a tree of its columns, as tools read them.
//! The lines are those of DESCRIBE EXTENDED; of a table that the caller may not describe its name is all there is.

use weir_catalog::SchemaName;

use super::{seen_tables, system_tables};
use crate::command::describe::{details, require_description};
use crate::command::listing::{Pattern, Row};
use crate::command::sight::Sight;
use crate::error::Result;
use crate::sql::types;

pub(super) fn rows(sight: Sight<'_>, schema: &SchemaName, pattern: &Pattern) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    if let Some(tables) = system_tables(sight, schema) {
        for table in tables.into_iter().filter(|table| pattern.matches(table.table())) {
            let kind = if table.is_view() { "VIEW" } else { "MANAGED" };
            let head = [("Catalog", schema.catalog.as_str()), ("Database", schema.schema.as_str())];
            let lines = head.into_iter().chain([("Table", table.table()), ("Type", kind)]);
            let lines = lines.map(|(name, value)| line(name, value)).collect();
            let columns = table.columns();
            let columns =
                columns.iter().map(|column| branch(column.name, &types::text_of(&column.data_type), true));
            rows.push(row(schema, table.table(), lines, columns));
        }
        return Ok(rows);
    }
    for table in seen_tables(sight, schema)? {
        let name = table.name.object.as_str();
        if !pattern.matches(name) {
            continue;
        }
        if require_description(sight, table).is_err() {
            rows.push(row(schema, name, vec![line("Table", name)], std::iter::empty()));
            continue;
        }
        let lines = details(sight, table).iter().map(|(name, value)| line(name, value)).collect();
        let columns =
            table.columns.iter().map(|column| branch(&column.name, &column.type_text, column.nullable));
        rows.push(row(schema, name, lines, columns));
    }
    Ok(rows)
}

fn row(
    schema: &SchemaName,
    table: &str,
    mut lines: Vec<String>,
    columns: impl Iterator<Item = String>,
) -> Row {
    let mut columns = columns.peekable();
    if columns.peek().is_some() {
        lines.push("Schema: root".to_owned());
        lines.extend(columns);
    }
    let information = lines.into_iter().map(|line| line + "\n").collect::<String>();
    Row::of([schema.schema.as_str(), table, &information]).with_flags([false])
}

/// One line, whatever the value: a comment cannot look like another line.
fn line(name: &str, value: &str) -> String {
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{name}: {value}")
}

/// A column of the tree. Within a type nothing stands that looks like the end of the column's name.
fn branch(name: &str, type_text: &str, nullable: bool) -> String {
    let type_text = type_text.to_lowercase().replace(": ", ":").replace(", ", ",");
    format!(" |-- {}", line(name, &format!("{type_text} (nullable = {nullable})")))
}
