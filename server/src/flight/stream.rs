//! Rows on their way out: a stream of batches becomes a stream of Flight messages.
//!
//! The schema goes first, also when there are no rows: drivers wait for it. A failure in the
//! middle goes into the stream as a status. Dropping the stream stops the statement: that is
//! how clients cancel.

use std::sync::Arc;
use std::task::Poll;

use arrow::array::Array;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::encode::{
    FlightDataEncoder, FlightDataEncoderBuilder, GRPC_TARGET_MAX_FLIGHT_SIZE_BYTES as MESSAGE_BYTES,
};
use arrow_flight::error::FlightError;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tonic::Status;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::run::RowStream;

/// The answer's stream.
pub(crate) type Stream = BoxStream<'static, std::result::Result<FlightData, Status>>;

/// The rows of a batch that goes out as it is.
const SMALL_ROWS: usize = 1024;
/// How many rows small batches have together.
const GATHERED_ROWS: usize = 8192;

/// About how many bytes the first message of a large result has: what a client takes in before it says that it wants more, by
/// HTTP/2's initial window (RFC 9113, section 6.9.2).
const FIRST_BYTES: usize = 64 << 10;

type Batches = BoxStream<'static, Result<RecordBatch>>;

/// `rows` as Flight messages. `held` lives as long as the stream: whatever stops the statement
/// when dropped.
pub(crate) fn encode<G: Send + Sync + 'static>(rows: RowStream, statement: Uuid, held: G) -> Stream {
    let RowStream { schema, batches } = rows;
    let batches = begun_small(gathered(Arc::clone(&schema), batches)).map(move |batch| {
        let batch = batch.and_then(compact);
        batch.map_err(|error| FlightError::Tonic(Box::new(error.into_status(Some(statement)))))
    });
    let messages: FlightDataEncoder = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    messages
        .map_err(move |error| into_status(error, statement))
        .map(move |message| {
            let _alive = &held;
            message
        })
        .boxed()
}

/// The same rows with small batches put together, as far as they are there: rows that have come wait for none that have not.
fn gathered(schema: SchemaRef, mut batches: Batches) -> Batches {
    let (mut small, mut rows, mut kept) = (Vec::new(), 0, None);
    futures::stream::poll_fn(move |context| {
        if let Some(next) = kept.take() {
            return Poll::Ready(next);
        }
        loop {
            let next = batches.poll_next_unpin(context);
            match next {
                Poll::Ready(Some(Ok(batch))) if batch.num_rows() < SMALL_ROWS => {
                    rows += batch.num_rows();
                    small.push(batch);
                    if rows < GATHERED_ROWS {
                        continue;
                    }
                }
                next if small.is_empty() => return next,
                // What came first goes first.
                Poll::Ready(next) => kept = Some(next),
                Poll::Pending => {}
            }
            rows = 0;
            return Poll::Ready(Some(together(&schema, &std::mem::take(&mut small))));
        }
    })
    .boxed()
}

/// The same rows, with few in the first batch: a client has a message whole before it has a row of it, and a new stream's window is
/// small.
fn begun_small(batches: Batches) -> Batches {
    let mut begun = false;
    let parts = batches.map(move |batch| {
        let parts = batch.and_then(|batch| match begun || batch.num_rows() == 0 {
            true => Ok(vec![batch]),
            false => {
                begun = true;
                few_and_rest(batch)
            }
        });
        futures::stream::iter(match parts {
            Ok(parts) => parts.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    });
    parts.flatten().boxed()
}

/// The first rows of a large batch, and the others.
fn few_and_rest(batch: RecordBatch) -> Result<Vec<RecordBatch>> {
    let (rows, bytes) = (batch.num_rows(), bytes_of(&batch)?);
    if bytes <= FIRST_BYTES * 4 {
        return Ok(vec![batch]);
    }
    let few = (rows * FIRST_BYTES / bytes).max(1);
    Ok(vec![batch.slice(0, few), batch.slice(few, rows - few)])
}

/// Of its own rows, whatever else lies in its buffers.
fn bytes_of(batch: &RecordBatch) -> Result<usize> {
    let columns = batch.columns().iter();
    columns.map(|column| column.to_data().get_slice_memory_size().map_err(Error::internal)).sum()
}

fn together(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    match batches {
        [one] => Ok(one.clone()),
        several => concat_batches(schema, several).map_err(Error::internal),
    }
}

fn into_status(error: FlightError, statement: Uuid) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Error::internal(other).into_status(Some(statement)),
    }
}

/// Copies `batch` when its rows are a small part of the buffers it holds on to: the encoder
/// sizes its messages by whole buffers and would send row by row.
fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    let held: usize = batch.columns().iter().map(|column| column.get_buffer_memory_size()).sum();
    if held <= MESSAGE_BYTES {
        // one message, and of shared buffers only the rows are written
        return Ok(batch);
    }
    if held <= bytes_of(&batch)?.saturating_mul(2) {
        return Ok(batch);
    }
    // a single batch would be passed through uncopied
    let nothing = batch.slice(0, 0);
    concat_batches(batch.schema_ref(), [&nothing, &batch]).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow_flight::decode::FlightRecordBatchStream;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::error::Condition;

    fn batch(rows: i64) -> RecordBatch {
        let numbers = Int64Array::from_iter_values(0..rows);
        let texts = StringArray::from_iter_values((0..rows).map(|n| format!("row number {n}")));
        RecordBatch::try_from_iter([("n", Arc::new(numbers) as ArrayRef), ("t", Arc::new(texts) as ArrayRef)])
            .unwrap()
    }

    fn rows(batches: Vec<Result<RecordBatch>>) -> RowStream {
        RowStream { schema: batch(0).schema(), batches: futures::stream::iter(batches).boxed() }
    }

    #[tokio::test]
    async fn a_small_slice_of_large_buffers_is_one_message() {
        let large = batch(1_000_000);
        for slices in [
            vec![Ok(large.slice(500_000, 2000)), Ok(large.slice(7, 2000))],
            vec![Ok(large.slice(5, 9)), Ok(large.slice(7, 2000))],
        ] {
            let messages: Vec<_> = encode(rows(slices), Uuid::nil(), ()).try_collect().await.unwrap();
            assert_eq!(messages.len(), 3, "the schema and one message for each batch");
            assert!(messages.iter().all(|message| message.data_body.len() < 160 * 1024));
        }
        let slices = vec![Ok(large.slice(500_000, 100))];
        let messages: Vec<_> = encode(rows(slices), Uuid::nil(), ()).try_collect().await.unwrap();
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|message| message.data_body.len() < 16 * 1024));
    }

    #[tokio::test]
    async fn small_batches_go_together_and_wait_for_no_others() {
        let all = batch(20_000);
        let sizes = [1, 500, 1023, 0, 5000, 3, 1, 8, 700];
        let mut first = 0;
        let parts: Vec<_> = sizes
            .iter()
            .map(|size| {
                first += size;
                Ok(all.slice(first - size, *size))
            })
            .collect();
        let expected = all.slice(0, first);
        let gathered: Vec<_> = gathered(all.schema(), rows(parts).batches).try_collect().await.unwrap();
        assert_eq!(gathered.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1524, 5000, 712]);
        assert_eq!(concat_batches(&all.schema(), &gathered).unwrap(), expected);

        let many = (0..1000).map(|n| Ok(all.slice(n * 20, 20))).collect();
        let gathered: Vec<_> = super::gathered(all.schema(), rows(many).batches).try_collect().await.unwrap();
        assert_eq!(gathered.len(), 3);

        let (send, receive) = tokio::sync::mpsc::channel(4);
        let mut waiting =
            super::gathered(all.schema(), tokio_stream::wrappers::ReceiverStream::new(receive).boxed());
        send.send(Ok(all.slice(0, 1))).await.unwrap();
        assert_eq!(waiting.try_next().await.unwrap().unwrap().num_rows(), 1);
        for _ in 0..2 {
            send.send(Ok(all.slice(0, 1))).await.unwrap();
        }
        send.send(Err(Error::new(Condition::DivideByZero, "division by zero"))).await.unwrap();
        assert_eq!(waiting.try_next().await.unwrap().unwrap().num_rows(), 2);
        assert!(waiting.try_next().await.is_err(), "rows before a failure are given before it");
    }

    #[tokio::test]
    async fn large_batches_go_out_in_messages_of_about_two_mebibytes() {
        let large = batch(1_000_000);
        let messages: Vec<_> =
            encode(rows(vec![Ok(large.clone())]), Uuid::nil(), ()).try_collect().await.unwrap();
        let sizes: Vec<_> = messages.iter().skip(1).map(|message| message.data_body.len()).collect();
        assert!(sizes.iter().all(|size| *size < 3 * 1024 * 1024), "{sizes:?}");
        assert!(sizes.len() < 40, "{sizes:?}");
        let first = sizes.first().copied().unwrap();
        assert!((32 * 1024..96 * 1024).contains(&first), "the first rows come soon: {sizes:?}");
        let decoded = FlightRecordBatchStream::new_from_flight_data(futures::stream::iter(
            messages.into_iter().map(Ok),
        ));
        let back: Vec<_> = decoded.try_collect().await.unwrap();
        assert_eq!(concat_batches(&large.schema(), &back).unwrap(), large);
    }

    #[tokio::test]
    async fn the_schema_goes_out_without_rows_and_without_columns() {
        for none in [rows(vec![]), rows(vec![Ok(batch(0))])] {
            let messages: Vec<_> = encode(none, Uuid::nil(), ()).try_collect().await.unwrap();
            assert_eq!(messages.len(), 1);
        }
        let empty =
            RowStream { schema: Arc::new(Schema::empty()), batches: futures::stream::empty().boxed() };
        let messages: Vec<_> = encode(empty, Uuid::nil(), ()).try_collect().await.unwrap();
        assert_eq!(messages.len(), 1);
    }

    #[tokio::test]
    async fn a_failure_ends_the_stream_as_a_status() {
        let failure = Error::new(Condition::DivideByZero, "division by zero");
        let stream = encode(rows(vec![Ok(batch(1)), Err(failure), Ok(batch(1))]), Uuid::nil(), ());
        let messages: Vec<_> = stream.collect().await;
        assert_eq!(messages.len(), 3);
        let status = messages.last().unwrap().as_ref().unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }

    #[tokio::test]
    async fn dropping_the_stream_lets_go_of_what_it_holds() {
        let token = CancellationToken::new();
        let stream = encode(rows(vec![Ok(batch(1))]), Uuid::nil(), token.clone().drop_guard());
        assert!(!token.is_cancelled());
        drop(stream);
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_batch_that_fills_its_buffers_is_not_copied() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let whole = RecordBatch::try_new(schema, vec![Arc::clone(&column)]).unwrap();
        let same = compact(whole).unwrap();
        assert!(same.columns().first().is_some_and(|found| found.to_data().ptr_eq(&column.to_data())));
    }
}
