//! [`StatementGauges`]: what a running statement has cost and given so far, readable at any time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use weir_enforce::permit::Barrier;
use weir_enforce::{GovernedPlan, LeafReadings, ScannedLeaf, Witness};
use weir_meter::Meter;

use crate::query::decisions::Decisions;
use crate::query::history::{Readings, ScanTotals};
use crate::query::record::Gauges;
use crate::query::statement_memory::StatementMemory;

/// The gauges of one statement. Work charged to its meter is all but that of the leaves, which
/// have meters of their own.
#[derive(Debug, Default)]
pub struct StatementGauges {
    meter: Meter,
    witness: Arc<Witness>,
    plans: Watched,
    kept: OnceLock<Vec<ScannedLeaf>>,
    rows_produced: AtomicU64,
    bytes_produced: AtomicU64,
    rows_written: AtomicU64,
    files_written: AtomicU64,
    bytes_written: AtomicU64,
    fetch_micros: AtomicU64,
    capacity_micros: AtomicU64,
    memory_bytes_max: Option<usize>,
    environment: OnceLock<Arc<RuntimeEnv>>,
}

/// Plans in the order in which they came; grows at its end only.
#[derive(Debug, Default)]
struct Watched(OnceLock<Box<(GovernedPlan, Watched)>>);

impl Watched {
    fn push(&self, plan: &GovernedPlan) {
        let mut link = self;
        let mut added = Box::new((plan.clone(), Watched::default()));
        // Whoever came in between is passed by.
        while let Err(back) = link.0.set(added) {
            added = back;
            let Some(taken) = link.0.get() else { return };
            link = &taken.1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &GovernedPlan> {
        std::iter::successors(self.0.get(), |link| link.1.0.get()).map(|link| &link.0)
    }
}

impl StatementGauges {
    /// Gauges at zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Gauges at zero of a statement whose decisions `witness` sees, and which may have so many bytes of memory.
    pub fn witnessed_by(witness: Arc<Witness>, memory_bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { witness, memory_bytes_max: Some(memory_bytes_max), ..Self::default() })
    }

    /// The environment in which the statement's plans run: that of all, with the memory of one.
    pub fn environment(&self, shared: &RuntimeEnv) -> Arc<RuntimeEnv> {
        let environment = self.environment.get_or_init(|| {
            let bytes_max = self.memory_bytes_max.unwrap_or(usize::MAX);
            let memory_pool = Arc::new(StatementMemory::new(Arc::clone(&shared.memory_pool), bytes_max));
            Arc::new(RuntimeEnv { memory_pool, ..shared.clone() })
        });
        Arc::clone(environment)
    }

    /// The statement waited for its turn.
    pub fn waited_for_turn(&self, time: Duration) {
        self.capacity_micros.fetch_add(micros(time), Ordering::Relaxed);
    }

    /// What is charged with the statement's work outside the leaves.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// More leaves to read from now on: a statement that counts has a plan for each count.
    pub fn watch(&self, plan: &GovernedPlan) {
        self.plans.push(plan);
    }

    /// The rows are kept ones, and this is what the leaves let pass when they were read.
    pub fn answered_by_kept(&self, leaves: Vec<ScannedLeaf>) {
        // reason: a statement is answered so once, at its beginning
        let _answered_before = self.kept.set(leaves);
    }

    /// A batch went out.
    pub fn produced(&self, batch: &RecordBatch) {
        self.rows_produced.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let bytes: usize = batch
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or_default())
            .sum();
        self.bytes_produced.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The result waited for its client.
    pub fn waited(&self, time: Duration) {
        self.fetch_micros.fetch_add(micros(time), Ordering::Relaxed);
    }

    /// Rows were written.
    pub fn wrote(&self, rows: u64, files: u64, bytes: u64) {
        self.rows_written.fetch_add(rows, Ordering::Relaxed);
        self.files_written.fetch_add(files, Ordering::Relaxed);
        self.bytes_written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The readings of each leaf.
    pub fn leaves(&self) -> Vec<LeafReadings> {
        self.plans.iter().flat_map(GovernedPlan::readings).collect()
    }
}

impl Gauges for StatementGauges {
    fn readings(&self) -> Readings {
        let mut scans = ScanTotals::default();
        let mut other_cpu = self.meter.cpu();
        for leaf in self.leaves() {
            scans += totals_of(&leaf);
            if leaf.barrier == Barrier::None {
                other_cpu += leaf.cpu;
            }
        }
        Readings {
            rows_produced: self.rows_produced.load(Ordering::Relaxed),
            bytes_produced: self.bytes_produced.load(Ordering::Relaxed),
            filtering_cpu: scans.filtering_time,
            scans,
            other_cpu,
            result_fetch: Duration::from_micros(self.fetch_micros.load(Ordering::Relaxed)),
            waiting_at_capacity: Duration::from_micros(self.capacity_micros.load(Ordering::Relaxed)),
            spilled_bytes: self.plans.iter().map(|plan| spilled_by(plan.plan().as_ref())).sum(),
            rows_written: self.rows_written.load(Ordering::Relaxed),
            files_written: self.files_written.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
        }
    }

    fn decisions(&self) -> Decisions {
        let mut leaves: Vec<_> = self.plans.iter().flat_map(GovernedPlan::scanned).collect();
        // A statement that went on by another plan has read its rows itself.
        if let Some(kept) = self.kept.get().filter(|_| self.plans.iter().count() == 1) {
            leaves = kept.clone();
        }
        Decisions::of(&self.witness.witnessed(), &leaves)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What the operators above the leaves have spilled; what leaves do inside tells of rows that they hide.
fn spilled_by(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    plan.children().iter().fold(own as u64, |sum, child| sum.saturating_add(spilled_by(child.as_ref())))
}

/// The nine numbers of one leaf. A leaf that hides nothing filters nothing: its time counts as
/// the statement's own.
pub fn totals_of(leaf: &LeafReadings) -> ScanTotals {
    ScanTotals {
        filtering_time: if leaf.barrier == Barrier::None { Duration::ZERO } else { leaf.cpu },
        rows_output: leaf.rows,
        rows_output_bytes: leaf.bytes,
        files_pruned: leaf.files.files_pruned,
        files_pruned_bytes: leaf.files.bytes_pruned,
        files_read: leaf.files.files_read,
        files_read_bytes: leaf.files.bytes_read,
        cache_hit_bytes: leaf.cache_hit_bytes,
        cache_miss_bytes: leaf.cache_miss_bytes,
    }
}
