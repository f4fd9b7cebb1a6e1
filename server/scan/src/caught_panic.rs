//! What delta-rs panics over, where a refusal is due: the call that asked would end without an answer.
//!
//! The panic is told on standard error, as every one is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use deltalake::kernel::{DeletionVectorDescriptor, LogicalFileView};
use futures::FutureExt;

/// What `work` comes to; none where it panics.
pub(crate) async fn unless_panicked<T>(work: impl Future<Output = T>) -> Option<T> {
    // reason: what a panic carries is told by then
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// The deletion vector of a file, where it has one. delta-rs gives it as a whole, and panics over one of a kind that the protocol
/// does not have.
pub(crate) fn vector_of(file: &LogicalFileView) -> Result<Option<DeletionVectorDescriptor>, &'static str> {
    catch_unwind(AssertUnwindSafe(|| file.deletion_vector_descriptor()))
        .map_err(|_| "a deletion vector is of a kind that is not known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_comes_to_nothing() {
        assert_eq!(unless_panicked(async { 1 }).await, Some(1));
        let panics = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "so it is");
            1
        };
        assert_eq!(unless_panicked(panics).await, None);
    }
}
