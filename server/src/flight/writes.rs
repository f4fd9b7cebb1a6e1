//! Statements that change something and are asked for by GetFlightInfo run exactly once.
//!
//! GetFlightInfo starts the run in a task of its own and waits for its end; the ticket that it then gives out runs nothing,
//! and the run is forgotten. Where values were still to be bound it is the first DoGet that starts the run; whoever comes with
//! the same ticket, meanwhile or later, gets the same outcome. Such an outcome is remembered longer than the ticket lives, and
//! the ticket names the server that issued it, so a retry never runs again: after a restart it is *not found*. When nobody
//! waits any more the run is told to stop, and what came of that is its outcome.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use moka::sync::Cache;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::holdings::{Change, Held};
use super::seal::random_id;
use super::ticket::TICKET_LIFE;
use crate::error::{Error, Result};
use crate::session::SessionSettings;

/// What came of a statement that returns no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Rows written, where that means something.
    pub(crate) rows: Option<u64>,
    /// The session's settings afterwards, where the statement changed them.
    pub(crate) session: Option<SessionSettings>,
}

type Remembered = std::result::Result<Written, Arc<Error>>;

#[derive(Clone)]
struct Run {
    outcome: Shared<BoxFuture<'static, Remembered>>,
    /// Stops the run when the last of those who wait is gone.
    waiting: Weak<DropGuard>,
    stop: CancellationToken,
    /// Its place among the outcomes that are remembered for its user.
    remembered: Arc<Held>,
}

/// The runs of this server, by the nonce of their tickets.
pub(crate) struct Writes {
    origin: Bytes,
    runs: Cache<Bytes, Run>,
}

impl Writes {
    pub(crate) fn new() -> Result<Self> {
        let life = TICKET_LIFE.to_std().unwrap_or_default() + Duration::from_secs(60);
        // not bounded here but by what each user may hold: forgetting one early would let its ticket run again
        let runs = Cache::builder().time_to_live(life).build();
        Ok(Self { origin: Bytes::copy_from_slice(&random_id()?), runs })
    }

    /// Names this server, this time it runs.
    pub(crate) fn origin(&self) -> &Bytes {
        &self.origin
    }

    /// The outcome of the run that `nonce` stands for; if there is none yet, `start` is called with what its user holds
    /// while it runs. `stop` stops that run.
    pub(crate) async fn once<H, F>(
        &self,
        nonce: &Bytes,
        (stop, hold): (CancellationToken, H),
        start: F,
    ) -> Result<Written>
    where
        H: FnOnce() -> Result<Change>,
        F: FnOnce(Held) -> BoxFuture<'static, Result<Written>>,
    {
        let mut own = None;
        let begun = self.runs.try_get_with(nonce.clone(), || {
            let Change { running, remembered } = hold()?;
            let guard = Arc::new(stop.clone().drop_guard());
            let waiting = Arc::downgrade(&guard);
            own = Some(guard);
            // a task of its own: a client that goes away must not leave a run half done
            let task = tokio::spawn(start(running));
            let outcome = async move { task.await.map_err(Error::internal).flatten().map_err(Arc::new) };
            let outcome = outcome.boxed().shared();
            Ok::<_, Error>(Run { outcome, waiting, stop, remembered: Arc::new(remembered) })
        });
        let run = begun.map_err(|error| Error::clone(&error))?;
        let _waiting = own.or_else(|| run.waiting.upgrade());
        run.outcome.await.map_err(|error| Error::clone(&error))
    }

    /// Forgets a run that has ended, of which no ticket is out that could start it again.
    pub(crate) fn forget(&self, nonce: &Bytes) {
        if let Some(run) = self.runs.remove(nonce) {
            run.remembered.give_back();
        }
    }

    /// Stops the run that `nonce` stands for. False if there is none under way here.
    pub(crate) fn cancel(&self, nonce: &Bytes) -> bool {
        match self.runs.get(nonce) {
            Some(run) if run.outcome.peek().is_none() => {
                run.stop.cancel();
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::atomic::{AtomicU64, Ordering};

    use weir_catalog::PrincipalId;

    use super::super::holdings::{HoldingLimits, Holdings};
    use super::*;
    use crate::error::Condition;

    /// What a user holds who may have one change.
    fn holder() -> impl Fn() -> Result<Change> {
        let holdings = Holdings::new(HoldingLimits { streams: 0, changes: 1, bound_bytes: 0 });
        let user = PrincipalId::fresh();
        move || holdings.change(user)
    }

    fn counting(runs: &Arc<AtomicU64>, held: Held) -> BoxFuture<'static, Result<Written>> {
        let runs = Arc::clone(runs);
        async move {
            tokio::task::yield_now().await;
            let rows = Some(runs.fetch_add(1, Ordering::SeqCst) + 1);
            drop(held);
            Ok(Written { rows, session: None })
        }
        .boxed()
    }

    #[tokio::test]
    async fn a_retry_gets_the_same_answer_and_runs_nothing() {
        let (writes, runs, hold) = (Writes::new().unwrap(), Arc::new(AtomicU64::new(0)), holder());
        let nonce = Bytes::from_static(b"one");
        let once = |nonce| {
            let asked = (CancellationToken::new(), &hold);
            writes.once(nonce, asked, |held| counting(&runs, held))
        };
        let (first, second) = tokio::join!(once(&nonce), once(&nonce));
        let third = once(&nonce).await;
        for outcome in [first, second, third] {
            assert_eq!(outcome.unwrap().rows, Some(1));
        }
        let other = Bytes::from_static(b"two");
        assert_eq!(once(&other).await.unwrap().rows, Some(2));
    }

    #[tokio::test]
    async fn a_failure_is_the_answer_of_the_retry_too() {
        let (writes, hold) = (Writes::new().unwrap(), holder());
        let nonce = Bytes::from_static(b"n");
        let asked = || (CancellationToken::new(), &hold);
        let fails = |_| async { Err(Error::new(Condition::DivideByZero, "by zero").with_hint("h")) }.boxed();
        let first = writes.once(&nonce, asked(), fails).await.unwrap_err();
        let again = writes.once(&nonce, asked(), |_| unreachable!()).await.unwrap_err();
        assert_eq!(first.to_string(), again.to_string());
    }

    #[tokio::test]
    async fn a_run_is_stopped_when_nobody_waits_and_never_started_again() {
        let (writes, hold) = (Writes::new().unwrap(), holder());
        let (nonce, stop) = (Bytes::from_static(b"n"), CancellationToken::new());
        let seen = stop.clone();
        let until_stopped = |_| {
            async move {
                seen.cancelled().await;
                Err(Error::new(Condition::OperationCanceled, "stopped"))
            }
            .boxed()
        };
        let wait = writes.once(&nonce, (stop.clone(), &hold), until_stopped);
        assert!(wait.now_or_never().is_none());
        assert!(stop.is_cancelled());
        let retry = writes.once(&nonce, (CancellationToken::new(), &hold), |_| unreachable!()).await;
        assert_eq!(retry.unwrap_err().condition(), Condition::OperationCanceled);
    }

    #[tokio::test]
    async fn what_may_not_begin_is_not_remembered() {
        let (writes, hold) = (Writes::new().unwrap(), holder());
        let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let waits = |held: Held| {
            async move {
                let _held = held;
                gone.await.map_err(Error::internal)?;
                Ok(Written { rows: None, session: None })
            }
            .boxed()
        };
        let asked = || (CancellationToken::new(), &hold);
        let mut first = Box::pin(writes.once(&one, asked(), waits));
        assert!((&mut first).now_or_never().is_none());
        let refused = writes.once(&two, asked(), |_| unreachable!()).await.unwrap_err();
        assert_eq!(refused.condition(), Condition::ResourceExhausted);
        go.send(()).unwrap();
        first.await.unwrap();
        let runs = Arc::new(AtomicU64::new(0));
        let begun = writes.once(&two, asked(), |held| counting(&runs, held)).await;
        assert_eq!(begun.unwrap().rows, Some(1));
    }
}
