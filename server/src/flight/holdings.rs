//! [`Holdings`]: what the door holds for each user, and how much of it one user may have. Who has all of theirs is refused;
//! nobody else notices.
//!
//! Sessions and prepared statements are sealed and lie with the client: nothing is held for them. Held are rows on their
//! way out, changes under way and what they gave until it is fetched, outcomes that a ticket may still ask for, and values
//! bound to a handle that the client did not exchange.
//!
//! How to add a kind: a variant of [`What`] with its line in each match; code that takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use weir_catalog::PrincipalId;

use crate::error::{Condition, Error, Result};

/// Outcomes of changes whose values were bound late, each a few hundred bytes for a quarter of an hour.
const OUTCOMES_MAX: u64 = 4096;
/// Statements that polls began, each a schema and an outcome until nobody has asked for a minute.
const POLLS_MAX: u64 = 4096;
/// Bound values of all users together.
const BOUND_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How much one user may have.
#[derive(Debug, Clone, Copy)]
pub struct HoldingLimits {
    /// Calls whose rows are on their way out, or wait to be fetched.
    pub streams: u64,
    /// Changes and ingestions under way.
    pub changes: u64,
    /// Bytes of values bound to handles.
    pub bound_bytes: u64,
}

/// Something that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Rows on their way out.
    Stream,
    /// A change under way, or what it gave.
    Change,
    /// The outcome of a change.
    Outcome,
    /// A statement that a poll began.
    Poll,
    /// Bytes of bound values.
    BoundBytes,
}

/// What is held of each kind.
#[derive(Debug, Default)]
struct Counts {
    streams: AtomicU64,
    changes: AtomicU64,
    outcomes: AtomicU64,
    polls: AtomicU64,
    bound_bytes: AtomicU64,
}

/// All that is held. Clones are of one account.
#[derive(Debug, Clone)]
pub(crate) struct Holdings {
    limits: HoldingLimits,
    /// Never forgotten: a user who still holds something must not begin anew. There are as many as the catalog has users.
    users: Cache<PrincipalId, Arc<Counts>>,
    all: Arc<Counts>,
}

/// A user's part of the holdings; given back when it is dropped, or before.
#[derive(Debug)]
pub(crate) struct Held {
    what: What,
    amount: AtomicU64,
    of: [Arc<Counts>; 2],
}

/// What is held for a change.
pub(crate) struct Change {
    /// While it runs, and what it gave is kept.
    pub(crate) running: Held,
    /// While its outcome is remembered.
    pub(crate) remembered: Held,
}

impl Counts {
    fn of(&self, what: What) -> &AtomicU64 {
        match what {
            What::Stream => &self.streams,
            What::Change => &self.changes,
            What::Outcome => &self.outcomes,
            What::Poll => &self.polls,
            What::BoundBytes => &self.bound_bytes,
        }
    }
}

impl Holdings {
    /// Nobody holds anything.
    pub(crate) fn new(limits: HoldingLimits) -> Self {
        Self { limits, users: Cache::builder().build(), all: Arc::default() }
    }

    /// One more of a kind for `user`, unless they have all that they may.
    pub(crate) fn one(&self, user: PrincipalId, what: What) -> Result<Held> {
        self.take(user, what, 1)
    }

    /// What a change of `user` holds.
    pub(crate) fn change(&self, user: PrincipalId) -> Result<Change> {
        Ok(Change { running: self.one(user, What::Change)?, remembered: self.one(user, What::Outcome)? })
    }

    /// `amount` more of a kind for `user`, unless that is more than they may have.
    pub(crate) fn take(&self, user: PrincipalId, what: What, amount: u64) -> Result<Held> {
        let user = self.users.get_with(user, Arc::default);
        let of = [user, Arc::clone(&self.all)];
        let before = of.each_ref().map(|counts| counts.of(what).fetch_add(amount, Ordering::Relaxed));
        // Dropped, it gives back what was taken.
        let held = Held { what, amount: AtomicU64::new(amount), of };
        let most = [self.most(what), all(what)];
        let fits = before.iter().zip(most).all(|(before, most)| before.saturating_add(amount) <= most);
        if fits { Ok(held) } else { Err(self.refusal(what)) }
    }

    fn most(&self, what: What) -> u64 {
        match what {
            What::Stream => self.limits.streams,
            What::Change => self.limits.changes,
            What::Outcome => OUTCOMES_MAX,
            What::Poll => POLLS_MAX,
            What::BoundBytes => self.limits.bound_bytes,
        }
    }

    fn refusal(&self, what: What) -> Error {
        let most = self.most(what);
        let (text, hint) = match what {
            What::Stream => (
                format!(
                    "this user has {most} results that are not read to their end, as many as one may have"
                ),
                "read or close some; [limits] streams_per_user sets the bound",
            ),
            What::Change => (
                format!("this user has {most} changes under way, as many as one may have"),
                "wait for some to end, and fetch their answers; [limits] changes_per_user sets the bound",
            ),
            What::Outcome => (
                format!(
                    "this user made {most} changes in a few minutes whose values were bound after their ticket"
                ),
                "bind the values first, or send the change by DoPut; then there is no such bound",
            ),
            What::Poll => (
                format!("this user began {most} statements by PollFlightInfo within a minute"),
                "ask by GetFlightInfo, or later",
            ),
            What::BoundBytes => (
                "values bound to open prepared statements take up as much as they may".to_owned(),
                "close some, or go on with the handle that binding returns; [limits] bound_bytes_per_user sets a user's \
                 bound",
            ),
        };
        Error::new(Condition::ResourceExhausted, text).with_hint(hint)
    }
}

/// How much all users may have together, where one's share is not enough of a bound.
fn all(what: What) -> u64 {
    match what {
        What::Stream | What::Change | What::Outcome | What::Poll => u64::MAX,
        What::BoundBytes => BOUND_BYTES_MAX,
    }
}

impl Held {
    /// Gives it back now: what lies in a cache is dropped some time after it was taken out.
    pub(crate) fn give_back(&self) {
        let amount = self.amount.swap(0, Ordering::Relaxed);
        for counts in &self.of {
            counts.of(self.what).fetch_sub(amount, Ordering::Relaxed);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    #[test]
    fn who_has_all_of_theirs_is_refused_and_nobody_else() {
        let holdings = Holdings::new(HoldingLimits { streams: 2, changes: 1, bound_bytes: 100 });
        let (alice, bob) = (PrincipalId::fresh(), PrincipalId::fresh());
        for (what, most) in
            [(What::Stream, 2), (What::Change, 1), (What::Outcome, OUTCOMES_MAX), (What::Poll, POLLS_MAX)]
        {
            let mut held: Vec<_> = (0..most).map(|_| holdings.one(alice, what).unwrap()).collect();
            let refusal = holdings.one(alice, what).unwrap_err();
            assert_eq!(
                (refusal.condition(), refusal.condition().sqlstate()),
                (Condition::ResourceExhausted, "53000")
            );
            assert!(refusal.hint().is_some());
            holdings.one(bob, what).unwrap();
            held.pop();
            holdings.one(alice, what).unwrap();
        }
    }

    #[test]
    fn what_was_refused_is_not_counted() {
        let holdings = Holdings::new(HoldingLimits { streams: 0, changes: 0, bound_bytes: 100 });
        let alice = PrincipalId::fresh();
        let held = holdings.take(alice, What::BoundBytes, 60).unwrap();
        holdings.take(alice, What::BoundBytes, 41).unwrap_err();
        let rest = holdings.take(alice, What::BoundBytes, 40).unwrap();
        held.give_back();
        held.give_back();
        drop((held, rest));
        let all = holdings.take(alice, What::BoundBytes, 100).unwrap();
        holdings.take(alice, What::BoundBytes, 1).unwrap_err();
        drop(all);
    }

    #[test]
    fn all_users_together_have_a_bound_of_bound_values() {
        let holdings = Holdings::new(HoldingLimits { streams: 0, changes: 0, bound_bytes: u64::MAX });
        let held = holdings.take(PrincipalId::fresh(), What::BoundBytes, BOUND_BYTES_MAX).unwrap();
        holdings.take(PrincipalId::fresh(), What::BoundBytes, 1).unwrap_err();
        drop(held);
        holdings.take(PrincipalId::fresh(), What::BoundBytes, 1).unwrap();
    }
}
