//! [`QueryRecord`]: the life of one statement as the books see it.
//!
//! ```text
//!   Received ──planned──▶ Planned ──governed──▶ Governed ──running──▶ Running
//!      │ └──────────────────commanded──────────────────────────────▶    │
//!      └── fail · cancel · drop, from every phase          finish · fail · cancel · drop
//! ```
//!
//! Each step consumes the record and returns the next, so a result cannot be reported as
//! finished that was never governed. An ending call returns once the record is durable; a record
//! that is dropped without one counts as CANCELED and is handed over without waiting. Either
//! way the sink hears of each statement's end exactly once.
//!
//! It knows no price and no table: that is the sink's business.

use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use crate::clock::Clock;
use crate::context::Context;
use crate::error::{Condition, Error, Kind, Result};
use crate::query::decisions::Decisions;
use crate::query::history::{
    ExecutionStatus, FinishedRecord, GovernedTable, Protection, Readings, StatementType, elapsed, kept_text,
};

/// How often the books hear of a running statement.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Resolves when what was handed over is durable. Dropping it does not take anything back.
pub type Receipt = BoxFuture<'static, Result<()>>;

/// Hears how statements go.
pub trait RecordSink: fmt::Debug + Send + Sync {
    /// A statement ended. The record is handed over before this returns; the receipt tells when
    /// it survives a crash.
    fn recorded(&self, record: FinishedRecord) -> Receipt;

    /// The readings of a running statement, cumulative. Never waits.
    fn checkpoint(&self, record: FinishedRecord);
}

/// Hears of each statement's end beside the books, and cannot hold it up.
pub trait Listener: fmt::Debug + Send + Sync {
    /// A statement ended.
    fn heard(&self, record: &FinishedRecord);
}

/// Tells listeners of what the books hear of, on its way there.
#[derive(Debug)]
pub struct Overheard {
    /// The books.
    pub books: Arc<dyn RecordSink>,
    /// Who hears of it before them.
    pub listeners: Vec<Arc<dyn Listener>>,
}

impl RecordSink for Overheard {
    fn recorded(&self, record: FinishedRecord) -> Receipt {
        self.listeners.iter().for_each(|listener| listener.heard(&record));
        self.books.recorded(record)
    }

    fn checkpoint(&self, record: FinishedRecord) {
        self.books.checkpoint(record);
    }
}

/// Where a record reads what the statement has cost so far; asked at checkpoints and at the
/// end, also when the statement is dropped midway.
pub trait Gauges: Send + Sync {
    /// The readings now.
    fn readings(&self) -> Readings;

    /// What was decided so far.
    fn decisions(&self) -> Decisions;
}

/// The statement came in.
#[derive(Debug)]
pub enum Received {}
/// Its logical plan is made.
#[derive(Debug)]
pub enum Planned {}
/// Its plan passed the enforcer.
#[derive(Debug)]
pub enum Governed {}
/// It runs.
#[derive(Debug)]
pub enum Running {}

/// The record of one statement; made from its [`Context`] only.
#[derive(Debug)]
#[must_use = "a record dropped without an end counts as CANCELED"]
pub struct QueryRecord<Phase> {
    open: Open,
    phase: PhantomData<Phase>,
}

/// What the policies of a plan were, as far as the books want to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GovernedBy {
    /// A digest of the effective policies; none when none held.
    pub policy_digest: Option<String>,
    /// The governed tables with their pinned versions.
    pub tables: Vec<GovernedTable>,
    /// The strictest protection among them.
    pub protection: Protection,
    /// Whether the rows are those of another statement, which were kept.
    pub from_result_cache: bool,
}

impl QueryRecord<Received> {
    /// The record of the statement `text` that came in with `context`. The type is none as long
    /// as the text has not been parsed.
    pub fn received(
        context: &Context,
        text: &str,
        statement_type: Option<StatementType>,
        sink: Arc<dyn RecordSink>,
    ) -> Self {
        let identity = context.identity();
        let record = FinishedRecord {
            statement_id: context.statement_id(),
            statement_text: kept_text::kept_once(context, text),
            statement_type,
            run_as: identity.name().to_owned(),
            run_as_id: identity.principal().to_string(),
            run_by: identity.run_by().map(str::to_owned),
            client: context.client.user_agent.clone(),
            status: ExecutionStatus::Running,
            error_message: None,
            started_at: context.started_at(),
            ended_at: context.started_at(),
            compilation: Duration::ZERO,
            execution: Duration::ZERO,
            policy_digest: None,
            governed_tables: Vec::new(),
            protection: Protection::default(),
            readings: Readings::default(),
            client_address: context.client.address.clone(),
            decisions: Decisions::default(),
            from_result_cache: false,
            client_span: context.client.span.clone(),
        };
        Self::begin(record, sink, Arc::clone(context.clock()))
    }

    fn begin(record: FinishedRecord, sink: Arc<dyn RecordSink>, clock: Arc<dyn Clock>) -> Self {
        let open = Open { record: Some(Box::new(record)), running_since: None, gauges: None, clock, sink };
        Self { open, phase: PhantomData }
    }

    /// The statement runs with the rights of whoever `context` is of now.
    pub fn executing_as(mut self, context: &Context) -> Self {
        let identity = context.identity();
        self.open.note(|record| {
            record.run_as = identity.name().to_owned();
            record.run_as_id = identity.principal().to_string();
            record.run_by = identity.run_by().map(str::to_owned);
        });
        self
    }

    /// The logical plan is made; the text turned out to be of this type.
    pub fn planned(mut self, statement_type: StatementType) -> QueryRecord<Planned> {
        self.open.note(|record| record.statement_type = Some(statement_type));
        self.become_phase()
    }

    /// The statement is no query: nothing of it is to be governed, and it runs now.
    pub fn commanded(
        mut self,
        statement_type: StatementType,
        gauges: Arc<dyn Gauges>,
    ) -> QueryRecord<Running> {
        self.open.note(|record| record.statement_type = Some(statement_type));
        self.open.start(gauges);
        self.become_phase()
    }
}

impl QueryRecord<Planned> {
    /// The plan passed the enforcer.
    pub fn governed(mut self, by: GovernedBy) -> QueryRecord<Governed> {
        self.open.governed(by);
        self.become_phase()
    }
}

impl QueryRecord<Governed> {
    /// Compilation is over, the plan runs; `gauges` tell what it costs.
    pub fn running(mut self, gauges: Arc<dyn Gauges>) -> QueryRecord<Running> {
        self.open.start(gauges);
        self.become_phase()
    }
}

impl QueryRecord<Running> {
    /// The statement runs once more, by a plan that passed the enforcer in the place of the one before.
    pub fn governed_anew(mut self, by: GovernedBy) -> Self {
        self.open.governed(by);
        self
    }

    /// Tells the sink the readings so far.
    pub fn checkpoint(&mut self) {
        self.open.read();
        if let Some(record) = &self.open.record {
            self.open.sink.checkpoint((**record).clone());
        }
    }

    /// What `work` gives, of which the books hear every few seconds how far it is.
    pub async fn telling<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.telling_each(CHECKPOINT_EVERY, work).await
    }

    async fn telling_each<T>(&mut self, every: Duration, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(every, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.checkpoint(),
            }
        }
    }

    /// The statement ended well. Returns once that is durable; to be awaited before the
    /// statement's last message goes out.
    pub async fn finish(self) -> Result<()> {
        self.end(ExecutionStatus::Finished, None).await
    }

    /// As [`finish`](Self::finish), of a statement that has changed something: where the books cannot be told, its caller
    /// still learns that it did.
    pub async fn finish_changed(self) -> Result<()> {
        self.finish().await.map_err(|cause| {
            let text = "the change is made, and could not be entered into the books";
            Error::new(Condition::ChangeNotRecorded, text)
                .with_hint("do not make it again; the operator finds the cause in the server's log")
                .caused_by(cause)
        })
    }
}

impl<Phase> QueryRecord<Phase> {
    /// Lets `gauges` tell the cost of phases before running, e.g. of planning.
    pub fn gauged(mut self, gauges: Arc<dyn Gauges>) -> Self {
        self.open.gauges = Some(gauges);
        self
    }

    /// The statement ended in `error`; a cancellation counts as CANCELED.
    pub async fn fail(self, error: &Error) -> Result<()> {
        let status =
            if error.kind() == Kind::Cancelled { ExecutionStatus::Canceled } else { ExecutionStatus::Failed };
        let message = error.to_string();
        self.end(status, Some(message)).await
    }

    /// Somebody stopped the statement.
    pub async fn cancel(self) -> Result<()> {
        self.end(ExecutionStatus::Canceled, None).await
    }

    async fn end(mut self, status: ExecutionStatus, error_message: Option<String>) -> Result<()> {
        match self.open.close(status, error_message) {
            Some(receipt) => receipt.await,
            None => Ok(()),
        }
    }

    fn become_phase<Following>(self) -> QueryRecord<Following> {
        QueryRecord { open: self.open, phase: PhantomData }
    }
}

/// The record until its end was told; telling it is what dropping does at the latest.
struct Open {
    record: Option<Box<FinishedRecord>>,
    running_since: Option<DateTime<Utc>>,
    gauges: Option<Arc<dyn Gauges>>,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn RecordSink>,
}

impl Open {
    fn note(&mut self, fact: impl FnOnce(&mut FinishedRecord)) {
        if let Some(record) = &mut self.record {
            fact(record);
        }
    }

    fn governed(&mut self, by: GovernedBy) {
        self.note(|record| {
            record.policy_digest = by.policy_digest;
            record.governed_tables = by.tables;
            record.protection = by.protection;
            record.from_result_cache = by.from_result_cache;
        });
    }

    fn start(&mut self, gauges: Arc<dyn Gauges>) {
        self.running_since = Some(self.clock.now());
        self.gauges = Some(gauges);
    }

    /// Brings times and readings up to now.
    fn read(&mut self) {
        let Some(record) = &mut self.record else { return };
        // INVARIANT: a record never ends before it started, also when the clock was set back.
        record.ended_at = self.clock.now().max(record.started_at);
        if let Some(gauges) = &self.gauges {
            record.readings = gauges.readings();
            record.decisions = gauges.decisions();
        }
        let compiled_at = self.running_since.unwrap_or(record.ended_at);
        record.compilation =
            elapsed(record.started_at, compiled_at).saturating_sub(record.readings.waiting_at_capacity);
        record.execution = elapsed(compiled_at, record.ended_at).saturating_sub(record.readings.result_fetch);
    }

    fn close(&mut self, status: ExecutionStatus, error_message: Option<String>) -> Option<Receipt> {
        self.read();
        let mut record = self.record.take()?;
        record.status = status;
        record.error_message = error_message.map(|text| kept_text::kept(&text).into_owned());
        Some(self.sink.recorded(*record))
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("record", &self.record).finish_non_exhaustive()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Nobody is there to wait for the receipt; the sink has the record all the same.
        drop(self.close(ExecutionStatus::Canceled, None));
    }
}

#[cfg(test)]
mod tests;
