//! Rows that their client does not read: they end when their statement is stopped or its time is over, as rows that are read do.
//!
//! A stream does something only while it is asked for more, and a client that reads nothing asks for nothing: its statement
//! would hold its plan, its memory and its turn for as long as the connection lasts. So each stream has somebody who waits
//! beside it, and who then asks in the client's place; what comes of that, the error, waits for the client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::Result;
use crate::query::execute::passed;

type Rows = BoxStream<'static, Result<RecordBatch>>;

/// Rows that end although nobody reads them.
struct Watched {
    rows: Arc<Mutex<State>>,
    /// Tells whoever waits beside them that there is nothing to wait for.
    _gone: DropGuard,
}

enum State {
    /// The client asks, and waits by the waker where it got nothing.
    Open(Rows, Option<Waker>),
    /// The other asks; the client is told when that is over.
    Ending(Option<Waker>),
    /// What there is left to give.
    Ended(VecDeque<Result<RecordBatch>>),
}

/// `rows`, which end when `stop` is cancelled or nothing is `left` of their statement's time, read or not. They are those of a
/// statement that then fails by itself, once it is asked for more.
pub(super) fn ending_unread(
    rows: Rows,
    stop: CancellationToken,
    left: impl Fn() -> Option<Duration> + Send + Sync + 'static,
) -> Rows {
    let rows = Arc::new(Mutex::new(State::Open(rows, None)));
    let gone = CancellationToken::new();
    tokio::spawn(gone.clone().run_until_cancelled_owned(watch(Arc::clone(&rows), stop, left)));
    Watched { rows, _gone: gone.drop_guard() }.boxed()
}

impl Stream for Watched {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.rows.try_lock() {
            Ok(mut state) => state.poll_next(context),
            // The other takes the rows at this moment.
            Err(_) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl State {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        match self {
            Self::Open(rows, client) => {
                let next = rows.poll_next_unpin(context);
                match &next {
                    Poll::Pending => *client = Some(context.waker().clone()),
                    Poll::Ready(Some(Ok(_))) => *client = None,
                    Poll::Ready(None | Some(Err(_))) => *self = Self::Ended(VecDeque::new()),
                }
                next
            }
            Self::Ending(client) => {
                *client = Some(context.waker().clone());
                Poll::Pending
            }
            Self::Ended(rest) => Poll::Ready(rest.pop_front()),
        }
    }

    /// Takes the rows, of which the client waits for the end from now on.
    fn take(&mut self) -> Option<Rows> {
        match std::mem::replace(self, Self::Ending(None)) {
            Self::Open(rows, client) => {
                *self = Self::Ending(client);
                Some(rows)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

/// Waits for the end of the statement's time, and brings the rows to theirs.
async fn watch(
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
    left: impl Fn() -> Option<Duration> + Send,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = passed(left()) => {}
        }
        if left().is_some_and(|left| left.is_zero()) {
            break;
        }
    }
    let Some(mut rows) = state.lock().await.take() else { return };
    let mut rest = VecDeque::new();
    while let Some(batch) = rows.next().await {
        let failed = batch.is_err();
        rest.push_back(batch);
        if failed {
            break;
        }
    }
    drop(rows);
    let ended = std::mem::replace(&mut *state.lock().await, State::Ended(rest));
    if let State::Ending(Some(client)) = ended {
        client.wake();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::query::execute::{cancelled, timed_out};

    const SOON: Duration = Duration::from_secs(30);

    fn batch(value: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values([value]));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    /// Two batches, and the end of a statement that waits for `over`; `held` is what it holds.
    fn rows(over: CancellationToken, held: CancellationToken, stopped: bool) -> Rows {
        let held = held.drop_guard();
        let last = async move {
            let _held = held;
            over.cancelled().await;
            Err(if stopped { cancelled() } else { timed_out() })
        };
        futures::stream::iter([Ok(batch(1)), Ok(batch(2))]).chain(futures::stream::once(last)).boxed()
    }

    /// A moment, and nothing once it is asked again: then it is `over`.
    fn moments(over: CancellationToken) -> impl Fn() -> Option<Duration> + Send + Sync + 'static {
        let asked = AtomicUsize::new(0);
        move || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Some(Duration::from_millis(20)),
            _ => {
                over.cancel();
                Some(Duration::ZERO)
            }
        }
    }

    #[tokio::test]
    async fn what_nobody_reads_is_let_go_when_its_time_is_over() {
        let (over, held) = (CancellationToken::new(), CancellationToken::new());
        let rows = rows(over.clone(), held.clone(), false);
        let mut rows = ending_unread(rows, CancellationToken::new(), moments(over));
        assert_eq!(rows.next().await.unwrap().unwrap(), batch(1));
        tokio::time::timeout(SOON, held.cancelled()).await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap(), batch(2));
        assert_eq!(rows.next().await.unwrap().unwrap_err().condition(), timed_out().condition());
        assert!(rows.next().await.is_none());
    }

    #[tokio::test]
    async fn what_nobody_reads_is_let_go_when_it_is_stopped() {
        let (stop, held) = (CancellationToken::new(), CancellationToken::new());
        let mut rows = ending_unread(rows(stop.clone(), held.clone(), true), stop.clone(), || None);
        assert_eq!(rows.next().await.unwrap().unwrap(), batch(1));
        assert!(!held.is_cancelled());
        stop.cancel();
        tokio::time::timeout(SOON, held.cancelled()).await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap(), batch(2));
        assert_eq!(rows.next().await.unwrap().unwrap_err().condition(), cancelled().condition());
    }

    #[tokio::test]
    async fn who_waits_for_rows_meanwhile_is_told_of_the_end() {
        let (stop, over) = (CancellationToken::new(), CancellationToken::new());
        let mut rows =
            ending_unread(rows(over.clone(), CancellationToken::new(), true), stop.clone(), || None);
        for _ in 0..2 {
            rows.next().await.unwrap().unwrap();
        }
        let reading = tokio::spawn(async move { rows.next().await });
        // It waits by what the rows themselves wait for, until the other asks; the statement has not ended by then.
        tokio::time::sleep(Duration::from_millis(20)).await;
        stop.cancel();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!reading.is_finished());
        over.cancel();
        let last = tokio::time::timeout(SOON, reading).await.unwrap().unwrap();
        assert_eq!(last.unwrap().unwrap_err().condition(), cancelled().condition());
    }

    #[tokio::test]
    async fn rows_that_have_ended_are_asked_for_no_more() {
        let stop = CancellationToken::new();
        let once =
            futures::stream::unfold(false, |given| async move { (!given).then(|| (Ok(batch(1)), true)) });
        let mut rows = ending_unread(once.boxed(), stop.clone(), || None);
        assert_eq!(rows.next().await.unwrap().unwrap(), batch(1));
        assert!(rows.next().await.is_none());
        // The stream itself panics when it is asked again.
        stop.cancel();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(rows.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_dropped_is_let_go_at_once() {
        let held = CancellationToken::new();
        let rows = rows(CancellationToken::new(), held.clone(), true);
        let mut rows = ending_unread(rows, CancellationToken::new(), || None);
        rows.next().await.unwrap().unwrap();
        drop(rows);
        tokio::time::timeout(SOON, held.cancelled()).await.unwrap();
    }
}
