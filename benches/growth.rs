//! How does cost grow with the files of a table? Tables of 1,000, 10,000 and 100,000 files that are a log and nothing else:
//! opening one for the first time, again, after one commit more, and planning a scan of the twenty files that match.
//!
//! Medians; draws `growth.svg` in the cache directory's `weir` folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::prelude::{Expr, SessionConfig, col, lit};
use weir_benches::Result;
use weir_benches::plot::{Line, Plot};
use weir_benches::rounds::Stopwatch;
use weir_scan::{
    Config, DeltaTables, PinnedTable, RangeCache, RootName, Router, TableLocation, runtime_env, scan_numbers,
};

/// How many ids each file tells of.
const IDS: i64 = 1000;
const SIZES: [i64; 3] = [1_000, 10_000, 100_000];
const ROUNDS: usize = 15;

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

struct Ground {
    directory: tempfile::TempDir,
    tables: DeltaTables,
    state: SessionState,
}

impl Ground {
    fn new() -> Result<Self> {
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

    fn commit(&self, folder: &Path, version: u64, lines: &str) -> Result<()> {
        let log = self.directory.path().join(folder).join("_delta_log");
        std::fs::create_dir_all(&log)?;
        Ok(std::fs::write(log.join(format!("{version:020}.json")), lines)?)
    }

    async fn plan(&self, table: &PinnedTable, filter: &Expr) -> Result<u64> {
        let logical = LogicalPlanBuilder::scan("t", provider_as_source(table.provider()), None)?
            .filter(filter.clone())?
            .build()?;
        let plan = self.state.create_physical_plan(&logical).await?;
        Ok(scan_numbers(&plan, table).files_read)
    }
}

fn add(file: i64) -> String {
    let first = file * IDS;
    let last = first + IDS - 1;
    format!(
        r#"{{"add":{{"path":"{file}.parquet","partitionValues":{{}},"size":10000,"modificationTime":0,"dataChange":true,"stats":"{{\"numRecords\":{IDS},\"minValues\":{{\"id\":{first},\"day\":\"2026-01-01\"}},\"maxValues\":{{\"id\":{last},\"day\":\"2026-01-02\"}},\"nullCount\":{{\"id\":0,\"day\":0}}}}"}}}}"#
    ) + "\n"
}

fn first_commit(files: i64) -> String {
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What each step took at one size.
struct Costs {
    files: i64,
    steps: Vec<(&'static str, Duration)>,
}

async fn costs(ground: &Ground, files: i64) -> Result<Costs> {
    let folder = PathBuf::from(format!("growth_{files}"));
    ground.commit(&folder, 0, &first_commit(files))?;
    let location = TableLocation::new(RootName::new("main")?, &folder.to_string_lossy())?;
    let begun = Stopwatch::start();
    let mut pinned = ground.tables.open(&location).await?;
    let mut steps = vec![("first open", begun.wall())];
    let middle = files / 2 * IDS;
    let some: Vec<Expr> = (0..100).map(|n| lit(n * (files / 100) * IDS + 1)).collect();
    let filters = [
        (
            "plan, 20 files by a range",
            col("id").gt_eq(lit(middle)).and(col("id").lt(lit(middle + 20 * IDS))),
            20,
        ),
        ("plan, 1 file by a key", col("id").eq(lit(middle + 5)), 1),
        ("plan, 100 files by a list", col("id").in_list(some, false), 100),
    ];
    let (mut again, mut updates) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Stopwatch::start();
        ground.tables.open(&location).await?;
        again.push(begun.wall());
        ground.commit(&folder, round as u64 + 1, &add(files + round as i64))?;
        let begun = Stopwatch::start();
        pinned = ground.tables.open(&location).await?;
        updates.push(begun.wall());
    }
    steps.push(("open again", median(again)));
    steps.push(("open after one commit more", median(updates)));
    for (name, filter, matching) in filters {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Stopwatch::start();
            let read = ground.plan(&pinned, &filter).await?;
            times.push(begun.wall());
            if read != matching {
                return Err(format!("{name}: {read} files are read").into());
            }
        }
        steps.push((name, median(times)));
    }
    Ok(Costs { files, steps })
}

async fn measure() -> Result<()> {
    let ground = Ground::new()?;
    let mut all = Vec::new();
    for files in SIZES {
        all.push(costs(&ground, files).await?);
    }
    let (Some(least), Some(most)) = (all.first(), all.last()) else { return Ok(()) };
    let mut text = String::from("| step |");
    for costs in &all {
        write!(text, " {} files |", costs.files)?;
    }
    text.push_str(" growth |\n|---|---|---|---|---|\n");
    for (place, (name, first)) in least.steps.iter().enumerate() {
        write!(text, "| {name} |")?;
        for costs in &all {
            let time = costs.steps.get(place).map_or(0.0, |(_, time)| time.as_secs_f64() * 1e3);
            write!(text, " {time:.2} ms |")?;
        }
        let last = most.steps.get(place).map_or(Duration::ZERO, |(_, time)| *time);
        writeln!(text, " {:.1} |", last.as_secs_f64() / first.as_secs_f64())?;
    }
    println!("{text}");
    let lines = least.steps.iter().enumerate().skip(1).map(|(place, (name, _))| Line {
        name: (*name).to_owned(),
        points: all
            .iter()
            .filter_map(|costs| Some((costs.files as f64, costs.steps.get(place)?.1.as_secs_f64() * 1e3)))
            .collect(),
    });
    let plot = Plot {
        title: "What a statement pays before it reads, by files of the table".to_owned(),
        across: "files of the table".to_owned(),
        up: "milliseconds".to_owned(),
        lines: lines.collect(),
    };
    plot.write("growth.svg")
}
