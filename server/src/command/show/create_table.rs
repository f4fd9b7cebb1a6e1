//! SHOW CREATE TABLE: what would make the table or view again, policies and tags included. The first
//! statement makes it; what CREATE cannot say follows as statements of its own (`alterations.rs`), each after a
//! semicolon and a line break. Policies stand there by their functions' names, never by their bodies; an external
//! location stands there for those who administer the table. An external table's columns and partitions are its
//! log's, so they do not stand there. Grants are not part of it, nor are policies that find the table by tags.

use weir_catalog::{Column, ColumnMask, PolicyFunction, Table, TableKind};

use super::{alterations, quoted_name};
use crate::command::describe::administers;
use crate::command::sight::Sight;
use crate::sql::policy_text::{arguments, primary_key, string};
use crate::sql::types::quoted;

pub(super) fn text(sight: Sight<'_>, table: &Table, partitions: &[String]) -> String {
    let mut statements = vec![creation(sight, table, partitions)];
    statements.extend(alterations::of(sight, table));
    statements.join(";\n")
}

fn creation(sight: Sight<'_>, table: &Table, partitions: &[String]) -> String {
    match &table.kind {
        TableKind::View(definition) => {
            let columns: Vec<String> =
                table.columns.iter().map(|column| view_column(sight, table, column)).collect();
            let mut text = format!("CREATE VIEW {} ({})", quoted_name(&table.name), columns.join(", "));
            text.push_str(&tail(table));
            text.push_str(&row_filter(sight, table));
            format!("{text}\nAS {}", definition.text)
        }
        TableKind::Managed { .. } => {
            let mut text =
                format!("CREATE TABLE {} (\n  {})", quoted_name(&table.name), columns(sight, table));
            text.push_str("\nUSING delta");
            if !partitions.is_empty() {
                let partitions: Vec<String> = partitions.iter().map(|name| quoted(name)).collect();
                text.push_str(&format!("\nPARTITIONED BY ({})", partitions.join(", ")));
            }
            text.push_str(&tail(table));
            text.push_str(&row_filter(sight, table));
            text
        }
        TableKind::External { location } => {
            let mut text = format!("CREATE TABLE {}\nUSING delta", quoted_name(&table.name));
            if administers(sight, table) {
                text.push_str(&format!("\nLOCATION {}", string(location)));
            }
            text.push_str(&tail(table));
            text.push_str(&row_filter(sight, table));
            text
        }
    }
}

fn columns(sight: Sight<'_>, table: &Table) -> String {
    let columns = table.columns.iter().map(|column| {
        let mut text = format!("{} {}", quoted(&column.name), column.type_text);
        if !column.nullable {
            text.push_str(" NOT NULL");
        }
        if let Some(comment) = &column.comment {
            text.push_str(&format!(" COMMENT {}", string(comment)));
        }
        text.push_str(&mask(sight, table, column));
        text
    });
    let key = table.primary_key().map(|key| format!("CONSTRAINT {} {}", quoted(key.name), primary_key(&key)));
    columns.chain(key).collect::<Vec<_>>().join(",\n  ")
}

fn view_column(sight: Sight<'_>, table: &Table, column: &Column) -> String {
    let mut text = quoted(&column.name);
    if let Some(comment) = &column.comment {
        text.push_str(&format!(" COMMENT {}", string(comment)));
    }
    text.push_str(&mask(sight, table, column));
    text
}

/// The mask of a whole column.
fn mask(sight: Sight<'_>, table: &Table, column: &Column) -> String {
    let mask = table.masks.iter().find(|mask| is_whole(mask, column));
    mask.map(|mask| format!(" {}", mask_clause(sight, mask))).unwrap_or_default()
}

/// Whether the mask is on that column as a whole, so that the column's definition can carry it.
pub(super) fn is_whole(mask: &ColumnMask, column: &Column) -> bool {
    mask.path.is_empty() && mask.column.is_on(column)
}

/// `MASK function [USING COLUMNS (…)]`.
pub(super) fn mask_clause(sight: Sight<'_>, mask: &ColumnMask) -> String {
    let function = function_name(sight, mask.function);
    match mask.arguments.is_empty() {
        true => format!("MASK {function}"),
        false => format!("MASK {function} USING COLUMNS ({})", arguments(&mask.arguments)),
    }
}

fn tail(table: &Table) -> String {
    let mut text = String::new();
    if let Some(comment) = &table.comment {
        text.push_str(&format!("\nCOMMENT {}", string(comment)));
    }
    if !table.properties.is_empty() {
        let pairs: Vec<String> = table
            .properties
            .iter()
            .map(|(key, value)| format!("{} = {}", string(key), string(value)))
            .collect();
        text.push_str(&format!("\nTBLPROPERTIES ({})", pairs.join(", ")));
    }
    text
}

fn row_filter(sight: Sight<'_>, table: &Table) -> String {
    let Some(filter) = &table.row_filter else { return String::new() };
    let function = function_name(sight, filter.function);
    format!("\nWITH ROW FILTER {function} ON ({})", arguments(&filter.arguments))
}

fn function_name(sight: Sight<'_>, function: PolicyFunction) -> String {
    match function {
        PolicyFunction::Sql(id) => {
            sight.snapshot.function_by_id(id).map(|function| quoted_name(&function.name)).unwrap_or_default()
        }
        PolicyFunction::Builtin(mask) => mask.to_string(),
    }
}
