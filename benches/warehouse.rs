//! The sample warehouse of the benches: TPC-H as managed Delta tables in a server's data directory,
//! made once for each scale and kept in the cache directory, with the policies of the workload.
//!
//! The server is in the bench's own process. `admin` owns everything, the policies hold for
//! `analyst`, and `exempt` is let through by each of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use futures::{TryStreamExt, stream};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_catalog::{ObjectName, TableKind};
use weir_server::app::App;
use weir_server::clock::SystemClock;
use weir_server::config::{Config, Size};
use weir_server::context::{ClientDescription, Context};
use weir_server::demo::tpch::{SampleTable, TABLES};
use weir_server::identity::{Credentials, Verifier};
use weir_server::run::Outcome;
use weir_server::session::SessionSettings;

use crate::Result;
use crate::Workload;
use crate::rounds::{Answer, Side, Stopwatch};

/// Owns everything.
pub const ADMIN: &str = "admin";
/// Whom the policies hold for.
pub const ANALYST: &str = "analyst";
/// Whom each policy lets through.
pub const EXEMPT: &str = "exempt_user";
/// The schema of the tables.
pub const SCHEMA: &str = "tpch.bench";

/// Files of each of the large tables.
const FILES: usize = 8;
/// Tables with fewer rows than this at scale 1 are one file.
const SMALL: [&str; 3] = ["supplier", "nation", "region"];
/// A file beside the tables that says that all of them are there.
const COMPLETE: &str = "complete";
const TOKEN_LIFE: Duration = Duration::from_secs(6 * 3600);

/// The sample warehouse, ready to be asked.
#[derive(Debug)]
pub struct SampleWarehouse {
    app: Arc<App>,
    verifier: Verifier,
    scale: f64,
    directory: PathBuf,
}

/// One of its users, as a side of a comparison.
#[derive(Debug)]
pub struct User<'a> {
    /// The warehouse that is asked, in process.
    pub warehouse: &'a SampleWarehouse,
    /// Who asks.
    pub name: &'static str,
}

#[async_trait]
impl Side for User<'_> {
    async fn run(&self, sql: &str) -> Result<Answer> {
        self.warehouse.run(self.name, sql).await
    }
}

/// A server that serves until it is stopped.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<weir_server::Result<()>>,
}

impl Serving {
    /// Stops it, books flushed.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await??)
    }
}

impl SampleWarehouse {
    /// The warehouse at the scale of `WEIR_BENCH_SCALE` (1 where it is not set); makes it first
    /// where need be.
    pub async fn open(workload: &Workload) -> Result<Self> {
        let scale: f64 = environment("WEIR_BENCH_SCALE").map_or(Ok(1.0), |text| text.parse())?;
        let directory = cache()?.join("weir").join(format!("bench-sf{scale}"));
        if directory.join(COMPLETE).exists() {
            return Self::over(directory, scale).await;
        }
        eprintln!("making TPC-H at scale {scale} in {}", directory.display());
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        let warehouse = Self::over(directory, scale).await?;
        warehouse.fill().await?;
        warehouse.govern(workload).await?;
        std::fs::write(warehouse.directory.join(COMPLETE), "")?;
        Ok(warehouse)
    }

    /// An empty warehouse in `directory`.
    pub async fn over(directory: PathBuf, scale: f64) -> Result<Self> {
        let mut config = Config::in_directory(&directory);
        config.catalog.initial_admin = Some(ADMIN.to_owned());
        // What is measured runs.
        config.cache.result_cache_bytes = Size::new(0);
        let identity = config.identity.clone();
        let app = Arc::new(App::build(config, Arc::new(SystemClock)).await?);
        let verifier = Verifier::from_config(&identity, app.local_issuer().map(Arc::as_ref))?;
        Ok(Self { app, verifier, scale, directory })
    }

    /// All its parts.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The scale of TPC-H.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A token of `user`.
    pub fn token(&self, user: &str) -> Result<weir_server::config::Secret> {
        let issuer = self.app.local_issuer().ok_or("the warehouse has no issuer of tokens")?;
        Ok(issuer.sign(user, TOKEN_LIFE, self.app.clock().now())?.token)
    }

    /// The surroundings of a statement of `user`.
    pub async fn context(&self, user: &str) -> Result<Context> {
        let snapshot = self.app.metastore().snapshot().await?;
        let credentials = Credentials::bearer(self.token(user)?);
        let identity = self.verifier.verify(credentials, &snapshot, self.app.clock().now())?;
        let clock = Arc::clone(self.app.clock());
        Ok(Context::new(identity, SessionSettings::default(), ClientDescription::default(), clock))
    }

    /// Runs `sql` as `user` through the spine, to its last row.
    pub async fn run(&self, user: &str, sql: &str) -> Result<Answer> {
        let context = self.context(user).await?;
        let watch = Stopwatch::start();
        let outcome = self.app.warehouse().run(context, sql, None).await?;
        let planning = watch.wall();
        let batches = match outcome {
            Outcome::Rows(rows) => rows.batches.try_collect().await?,
            Outcome::Done { .. } => Vec::new(),
        };
        Ok(watch.answer(planning, batches))
    }

    /// The columns of each table.
    pub async fn columns(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let context = self.context(EXEMPT).await?;
        let mut columns = BTreeMap::new();
        for table in TABLES {
            let sql = format!("SELECT * FROM {SCHEMA}.{}", table.name);
            let described = self.app.warehouse().describe(&context, &sql).await?;
            let names = described.schema.fields().iter().map(|field| field.name().clone()).collect();
            columns.insert(table.name.to_owned(), names);
        }
        Ok(columns)
    }

    /// The folder of a table's files.
    pub async fn folder(&self, table: &str) -> Result<PathBuf> {
        let snapshot = self.app.metastore().snapshot().await?;
        let found = snapshot.table(&name_of(table)?).ok_or("a table of the workload is not there")?;
        match &found.kind {
            TableKind::Managed { location } => {
                Ok(self.directory.join("tables").join(location).canonicalize()?)
            }
            TableKind::External { .. } | TableKind::View(_) => Err("a table is not managed".into()),
        }
    }

    /// Serves on a port of its own.
    pub async fn serve(&self) -> Result<Serving> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let (app, until) = (Arc::clone(&self.app), stop.clone());
        let task = tokio::spawn(async move { app.serve(listener, until).await });
        Ok(Serving { address, stop, task })
    }

    async fn fill(&self) -> Result<()> {
        for sql in ["CREATE CATALOG tpch", &format!("CREATE SCHEMA {SCHEMA}")] {
            self.run(ADMIN, sql).await?;
        }
        for table in TABLES {
            let scale = self.scale;
            let files = if SMALL.contains(&table.name) { 1 } else { FILES };
            let parts = tokio::task::spawn_blocking(move || table.parts_at(scale, files)).await??;
            self.create(&table, &parts).await?;
            let rows: usize = parts.iter().map(RecordBatch::num_rows).sum();
            for part in parts {
                self.append(table.name, part).await?;
            }
            eprintln!("  {}: {rows} rows in {files} files", table.name);
        }
        Ok(())
    }

    async fn create(&self, table: &SampleTable, parts: &[RecordBatch]) -> Result<()> {
        let schema = parts.first().ok_or("a table of TPC-H has no rows")?.schema();
        let columns = schema
            .fields()
            .iter()
            .map(|field| Ok(format!("{} {}", field.name(), sql_type(field.data_type())?)))
            .collect::<Result<Vec<_>>>()?;
        let sql = format!("CREATE TABLE {SCHEMA}.{} ({})", table.name, columns.join(", "));
        self.run(ADMIN, &sql).await?;
        Ok(())
    }

    /// Adds rows to a table of [`SCHEMA`]: a commit and a file.
    pub async fn append(&self, table: &str, part: RecordBatch) -> Result<()> {
        let session = self.session()?;
        let snapshot = self.app.metastore().snapshot().await?;
        let found = snapshot.table(&name_of(table)?).ok_or("a table was made and is not there")?;
        let location = self.app.locations().of(found)?.ok_or("a table of the bench is a view")?;
        let schema = part.schema();
        let rows = stream::once(async move { Ok(part) });
        let input: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        self.app.tables().append(&location, &session, input, Vec::new(), None).await?;
        Ok(())
    }

    /// A session for the writer: one file a part.
    fn session(&self) -> Result<SessionState> {
        let router = Arc::clone(self.app.tables().router());
        let runtime = weir_scan::runtime_env(router, &weir_scan::Config::default())?;
        let config = SessionConfig::new().with_target_partitions(1);
        let builder = SessionStateBuilder::new().with_default_features();
        Ok(builder.with_config(config).with_runtime_env(runtime).build())
    }

    async fn govern(&self, workload: &Workload) -> Result<()> {
        let mut script = vec![
            format!("CREATE USER {ANALYST}"),
            format!("CREATE USER {EXEMPT}"),
            "CREATE GROUP exempt".to_owned(),
            format!("ALTER GROUP exempt ADD USER {EXEMPT}"),
        ];
        for user in [ANALYST, EXEMPT] {
            script.push(format!("GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG tpch TO {user}"));
        }
        for filter in &workload.policies.filters {
            let (table, column, taken) = (&filter.table, &filter.column, &filter.column_type);
            let function = format!("{SCHEMA}.{table}_rows");
            let body = &filter.function;
            script.push(format!("CREATE FUNCTION {function}(value {taken}) RETURNS BOOLEAN RETURN {body}"));
            script.push(format!("ALTER TABLE {SCHEMA}.{table} SET ROW FILTER {function} ON ({column})"));
        }
        for mask in &workload.policies.masks {
            let (table, column, taken) = (&mask.table, &mask.column, &mask.column_type);
            let function = format!("{SCHEMA}.{column}_mask");
            let body = &mask.function;
            script.push(format!("CREATE FUNCTION {function}(value {taken}) RETURNS {taken} RETURN {body}"));
            script.push(format!("ALTER TABLE {SCHEMA}.{table} ALTER COLUMN {column} SET MASK {function}"));
        }
        for sql in script {
            self.run(ADMIN, &sql).await.map_err(|error| format!("{sql}: {error}"))?;
        }
        Ok(())
    }
}

fn name_of(table: &str) -> Result<ObjectName> {
    let (catalog, schema) = SCHEMA.split_once('.').ok_or("the schema's name has two parts")?;
    Ok(ObjectName::new(catalog, schema, table)?)
}

fn sql_type(data_type: &DataType) -> Result<String> {
    match data_type {
        DataType::Int64 => Ok("BIGINT".to_owned()),
        DataType::Int32 => Ok("INT".to_owned()),
        DataType::Utf8 => Ok("STRING".to_owned()),
        DataType::Date32 => Ok("DATE".to_owned()),
        DataType::Decimal128(precision, scale) => Ok(format!("DECIMAL({precision},{scale})")),
        other => Err(format!("TPC-H has a column of type {other}").into()),
    }
}

/// Where caches of this machine's user lie.
pub fn cache() -> Result<PathBuf> {
    let cache = environment("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || environment("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache
        .or_else(home)
        .ok_or_else(|| "set XDG_CACHE_HOME or HOME: sample tables and drawings go there".into())
}

/// A setting of the bench.
pub fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "settings of a bench, not of the server")]
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
