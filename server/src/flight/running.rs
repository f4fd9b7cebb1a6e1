//! What is being fetched right now, so that it can be cancelled by its ticket.

use bytes::Bytes;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::holdings::Held;

/// The fetches of this server, by the nonce of their tickets.
#[derive(Clone)]
pub(crate) struct Running {
    tickets: Cache<Bytes, Fetched>,
}

/// A ticket that is fetched, by so many at one time.
#[derive(Clone)]
struct Fetched {
    stop: CancellationToken,
    times: usize,
}

/// A fetch under way: dropping it stops the statement and forgets it.
pub(crate) struct Fetch {
    running: Running,
    nonce: Bytes,
    /// Cancelled when the ticket was, which then is another's.
    ticket: CancellationToken,
    _stop: DropGuard,
    _held: Held,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self { tickets: Cache::builder().build() }
    }

    /// Begins a fetch; the token tells the statement to stop.
    pub(crate) fn begin(&self, nonce: &Bytes, held: Held) -> (Fetch, CancellationToken) {
        let fetched = self.tickets.entry(nonce.clone()).and_upsert_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let Fetched { stop, times } =
                known.unwrap_or_else(|| Fetched { stop: CancellationToken::new(), times: 0 });
            Fetched { stop, times: times + 1 }
        });
        let ticket = fetched.into_value().stop;
        let token = ticket.child_token();
        let stop = token.clone().drop_guard();
        let fetch = Fetch { running: self.clone(), nonce: nonce.clone(), ticket, _stop: stop, _held: held };
        (fetch, token)
    }

    /// Stops the fetches of a ticket. False if there is none here.
    pub(crate) fn cancel(&self, nonce: &Bytes) -> bool {
        let cancelled = self.tickets.entry_by_ref(nonce).and_compute_with(|known| match known {
            Some(fetched) => {
                // Before anybody can fetch the ticket anew.
                fetched.into_value().stop.cancel();
                Op::Remove
            }
            None => Op::Nop,
        });
        matches!(cancelled, CompResult::Removed(_))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if self.ticket.is_cancelled() {
            return;
        }
        self.running.tickets.entry_by_ref(&self.nonce).and_compute_with(|known| {
            match known.map(moka::Entry::into_value) {
                Some(Fetched { stop, times: times @ 2.. }) => Op::Put(Fetched { stop, times: times - 1 }),
                Some(_) => Op::Remove,
                None => Op::Nop,
            }
        });
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

    #[test]
    fn a_ticket_is_cancelled_as_long_as_anybody_fetches_it() {
        let holdings = Holdings::new(HoldingLimits { streams: 9, changes: 0, bound_bytes: 0 });
        let user = PrincipalId::fresh();
        let held = || holdings.one(user, What::Stream).unwrap();
        let (running, nonce) = (Running::new(), Bytes::from_static(b"n"));
        let (first, first_token) = running.begin(&nonce, held());
        let (second, second_token) = running.begin(&nonce, held());
        drop(first);
        assert!(first_token.is_cancelled() && !second_token.is_cancelled());
        assert!(running.cancel(&nonce) && second_token.is_cancelled());
        // What was cancelled ends after the ticket was fetched anew, and takes nothing from that.
        let (third, third_token) = running.begin(&nonce, held());
        drop(second);
        assert!(!third_token.is_cancelled() && running.cancel(&nonce) && third_token.is_cancelled());
        drop(third);
        assert!(!running.cancel(&nonce));
    }
}
