//! The crate against tables that the tests write themselves, in temporary directories.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result as PlanResult;
use datafusion::datasource::provider_as_source;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{Expr, SessionConfig};
use futures::{StreamExt, TryStreamExt, stream};
use weir_meter::Meter;

use crate::{
    Appended, Config, DeltaTables, PinnedTable, RangeCache, RootName, Router, TableLocation, runtime_env,
};

mod altering;
mod changing;
mod damage;
mod deleted;
mod disk_ranges;
mod feed;
mod following;
mod hostile_files;
mod log_only;
mod ordering;
mod partition_texts;
mod past;
mod pruning;
mod routing;
mod row_groups;
mod told_falsely;
mod writing;

/// A storage root named `main` in a temporary directory, and what is needed to read and write tables in it.
struct Ground {
    directory: tempfile::TempDir,
    tables: DeltaTables,
    environment: Arc<RuntimeEnv>,
}

impl Ground {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::default();
        let router = Arc::new(Router::new(RangeCache::new(config.range_cache_bytes)));
        router.add_local_root(&RootName::new("main").unwrap(), directory.path()).unwrap();
        let environment = runtime_env(Arc::clone(&router), &config).unwrap();
        Self { directory, tables: DeltaTables::new(router, config), environment }
    }

    fn path(&self, table: &TableLocation) -> PathBuf {
        self.directory.path().join(table.path().as_ref())
    }

    fn state(&self, target_partitions: usize) -> SessionState {
        let mut config = SessionConfig::new().with_target_partitions(target_partitions);
        // Small test files shall be split as large ones are.
        config.options_mut().optimizer.repartition_file_min_size = 1;
        // As the server's sessions.
        config.options_mut().execution.parquet.pushdown_filters = true;
        SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.environment))
            .build()
    }

    async fn append(&self, table: &TableLocation, rows: RecordBatch) -> crate::Result<Appended> {
        self.append_txn(table, rows, None).await
    }

    async fn append_txn(
        &self,
        table: &TableLocation,
        rows: RecordBatch,
        txn: Option<(&str, i64)>,
    ) -> crate::Result<Appended> {
        let schema = rows.schema();
        let rows = RecordBatchStreamAdapter::new(schema, stream::iter([Ok(rows)]));
        let txn = txn.map(|(app, version)| (app.to_owned(), version));
        let metadata = vec![("run_as".to_owned(), "alice".to_owned())];
        self.tables.append(table, &self.state(1), Box::pin(rows), metadata, txn).await
    }

    async fn plan(
        &self,
        table: &PinnedTable,
        filter: Option<Expr>,
        partitions: usize,
    ) -> Arc<dyn ExecutionPlan> {
        let mut builder = LogicalPlanBuilder::scan("t", provider_as_source(table.provider()), None).unwrap();
        if let Some(filter) = filter {
            builder = builder.filter(filter).unwrap();
        }
        self.state(partitions).create_physical_plan(&builder.build().unwrap()).await.unwrap()
    }

    async fn rows(&self, plan: &Arc<dyn ExecutionPlan>, meter: &Meter) -> PlanResult<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            // Some operators spawn their tasks here already.
            let stream = meter.enter(|| plan.execute(partition, self.state(1).task_ctx()))?;
            let mut stream = meter.stream(stream);
            while let Some(batch) = stream.try_next().await? {
                batches.push(batch);
            }
        }
        Ok(batches)
    }

    async fn count(&self, table: &PinnedTable) -> usize {
        let plan = self.plan(table, None, 1).await;
        let rows = self.rows(&plan, &Meter::new()).await.unwrap();
        rows.iter().map(RecordBatch::num_rows).sum()
    }
}

fn table(path: &str) -> TableLocation {
    TableLocation::new(RootName::new("main").unwrap(), path).unwrap()
}

/// A table of a hundred people, of which nothing is known yet.
async fn written(ground: &Ground) -> TableLocation {
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..100, "x")).await.unwrap();
    ground.tables.forget(&location);
    location
}

fn people_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("region", DataType::Utf8, true),
    ]))
}

fn people(ids: std::ops::Range<i64>, region: &str) -> RecordBatch {
    let names: StringArray = ids.clone().map(|id| Some(format!("name {id}"))).collect();
    let regions: StringArray = ids.clone().map(|_| Some(region)).collect();
    let ids = Int64Array::from_iter_values(ids);
    RecordBatch::try_new(people_schema(), vec![Arc::new(ids), Arc::new(names), Arc::new(regions)]).unwrap()
}

/// The data files below a directory, with their sizes.
fn data_files(below: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("_delta_log") {
            found.extend(data_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            let size = std::fs::metadata(&path).unwrap().len();
            found.push((path, size));
        }
    }
    found.sort();
    found
}

/// One stream of a plan's partitions that lets each of them run on its own task.
async fn drain(plan: Arc<dyn ExecutionPlan>, state: &SessionState) -> usize {
    let partitions = 0..plan.output_partitioning().partition_count();
    let reads = partitions.map(|partition| {
        let stream = plan.execute(partition, state.task_ctx()).unwrap();
        tokio::spawn(stream.try_fold(0, |rows, batch| async move { Ok(rows + batch.num_rows()) }))
    });
    let counts: Vec<_> = stream::iter(reads).buffered(8).collect().await;
    counts.into_iter().map(|count| count.unwrap().unwrap()).sum()
}
