//! What is being fetched right now, so that it can be cancelled by its ticket.

use bytes::Bytes;
use moka::sync::Cache;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::holdings::Held;

/// The fetches of this server, by the nonce of their tickets.
#[derive(Clone)]
pub(crate) struct Running {
    tokens: Cache<Bytes, CancellationToken>,
}

/// A fetch under way: dropping it stops the statement and forgets it.
pub(crate) struct Fetch {
    running: Running,
    nonce: Bytes,
    _stop: DropGuard,
    _held: Held,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self { tokens: Cache::builder().build() }
    }

    /// Begins a fetch; the token tells the statement to stop.
    pub(crate) fn begin(&self, nonce: &Bytes, held: Held) -> (Fetch, CancellationToken) {
        let token = self.tokens.get_with(nonce.clone(), CancellationToken::new).child_token();
        let stop = token.clone().drop_guard();
        let fetch = Fetch { running: self.clone(), nonce: nonce.clone(), _stop: stop, _held: held };
        (fetch, token)
    }

    /// Stops the fetches of a ticket. False if there is none here.
    pub(crate) fn cancel(&self, nonce: &Bytes) -> bool {
        self.tokens.remove(nonce).is_some_and(|token| {
            token.cancel();
            true
        })
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.running.tokens.invalidate(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use weir_catalog::PrincipalId;

    use super::super::holdings::{HoldingLimits, Holdings, What};
    use super::*;

    #[test]
    fn a_fetch_is_cancelled_by_its_ticket_or_by_dropping_it() {
        let holdings = Holdings::new(HoldingLimits { streams: 1, changes: 0, bound_bytes: 0 });
        let held = || holdings.one(PrincipalId::fresh(), What::Stream).unwrap();
        let (running, nonce) = (Running::new(), Bytes::from_static(b"n"));
        let (fetch, token) = running.begin(&nonce, held());
        assert!(running.cancel(&nonce) && token.is_cancelled());
        assert!(!running.cancel(&nonce));
        drop(fetch);

        let (fetch, token) = running.begin(&nonce, held());
        drop(fetch);
        assert!(token.is_cancelled() && !running.cancel(&nonce));
    }
}
