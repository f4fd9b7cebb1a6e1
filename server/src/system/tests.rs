//! The system tables as a reader of SQL sees them, over a store in memory.

#![expect(clippy::unwrap_used, reason = "test data is known")]
#![expect(clippy::disallowed_methods, reason = "reads whole tables, as the enforcer does below its seal")]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Int64Type};
use async_trait::async_trait;
use chrono::TimeDelta;
use datafusion::datasource::MemTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};
use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_catalog::{Content, Epoch, MetastoreId, MetastoreRoot, PrincipalId, Snapshot};

use super::*;
use crate::billing::journal::SegmentNumber;
use crate::billing::{Config, Error};
use crate::query::history::{FinishedRecord, Protection, sample};
use crate::query::record::RecordSink;

#[derive(Debug, Default)]
struct Shelf {
    tables: Mutex<HashMap<SystemTableName, Stored>>,
}

#[derive(Debug, Default)]
struct Stored {
    batches: Vec<RecordBatch>,
    seen: Option<SegmentNumber>,
}

#[async_trait]
impl TableStore for Shelf {
    async fn create_if_absent(&self, table: SystemTableName) -> Result<(), Error> {
        self.tables.lock().await.entry(table).or_default();
        Ok(())
    }

    async fn append(
        &self,
        table: SystemTableName,
        rows: RecordBatch,
        _application: &str,
        version: SegmentNumber,
    ) -> Result<(), Error> {
        let mut tables = self.tables.lock().await;
        let stored = tables.get_mut(&table).unwrap();
        stored.batches.push(rows);
        stored.seen = Some(version);
        Ok(())
    }

    async fn open(&self, table: SystemTableName, _application: &str) -> Result<StoredTable, Error> {
        let tables = self.tables.lock().await;
        let stored = tables.get(&table).unwrap();
        let provider = MemTable::try_new(table.arrow_schema(), vec![stored.batches.clone()]).unwrap();
        Ok(StoredTable { provider: Arc::new(provider), seen: stored.seen })
    }
}

async fn open(dir: &Path) -> (Arc<Ledger>, SystemTables) {
    let store: Arc<dyn TableStore> = Arc::new(Shelf::default());
    let archive = SystemArchive::open(Arc::clone(&store)).await.unwrap();
    let ledger = Arc::new(Ledger::open(dir, Arc::new(archive), Config::sample()).await.unwrap());
    (Arc::clone(&ledger), SystemTables::new(ledger, store, catalog(dir).await))
}

/// A catalog in `dir` with nobody in it.
pub(crate) async fn catalog(dir: &Path) -> Arc<Metastore> {
    Arc::new(Metastore::open_sqlite(&dir.join("catalog.sqlite")).await.unwrap())
}

/// A user of whom the catalog knows nothing.
pub(crate) fn owner() -> Reader {
    let nobody = MetastoreRoot { id: MetastoreId::fresh(), owner: None };
    let nothing = Snapshot::new(Epoch(0), Content::empty(nobody));
    Reader::User(Sight::new(Arc::new(nothing), PrincipalId::fresh(), "ann"))
}

async fn query(tables: &SystemTables, reader: Reader, sql: &str) -> RecordBatch {
    query_in(Arc::default(), tables, reader, sql).await
}

/// Runs `sql` over the system tables in `runtime`.
pub(crate) async fn query_in(
    runtime: Arc<RuntimeEnv>,
    tables: &SystemTables,
    reader: Reader,
    sql: &str,
) -> RecordBatch {
    let config = SessionConfig::new().with_default_catalog_and_schema("system", "billing");
    let config = config.set_str("datafusion.sql_parser.dialect", "databricks");
    let session = SessionContext::new_with_config_rt(config, runtime);
    let catalog = session.catalog("system").unwrap();
    for name in SystemTableName::ALL {
        let opened = tables.open(name, &reader).await.unwrap();
        assert_eq!(opened.provider.schema(), name.arrow_schema());
        if catalog.schema(name.schema()).is_none() {
            let folder = Arc::new(datafusion::catalog::MemorySchemaProvider::new());
            catalog.register_schema(name.schema(), folder).unwrap();
        }
        let folder = catalog.schema(name.schema()).unwrap();
        folder.register_table(name.table().to_owned(), opened.provider).unwrap();
    }
    let frame = session.sql(sql).await.unwrap();
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.unwrap();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn record(user: &str, day: &str, seconds: u64) -> FinishedRecord {
    sample::record(user, &format!("{day}T10:59:00Z"), TimeDelta::minutes(2), Duration::from_secs(seconds))
}

/// The billing query of the documentation on data filtering, as it stands there.
pub(crate) const BILLING_QUERY: &str = "SELECT usage_date,
sku_name,
identity_metadata.run_as,
SUM(usage_quantity) AS `DBUs consumed by FGAC`
FROM system.billing.usage
WHERE usage_date BETWEEN '2024-08-01' AND '2024-09-01'
AND billing_origin_product = 'FINE_GRAINED_ACCESS_CONTROL'
GROUP BY 1, 2, 3 ORDER BY 1;";

#[tokio::test]
async fn billing_query_of_the_documentation_runs_as_it_stands() {
    let dir = TempDir::new().unwrap();
    let (ledger, tables) = open(dir.path()).await;
    ledger.recorded(record("ann", "2024-08-02", 1800)).await.unwrap();
    ledger.flush().await.unwrap();
    ledger.recorded(record("ann", "2024-08-02", 1800)).await.unwrap();
    ledger.recorded(record("ann", "2024-08-03", 36)).await.unwrap();
    ledger.recorded(record("ann", "2024-08-04", 0)).await.unwrap();
    ledger.recorded(record("ann", "2024-09-02", 3600)).await.unwrap();
    let rows = query(&tables, Reader::Admin, BILLING_QUERY).await;
    let skus: Vec<_> = rows.column(1).as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    assert_eq!(skus, ["PREMIUM_JOBS_SERVERLESS_COMPUTE_LOCAL"; 2]);
    let users: Vec<_> = rows.column(2).as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    assert_eq!(users, ["ann"; 2]);
    let sums: Vec<_> = rows.column(3).as_primitive::<Decimal128Type>().values().to_vec();
    assert_eq!(sums, [10_i128.pow(18), 10_i128.pow(16)]);
}

#[tokio::test]
async fn books_and_history_agree_to_the_last_digit() {
    let dir = TempDir::new().unwrap();
    let (ledger, tables) = open(dir.path()).await;
    for (index, user) in ["ann", "bob", "ann", "cy"].into_iter().enumerate() {
        ledger.recorded(record(user, "2026-01-01", 7 + u64::try_from(index).unwrap())).await.unwrap();
        if index == 1 {
            ledger.flush().await.unwrap();
        }
    }
    let history = "SELECT SUM(filtering_dbus), SUM(sql_dbus), COUNT(*) FROM system.query.history";
    let books = "SELECT SUM(usage_quantity) FILTER (WHERE billing_origin_product = 'FINE_GRAINED_ACCESS_CONTROL'), \
                 SUM(usage_quantity) FILTER (WHERE billing_origin_product = 'SQL'), COUNT(*) FROM system.billing.usage";
    let history = query(&tables, Reader::Admin, history).await;
    let books = query(&tables, Reader::Admin, books).await;
    for column in 0..2 {
        let of_history = history.column(column).as_primitive::<Decimal128Type>().value(0);
        let of_books = books.column(column).as_primitive::<Decimal128Type>().value(0);
        assert_eq!(of_history, of_books);
        assert!(of_history > 0);
    }
    assert_eq!(history.column(2).as_primitive::<Int64Type>().value(0), 4);
    // Each statement lies in two hours, for each of two products.
    assert_eq!(books.column(2).as_primitive::<Int64Type>().value(0), 16);
}

#[tokio::test]
async fn numbers_below_a_strict_barrier_are_withheld_from_the_user() {
    let dir = TempDir::new().unwrap();
    let (ledger, tables) = open(dir.path()).await;
    let strict = FinishedRecord { protection: Protection::Strict, ..record("ann", "2026-01-01", 1) };
    ledger.recorded(strict).await.unwrap();
    ledger.flush().await.unwrap();
    ledger.recorded(record("bob", "2026-01-01", 1)).await.unwrap();
    let sql = "SELECT executed_as, read_files, read_io_cache_percent FROM system.query.history \
               WHERE read_files IS NULL OR read_files = 3 ORDER BY executed_as";
    let as_user = query(&tables, owner(), sql).await;
    assert_eq!(as_user.num_rows(), 2);
    assert!(as_user.column(1).is_null(0) && as_user.column(2).is_null(0));
    assert_eq!(as_user.column(1).as_primitive::<Int64Type>().value(1), 3);
    let as_admin = query(&tables, Reader::Admin, sql).await;
    assert_eq!(as_admin.column(1).null_count(), 0);
}

#[tokio::test]
async fn nested_columns_keep_their_types_and_values() {
    let dir = TempDir::new().unwrap();
    let (ledger, tables) = open(dir.path()).await;
    ledger.recorded(record("ann", "2026-01-01", 1)).await.unwrap();
    let sql = "SELECT custom_tags['Name'], usage_metadata.warehouse_id, product_features.is_serverless, \
               product_features.networking.connectivity_type FROM system.billing.usage";
    let rows = query(&tables, owner(), sql).await;
    assert_eq!(rows.column(0).as_string::<i32>().value(0), "weir");
    assert_eq!(rows.column(1).as_string::<i32>().value(0), "weir");
    assert!(rows.column(2).as_boolean().value(0));
    assert!(rows.column(3).is_null(0));
    let all = query(&tables, owner(), "SELECT * FROM system.query.history").await;
    assert_eq!(all.schema().fields(), SystemTableName::QueryHistory.arrow_schema().fields());
}

#[test]
fn unknown_system_table_is_none() {
    assert_eq!(ServerTable::find("system", "billing", "prices"), None);
    let usage = Some(ServerTable::Book(SystemTableName::BillingUsage));
    assert_eq!(ServerTable::find("System", "Billing", "USAGE"), usage);
    assert_eq!(ServerTable::find("main", "billing", "usage"), None);
}

#[test]
fn columns_have_meanings_and_unlike_names() {
    for table in SystemTableName::ALL {
        let mut names: Vec<_> = table.columns().into_iter().map(|column| column.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(table.columns().iter().all(|column| column.meaning.ends_with('.')));
        assert!(names.contains(&table.owner_column().column));
    }
}

/// `WEIR_UPDATE_GOLDEN=1` writes the file instead of comparing it.
#[test]
fn reference_of_the_system_tables_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/system_tables.md");
    if std::env::var_os("WEIR_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, reference::markdown()).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == reference::markdown(), "regenerate {} with WEIR_UPDATE_GOLDEN=1", path.display());
}
