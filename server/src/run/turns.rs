//! [`Turns`]: how many statements run at a time, and who is next.
//!
//! Statements beyond the bound wait in a line in which each user stands once, with the statement that came first: a user who
//! sends a thousand lets another's wait for one of them, not for a thousand. How many may wait is bounded, in all and for
//! each user. What waits holds no plan: it is planned, with the rights of then, when its turn has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use weir_catalog::PrincipalId;

use super::{Outcome, RowStream, Run, failed};
use crate::error::{Condition, Error, Result};
use crate::query::execute::cancelled;
use crate::query::record::{QueryRecord, Received};
use crate::sql::Statement;

/// How long a user's place is kept after the last statement.
const IDLE: Duration = Duration::from_secs(600);

/// How many statements run and wait.
#[derive(Debug, Clone, Copy)]
pub struct TurnLimits {
    /// Statements that run at the same time, at least one.
    pub running: usize,
    /// Statements that wait.
    pub waiting: usize,
    /// Statements of one user that wait.
    pub waiting_of_user: usize,
}

/// Turns of all statements of a server.
#[derive(Debug)]
pub struct Turns {
    limits: TurnLimits,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    users: Cache<PrincipalId, Arc<User>>,
}

/// What one user waits with.
#[derive(Debug, Default)]
struct User {
    /// Held by the statement that stands in the line.
    line: Mutex<()>,
    waiting: AtomicUsize,
}

/// The right to run; given back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _slot: OwnedSemaphorePermit,
}

impl Turns {
    /// Nobody runs or waits.
    pub fn new(limits: TurnLimits) -> Self {
        let slots = Arc::new(Semaphore::new(limits.running.clamp(1, Semaphore::MAX_PERMITS)));
        let users = Cache::builder().time_to_idle(IDLE).build();
        Self { limits, slots, waiting: AtomicUsize::new(0), users }
    }

    /// Statements that run.
    pub fn running(&self) -> usize {
        self.limits.running.saturating_sub(self.slots.available_permits())
    }

    /// Statements that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A turn at once, where that can be: a slot is free only when nobody waits.
    pub fn now(&self) -> Option<Turn> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Turn { _slot: slot })
    }

    /// Waits for the turn of a statement of `user`, until it is stopped or has no time left.
    pub async fn next(
        &self,
        user: PrincipalId,
        stop: &CancellationToken,
        left: Option<Duration>,
    ) -> Result<Turn> {
        let user = self.users.get_with(user, Arc::default);
        let _counted = self.counted(&user)?;
        let turn = async {
            let _line = user.line.lock().await;
            let slot = Arc::clone(&self.slots).acquire_owned().await;
            slot.map(|slot| Turn { _slot: slot }).map_err(Error::internal)
        };
        let over = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(cancelled()),
            turn = turn => turn,
            () = over => Err(waited_too_long()),
        }
    }

    /// Counts a waiting statement as long as the guards live, unless there are too many.
    fn counted<'a>(&'a self, user: &'a User) -> Result<(Counted<'a>, Counted<'a>)> {
        let of_user = Counted::up_to(&user.waiting, self.limits.waiting_of_user);
        let all = Counted::up_to(&self.waiting, self.limits.waiting);
        of_user.zip(all).ok_or_else(|| {
            let text = "too many statements wait for their turn";
            Error::new(Condition::ResourceExhausted, text).with_hint(
                "try again later; [limits] running_statements and waiting_statements set the bounds",
            )
        })
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn up_to(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let counted = Self(count);
        // Dropped, it takes back what it added.
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Run<'_> {
    /// Runs the statement when its turn has come; the turn ends with its last row.
    pub(super) async fn in_turn(
        mut self,
        record: QueryRecord<Received>,
        statement: Statement,
    ) -> Result<Outcome> {
        // Commands read no tables.
        if matches!(statement, Statement::Command(_)) {
            return self.statement(record, statement).await;
        }
        let (turn, record) = self.turn(record).await?;
        let outcome = self.statement(record, statement).await?;
        Ok(match outcome {
            Outcome::Rows(RowStream { schema, batches }) => {
                let batches = batches.map(move |batch| {
                    let _held = &turn;
                    batch
                });
                Outcome::Rows(RowStream { schema, batches: batches.boxed() })
            }
            done => done,
        })
    }

    /// The statement's turn, once it has come.
    pub(super) async fn turn(
        &mut self,
        record: QueryRecord<Received>,
    ) -> Result<(Turn, QueryRecord<Received>)> {
        if let Some(turn) = self.warehouse.turns.now() {
            return Ok((turn, record));
        }
        let waited = self.wait().await;
        let record = record.gauged(self.gauges.clone());
        match waited {
            Ok(turn) => Ok((turn, record)),
            Err(error) => failed(record, error).await,
        }
    }

    /// Waits, and looks again at what was true before.
    async fn wait(&mut self) -> Result<Turn> {
        let (context, since) = (&self.context, self.context.clock().now());
        let left = self.warehouse.limits.deadline.left(context);
        let user = context.identity().principal();
        let turn = self.warehouse.turns.next(user, &context.cancellation, left).await;
        let waited = (context.clock().now() - since).to_std().unwrap_or_default();
        if self.bound.is_some() {
            self.bound = self.warehouse.bound_before(context, self.sql).await?;
            if self.bound.is_none() {
                self.context = self.context.clone().seen_anew();
                self.gauges = self.warehouse.gauges(&self.context);
            }
        }
        self.gauges.waited_for_turn(waited);
        turn
    }
}

fn waited_too_long() -> Error {
    Error::new(Condition::StatementTimeout, "the statement waited for its turn longer than it may take")
        .with_hint("the server runs as many statements as it may; try again later")
}

#[cfg(test)]
mod tests;
