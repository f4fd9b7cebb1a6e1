//! Constraints: primary keys, of tables whose columns the caller may be told. There are no others, so their views are there
//! and empty.

use weir_catalog::{PrimaryKey, Table};

use super::rows::{Cell, yes_or_no};
use super::tables::{TABLE, TABLE_KEY, names};
use super::{Asked, Definition, Holds, Reach, View};

const CONSTRAINT: &[Definition] = &[
    ("constraint_catalog", Holds::Text, "The constraint's catalog."),
    ("constraint_schema", Holds::Text, "The constraint's schema."),
    ("constraint_name", Holds::Text, "The constraint."),
];

macro_rules! constraints {
    ($($constant:ident = $name:literal, $meaning:literal, [$($group:expr),*], $rows:expr;)+) => {$(
        pub(super) static $constant: View = View {
            name: $name,
            meaning: $meaning,
            reach: Reach::Catalog,
            key: TABLE_KEY,
            columns: &[$($group),*],
            rows: $rows,
        };
    )+};
}

constraints! {
    TABLE_CONSTRAINTS = "table_constraints", "Primary keys.", [
        CONSTRAINT,
        TABLE,
        &[
            ("constraint_type", Holds::Text, "`PRIMARY KEY`."),
            ("is_deferrable", Holds::Text, "`NO`."),
            ("initially_deferred", Holds::Text, "`NO`."),
            ("enforced", Holds::Text, "`NO`: a key informs; its columns hold no NULL all the same."),
            ("comment", Holds::Text, "Null."),
        ]
    ], |asked, rows| each_key(asked, |table, key| {
        let (no, kind) = (|| yes_or_no(false), Cell::from("PRIMARY KEY"));
        rows.push([&constraint(table, key), &names(&table.name), &[kind, no(), no(), no(), Cell::Null]]);
    });
    KEY_COLUMN_USAGE = "key_column_usage", "The columns of primary keys.", [
        CONSTRAINT,
        TABLE,
        &[
            ("column_name", Holds::Text, "The column."),
            ("ordinal_position", Holds::Number, "Its place in the key."),
            ("position_in_unique_constraint", Holds::Number, "Null: no key refers to another."),
        ]
    ], |asked, rows| each_key(asked, |table, key| {
        for (place, column) in (1_i64..).zip(&key.columns) {
            let about = [column.name.as_str().into(), place.into(), Cell::Null];
            rows.push([&constraint(table, key), &names(&table.name), &about]);
        }
    });
    REFERENTIAL_CONSTRAINTS = "referential_constraints", "Empty: no key refers to another.", [
        CONSTRAINT,
        &[
            ("unique_constraint_catalog", Holds::Text, "The catalog of the key referred to."),
            ("unique_constraint_schema", Holds::Text, "The schema of the key referred to."),
            ("unique_constraint_name", Holds::Text, "The key referred to."),
            ("match_option", Holds::Text, "How nulls match."),
            ("update_rule", Holds::Text, "What an update does."),
            ("delete_rule", Holds::Text, "What a deletion does."),
        ]
    ], |_, _| {};
    CONSTRAINT_TABLE_USAGE = "constraint_table_usage", "Tables with a primary key.", [
        TABLE,
        CONSTRAINT
    ], |asked, rows| each_key(asked, |table, key| {
        rows.push([&names(&table.name), &constraint(table, key)]);
    });
    CONSTRAINT_COLUMN_USAGE = "constraint_column_usage", "The columns of primary keys.", [
        TABLE,
        &[("column_name", Holds::Text, "The column.")],
        CONSTRAINT
    ], |asked, rows| each_key(asked, |table, key| {
        for column in &key.columns {
            rows.push([&names(&table.name), &[column.name.as_str().into()], &constraint(table, key)]);
        }
    });
    CHECK_CONSTRAINTS = "check_constraints", "Empty: the catalog keeps no CHECK constraints.", [
        CONSTRAINT,
        &[
            ("check_clause", Holds::Text, "The condition."),
            ("sql_path", Holds::Text, "Where its names are looked up."),
        ]
    ], |_, _| {};
}

/// Each key that the caller may be told of, with its table.
fn each_key(asked: &Asked<'_>, mut tell: impl FnMut(&Table, &PrimaryKey<'_>)) {
    for table in asked.visible.tables(&asked.within).into_iter().filter(|table| asked.may_describe(table)) {
        if let Some(key) = table.primary_key() {
            tell(table, &key);
        }
    }
}

/// The cells of [`CONSTRAINT`]: a key lies where its table does.
fn constraint(table: &Table, key: &PrimaryKey<'_>) -> [Cell; 3] {
    let [catalog, schema, _] = names(&table.name);
    [catalog, schema, key.name.into()]
}
