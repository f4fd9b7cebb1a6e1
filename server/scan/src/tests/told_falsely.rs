//! Logs that tell what is not so, or what nobody knows.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::prelude::{Expr, col, lit};
use serde_json::{Value, json};
use weir_meter::Meter;

use super::deleted::mark;
use super::{Ground, people, table, written};
use crate::{Config, DeltaTables, Error, TableLocation};

impl Ground {
    /// Has the log tell something else of the file that a version added.
    fn retell(&self, location: &TableLocation, version: u64, stats: &Value) {
        let commit = self.path(location).join(format!("_delta_log/{version:020}.json"));
        let text = std::fs::read_to_string(&commit).unwrap();
        let retold = text.lines().map(|line| {
            let mut action: Value = serde_json::from_str(line).unwrap();
            if let Some(add) = action.get_mut("add") {
                add["stats"] = json!(stats.to_string());
            }
            action
        });
        let retold: Vec<Value> = retold.collect();
        self.commit(location, version, &retold);
    }

    async fn passing(&self, provider: Arc<dyn TableProvider>, filter: &Expr) -> usize {
        let scan = LogicalPlanBuilder::scan("t", provider_as_source(provider), None).unwrap();
        let logical = scan.filter(filter.clone()).unwrap().build().unwrap();
        let plan = self.state(2).create_physical_plan(&logical).await.unwrap();
        let rows = self.rows(&plan, &Meter::new()).await.unwrap();
        rows.iter().map(RecordBatch::num_rows).sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_tells_of_values_lets_no_row_pass() {
    let all_null = |column: &str| json!({"numRecords": 100, "nullCount": {column: 100}});
    let one_value = json!({"numRecords": 100, "minValues": {"id": 5000}, "maxValues": {"id": 5000}, "nullCount": {"id": 0}});
    let another = col("name").is_null().or(col("name").not_eq(lit("name 7")));
    for (stats, filter, passing) in [
        (json!({"numRecords": 100}), another.clone(), 99),
        (all_null("name"), another, 99),
        (all_null("region"), col("region").is_null(), 0),
        (one_value, col("id").eq(lit(5000_i64)), 0),
    ] {
        let ground = Ground::new();
        let location = written(&ground).await;
        ground.retell(&location, 1, &stats);
        let pinned = ground.tables.open(&location).await.unwrap();
        for provider in [pinned.provider(), pinned.identified()] {
            assert_eq!(ground.passing(provider, &filter).await, passing, "{filter} {stats}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_vector_of_an_unknown_kind_is_refused() {
    for opened_before in [false, true] {
        let ground = Ground::new();
        let location = written(&ground).await;
        if opened_before {
            ground.tables.open(&location).await.unwrap();
        }
        mark(&ground, &location, 1, &[3], None);
        let commit = ground.path(&location).join("_delta_log/00000000000000000002.json");
        let text = std::fs::read_to_string(&commit).unwrap();
        let unknown = text.replace(r#""storageType":"i""#, r#""storageType":"z""#);
        assert_ne!(text, unknown);
        std::fs::write(&commit, unknown).unwrap();
        let error = ground.tables.open(&location).await.unwrap_err();
        assert!(matches!(error, Error::CorruptLog { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_whose_column_is_generated_by_a_query_are_refused() {
    let ground = Ground::new();
    let location = table("generated");
    let field = |name: &str, kind: &str, metadata: Value| json!({"name": name, "type": kind, "nullable": true, "metadata": metadata});
    let fields = [
        field("id", "long", json!({})),
        field("name", "string", json!({})),
        field("region", "string", json!({})),
        field("g", "string", json!({"delta.generationExpression": "(SELECT max(s) FROM main.own.v)"})),
    ];
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    std::fs::create_dir_all(ground.path(&location).join("_delta_log")).unwrap();
    ground.commit(
        &location,
        0,
        &[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 4}}),
            json!({"metaData": {"id": "generated", "format": {"provider": "parquet", "options": {}},
                "schemaString": schema, "partitionColumns": [], "configuration": {}, "createdTime": 0}}),
        ],
    );
    let error = ground.append(&location, people(0..3, "x")).await.unwrap_err();
    assert!(matches!(error, Error::UnsupportedWrite { .. }), "{error:?}");
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!((pinned.version(), pinned.file_count()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_commit_that_says_too_much_the_version_is_told_alone() {
    let ground = Ground::new();
    let location = written(&ground).await;
    ground.commit(&location, 2, &[json!({"commitInfo": {"operation": "W", "x": vec![0; 100_000]}})]);
    let newest = ground.tables.open(&location).await.unwrap();
    let commits = ground.tables.history(&newest, None).await.unwrap();
    let told: Vec<_> = commits.iter().map(|commit| (commit.version, commit.told.is_empty())).collect();
    assert_eq!(told, [(2, true), (1, false), (0, false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_forgotten_stays_usable() {
    let ground = Ground::new();
    let router = Arc::clone(ground.tables.router());
    let config = Config { past_snapshot_cache_bytes: 1, ..Config::default() };
    let tables = DeltaTables::new(router, config);
    let location = written(&ground).await;
    ground.append(&location, people(100..200, "x")).await.unwrap();
    let newest = tables.open(&location).await.unwrap();
    let past = tables.open_version(&newest, 1).await.unwrap();
    tables.open_version(&newest, 0).await.unwrap();
    tables.past().run_pending_tasks();
    assert_eq!(tables.past().entry_count(), 1, "the one that was read last");
    assert_eq!(ground.count(&past).await, 100);
}
