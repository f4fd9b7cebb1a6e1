//! Figures for operators, in the text format of Prometheus: what statements cost and gave, and what stands at the moment.
//!
//! Counts over all users, by the kind of a statement and how it ended: no name of a user, no text, no name of a table and
//! nothing of a row is a label or a value. Statements are counted where the books hear of their end, so that both tell the
//! same.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::error::{Error, Result};
use crate::query::history::FinishedRecord;
use crate::query::plan_cache::PlanFigures;
use crate::query::record::Listener;

pub mod door;

/// A counter of seconds.
type Seconds = Counter<f64, AtomicU64>;

/// The first bound of times, in seconds; each further one is twice the one before.
const LEAST_SECONDS: f64 = 0.001;
/// How many bounds times have: the last is half an hour.
const TIME_BOUNDS: u16 = 21;

/// What a statement was, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    /// Its family: `SELECT`, `INSERT`; `NONE` where the text could not be parsed.
    kind: &'static str,
    /// `FINISHED`, `FAILED` or `CANCELED`.
    status: &'static str,
}

/// Figures of all statements that ended since the start of the server, and of what stands.
pub struct Metrics {
    registry: Registry,
    ended: Ends,
    standing: Standing,
}

/// What ends of statements add up to.
#[derive(Debug)]
struct Ends {
    statements: Family<Ended, Counter>,
    duration: Histogram,
    compilation: Histogram,
    waiting: Histogram,
    filtering_cpu: Seconds,
    other_cpu: Seconds,
    rows_produced: Counter,
    bytes_produced: Counter,
    rows_written: Counter,
    spilled: Counter,
    rows_scanned: Counter,
    files_read: Counter,
    files_read_bytes: Counter,
    files_pruned: Counter,
    files_pruned_bytes: Counter,
    cache_hit_bytes: Counter,
    cache_miss_bytes: Counter,
    kept_results_given: Counter,
}

/// What is at the moment; read when somebody asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// Statements that run.
    pub running: u64,
    /// Statements that wait for their turn.
    pub waiting: u64,
    /// Memory that operators have reserved, in bytes.
    pub memory_bytes: u64,
    /// Disk that operators have spilled to, in bytes.
    pub spill_bytes: u64,
    /// Byte ranges of data files in memory, in bytes.
    pub range_cache_bytes: u64,
    /// Byte ranges of data files on disk, in bytes.
    pub range_cache_disk_bytes: u64,
    /// Data files whose footer is in memory.
    pub footers: u64,
    /// Tables whose newest snapshot is in memory.
    pub snapshots: u64,
    /// Kept results, in bytes.
    pub result_cache_bytes: u64,
    /// Kept plans, and how often they served.
    pub plans: PlanFigures,
}

#[derive(Debug, Default)]
struct Standing {
    running: Gauge,
    waiting: Gauge,
    memory: Gauge,
    spill: Gauge,
    ranges: Gauge,
    disk_ranges: Gauge,
    footers: Gauge,
    snapshots: Gauge,
    results: Gauge,
    plans: Gauge,
    bound_uses: Counter,
    optimised_uses: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("weir");
        let ended = Ends::registered(&mut registry);
        let standing = Standing::registered(&mut registry);
        Self { registry, ended, standing }
    }
}

impl Metrics {
    /// The text for whoever asks, with what is `now`.
    pub fn text(&self, now: Now) -> Result<String> {
        self.standing.set(now);
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(Error::internal)?;
        Ok(text)
    }

    fn count(&self, record: &FinishedRecord) {
        let ends = &self.ended;
        let kind = record.statement_type.map_or("NONE", |kind| kind.name());
        ends.statements.get_or_create(&Ended { kind, status: record.status.name() }).inc();
        ends.duration.observe(record.total_duration().as_secs_f64());
        ends.compilation.observe(record.compilation.as_secs_f64());
        let (readings, scans) = (&record.readings, &record.readings.scans);
        ends.waiting.observe(readings.waiting_at_capacity.as_secs_f64());
        ends.filtering_cpu.inc_by(readings.filtering_cpu.as_secs_f64());
        ends.other_cpu.inc_by(readings.other_cpu.as_secs_f64());
        ends.rows_produced.inc_by(readings.rows_produced);
        ends.bytes_produced.inc_by(readings.bytes_produced);
        ends.rows_written.inc_by(readings.rows_written);
        ends.spilled.inc_by(readings.spilled_bytes);
        ends.rows_scanned.inc_by(scans.rows_output);
        ends.files_read.inc_by(scans.files_read);
        ends.files_read_bytes.inc_by(scans.files_read_bytes);
        ends.files_pruned.inc_by(scans.files_pruned);
        ends.files_pruned_bytes.inc_by(scans.files_pruned_bytes);
        ends.cache_hit_bytes.inc_by(scans.cache_hit_bytes);
        ends.cache_miss_bytes.inc_by(scans.cache_miss_bytes);
        ends.kept_results_given.inc_by(u64::from(record.from_result_cache));
    }
}

fn times() -> Histogram {
    Histogram::new(exponential_buckets(LEAST_SECONDS, 2.0, TIME_BOUNDS))
}

impl Ends {
    fn registered(registry: &mut Registry) -> Self {
        let ends = Self {
            statements: Family::default(),
            duration: times(),
            compilation: times(),
            waiting: times(),
            filtering_cpu: Seconds::default(),
            other_cpu: Seconds::default(),
            rows_produced: Counter::default(),
            bytes_produced: Counter::default(),
            rows_written: Counter::default(),
            spilled: Counter::default(),
            rows_scanned: Counter::default(),
            files_read: Counter::default(),
            files_read_bytes: Counter::default(),
            files_pruned: Counter::default(),
            files_pruned_bytes: Counter::default(),
            cache_hit_bytes: Counter::default(),
            cache_miss_bytes: Counter::default(),
            kept_results_given: Counter::default(),
        };
        let help = "Statements that ended, by kind and how";
        registry.register("statements", help, ends.statements.clone());
        for (name, help, times) in [
            (
                "statement_duration",
                "From coming in to the end, without waiting for the client",
                &ends.duration,
            ),
            ("statement_compilation", "Parsing, planning and governing", &ends.compilation),
            ("statement_waiting", "Waiting for a turn", &ends.waiting),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, times.clone());
        }
        for (name, help, seconds) in [
            ("filtering_cpu", "CPU time of filtering governed tables", &ends.filtering_cpu),
            ("other_cpu", "CPU time of all else that statements did", &ends.other_cpu),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, seconds.clone());
        }
        for (name, help, count) in [
            ("rows_produced", "Rows of results", &ends.rows_produced),
            ("rows_written", "Rows written to tables", &ends.rows_written),
            ("rows_scanned", "Rows that scans gave after filtering", &ends.rows_scanned),
            ("files_read", "Files that scans had to read", &ends.files_read),
            ("files_pruned", "Files that scans left out", &ends.files_pruned),
            ("kept_results_given", "Statements answered by a kept result", &ends.kept_results_given),
        ] {
            registry.register(name, help, count.clone());
        }
        for (name, help, count) in [
            ("produced", "Size of results", &ends.bytes_produced),
            ("spilled", "Spilled to disk by operators", &ends.spilled),
            ("files_read", "Size of the files that scans had to read", &ends.files_read_bytes),
            ("files_pruned", "Size of the files that scans left out", &ends.files_pruned_bytes),
            ("cache_hits", "Read by scans from memory", &ends.cache_hit_bytes),
            ("cache_misses", "Read by scans from storage", &ends.cache_miss_bytes),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, count.clone());
        }
        ends
    }
}

impl Standing {
    fn registered(registry: &mut Registry) -> Self {
        let standing = Self::default();
        for (name, help, gauge) in [
            ("statements_running", "Statements that run", &standing.running),
            ("statements_waiting", "Statements that wait for their turn", &standing.waiting),
            ("footers", "Data files whose footer is in memory", &standing.footers),
            ("snapshots", "Tables whose newest snapshot is in memory", &standing.snapshots),
            ("plans", "Kept plans of queries", &standing.plans),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, count) in [
            ("bound_plan_uses", "Calls served by a query that was bound before", &standing.bound_uses),
            (
                "optimised_plan_uses",
                "Statements served by a plan that was optimised before",
                &standing.optimised_uses,
            ),
        ] {
            registry.register(name, help, count.clone());
        }
        for (name, help, gauge) in [
            ("memory_reserved", "Memory that operators have reserved", &standing.memory),
            ("spill_used", "Disk that operators have spilled to", &standing.spill),
            ("range_cache", "Byte ranges of data files in memory", &standing.ranges),
            ("range_cache_disk", "Byte ranges of data files on disk", &standing.disk_ranges),
            ("result_cache", "Kept results", &standing.results),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
        standing
    }

    fn set(&self, now: Now) {
        for (gauge, value) in [
            (&self.running, now.running),
            (&self.waiting, now.waiting),
            (&self.memory, now.memory_bytes),
            (&self.spill, now.spill_bytes),
            (&self.ranges, now.range_cache_bytes),
            (&self.disk_ranges, now.range_cache_disk_bytes),
            (&self.footers, now.footers),
            (&self.snapshots, now.snapshots),
            (&self.results, now.result_cache_bytes),
            (&self.plans, now.plans.kept),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (count, value) in
            [(&self.bound_uses, now.plans.bound_uses), (&self.optimised_uses, now.plans.optimised_uses)]
        {
            count.inner().store(value, Ordering::Relaxed);
        }
    }
}

impl Listener for Metrics {
    fn heard(&self, record: &FinishedRecord) {
        self.count(record);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;
    use crate::query::history::sample;

    #[test]
    fn every_figure_of_a_statement_is_in_the_text_and_nothing_of_whose_it_was() {
        let metrics = Metrics::default();
        let (wall, filtering) = (TimeDelta::milliseconds(30), Duration::from_millis(4));
        let record = sample::record("quentin", "2026-01-01T10:00:00Z", wall, filtering);
        metrics.count(&record);
        metrics.count(&record);
        let text = metrics.text(Now { running: 3, waiting: 2, ..Now::default() }).unwrap();
        let scans = &record.readings.scans;
        for (name, value) in [
            ("weir_rows_produced_total", 2 * record.readings.rows_produced),
            ("weir_files_read_total", 2 * scans.files_read),
            ("weir_files_read_bytes_total", 2 * scans.files_read_bytes),
            ("weir_files_pruned_total", 2 * scans.files_pruned),
            ("weir_cache_hits_bytes_total", 2 * scans.cache_hit_bytes),
            ("weir_cache_misses_bytes_total", 2 * scans.cache_miss_bytes),
            ("weir_statements_running", 3),
            ("weir_statements_waiting", 2),
            ("weir_statement_duration_seconds_count", 2),
        ] {
            assert!(text.lines().any(|line| line == format!("{name} {value}")), "{name} {value} in\n{text}");
        }
        let statements = text.lines().find(|line| line.starts_with("weir_statements_total{")).unwrap();
        assert!(statements.ends_with(" 2"), "{statements}");
        for private in [record.run_as.as_str(), &record.run_as_id, &record.statement_text] {
            assert!(!text.contains(private), "{private} in\n{text}");
        }
    }
}
