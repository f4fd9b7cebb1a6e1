//! Constraints: there are none, so the views are there and empty.

use super::tables::{TABLE, TABLE_KEY};
use super::{Definition, Holds, Reach, View};

const CONSTRAINT: &[Definition] = &[
    ("constraint_catalog", Holds::Text, "The constraint's catalog."),
    ("constraint_schema", Holds::Text, "The constraint's schema."),
    ("constraint_name", Holds::Text, "The constraint."),
];

macro_rules! empty {
    ($($constant:ident = $name:literal, $meaning:literal, [$($group:expr),*];)+) => {$(
        pub(super) static $constant: View = View {
            name: $name,
            meaning: $meaning,
            reach: Reach::Catalog,
            key: TABLE_KEY,
            columns: &[$($group),*],
            rows: |_, _| {},
        };
    )+};
}

empty! {
    TABLE_CONSTRAINTS = "table_constraints", "Empty: tables have no keys.", [
        CONSTRAINT,
        TABLE,
        &[
            ("constraint_type", Holds::Text, "Its kind."),
            ("is_deferrable", Holds::Text, "Whether it may be deferred."),
            ("initially_deferred", Holds::Text, "Whether it is."),
            ("enforced", Holds::Text, "Whether it is enforced."),
            ("comment", Holds::Text, "A remark for people."),
        ]
    ];
    KEY_COLUMN_USAGE = "key_column_usage", "Empty: tables have no keys.", [
        CONSTRAINT,
        TABLE,
        &[
            ("column_name", Holds::Text, "The column."),
            ("ordinal_position", Holds::Number, "Its place in the key."),
            ("position_in_unique_constraint", Holds::Number, "Its place in the key referred to."),
        ]
    ];
    REFERENTIAL_CONSTRAINTS = "referential_constraints", "Empty: tables have no keys.", [
        CONSTRAINT,
        &[
            ("unique_constraint_catalog", Holds::Text, "The catalog of the key referred to."),
            ("unique_constraint_schema", Holds::Text, "The schema of the key referred to."),
            ("unique_constraint_name", Holds::Text, "The key referred to."),
            ("match_option", Holds::Text, "How nulls match."),
            ("update_rule", Holds::Text, "What an update does."),
            ("delete_rule", Holds::Text, "What a deletion does."),
        ]
    ];
    CONSTRAINT_TABLE_USAGE = "constraint_table_usage", "Empty: tables have no keys.", [
        TABLE,
        CONSTRAINT
    ];
    CONSTRAINT_COLUMN_USAGE = "constraint_column_usage", "Empty: tables have no keys.", [
        TABLE,
        &[("column_name", Holds::Text, "The column.")],
        CONSTRAINT
    ];
    CHECK_CONSTRAINTS = "check_constraints", "Empty: the catalog keeps no CHECK constraints.", [
        CONSTRAINT,
        &[
            ("check_clause", Holds::Text, "The condition."),
            ("sql_path", Holds::Text, "Where its names are looked up."),
        ]
    ];
}
