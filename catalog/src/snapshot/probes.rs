//! How many entries were looked at, counted in tests alone: growth is asserted on this number, since it is
//! the same on every machine.

#[cfg(any(test, feature = "test-suite"))]
mod counted {
    use std::cell::Cell;

    thread_local! {
        static PROBES: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn probe(entries: usize) {
        PROBES.set(PROBES.get() + entries as u64);
    }

    /// How many entries `work` looked at, on this thread.
    pub fn count<T>(work: impl FnOnce() -> T) -> (u64, T) {
        let before = PROBES.get();
        let done = work();
        (PROBES.get() - before, done)
    }
}

#[cfg(any(test, feature = "test-suite"))]
pub use counted::count;
#[cfg(any(test, feature = "test-suite"))]
pub(crate) use counted::probe;

/// Costs nothing outside tests.
#[cfg(not(any(test, feature = "test-suite")))]
#[inline]
pub(crate) fn probe(_entries: usize) {}
