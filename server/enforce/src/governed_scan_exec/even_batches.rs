//! [`EvenBatches`]: batches whose sizes tell nothing of rows that were thrown away.
//!
//! How a scan cuts its rows into batches hangs on the files, hidden rows included. Whoever sees where batches end, or what
//! operators above made of them, would see that. Here each batch but the last has the same size.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt};

/// The rows of another stream, cut anew.
pub(super) struct EvenBatches {
    inner: SendableRecordBatchStream,
    cut: BatchCoalescer,
    ended: bool,
}

impl EvenBatches {
    /// `inner` in batches of `size` rows.
    pub(super) fn of(inner: SendableRecordBatchStream, size: usize) -> SendableRecordBatchStream {
        let schema = inner.schema();
        let cut = BatchCoalescer::new(schema.clone(), size);
        Box::pin(RecordBatchStreamAdapter::new(schema, Self { inner, cut, ended: false }))
    }
}

impl Stream for EvenBatches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(batch) = self.cut.next_completed_batch() {
                return Poll::Ready(Some(Ok(batch)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(self.inner.poll_next_unpin(context)) {
                Some(Ok(batch)) => self.cut.push_batch(batch)?,
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    self.cut.finish_buffered_batch()?;
                }
            }
        }
    }
}
