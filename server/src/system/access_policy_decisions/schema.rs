//! The columns of `system.access.policy_decisions`.

use arrow::datatypes::{DataType, TimeUnit};

use crate::system::Column;
use crate::system::nested::list_of_text;

/// The columns with their meanings.
pub fn columns() -> Vec<Column> {
    use DataType::{Boolean, Date32, Int64, Utf8};
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    vec![
        Column::new("statement_id", Utf8, "Id of the statement, as in `system.query.history`."),
        Column::new("event_time", timestamp, "When the statement came in."),
        Column::new("event_date", Date32, "The UTC day of it."),
        Column::new("principal", Utf8, "The user whose rights held and of whom policies spoke."),
        Column::new("run_by", Utf8, "Who sent it: the app where one acted for the user."),
        Column::new("table_name", Utf8, "Full name of the table."),
        Column::new(
            "policy_name",
            Utf8,
            "The policy; one that is set on the table itself has its function's name.",
        ),
        Column::new("policy_scope", Utf8, "What the policy is set on."),
        Column::new("policy_kind", Utf8, "`ROW_FILTER` or `COLUMN_MASK`."),
        Column::new(
            "function_name",
            Utf8,
            "Full name of its function; null of a policy that spares the user by name.",
        ),
        Column::new("columns_masked", list_of_text(), "The columns it masks."),
        Column::new(
            "rows_in",
            Int64,
            "Rows of the table's files that were read and looked at, by whatever dropped them: policies, \
             predicates that may enter, marks of deletion. Rows that statistics spared, or that nobody asked \
             for any more (LIMIT, a dropped result), were not read and are not counted. Null to users who do \
             not manage the table.",
        ),
        Column::new(
            "rows_out",
            Int64,
            "Rows that left the table's sealed scan for the rest of the statement.",
        ),
        Column::new(
            "exempt",
            Boolean,
            "Whether the policy spares the user by name, or all policies of the table hid nothing from them, whatever the row.",
        ),
        Column::new("policy_epoch", Int64, "The catalog's version under which it was decided."),
        Column::new("table_version", Int64, "The version of the table that was read."),
        Column::new("table_id", Utf8, "Id of the table, which survives renames."),
        Column::new("leaf", Int64, "Which reading of a table in the statement, from 1."),
    ]
}
