//! The books over real Delta tables: flushed, crashed, read again.

#![expect(clippy::unwrap_used, reason = "test data is known")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Int64Type};
use chrono::TimeDelta;
use tempfile::TempDir;
use weir_scan::{RangeCache, Router, runtime_env};

use super::*;
use crate::billing::{Config, Ledger};
use crate::query::history::{FinishedRecord, Protection, sample};
use crate::query::record::RecordSink;
use crate::system::tests::{BILLING_QUERY, catalog, owner, query_in};
use crate::system::{SystemArchive, SystemTables};

struct House {
    ledger: Arc<Ledger>,
    tables: SystemTables,
    runtime: Arc<RuntimeEnv>,
}

async fn open(journal: &Path, root: &Path) -> House {
    let config = weir_scan::Config::default();
    let router = Arc::new(Router::new(RangeCache::new(config.range_cache_bytes)));
    let name = RootName::new("system").unwrap();
    router.add_local_root(&name, root).unwrap();
    let runtime = runtime_env(Arc::clone(&router), &config).unwrap();
    let delta = Arc::new(DeltaTables::new(router, config));
    let store: Arc<dyn TableStore> = Arc::new(DeltaStore::new(delta, name, Arc::clone(&runtime)));
    let archive = Arc::new(SystemArchive::open(Arc::clone(&store)).await.unwrap());
    let ledger = Arc::new(Ledger::open(journal, archive, Config::sample()).await.unwrap());
    House { tables: SystemTables::new(Arc::clone(&ledger), store, catalog(journal).await), ledger, runtime }
}

fn record(user: &str) -> FinishedRecord {
    sample::record(user, "2024-08-02T10:59:00Z", TimeDelta::minutes(2), Duration::from_secs(1800))
}

async fn count(house: &House, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM system.{table}");
    let rows = query_in(Arc::clone(&house.runtime), &house.tables, owner(), &sql).await;
    rows.column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test]
async fn flush_repeated_after_a_crash_adds_nothing() {
    let (journal, crashed, root) =
        (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let house = open(journal.path(), root.path()).await;
    for _ in 0..3 {
        house.ledger.recorded(record("ann")).await.unwrap();
    }
    for file in fs::read_dir(journal.path()).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, crashed.path().join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(count(&house, "query.history").await, 3);
    house.ledger.flush().await.unwrap();
    assert_eq!(count(&house, "query.history").await, 3);

    // The tables have the segment; the journal has it too, as if the server had died in between.
    let house = open(crashed.path(), root.path()).await;
    assert_eq!(count(&house, "query.history").await, 3);
    house.ledger.recorded(record("bob")).await.unwrap();
    assert_eq!(count(&house, "query.history").await, 4);
    house.ledger.flush().await.unwrap();
    house.ledger.flush().await.unwrap();
    assert_eq!(count(&house, "query.history").await, 4);
    assert_eq!(count(&house, "billing.usage").await, 16);
}

#[tokio::test]
async fn billing_query_reads_delta_and_journal_as_one() {
    let (journal, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let house = open(journal.path(), root.path()).await;
    house.ledger.recorded(record("ann")).await.unwrap();
    house.ledger.flush().await.unwrap();
    house.ledger.recorded(record("ann")).await.unwrap();
    let runtime = Arc::clone(&house.runtime);
    let rows = query_in(runtime, &house.tables, owner(), BILLING_QUERY).await;
    assert_eq!(rows.num_rows(), 1);
    assert_eq!(rows.column(3).as_primitive::<Decimal128Type>().value(0), 10_i128.pow(18));
}

#[tokio::test]
async fn stored_rows_keep_their_types_and_what_is_withheld_stays_so() {
    let (journal, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let house = open(journal.path(), root.path()).await;
    house.ledger.recorded(FinishedRecord { protection: Protection::Strict, ..record("ann") }).await.unwrap();
    house.ledger.flush().await.unwrap();
    house.ledger.recorded(record("bob")).await.unwrap();
    for table in SystemTableName::ALL {
        let sql = format!("SELECT * FROM system.{}.{}", table.schema(), table.table());
        let rows = query_in(Arc::clone(&house.runtime), &house.tables, owner(), &sql).await;
        assert_eq!(rows.schema().fields(), table.arrow_schema().fields());
        // nothing of the metered records is of the schema `access`
        assert!(rows.num_rows() >= if table.schema() == "access" { 0 } else { 2 });
    }
    let sql = "SELECT read_files FROM system.query.history WHERE read_files IS NULL";
    let rows = query_in(Arc::clone(&house.runtime), &house.tables, owner(), sql).await;
    assert_eq!((rows.num_rows(), rows.column(0).null_count()), (1, 1));
}
