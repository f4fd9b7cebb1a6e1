//! [`Throttle`]: who fails to log in waits longer each time, by name, in bounded memory. [`PerMinute`]: what anybody can cause
//! is done so many times a minute.

use chrono::{DateTime, Duration, Utc};
use moka::sync::Cache;
use tokio::sync::watch;

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
        self.wait(user, now).map_or(Ok(()), |seconds| {
            Err(Error::new(Condition::Unauthenticated, "too many failed logins of this user")
                .with_hint(format!("try again in {seconds} seconds")))
        })
    }

    /// The seconds that somebody of that name must still wait.
    pub(super) fn wait(&self, name: &str, now: DateTime<Utc>) -> Option<i64> {
        let failures = self.failures.get(name)?;
        let left = failures.last + failures.wait() - now;
        (left > Duration::zero()).then(|| left.num_seconds() + 1)
    }

    pub(super) fn failed(&self, user: &str, now: DateTime<Utc>) {
        let count = self.failures.get(user).map_or(0, |failures| failures.count);
        self.failures.insert(user.to_owned(), Failures { count: count.saturating_add(1), last: now });
    }

    pub(super) fn succeeded(&self, user: &str) {
        self.failures.invalidate(user);
    }
}

/// Counts up to a bound, anew in each minute.
#[derive(Debug)]
pub(super) struct PerMinute {
    bound: u32,
    /// The minute, and how many were counted in it.
    counted: watch::Sender<(i64, u32)>,
}

impl PerMinute {
    pub(super) fn new(bound: u32) -> Self {
        Self { bound, counted: watch::Sender::new((0, 0)) }
    }

    /// Whether one more may be in this minute; then it is counted.
    pub(super) fn admit(&self, now: DateTime<Utc>) -> bool {
        let minute = now.timestamp().div_euclid(60);
        let mut admitted = false;
        self.counted.send_modify(|(of, count)| {
            if *of != minute {
                (*of, *count) = (minute, 0);
            }
            admitted = *count < self.bound;
            *count += u32::from(admitted);
        });
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_admitted_in_a_minute_and_again_in_the_next() {
        let bound = PerMinute::new(2);
        let admitted = |seconds| bound.admit(DateTime::UNIX_EPOCH + Duration::seconds(seconds));
        assert_eq!([60, 61, 62, 119].map(admitted), [true, true, false, false]);
        assert_eq!([120, 121, 122].map(admitted), [true, true, false]);
    }

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
