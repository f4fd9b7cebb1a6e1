//! The columns of `system.query.history`: the reference's in its order, names and types, then
//! ours.

use arrow::datatypes::{DataType, TimeUnit};

use crate::billing::quantity::{PRECISION, SCALE};
use crate::system::Column;
use crate::system::nested::{list_of_text, map_of_text, structure, structure_of_text};

/// The columns with their meanings.
pub fn columns() -> Vec<Column> {
    [who_and_what(), times(), reading(), sources(), ours()].into_iter().flatten().collect()
}

fn who_and_what() -> Vec<Column> {
    use DataType::Utf8;
    vec![
        Column::new("account_id", Utf8, "Account of this server, from its configuration."),
        Column::new("workspace_id", Utf8, "Workspace of this server, from its configuration."),
        Column::new("statement_id", Utf8, "Unique id of the statement."),
        Column::new(
            "executed_by",
            Utf8,
            "Who sent the statement: the app where one acted for a user, else the user.",
        ),
        Column::new("session_id", Utf8, "Null: statements are independent of sessions."),
        Column::new("execution_status", Utf8, "`FINISHED`, `FAILED` or `CANCELED`."),
        Column::new("compute", compute(), "Where it ran: type `WAREHOUSE` with the warehouse's id."),
        Column::new("executed_by_user_id", Utf8, "Id of the sender; null where an app acted for a user."),
        Column::new(
            "statement_text",
            Utf8,
            "Text of the statement; of one of more than 64 KiB its beginning, and how long it is.",
        ),
        Column::new("statement_type", Utf8, "Its family, e.g. `SELECT`; null when it could not be parsed."),
        Column::new("error_message", Utf8, "Text of the error it ended in; of a long one its beginning."),
        Column::new("client_application", Utf8, "Null: clients tell their driver only."),
        Column::new("client_driver", Utf8, "What the client says of itself."),
    ]
}

fn times() -> Vec<Column> {
    use DataType::Int64;
    let timestamp = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    vec![
        Column::new("total_duration_ms", Int64, "From coming in to the end, without waiting for the client."),
        Column::new("waiting_for_compute_duration_ms", Int64, "Zero: compute is always there."),
        Column::new("waiting_at_capacity_duration_ms", Int64, "Waiting for its turn."),
        Column::new("execution_duration_ms", Int64, "Running the plan, without waiting for the client."),
        Column::new("compilation_duration_ms", Int64, "Parsing, planning and governing."),
        Column::new("total_task_duration_ms", Int64, "CPU time summed over cores."),
        Column::new("result_fetch_duration_ms", Int64, "Time the result waited for its client."),
        Column::new("start_time", timestamp(), "When the statement came in."),
        Column::new("end_time", timestamp(), "When it ended."),
        Column::new("update_time", timestamp(), "When the row was entered: at the statement's end."),
    ]
}

fn reading() -> Vec<Column> {
    use DataType::{Boolean, Int8, Int64};
    vec![
        Column::new("read_partitions", Int64, "Null: not measured."),
        Column::new("pruned_files", Int64, "Files that did not have to be read, over all scans."),
        Column::new("read_files", Int64, "Files that had to be read, over all scans."),
        Column::new("read_rows", Int64, "Rows that scans gave after filtering."),
        Column::new("produced_rows", Int64, "Rows of the result."),
        Column::new("read_bytes", Int64, "Bytes read, from cache and from storage."),
        Column::new(
            "read_io_cache_percent",
            Int8,
            "Share of these bytes that came from cache; null when none were read.",
        ),
        Column::new(
            "from_result_cache",
            Boolean,
            "Whether the rows are those of a statement before, kept and given again.",
        ),
        Column::new("spilled_local_bytes", Int64, "Bytes spilled to local disk."),
        Column::new("written_bytes", Int64, "Bytes written to tables."),
        Column::new("shuffle_read_bytes", Int64, "Zero: a statement runs on one machine."),
    ]
}

fn sources() -> Vec<Column> {
    use DataType::{Int64, Utf8};
    vec![
        Column::new(
            "query_source",
            query_source(),
            "Null fields: no jobs, dashboards or notebooks run statements here.",
        ),
        Column::new("executed_as", Utf8, "The user whose rights held."),
        Column::new("executed_as_user_id", Utf8, "Id of that user."),
        Column::new("written_rows", Int64, "Rows written to tables."),
        Column::new("written_files", Int64, "Files written to tables."),
        Column::new("cache_origin_statement_id", Utf8, "Null: it could be another user's statement."),
        Column::new("query_parameters", query_parameters(), "Null: values of parameters are not kept."),
        Column::new("query_tags", map_of_text(), "Null: statements carry no tags."),
        Column::new("pruned_files_bytes", Int64, "Size of files pruned."),
        Column::new("read_files_bytes", Int64, "Size of files read."),
    ]
}

fn ours() -> Vec<Column> {
    use DataType::{Decimal128, Int64, Utf8};
    vec![
        Column::new("filtering_duration_ms", Int64, "Time spent filtering, over all scans."),
        Column::new(
            "filtering_dbus",
            Decimal128(PRECISION, SCALE),
            "DBU of filtering: exactly the sum of `usage_quantity` over the statement's `FINE_GRAINED_ACCESS_CONTROL` rows.",
        ),
        Column::new(
            "sql_dbus",
            Decimal128(PRECISION, SCALE),
            "DBU of the rest: exactly the sum of `usage_quantity` over the statement's `SQL` rows.",
        ),
        Column::new("rows_output", Int64, "Rows that remained after filtering, over all scans."),
        Column::new("rows_output_bytes", Int64, "Their size as Arrow."),
        Column::new("read_cache_bytes", Int64, "Bytes that came from cache."),
        Column::new("read_remote_bytes", Int64, "Bytes that came from storage."),
        Column::new(
            "policy_digest",
            Utf8,
            "Keyed digest of the tables, their versions and the policies that held; null when none did.",
        ),
        Column::new(
            "protection",
            Utf8,
            "`standard` or `strict`: the strictest protection of the tables read.",
        ),
    ]
}

/// The type of `compute`.
pub fn compute() -> DataType {
    structure_of_text(&["type", "cluster_id", "warehouse_id"])
}

/// The type of `query_source`.
pub fn query_source() -> DataType {
    use DataType::Utf8;
    structure(vec![
        ("job_info", structure_of_text(&["job_id", "job_run_id", "job_task_run_id"])),
        ("legacy_dashboard_id", Utf8),
        ("dashboard_id", Utf8),
        ("alert_id", Utf8),
        ("notebook_id", Utf8),
        ("sql_query_id", Utf8),
        ("genie_space_id", Utf8),
        ("pipeline_info", structure_of_text(&["pipeline_id", "update_id"])),
    ])
}

/// The type of `query_parameters`.
pub fn query_parameters() -> DataType {
    structure(vec![
        ("named_parameters", map_of_text()),
        ("positional_parameters", list_of_text()),
        ("is_truncated", DataType::Boolean),
    ])
}
