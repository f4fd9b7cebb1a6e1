//! From a governed plan to rows. It takes a [`GovernedPlan`] and nothing else, so an unchecked
//! plan cannot run.
//!
//! The stream is charged to the statement's meter, tells the books how far it is every few
//! seconds, and ends in exactly one way: the record is durable before the last message, a
//! dropped stream counts as cancelled and stops the plan.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use weir_enforce::{GovernedPlan, Scope};
use weir_meter::MeteredStream;

use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::gauges::StatementGauges;
use crate::query::plan::Planned;
use crate::query::record::{CHECKPOINT_EVERY, QueryRecord, Running};
use crate::query::standing::{Standing, Verdict, changed};
use crate::query::wire::to_wire;
use crate::run::RowStream;

/// The least time between two looks at a statement's deadline.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(10);

/// How often a query that has sent nothing goes on by another plan.
const RESTARTS_MAX: usize = 3;

/// How long a statement may run.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// From its start; `None` is without end.
    pub statement_timeout: Option<Duration>,
}

/// What a query is held to while it runs.
#[derive(Debug)]
pub struct Guard {
    /// How long it may run.
    pub deadline: Deadline,
    /// What it stands on, where that is looked at.
    pub standing: Option<Standing>,
}

impl From<Deadline> for Guard {
    fn from(deadline: Deadline) -> Self {
        Self { deadline, standing: None }
    }
}

/// How a query goes on while nothing of it was sent yet.
pub trait Outset: Send {
    /// The query by a plan of now, in the place of the one before.
    fn again(
        &mut self,
        planned: Planned,
        record: QueryRecord<Running>,
    ) -> BoxFuture<'_, std::result::Result<Restarted, (QueryRecord<Running>, Error)>>;

    /// A batch went out.
    fn gave(&mut self, batch: &RecordBatch);

    /// The query gave all it has.
    fn ended(&mut self);
}

/// A query that runs by another plan.
pub struct Restarted {
    /// Its rows.
    pub batches: MeteredStream<SendableRecordBatchStream>,
    /// Its record, which knows of the other plan.
    pub record: QueryRecord<Running>,
}

/// Starts `plan`: the engine's batches, charged to the statement.
pub fn start(
    scope: &Scope,
    plan: &GovernedPlan,
    gauges: &Arc<StatementGauges>,
) -> Result<MeteredStream<SendableRecordBatchStream>> {
    let shared = scope.state().runtime_env();
    let task = Arc::new(TaskContext::from(scope.state()).with_runtime(gauges.environment(shared)));
    #[expect(clippy::disallowed_methods, reason = "the one place where a plan runs, and it is governed")]
    let batches = gauges.meter().enter(|| execute_stream(Arc::clone(plan.plan()), task))?;
    Ok(gauges.meter().stream(batches))
}

/// The rows of a query on their way out, in wire types.
pub fn rows(
    context: &Context,
    batches: MeteredStream<SendableRecordBatchStream>,
    schema: SchemaRef,
    record: QueryRecord<Running>,
    gauges: Arc<StatementGauges>,
    (guard, outset): (Guard, Box<dyn Outset>),
) -> RowStream {
    let run = Run {
        batches,
        schema: Arc::clone(&schema),
        record: Some(record),
        gauges,
        context: context.clone(),
        deadline: guard.deadline.from(context.started_at()),
        standing: guard.standing,
        outset: Some(outset),
        sent: false,
        restarts: 0,
        handed_over_at: None,
        told_at: context.clock().now(),
    };
    RowStream { schema, batches: run.into_stream() }
}

/// The rows of a query for another step of the same statement, in the types of `schema`; the
/// record stays with the caller.
pub fn checked(
    context: &Context,
    batches: MeteredStream<SendableRecordBatchStream>,
    schema: &SchemaRef,
    gauges: &Arc<StatementGauges>,
    guard: impl Into<Guard>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let guard: Guard = guard.into();
    Run {
        batches,
        schema: Arc::clone(schema),
        record: None,
        gauges: Arc::clone(gauges),
        context: context.clone(),
        deadline: guard.deadline.from(context.started_at()),
        standing: guard.standing,
        outset: None,
        sent: false,
        restarts: 0,
        handed_over_at: None,
        told_at: context.clock().now(),
    }
    .into_unrecorded()
}

/// Runs a query to its end and keeps nothing of it.
pub async fn drain(
    context: &Context,
    batches: MeteredStream<SendableRecordBatchStream>,
    schema: &SchemaRef,
    gauges: &Arc<StatementGauges>,
    guard: Guard,
) -> Result<()> {
    let mut rows = checked(context, batches, schema, gauges, guard);
    while let Some(batch) = rows.next().await {
        gauges.produced(&batch?);
    }
    Ok(())
}

impl Deadline {
    /// What is left of it for the statement of `context`; none where it is without end.
    pub fn left(self, context: &Context) -> Option<Duration> {
        let end = self.from(context.started_at())?;
        Some((end - context.clock().now()).to_std().unwrap_or(Duration::ZERO))
    }

    fn from(self, start: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let timeout = chrono::Duration::from_std(self.statement_timeout?).ok()?;
        start.checked_add_signed(timeout)
    }
}

/// A running query.
struct Run {
    batches: MeteredStream<SendableRecordBatchStream>,
    schema: SchemaRef,
    /// Taken when the statement has ended.
    record: Option<QueryRecord<Running>>,
    gauges: Arc<StatementGauges>,
    context: Context,
    deadline: Option<DateTime<Utc>>,
    standing: Option<Standing>,
    /// Of a query whose rows go to the client.
    outset: Option<Box<dyn Outset>>,
    sent: bool,
    restarts: usize,
    handed_over_at: Option<DateTime<Utc>>,
    /// When the books heard of it last.
    told_at: DateTime<Utc>,
}

impl Run {
    fn into_stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        futures::stream::unfold(self, |mut run| async move {
            let batch = run.following().await?;
            Some((batch, run))
        })
        .boxed()
    }

    fn into_unrecorded(self) -> BoxStream<'static, Result<RecordBatch>> {
        futures::stream::unfold(Some(self), |run| async move {
            let mut run = run?;
            match run.wait().await.transpose()? {
                Ok(batch) => Some((Ok(batch), Some(run))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// The next batch; `None` once the end has been told to the books.
    async fn following(&mut self) -> Option<Result<RecordBatch>> {
        self.record.as_ref()?;
        if let Some(since) = self.handed_over_at.take() {
            let waited = self.context.clock().now() - since;
            self.gauges.waited(waited.to_std().unwrap_or_default());
        }
        match self.wait().await {
            Ok(Some(batch)) => {
                self.gauges.produced(&batch);
                self.sent = true;
                self.outset.iter_mut().for_each(|outset| outset.gave(&batch));
                self.handed_over_at = Some(self.context.clock().now());
                self.tell_when_due();
                Some(Ok(batch))
            }
            Ok(None) => match self.record.take()?.finish().await {
                Ok(()) => {
                    self.outset.iter_mut().for_each(|outset| outset.ended());
                    None
                }
                Err(error) => Some(Err(error)),
            },
            Err(error) => {
                if let Err(unwritten) = self.record.take()?.fail(&error).await {
                    tracing::error!(%unwritten, "a failed statement could not be entered in the books");
                }
                Some(Err(error))
            }
        }
    }

    async fn wait(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let tick = tokio::time::sleep(self.until_next_look());
            tokio::select! {
                biased;
                () = self.context.cancellation.cancelled() => return Err(cancelled()),
                () = due(&mut self.standing) => self.look().await?,
                batch = self.batches.next() => {
                    self.check_deadline()?;
                    if batch.is_none() && self.record.is_none() {
                        // What follows upon the last row, a commit, is done under the rights of now.
                        self.look().await?;
                    }
                    return batch.transpose()?.map(|batch| to_wire(batch, &self.schema)).transpose();
                }
                () = tick => {
                    self.check_deadline()?;
                    self.tell_when_due();
                }
            }
        }
    }

    /// Whether the statement may go on. A query that has sent nothing goes on by a plan of now where its policies
    /// have changed.
    async fn look(&mut self) -> Result<()> {
        let Some(standing) = &mut self.standing else { return Ok(()) };
        if standing.look().await? == Verdict::Holds {
            return Ok(());
        }
        let Some(outset) = self.outset.as_mut().filter(|_| !self.sent && self.restarts < RESTARTS_MAX) else {
            return Err(changed());
        };
        let planned = standing.anew().await?;
        if planned.schema != self.schema {
            return Err(changed());
        }
        let Some(record) = self.record.take() else { return Err(changed()) };
        match outset.again(planned, record).await {
            Ok(restarted) => {
                self.restarts += 1;
                self.batches = restarted.batches;
                self.record = Some(restarted.record);
                Ok(())
            }
            Err((record, error)) => {
                self.record = Some(record);
                Err(error)
            }
        }
    }

    /// Until the books hear of the statement, or its time is over.
    fn until_next_look(&self) -> Duration {
        let now = self.context.clock().now();
        let left = self.deadline.and_then(|deadline| (deadline - now).to_std().ok());
        let untold = CHECKPOINT_EVERY.saturating_sub(self.untold(now));
        left.map_or(untold, |left| left.min(untold)).max(LOOK_EVERY_MIN)
    }

    /// How long the books have heard nothing of it.
    fn untold(&self, now: DateTime<Utc>) -> Duration {
        (now - self.told_at).to_std().unwrap_or_default()
    }

    /// Tells the books how far the statement is, every few seconds, whether it waits for rows or gives them.
    fn tell_when_due(&mut self) {
        let now = self.context.clock().now();
        if self.untold(now) < CHECKPOINT_EVERY {
            return;
        }
        self.told_at = now;
        if let Some(record) = &mut self.record {
            record.checkpoint();
        }
    }

    fn check_deadline(&self) -> Result<()> {
        match self.deadline {
            Some(deadline) if self.context.clock().now() > deadline => Err(timed_out()),
            _ => Ok(()),
        }
    }
}

/// Resolves when it is time to look at what a statement stands on; never, where that is not looked at.
async fn due(standing: &mut Option<Standing>) {
    match standing {
        Some(standing) => standing.due().await,
        None => std::future::pending().await,
    }
}

/// Resolves when the time that is left has passed; never, where it is without end.
pub async fn passed(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// What `work` gives, as long as the statement is not stopped and its time is not over.
pub async fn in_time<T>(
    context: &Context,
    deadline: Deadline,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = context.cancellation.cancelled() => Err(cancelled()),
        done = work => done,
        () = passed(deadline.left(context)) => Err(timed_out()),
    }
}

/// The error of a statement that was stopped.
pub fn cancelled() -> Error {
    Error::new(Condition::OperationCanceled, "the statement was cancelled")
}

/// The error of a statement that ran past its time.
pub fn timed_out() -> Error {
    Error::new(Condition::StatementTimeout, "the statement ran longer than it may")
        .with_hint("[limits] statement_timeout sets how long that is")
}
