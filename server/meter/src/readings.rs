//! The counters behind a [`Meter`]. They only grow, and any thread may read them at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::Stream;

use crate::metered::{MeteredFuture, MeteredStream};
use crate::stack;

/// Counts what a piece of work costs. Clones share the counters.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Readings>);

#[derive(Debug, Default)]
struct Readings {
    cpu_ns: AtomicU64,
    cache_hit_bytes: AtomicU64,
    cache_miss_bytes: AtomicU64,
}

impl Meter {
    /// A meter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// CPU time charged so far.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.0.cpu_ns.load(Ordering::Relaxed))
    }

    /// Bytes that a cache served.
    pub fn cache_hit_bytes(&self) -> u64 {
        self.0.cache_hit_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that a cache had to fetch from storage.
    pub fn cache_miss_bytes(&self) -> u64 {
        self.0.cache_miss_bytes.load(Ordering::Relaxed)
    }

    /// Adds bytes that a cache served.
    pub fn add_cache_hit(&self, bytes: u64) {
        self.0.cache_hit_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds bytes that a cache had to fetch from storage.
    pub fn add_cache_miss(&self, bytes: u64) {
        self.0.cache_miss_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Runs `work` with this meter as the current one.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        let _charged = stack::push(self);
        work()
    }

    /// A stream each poll of which, and whose destruction, is charged to this meter.
    pub fn stream<S: Stream>(&self, stream: S) -> MeteredStream<S> {
        MeteredStream::new(self.clone(), stream)
    }

    /// A future each poll of which, and whose destruction, is charged to this meter.
    pub fn future<F: Future>(&self, future: F) -> MeteredFuture<F> {
        MeteredFuture::new(self.clone(), future)
    }

    /// Whether both count into the same place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn add_cpu_ns(&self, ns: u64) {
        self.0.cpu_ns.fetch_add(ns, Ordering::Relaxed);
    }
}
