//! Tables that are a log and nothing else: none of their data files exists, so whatever reads one fails.

use std::path::Path;
use std::sync::Arc;

use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::prelude::{Expr, SessionConfig};
use weir_scan::{Config, DeltaTables, PinnedTable, RangeCache, RootName, Router, runtime_env, scan_numbers};

use crate::Result;

/// How many ids each file tells of.
pub const IDS: i64 = 1000;

/// A storage root of such tables.
#[derive(Debug)]
pub struct Ground {
    directory: tempfile::TempDir,
    /// The tables of the root.
    pub tables: DeltaTables,
    state: SessionState,
}

impl Ground {
    /// An empty root.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let config = Config::default();
        let router = Arc::new(Router::new(RangeCache::new(config.range_cache_bytes)));
        router.add_local_root(&RootName::new("main")?, directory.path())?;
        let environment = runtime_env(Arc::clone(&router), &config)?;
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(SessionConfig::new().with_target_partitions(2))
            .with_runtime_env(environment)
            .build();
        Ok(Self { directory, tables: DeltaTables::new(router, config), state })
    }

    /// Writes a version of the table in `folder`.
    pub fn commit(&self, folder: &Path, version: u64, lines: &str) -> Result<()> {
        let log = self.directory.path().join(folder).join("_delta_log");
        std::fs::create_dir_all(&log)?;
        Ok(std::fs::write(log.join(format!("{version:020}.json")), lines)?)
    }

    /// Plans a scan of the rows that pass `filter`; how many files it would read.
    pub async fn plan(&self, table: &PinnedTable, filter: &Expr) -> Result<u64> {
        let logical = LogicalPlanBuilder::scan("t", provider_as_source(table.provider()), None)?
            .filter(filter.clone())?
            .build()?;
        let plan = self.state.create_physical_plan(&logical).await?;
        Ok(scan_numbers(&plan, table).files_read)
    }
}

/// The line of the log that adds a file; file `n` tells of the [`IDS`] ids from `n * IDS`.
pub fn add(file: i64) -> String {
    let first = file * IDS;
    let last = first + IDS - 1;
    format!(
        r#"{{"add":{{"path":"{file}.parquet","partitionValues":{{}},"size":10000,"modificationTime":0,"dataChange":true,"stats":"{{\"numRecords\":{IDS},\"minValues\":{{\"id\":{first},\"day\":\"2026-01-01\"}},\"maxValues\":{{\"id\":{last},\"day\":\"2026-01-02\"}},\"nullCount\":{{\"id\":0,\"day\":0}}}}"}}}}"#
    ) + "\n"
}

/// The lines of the log of a new table of so many files.
pub fn first_commit(files: i64) -> String {
    let field = |name: &str, kind: &str| {
        format!(r#"{{\"name\":\"{name}\",\"type\":\"{kind}\",\"nullable\":true,\"metadata\":{{}}}}"#)
    };
    let fields = [field("id", "long"), field("day", "date")].join(",");
    let mut text = format!(
        r#"{{"protocol":{{"minReaderVersion":1,"minWriterVersion":2}}}}
{{"metaData":{{"id":"growth","format":{{"provider":"parquet","options":{{}}}},"schemaString":"{{\"type\":\"struct\",\"fields\":[{fields}]}}","partitionColumns":[],"configuration":{{}},"createdTime":0}}}}
"#
    );
    for file in 0..files {
        text.push_str(&add(file));
    }
    text
}
