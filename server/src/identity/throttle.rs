//! [`Throttle`]: who fails to log in waits longer each time, by name, in bounded memory.

use chrono::{DateTime, Duration, Utc};
use moka::sync::Cache;

use crate::error::{Condition, Error, Result};

/// Failures that cost nothing: people mistype.
const FREE_FAILURES: u32 = 4;

/// The longest wait.
const WAIT_MAX_SECONDS: i64 = 60;

/// Names remembered.
const NAMES_MAX: u64 = 10_000;

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

impl Failures {
    fn wait(self) -> Duration {
        match self.count.checked_sub(FREE_FAILURES) {
            None | Some(0) => Duration::zero(),
            Some(over) => Duration::seconds((1_i64 << over.min(6)).min(WAIT_MAX_SECONDS)),
        }
    }
}

/// Remembers failed logins.
#[derive(Debug)]
pub(super) struct Throttle {
    failures: Cache<String, Failures>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { failures: Cache::new(NAMES_MAX) }
    }

    /// Refuses a user whose wait is not over.
    pub(super) fn admit(&self, user: &str, now: DateTime<Utc>) -> Result<()> {
        let Some(failures) = self.failures.get(user) else { return Ok(()) };
        let left = failures.last + failures.wait() - now;
        if left <= Duration::zero() {
            return Ok(());
        }
        Err(Error::new(Condition::Unauthenticated, "too many failed logins of this user")
            .with_hint(format!("try again in {} seconds", left.num_seconds() + 1)))
    }

    pub(super) fn failed(&self, user: &str, now: DateTime<Utc>) {
        let count = self.failures.get(user).map_or(0, |failures| failures.count);
        self.failures.insert(user.to_owned(), Failures { count: count.saturating_add(1), last: now });
    }

    pub(super) fn succeeded(&self, user: &str) {
        self.failures.invalidate(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_with_a_success() {
        let throttle = Throttle::new();
        let mut now = DateTime::UNIX_EPOCH;
        for _ in 0..FREE_FAILURES {
            assert!(throttle.admit("alice", now).is_ok());
            throttle.failed("alice", now);
        }
        throttle.failed("alice", now);
        assert!(throttle.admit("alice", now).is_err());
        assert!(throttle.admit("bob", now).is_ok(), "another user is not concerned");
        now += Duration::seconds(2);
        assert!(throttle.admit("alice", now).is_ok());
        for _ in 0..40 {
            throttle.failed("alice", now);
        }
        assert!(throttle.admit("alice", now + Duration::seconds(WAIT_MAX_SECONDS - 1)).is_err());
        assert!(throttle.admit("alice", now + Duration::seconds(WAIT_MAX_SECONDS)).is_ok());
        throttle.succeeded("alice");
        assert!(throttle.admit("alice", now).is_ok());
    }
}
