//! Each end of a statement is told once, with what it had cost by then.

#![expect(clippy::unwrap_used, reason = "test data is known")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt;

use super::*;
use crate::clock::HandMovedClock;
use crate::query::history::sample;

#[derive(Debug)]
struct Told(mpsc::Sender<FinishedRecord>);

impl RecordSink for Told {
    fn recorded(&self, record: FinishedRecord) -> Receipt {
        self.0.send(record).unwrap();
        async { Ok(()) }.boxed()
    }

    fn checkpoint(&self, record: FinishedRecord) {
        self.0.send(record).unwrap();
    }
}

#[derive(Default)]
struct Dial(AtomicU64);

impl Gauges for Dial {
    fn readings(&self) -> Readings {
        let rows_produced = self.0.load(Ordering::SeqCst);
        Readings { rows_produced, result_fetch: Duration::from_secs(1), ..Readings::default() }
    }

    fn decisions(&self) -> Decisions {
        Decisions::default()
    }
}

struct Scene {
    clock: Arc<HandMovedClock>,
    told: mpsc::Receiver<FinishedRecord>,
    dial: Arc<Dial>,
}

fn received() -> (Scene, QueryRecord<Received>) {
    let record = sample::record("ann", "2026-01-01T10:00:00Z", TimeDelta::zero(), Duration::ZERO);
    let record = FinishedRecord { status: ExecutionStatus::Running, ..record };
    let clock = HandMovedClock::new(record.started_at);
    let (sender, told) = mpsc::channel();
    let begun = QueryRecord::begin(record, Arc::new(Told(sender)), Arc::<HandMovedClock>::clone(&clock));
    (Scene { clock, told, dial: Arc::default() }, begun)
}

fn running() -> (Scene, QueryRecord<Running>) {
    let (scene, record) = received();
    scene.clock.advance(TimeDelta::seconds(2));
    let by = GovernedBy { policy_digest: Some("d".to_owned()), ..GovernedBy::default() };
    let gauges = Arc::<Dial>::clone(&scene.dial);
    let record = record.planned(StatementType::Select).governed(by).running(gauges);
    scene.clock.advance(TimeDelta::seconds(5));
    (scene, record)
}

#[tokio::test]
async fn finished_statement_is_told_once_with_its_times() {
    let (scene, record) = running();
    scene.dial.0.store(7, Ordering::SeqCst);
    record.finish().await.unwrap();
    let told: Vec<_> = scene.told.try_iter().collect();
    assert_eq!(told.len(), 1);
    let told = told.into_iter().next().unwrap();
    assert_eq!(told.status, ExecutionStatus::Finished);
    assert_eq!(told.compilation, Duration::from_secs(2));
    assert_eq!(told.execution, Duration::from_secs(4));
    assert_eq!(told.total_duration(), Duration::from_secs(6));
    assert_eq!(told.readings.rows_produced, 7);
    assert_eq!(told.policy_digest.as_deref(), Some("d"));
}

#[test]
fn dropped_statement_is_canceled_with_its_latest_readings() {
    let (scene, mut record) = running();
    record.checkpoint();
    scene.dial.0.store(9, Ordering::SeqCst);
    drop(record);
    let told: Vec<_> = scene.told.try_iter().collect();
    let seen: Vec<_> = told.iter().map(|told| (told.status, told.readings.rows_produced)).collect();
    assert_eq!(seen, [(ExecutionStatus::Running, 0), (ExecutionStatus::Canceled, 9)]);
}

#[tokio::test]
async fn the_books_hear_of_a_change_under_way_and_of_its_end() {
    let (scene, mut record) = running();
    let work = tokio::time::sleep(Duration::from_millis(30));
    record.telling_each(Duration::from_millis(1), work).await;
    record.finish_changed().await.unwrap();
    let mut told: Vec<_> = scene.told.try_iter().map(|told| told.status).collect();
    assert_eq!(told.pop(), Some(ExecutionStatus::Finished));
    assert!(!told.is_empty() && told.iter().all(|status| *status == ExecutionStatus::Running), "{told:?}");
}

/// Books that cannot be written.
#[derive(Debug)]
struct Full;

impl RecordSink for Full {
    fn recorded(&self, _: FinishedRecord) -> Receipt {
        async { Err(Error::new(Condition::Unavailable, "the books are full")) }.boxed()
    }

    fn checkpoint(&self, _: FinishedRecord) {}
}

#[tokio::test]
async fn a_change_that_the_books_do_not_take_is_told_as_made() {
    let begun = || {
        let record = sample::record("ann", "2026-01-01T10:00:00Z", TimeDelta::zero(), Duration::ZERO);
        let clock = HandMovedClock::new(record.started_at);
        QueryRecord::begin(record, Arc::new(Full), clock)
            .commanded(StatementType::Insert, Arc::new(Dial::default()))
    };
    assert_eq!(begun().finish().await.unwrap_err().condition(), Condition::Unavailable);
    let error = begun().finish_changed().await.unwrap_err();
    assert_eq!(error.condition(), Condition::ChangeNotRecorded);
    assert!(error.to_string().contains("the change is made"), "{error}");
}

#[tokio::test]
async fn statement_may_fail_in_every_phase() {
    let (scene, record) = received();
    scene.clock.advance(TimeDelta::seconds(3));
    record.fail(&Error::new(Condition::ParseSyntaxError, "no")).await.unwrap();
    let told = scene.told.recv().unwrap();
    assert_eq!((told.status, told.execution), (ExecutionStatus::Failed, Duration::ZERO));
    assert_eq!(told.compilation, Duration::from_secs(3));
    assert_eq!(told.error_message.as_deref(), Some("[PARSE_SYNTAX_ERROR] no · SQLSTATE: 42601"));

    let (scene, record) = running();
    record.fail(&Error::new(Condition::OperationCanceled, "stopped")).await.unwrap();
    assert_eq!(scene.told.recv().unwrap().status, ExecutionStatus::Canceled);
}

#[test]
fn an_end_that_is_never_awaited_counts_as_canceled() {
    let (scene, record) = running();
    drop(record.finish());
    assert_eq!(scene.told.recv().unwrap().status, ExecutionStatus::Canceled);
}

#[tokio::test]
async fn clock_set_back_gives_no_negative_times() {
    let (scene, record) = running();
    scene.clock.set("2025-01-01T00:00:00Z".parse().unwrap());
    record.cancel().await.unwrap();
    let told = scene.told.recv().unwrap();
    assert_eq!(told.ended_at, told.started_at);
    assert_eq!((told.total_duration(), told.execution), (Duration::ZERO, Duration::ZERO));
}
