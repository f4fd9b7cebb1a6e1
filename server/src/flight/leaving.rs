//! [`Leaving`]: how the door closes. Once the server is told to stop, calls that come are refused with where to go, and what
//! runs may end; the connections stay open for as long, so that clients are told rather than cut off.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::{Condition, Error, Result};

/// What is under way, and whether more is taken in. Clones are of one door.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    state: Arc<watch::Sender<State>>,
    /// What clients are told besides.
    hint: Arc<str>,
}

#[derive(Debug, Default)]
struct State {
    leaves: bool,
    under_way: usize,
}

/// A call under way; it has ended when it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<watch::Sender<State>>);

const HINT: &str =
    "try again: another server of the warehouse answers, or this one once it has started again";

impl Leaving {
    /// A door that is open. `hint` tells clients of a door that closes where to go.
    pub(crate) fn new(hint: Option<&str>) -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())), hint: hint.unwrap_or(HINT).into() }
    }

    /// Begins a call, unless the door closes.
    pub(crate) fn begin(&self) -> Result<UnderWay> {
        let mut leaves = false;
        self.state.send_modify(|state| {
            leaves = state.leaves;
            state.under_way += 1;
        });
        // Dropped, it is no call.
        let under_way = UnderWay(Arc::clone(&self.state));
        if !leaves {
            return Ok(under_way);
        }
        let text = "the server is being stopped and takes nothing new in";
        Err(Error::new(Condition::Unavailable, text).with_hint(self.hint.as_ref()))
    }

    /// Takes nothing new in; resolves when all that was under way has ended, or when the time of draining is over.
    pub(crate) async fn leave(&self, drain: Duration) {
        self.state.send_modify(|state| state.leaves = true);
        let mut state = self.state.subscribe();
        let ended = async { state.wait_for(|state| state.under_way == 0).await.map(drop) };
        // reason: when the time is over it is over, whatever still runs
        let _in_time = tokio::time::timeout(drain, ended).await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.under_way = state.under_way.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use futures::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn what_is_under_way_ends_and_nothing_more_begins() {
        let door = Leaving::new(None);
        let call = door.begin().unwrap();
        let mut leaving = Box::pin(door.leave(LONG));
        assert!((&mut leaving).now_or_never().is_none());
        let refused = door.begin().unwrap_err();
        assert_eq!(refused.condition(), Condition::Unavailable);
        assert_eq!(refused.hint(), Some(HINT));
        drop(call);
        leaving.await;
    }

    #[tokio::test]
    async fn a_door_that_nobody_is_in_closes_at_once_and_tells_where_to_go() {
        let door = Leaving::new(Some("ask grpc://two.example:32010"));
        door.leave(LONG).await;
        assert_eq!(door.begin().unwrap_err().hint(), Some("ask grpc://two.example:32010"));
    }

    #[tokio::test]
    async fn the_time_of_draining_ends() {
        let door = Leaving::new(None);
        let _call = door.begin().unwrap();
        door.leave(Duration::from_millis(1)).await;
    }
}
