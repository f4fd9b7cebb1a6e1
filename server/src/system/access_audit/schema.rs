//! The columns of `system.access.audit`: the reference's in its order, names and types, then ours.

use arrow::datatypes::{DataType, TimeUnit};

use crate::system::Column;
use crate::system::nested::{map_of_text, structure, structure_of_text};

/// The columns with their meanings.
pub fn columns() -> Vec<Column> {
    [who_and_when(), what()].into_iter().flatten().collect()
}

fn who_and_when() -> Vec<Column> {
    use DataType::{Date32, Utf8};
    vec![
        Column::new("account_id", Utf8, "Account of this server, from its configuration."),
        Column::new("workspace_id", Utf8, "Workspace of this server; `0` for operations on the catalog."),
        Column::new("version", Utf8, "Version of this table's form."),
        Column::new(
            "event_time",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "When it was asked.",
        ),
        Column::new("event_date", Date32, "The UTC day of it."),
        Column::new(
            "source_ip_address",
            Utf8,
            "Where it came from; null for commands on the server's files.",
        ),
        Column::new("user_agent", Utf8, "What the client calls itself, its first 256 characters."),
        Column::new("session_id", Utf8, "Null: statements are independent of sessions."),
        Column::new(
            "user_identity",
            user_identity(),
            "The user whose rights held, as `email`: the exact name.",
        ),
    ]
}

fn what() -> Vec<Column> {
    use DataType::Utf8;
    vec![
        Column::new("service_name", Utf8, "`unityCatalog`, or `accounts` for operations on principals."),
        Column::new(
            "action_name",
            Utf8,
            "What was asked, in the reference's words; `request_params['operation']` says it in ours.",
        ),
        Column::new("request_id", Utf8, "Id of the statement, as in `system.query.history`."),
        Column::new(
            "request_params",
            map_of_text(),
            "On what: `full_name_arg`, and what else was said, by name.",
        ),
        Column::new(
            "response",
            response(),
            "`status_code` 200 where it was allowed, with the determining facts as `result`; else why not.",
        ),
        Column::new("audit_level", Utf8, "`ACCOUNT_LEVEL` or `WORKSPACE_LEVEL`."),
        Column::new("event_id", Utf8, "Unique id of the row."),
        Column::new(
            "identity_metadata",
            identity_metadata(),
            "`run_as`: the user whose rights held. `run_by`: who sent it, the app where one acted for the user.",
        ),
        Column::new(
            "rights_of",
            Utf8,
            "The owner of a view whose rights held within it; null where the user's own did. Users see no row with it.",
        ),
    ]
}

/// The type of `user_identity`.
pub fn user_identity() -> DataType {
    structure_of_text(&["email", "subject_name"])
}

/// The type of `response`.
pub fn response() -> DataType {
    structure(vec![
        ("status_code", DataType::Int32),
        ("error_message", DataType::Utf8),
        ("result", DataType::Utf8),
    ])
}

/// The type of `identity_metadata`.
pub fn identity_metadata() -> DataType {
    structure_of_text(&["run_by", "run_as", "acting_resource", "run_by_display_name", "run_as_display_name"])
}
