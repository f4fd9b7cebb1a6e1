//! Files of tables: what lies in a folder, Parquet read without any of the server, and a writer
//! beside the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use weir_scan::{Config, DeltaTables, RangeCache, RootName, Router, TableLocation, runtime_env};

/// The file of a commit in the log of the table at `folder`.
pub fn commit_file(folder: &Path, version: u64) -> PathBuf {
    folder.join(format!("_delta_log/{version:020}.json"))
}

/// Writes a commit of these actions, as another writer would.
pub fn write_commit(folder: &Path, version: u64, actions: &[Value]) {
    let lines: Vec<String> = actions.iter().map(ToString::to_string).collect();
    std::fs::write(commit_file(folder, version), lines.join("\n")).expect("a log to write to");
}

/// The first action of that name in a commit.
pub fn logged(folder: &Path, version: u64, action: &str) -> Value {
    let text = std::fs::read_to_string(commit_file(folder, version)).expect("a commit");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an action"));
    lines.filter_map(|line| line.get(action).cloned()).next().expect("an action of that name")
}

/// The Parquet files under `folder`, its log left out, with their sizes; sorted by path.
pub fn data_files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("its kind"));
            if kind.is_dir() && path.file_name().is_some_and(|name| name != "_delta_log") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                found.push((path, entry.metadata().expect("its size").len()));
            }
        }
    }
    found.sort();
    found
}

/// All rows of the Parquet files in `folder`, read by the Parquet crate alone.
pub fn read_parquet_folder(folder: &Path) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    for (path, _) in data_files(folder) {
        let file = std::fs::File::open(&path).expect("a file");
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader");
        batches.extend(reader.map(|batch| batch.expect("rows")));
    }
    batches
}

/// Another writer of the tables under one folder: it commits without the server.
#[derive(Debug)]
pub struct OtherWriter {
    root: RootName,
    tables: DeltaTables,
    state: SessionState,
}

impl OtherWriter {
    /// For the tables under `folder`.
    pub fn of(folder: &Path) -> Self {
        let config = Config::default();
        let router = Arc::new(Router::new(RangeCache::new(config.range_cache_bytes)));
        let root = RootName::new("ground").expect("a name");
        router.add_local_root(&root, folder).expect("a folder");
        let runtime = runtime_env(Arc::clone(&router), &config).expect("a runtime");
        let state = SessionStateBuilder::new().with_default_features().with_runtime_env(runtime).build();
        Self { root, tables: DeltaTables::new(router, config), state }
    }

    /// Makes a table in the folder `path`, with columns that partition it.
    pub async fn create(&self, path: &str, schema: SchemaRef, partition_columns: &[&str]) {
        let partition_columns: Vec<String> =
            partition_columns.iter().map(|name| (*name).to_owned()).collect();
        self.tables.create(&self.location(path), schema, &partition_columns).await.expect("a table");
    }

    /// Appends `rows` to the table in the folder `path`: one commit, one file for each partition.
    pub async fn append(&self, path: &str, rows: RecordBatch) {
        let input = RecordBatchStreamAdapter::new(rows.schema(), futures::stream::iter([Ok(rows)]));
        self.tables
            .append(&self.location(path), &self.state, Box::pin(input), Vec::new(), None)
            .await
            .expect("rows are written");
    }

    fn location(&self, path: &str) -> TableLocation {
        TableLocation::new(self.root.clone(), path).expect("a place")
    }
}
