//! What is being fetched right now, so that it can be cancelled by its ticket.

use bytes::Bytes;
use moka::sync::Cache;
use tokio_util::sync::{CancellationToken, DropGuard};

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
}

impl Running {
    pub(crate) fn new() -> Self {
        Self { tokens: Cache::builder().build() }
    }

    /// Begins a fetch; the token tells the statement to stop.
    pub(crate) fn begin(&self, nonce: &Bytes) -> (Fetch, CancellationToken) {
        let token = self.tokens.get_with(nonce.clone(), CancellationToken::new).child_token();
        let fetch = Fetch { running: self.clone(), nonce: nonce.clone(), _stop: token.clone().drop_guard() };
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
    use super::*;

    #[test]
    fn a_fetch_is_cancelled_by_its_ticket_or_by_dropping_it() {
        let (running, nonce) = (Running::new(), Bytes::from_static(b"n"));
        let (fetch, token) = running.begin(&nonce);
        assert!(running.cancel(&nonce) && token.is_cancelled());
        assert!(!running.cancel(&nonce));
        drop(fetch);

        let (fetch, token) = running.begin(&nonce);
        drop(fetch);
        assert!(token.is_cancelled() && !running.cancel(&nonce));
    }
}
