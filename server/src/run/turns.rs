//! [`Turns`]: how many statements run at a time, and who is next.
//!
//! Statements beyond the bound wait in a line in which each user stands once, with the statement that came first: a user who
//! sends a thousand lets another's wait for one of them, not for a thousand. How many may wait is bounded, in all and for
//! each user, and so is how many of one user run: results that nobody reads hold their turns, and one user's shall not be all.
//! What waits holds no plan: it is planned, with the rights of then, when its turn has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use weir_catalog::PrincipalId;

use super::unread::ending_unread;
use super::{Outcome, RowStream, Run, failed};
use crate::error::{Condition, Error, Result};
use crate::query::execute::{cancelled, passed};
use crate::query::record::{QueryRecord, Received};
use crate::sql::Statement;

/// How many statements run and wait.
#[derive(Debug, Clone, Copy)]
pub struct TurnLimits {
    /// Statements that run at the same time, at least one.
    pub running: usize,
    /// Statements of one user that run at the same time, at least one.
    pub running_of_user: usize,
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
    /// Never forgotten: a user whose statements run must not begin anew. There are as many as the catalog has users.
    users: Cache<PrincipalId, Arc<User>>,
}

/// What one user runs and waits with.
#[derive(Debug)]
struct User {
    slots: Arc<Semaphore>,
    /// For statements that are described. Who runs as many as may be still prepares more.
    describing: Semaphore,
    /// Held by the statement that stands in the line.
    line: Mutex<()>,
    waiting: AtomicUsize,
}

/// The right to run; given back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _slot: OwnedSemaphorePermit,
    _of_user: OwnedSemaphorePermit,
}

impl Turns {
    /// Nobody runs or waits.
    pub fn new(limits: TurnLimits) -> Self {
        Self {
            limits,
            slots: slots(limits.running),
            waiting: AtomicUsize::new(0),
            users: Cache::builder().build(),
        }
    }

    fn user(&self, user: PrincipalId) -> Arc<User> {
        let fresh = || {
            let slots = slots(self.limits.running_of_user);
            let describing = Semaphore::new(slots.available_permits());
            Arc::new(User { slots, describing, line: Mutex::default(), waiting: AtomicUsize::new(0) })
        };
        self.users.get_with(user, fresh)
    }

    /// Statements that run.
    pub fn running(&self) -> usize {
        self.limits.running.saturating_sub(self.slots.available_permits())
    }

    /// Statements that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A turn of a statement of `user` at once, where that can be: a slot is free only when nobody waits for it.
    pub fn now(&self, user: PrincipalId) -> Option<Turn> {
        let of_user = Arc::clone(&self.user(user).slots).try_acquire_owned().ok()?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Turn { _slot: slot, _of_user: of_user })
    }

    /// Waits for the turn of a statement of `user`, until it is stopped or has no time left.
    pub async fn next(
        &self,
        user: PrincipalId,
        stop: &CancellationToken,
        left: Option<Duration>,
    ) -> Result<Turn> {
        let user = self.user(user);
        let _counted = self.counted(&user)?;
        let turn = async {
            let _line = user.line.lock().await;
            let of_user = Arc::clone(&user.slots).acquire_owned().await.map_err(Error::internal)?;
            let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(Error::internal)?;
            Ok(Turn { _slot: slot, _of_user: of_user })
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(cancelled()),
            turn = turn => turn,
            () = passed(left) => Err(waited_too_long()),
        }
    }

    /// What `described` gives, once no more than as many statements of `user` are described as may run.
    pub async fn describing<T>(
        &self,
        user: PrincipalId,
        (stop, left): (&CancellationToken, Option<Duration>),
        described: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let user = self.user(user);
        let _one = tokio::select! {
            biased;
            one = user.describing.acquire() => one.map_err(Error::internal)?,
            () = stop.cancelled() => return Err(cancelled()),
            () = passed(left) => return Err(waited_too_long()),
        };
        described.await
    }

    /// Counts a waiting statement as long as the guards live, unless there are too many.
    fn counted<'a>(&'a self, user: &'a User) -> Result<(Counted<'a>, Counted<'a>)> {
        let of_user = Counted::up_to(&user.waiting, self.limits.waiting_of_user);
        let all = Counted::up_to(&self.waiting, self.limits.waiting);
        of_user.zip(all).ok_or_else(|| {
            let text = "too many statements wait for their turn";
            Error::new(Condition::ResourceExhausted, text).with_hint(
                "read results to their end or close them, and try again; [limits] running_statements and \
                 waiting_statements set the bounds",
            )
        })
    }
}

fn slots(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)))
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
        let (deadline, context) = (self.warehouse.limits.deadline, self.context.clone());
        let outcome = self.statement(record, statement).await?;
        Ok(match outcome {
            Outcome::Rows(RowStream { schema, batches }) => {
                let batches = batches.map(move |batch| {
                    let _held = &turn;
                    batch
                });
                let stop = context.cancellation.clone();
                let batches = ending_unread(batches.boxed(), stop, move || deadline.left(&context));
                Outcome::Rows(RowStream { schema, batches })
            }
            done => done,
        })
    }

    /// The statement's turn, once it has come.
    pub(super) async fn turn(
        &mut self,
        record: QueryRecord<Received>,
    ) -> Result<(Turn, QueryRecord<Received>)> {
        if let Some(turn) = self.warehouse.turns.now(self.context.identity().principal()) {
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
        .with_hint("as many statements run as may, of all users or of this one: read results to their end, or try again later")
}

#[cfg(test)]
mod tests;
