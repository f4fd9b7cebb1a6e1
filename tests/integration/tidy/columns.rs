//! Each column of a system table stands in `tests/golden/system_tables.md`.
//!
//! Reads the names in `server/src/system/*/schema.rs`. That the page says what the code says is the
//! server's own test; here it is enough that no table and no column was forgotten.

use std::fs;

use super::source::root;
use super::{assert_none, rust_files};

const PAGE: &str = "tests/golden/system_tables.md";

#[test]
fn every_column_of_a_system_table_is_documented() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let mut breaches = Vec::new();
    let mut tables = 0;
    for file in rust_files() {
        let Some(table) = table_of(&file.path) else { continue };
        tables += 1;
        let columns = columns(file.text());
        if columns.is_empty() {
            breaches.push(file.at(1, "declares no column in a form this test reads"));
        }
        let section = section(&page, &table);
        for column in columns.iter().filter(|column| !section.contains(&format!("\n| `{column}` |"))) {
            breaches.push(file.at(1, &format!("`{column}` of `{table}` is not in {PAGE}")));
        }
    }
    assert!(tables > 0, "no system table was found");
    assert_none("every column has its meaning", &breaches);
}

/// `server/src/system/query_history/schema.rs` describes `system.query.history`.
fn table_of(path: &str) -> Option<String> {
    let folder = path.strip_prefix("server/src/system/")?.strip_suffix("/schema.rs")?;
    let (schema, table) = folder.split_once('/').or_else(|| folder.split_once('_'))?;
    Some(format!("system.{schema}.{table}"))
}

/// What stands under a table's heading.
fn section<'a>(page: &'a str, table: &str) -> &'a str {
    let found =
        page.split("\n## ").find(|section| section.lines().next().is_some_and(|head| head.trim() == table));
    found.unwrap_or_default()
}

/// The name in each `Column::new("name", …)`.
fn columns(source: &str) -> Vec<&str> {
    let calls = source.split("Column::new(").skip(1);
    calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

#[test]
fn columns_are_read_from_their_declarations() {
    let source = "vec![\n Column::new(\"a\", Utf8, \"First.\"),\n Column::new(\n  \"b\",\n  Utf8,\n  \"Second.\",\n ),\n]";
    assert_eq!(columns(source), ["a", "b"]);
    assert_eq!(
        table_of("server/src/system/query_history/schema.rs").as_deref(),
        Some("system.query.history")
    );
    assert_eq!(section("# x\n\n## a.b\n\n| `c` |\n\n## d.e\n", "a.b"), "a.b\n\n| `c` |\n");
}
