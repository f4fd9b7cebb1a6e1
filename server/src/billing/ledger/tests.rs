//! The books balance: under crashes, repeated flushes and random records.

#![expect(clippy::unwrap_used, reason = "test data is known")]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::billing::{Product, Quantity};
use crate::query::history::{ExecutionStatus, sample};

/// An archive in memory: entries by journal, and the newest segment of each.
#[derive(Debug, Default)]
struct Shelf {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    entries: Vec<Arc<Entry>>,
    seen: BTreeMap<Uuid, SegmentNumber>,
}

#[async_trait]
impl Archive for Shelf {
    async fn append(&self, segment: SegmentName, ended: &[Arc<Entry>]) -> Result<(), Error> {
        let mut held = self.held.lock().await;
        if held.seen.get(&segment.journal).is_some_and(|seen| *seen >= segment.number) {
            return Ok(());
        }
        held.entries.extend(ended.iter().cloned());
        held.seen.insert(segment.journal, segment.number);
        Ok(())
    }

    async fn newest(&self, journal: Uuid) -> Result<Option<SegmentNumber>, Error> {
        Ok(self.held.lock().await.seen.get(&journal).copied())
    }
}

impl Shelf {
    /// Everything in the books, as a reader sees it.
    async fn read(&self, ledger: &Ledger) -> Vec<Arc<Entry>> {
        let pending = ledger.pending().await.unwrap();
        let held = self.held.lock().await;
        let seen = held.seen.get(&ledger.journal_id()).copied().unwrap_or(0);
        let rest = pending.into_iter().filter(|segment| segment.number > seen);
        held.entries.iter().cloned().chain(rest.flat_map(|segment| segment.ended)).collect()
    }
}

async fn open(dir: &Path, shelf: &Arc<Shelf>) -> Ledger {
    let archive: Arc<dyn Archive> = Arc::<Shelf>::clone(shelf);
    Ledger::open(dir, archive, Config::sample()).await.unwrap()
}

fn record(status: ExecutionStatus) -> FinishedRecord {
    let record = sample::record("ann", "2026-01-01T10:00:00Z", TimeDelta::seconds(9), Duration::from_secs(3));
    FinishedRecord { status, ..record }
}

fn after_kill(dir: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[tokio::test]
async fn crash_between_archiving_and_removing_counts_nothing_twice() {
    let (dir, shelf) = (TempDir::new().unwrap(), Arc::new(Shelf::default()));
    let ledger = open(dir.path(), &shelf).await;
    for _ in 0..3 {
        ledger.recorded(record(ExecutionStatus::Finished)).await.unwrap();
    }
    let before_flush = after_kill(dir.path());
    ledger.flush().await.unwrap();
    assert_eq!(shelf.read(&ledger).await.len(), 3);
    // The archive has the segment, and the journal still has it too.
    let restarted = open(before_flush.path(), &shelf).await;
    assert_eq!(shelf.read(&restarted).await.len(), 3);
    restarted.recorded(record(ExecutionStatus::Finished)).await.unwrap();
    assert_eq!(shelf.read(&restarted).await.len(), 4);
    restarted.flush().await.unwrap();
    restarted.flush().await.unwrap();
    assert_eq!(shelf.read(&restarted).await.len(), 4);
    assert_eq!(shelf.held.lock().await.entries.len(), 4);
}

#[tokio::test]
async fn statement_under_which_the_server_stopped_fails_with_its_usage() {
    let (dir, shelf) = (TempDir::new().unwrap(), Arc::new(Shelf::default()));
    let ledger = open(dir.path(), &shelf).await;
    let running = record(ExecutionStatus::Running);
    ledger.checkpoint(running.clone());
    ledger.recorded(record(ExecutionStatus::Finished)).await.unwrap();
    ledger.flush().await.unwrap();
    let mut crashed = after_kill(dir.path());
    // Crashing again and again at once changes nothing.
    for _ in 0..3 {
        let restarted = open(crashed.path(), &shelf).await;
        let entries = shelf.read(&restarted).await;
        let failed: Vec<_> =
            entries.iter().filter(|entry| entry.record.statement_id == running.statement_id).collect();
        assert_eq!((entries.len(), failed.len()), (2, 1));
        let failed = failed.first().unwrap();
        assert_eq!(failed.record.status, ExecutionStatus::Failed);
        assert_eq!(failed.quantity(Product::FineGrainedAccessControl).to_string(), "0.000833333333333333");
        assert_eq!(
            failed.record.error_message.as_deref(),
            Some("the server stopped while the statement ran")
        );
        assert!(restarted.running().await.unwrap().is_empty());
        crashed = after_kill(crashed.path());
    }
}

#[tokio::test]
async fn reading_while_flushing_sees_each_statement_once() {
    let (dir, shelf) = (TempDir::new().unwrap(), Arc::new(Shelf::default()));
    let ledger = Arc::new(open(dir.path(), &shelf).await);
    for round in 1..=20 {
        ledger.recorded(record(ExecutionStatus::Finished)).await.unwrap();
        let (flushed, read) = tokio::join!(ledger.flush(), shelf.read(&ledger));
        flushed.unwrap();
        assert_eq!(read.len(), round);
    }
}

#[tokio::test]
async fn a_journal_that_holds_much_is_flushed_before_its_time() {
    let (dir, shelf) = (TempDir::new().unwrap(), Arc::new(Shelf::default()));
    let archive: Arc<dyn Archive> = Arc::<Shelf>::clone(&shelf);
    let config = Config { flush_interval: Duration::from_secs(3600), held_bytes_max: 1, ..Config::sample() };
    let ledger = Arc::new(Ledger::open(dir.path(), archive, config).await.unwrap());
    let stop = CancellationToken::new();
    let (flushed, stopped) = (Arc::clone(&ledger), stop.clone());
    let flushing = tokio::spawn(async move { flushed.keep_flushed(stopped).await });
    ledger.recorded(record(ExecutionStatus::Finished)).await.unwrap();
    let archived = async {
        while shelf.held.lock().await.entries.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), archived).await.unwrap();
    stop.cancel();
    flushing.await.unwrap();
    assert_eq!(shelf.read(&ledger).await.len(), 1);
}

fn random_record() -> impl Strategy<Value = FinishedRecord> {
    let ends = prop_oneof![
        Just(ExecutionStatus::Finished),
        Just(ExecutionStatus::Failed),
        Just(ExecutionStatus::Canceled)
    ];
    (0_i64..40_000_000_000, 0_u64..10_u64.pow(16), 0_u64..10_u64.pow(16), ends).prop_map(
        |(wall, filtering, other, status)| {
            let wall = TimeDelta::microseconds(wall);
            let filtering = Duration::from_nanos(filtering);
            let mut record = sample::record("ann", "2026-01-01T10:20:30.123456Z", wall, filtering);
            record.readings.other_cpu = Duration::from_nanos(other);
            FinishedRecord { status, ..record }
        },
    )
}

/// Keeps books of `records`, with a flush and a crash in between, and returns all entries.
async fn keep_books(records: &[FinishedRecord], flush_after: usize, crash_after: usize) -> Vec<Arc<Entry>> {
    let (mut dir, shelf) = (TempDir::new().unwrap(), Arc::new(Shelf::default()));
    let mut ledger = open(dir.path(), &shelf).await;
    for (index, record) in records.iter().enumerate() {
        ledger.checkpoint(FinishedRecord { status: ExecutionStatus::Running, ..record.clone() });
        ledger.recorded(record.clone()).await.unwrap();
        if index == flush_after {
            ledger.flush().await.unwrap();
        }
        if index == crash_after {
            dir = after_kill(dir.path());
            ledger = open(dir.path(), &shelf).await;
        }
    }
    shelf.read(&ledger).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn usage_adds_up_to_history_over_crashes(
        records in prop::collection::vec(random_record(), 1..12),
        flush_after in 0_usize..12,
        crash_after in 0_usize..12,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let entries = runtime.block_on(keep_books(&records, flush_after, crash_after));
        prop_assert_eq!(entries.len(), records.len());
        for product in Product::ALL {
            let rows = entries.iter().flat_map(|entry| &entry.usage);
            let sum: Quantity =
                rows.filter(|usage| usage.product == product).map(|usage| usage.quantity).sum();
            let due: Quantity = records
                .iter()
                .map(|record| Config::sample().rate(product).charge(match product {
                    Product::FineGrainedAccessControl => record.readings.filtering_cpu,
                    Product::Sql => record.readings.other_cpu,
                }))
                .sum();
            prop_assert_eq!(sum, due);
            prop_assert_eq!(entries.iter().map(|entry| entry.quantity(product)).sum::<Quantity>(), due);
        }
        let mut ids: Vec<_> =
            entries.iter().flat_map(|entry| &entry.usage).map(|usage| usage.record_id).collect();
        let rows = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), rows);
    }
}
