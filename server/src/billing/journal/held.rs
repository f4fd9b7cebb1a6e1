//! [`Held`]: how many bytes of lines of ended statements are in the journal, and so in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Told by the writer's thread, asked by whoever empties the journal.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: AtomicU64,
    grown: Notify,
}

impl Held {
    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.grown.notify_one();
    }

    pub(super) fn remove(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Until there are more than these. One may wait at a time.
    pub(super) async fn beyond(&self, bytes: u64) {
        // What grows between the question and the wait leaves its notice.
        while self.bytes.load(Ordering::Relaxed) <= bytes {
            self.grown.notified().await;
        }
    }
}
