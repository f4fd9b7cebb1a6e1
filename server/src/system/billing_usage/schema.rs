//! The columns of `system.billing.usage`, in the reference's order, names and types.

use arrow::datatypes::{DataType, TimeUnit};

use crate::billing::quantity::{PRECISION, SCALE};
use crate::system::Column;
use crate::system::nested::{map_of_text, structure, structure_of_text};

/// The columns with their meanings.
pub fn columns() -> Vec<Column> {
    use DataType::{Date32, Decimal128, Utf8};
    let timestamp = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    vec![
        Column::new("account_id", Utf8, "Account of this server, from its configuration."),
        Column::new("workspace_id", Utf8, "Workspace of this server, from its configuration."),
        Column::new("record_id", Utf8, "Unique id of the row, made from statement, product and hour."),
        Column::new("sku_name", Utf8, "SKU as which the usage is sold."),
        Column::new("cloud", Utf8, "Cloud of this server, from its configuration."),
        Column::new("usage_start_time", timestamp(), "When the usage began, within one UTC hour."),
        Column::new("usage_end_time", timestamp(), "When the usage ended, before the next UTC hour begins."),
        Column::new("usage_date", Date32, "UTC date of the usage."),
        Column::new("custom_tags", map_of_text(), "Tags; `Name` is the warehouse."),
        Column::new("usage_unit", Utf8, "`DBU`: one core-hour times the SKU's rate."),
        Column::new("usage_quantity", Decimal128(PRECISION, SCALE), "DBU used."),
        Column::new("usage_metadata", usage_metadata(), "What used it; `warehouse_id` is filled."),
        Column::new(
            "identity_metadata",
            identity_metadata(),
            "`run_as`: the user whose rights held; `run_by`: the service principal that acted for them, if one did.",
        ),
        Column::new("record_type", Utf8, "`ORIGINAL`; corrections are `RETRACTION` and `RESTATEMENT`."),
        Column::new(
            "ingestion_date",
            Date32,
            "UTC date on which the statement ended and the row was entered.",
        ),
        Column::new(
            "billing_origin_product",
            Utf8,
            "`FINE_GRAINED_ACCESS_CONTROL` for filtering, `SQL` for the rest of a statement.",
        ),
        Column::new("product_features", product_features(), "Features of the product used."),
        Column::new("usage_type", Utf8, "`COMPUTE_TIME`."),
    ]
}

/// The type of `usage_metadata`.
pub fn usage_metadata() -> DataType {
    structure_of_text(&[
        "cluster_id",
        "job_id",
        "warehouse_id",
        "instance_pool_id",
        "node_type",
        "job_run_id",
        "notebook_id",
        "dlt_pipeline_id",
        "endpoint_name",
        "endpoint_id",
        "dlt_update_id",
        "dlt_maintenance_id",
        "run_name",
        "job_name",
        "notebook_path",
        "central_clean_room_id",
        "source_region",
        "destination_region",
        "app_id",
        "app_name",
        "metastore_id",
        "private_endpoint_name",
        "storage_api_type",
        "budget_policy_id",
        "ai_runtime_pool_id",
        "ai_runtime_workload_id",
        "uc_table_catalog",
        "uc_table_schema",
        "uc_table_name",
        "database_instance_id",
        "sharing_materialization_id",
        "schema_id",
        "usage_policy_id",
        "agent_bricks_id",
        "base_environment_id",
        "index_id",
        "catalog_id",
    ])
}

/// The type of `identity_metadata`.
pub fn identity_metadata() -> DataType {
    structure_of_text(&["run_as", "created_by", "owned_by", "run_by"])
}

/// The type of `product_features`.
pub fn product_features() -> DataType {
    use DataType::{Boolean, Utf8};
    structure(vec![
        ("jobs_tier", Utf8),
        ("sql_tier", Utf8),
        ("dlt_tier", Utf8),
        ("is_serverless", Boolean),
        ("is_photon", Boolean),
        ("serving_type", Utf8),
        ("networking", structure_of_text(&["connectivity_type"])),
        ("ai_runtime", structure_of_text(&["compute_type"])),
        ("model_serving", structure_of_text(&["offering_type"])),
        ("ai_gateway", structure_of_text(&["feature_type"])),
        ("performance_target", Utf8),
        ("serverless_gpu", structure_of_text(&["workload_type"])),
        ("agent_bricks", structure_of_text(&["problem_type", "workload_type"])),
        ("ai_functions", structure_of_text(&["ai_function"])),
        ("apps", structure_of_text(&["compute_size"])),
        ("lakeflow_connect", structure_of_text(&["task_type", "zerobus_request_type"])),
        ("lakebase", structure_of_text(&["storage_type", "compute_type"])),
        ("ai_bi_genie", structure_of_text(&["capability_type", "offering_type"])),
        ("genie", structure_of_text(&["offering_type"])),
    ])
}
