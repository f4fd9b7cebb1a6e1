//! Values for parameters: read from DoPut, bound by position, cast to the parameter's type.
//!
//! By position, because clients name the columns as they like: `0`, `1`, … or nothing at all.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt};
use tonic::Streaming;

use super::holdings::Held;
use super::message_bounds::MessageBounds;
use super::seal::handle_not_found;
use super::unpacked::slices;
use crate::error::{Condition, Error, Result};
use crate::run::{SentRows, read_as};

/// The most that the bound values of a prepared query may take up in its handle.
const HANDLE_PARAMETER_BYTES_MAX: usize = 1024 * 1024;
/// The most rows of them: values that take up nothing are rows too.
const HANDLE_ROWS_MAX: usize = 1024 * 1024;

/// Values that are kept for their handle.
pub(crate) struct Kept {
    pub(crate) values: Bytes,
    pub(crate) held: Held,
}

/// The batches of a DoPut call.
pub(crate) struct Incoming {
    batches: FlightRecordBatchStream,
    /// What is left of the batch that came last.
    rest: Option<RecordBatch>,
    /// How many rows of it are handed on at a time.
    slices: VecDeque<usize>,
}

impl Incoming {
    /// The batches in `first` and what follows. Messages that carry a descriptor only are
    /// passed over: many clients send nothing else.
    pub(crate) fn new(first: FlightData, rest: Streaming<FlightData>) -> Self {
        let mut bounds = MessageBounds::default();
        let messages = futures::stream::iter([Ok(first)])
            .chain(rest)
            .map_err(|status| FlightError::Tonic(Box::new(status)))
            .try_filter(|message| std::future::ready(!message.data_header.is_empty()))
            .and_then(move |message| std::future::ready(bounded(&mut bounds, message)));
        Self {
            batches: FlightRecordBatchStream::new_from_flight_data(messages),
            rest: None,
            slices: VecDeque::new(),
        }
    }

    /// The next rows, some of a batch or all of it.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => {
                let Some(batch) = self.decoded().await? else { return Ok(None) };
                self.slices = slices(&batch)?;
                batch
            }
        };
        let rows = self.slices.pop_front().unwrap_or(batch.num_rows());
        let left = batch.num_rows() - rows;
        self.rest = (left > 0).then(|| batch.slice(rows, left));
        Ok(Some(batch.slice(0, rows)))
    }

    async fn decoded(&mut self) -> Result<Option<RecordBatch>> {
        // The decoder panics over some messages that are not well formed, and is not asked again after that.
        let batch = AssertUnwindSafe(self.batches.next()).catch_unwind().await;
        let batch = batch.map_err(|_| unreadable())?;
        batch.transpose().map_err(|cause| match cause {
            FlightError::Tonic(_) => {
                Error::new(Condition::OperationCanceled, "the client stopped sending").caused_by(cause)
            }
            FlightError::ExternalError(refusal) => match refusal.downcast::<Error>() {
                Ok(refusal) => *refusal,
                Err(cause) => unreadable().caused_by(cause),
            },
            _ => unreadable().caused_by(cause),
        })
    }

    /// All of them, of which the columns are known.
    pub(crate) async fn into_rows(mut self) -> Result<SentRows> {
        let first = self.next_batch().await?;
        let schema = self.batches.schema().cloned().ok_or_else(|| {
            Error::new(
                Condition::InvalidParameterValue,
                "no rows were sent, nor which columns they would have",
            )
        })?;
        let rest = futures::stream::unfold(self, |mut incoming| async move {
            let batch = incoming.next_batch().await.transpose()?;
            Some((batch, incoming))
        });
        let first = futures::stream::iter(first.map(Ok));
        Ok(SentRows { schema, batches: first.chain(rest).boxed() })
    }

    /// How many columns the client announced; none before the first batch was asked for.
    pub(crate) fn columns(&self) -> usize {
        self.batches.schema().map_or(0, |schema| schema.fields().len())
    }
}

fn bounded(bounds: &mut MessageBounds, message: FlightData) -> std::result::Result<FlightData, FlightError> {
    match bounds.check(&message) {
        Ok(()) => Ok(message),
        Err(refusal) => Err(FlightError::ExternalError(Box::new(refusal))),
    }
}

fn unreadable() -> Error {
    Error::new(Condition::InvalidParameterValue, "what was sent cannot be read as Arrow data")
}

/// The columns of `batch` as values of `parameters`.
pub(crate) fn bind(batch: &RecordBatch, parameters: &SchemaRef) -> Result<RecordBatch> {
    let (given, wanted) = (batch.num_columns(), parameters.fields().len());
    if given != wanted {
        return Err(Error::new(
            Condition::InvalidParameterValue,
            format!("the statement takes {wanted} parameters, values for {given} were given"),
        ));
    }
    let columns = batch
        .columns()
        .iter()
        .zip(parameters.fields())
        .enumerate()
        .map(|(position, (column, field))| read_as(column, field, position + 1))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(parameters), columns, &options).map_err(Error::internal)
}

/// `batches` as bytes for a handle.
pub(crate) fn into_bytes(batches: &[RecordBatch], schema: &SchemaRef) -> Result<Bytes> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(Error::internal)?;
    for batch in batches {
        writer.write(batch).map_err(Error::internal)?;
    }
    let bytes = writer.into_inner().map_err(Error::internal)?;
    check_size(bytes.len())?;
    Ok(bytes.into())
}

/// Refuses more bytes of values than a handle has room for.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes <= HANDLE_PARAMETER_BYTES_MAX {
        return Ok(());
    }
    let text =
        format!("the values bound take up {bytes} bytes or more, at most {HANDLE_PARAMETER_BYTES_MAX} fit");
    Err(Error::new(Condition::ResourceExhausted, text).with_hint("bind fewer rows at a time"))
}

/// Refuses more rows of values than a handle may have, however little they take up.
pub(crate) fn check_rows(rows: usize) -> Result<()> {
    if rows <= HANDLE_ROWS_MAX {
        return Ok(());
    }
    let text = format!("more than {HANDLE_ROWS_MAX} rows of values are bound");
    Err(Error::new(Condition::ResourceExhausted, text).with_hint("bind fewer rows at a time"))
}

/// How much the values of `batch` take up at least.
pub(crate) fn size_of(batch: &RecordBatch) -> Result<usize> {
    let size = |column: &ArrayRef| {
        // Of nested values what belongs to other rows would be counted too.
        let rows = u32::try_from(column.len()).unwrap_or(u32::MAX);
        let own = column
            .data_type()
            .is_nested()
            .then(|| take(column, &UInt32Array::from_iter_values(0..rows), None));
        own.transpose()?.as_ref().unwrap_or(column).to_data().get_slice_memory_size()
    };
    batch.columns().iter().map(size).sum::<std::result::Result<usize, _>>().map_err(Error::internal)
}

/// The rows that [`into_bytes`] wrote, as one batch.
pub(crate) fn from_bytes(bytes: &Bytes) -> Result<RecordBatch> {
    let reader = StreamReader::try_new(bytes.as_ref(), None).map_err(|_| handle_not_found())?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(|_| handle_not_found())?;
    if let [single] = batches.as_slice() {
        return Ok(single.clone());
    }
    concat_batches(&schema, &batches).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::{
        AsArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray, StringViewArray,
    };
    use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};

    use super::*;

    fn parameters(types: &[DataType]) -> SchemaRef {
        let fields =
            types.iter().enumerate().map(|(n, t)| Field::new(format!("${}", n + 1), t.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn given(columns: Vec<ArrayRef>) -> RecordBatch {
        // every column without a name, as the C++ suite sends them
        let fields: Vec<_> = columns.iter().map(|c| Field::new("", c.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    #[test]
    fn values_are_bound_by_position_and_cast() {
        let dictionary: DictionaryArray<Int32Type> = vec![Some("d"), None].into_iter().collect();
        let batch = given(vec![
            Arc::new(StringViewArray::from(vec![Some("v"), None])),
            Arc::new(LargeStringArray::from(vec!["l", "m"])),
            Arc::new(dictionary),
            Arc::new(Int64Array::from(vec![1, 2])),
            Arc::new(arrow::array::NullArray::new(2)),
        ]);
        let types = [DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Int32, DataType::Int64];
        let bound = bind(&batch, &parameters(&types)).unwrap();
        assert_eq!(bound.column(0).as_string::<i32>().value(0), "v");
        assert_eq!(bound.column(2).as_string::<i32>().value(0), "d");
        assert_eq!(bound.column(3).as_primitive::<Int32Type>().value(1), 2);
        assert_eq!(bound.column(4).as_primitive::<Int64Type>().null_count(), 2);
    }

    #[test]
    fn a_wrong_number_or_value_is_said() {
        let batch = given(vec![Arc::new(StringViewArray::from(vec!["x"]))]);
        let error = bind(&batch, &parameters(&[])).unwrap_err();
        assert_eq!(error.condition(), Condition::InvalidParameterValue);
        let error = bind(&batch, &parameters(&[DataType::Int64])).unwrap_err();
        assert_eq!(error.condition(), Condition::DatatypeMismatch);
        assert!(error.message().contains("parameter 1"));
        let batch = given(vec![Arc::new(Float64Array::from(vec![2.0, 2.7]))]);
        let error = bind(&batch, &parameters(&[DataType::Int64])).unwrap_err();
        assert_eq!(error.condition(), Condition::InvalidParameterValue);
        assert!(!error.message().contains("2.7"));
    }

    #[test]
    fn values_come_back_from_a_handle() {
        let schema = parameters(&[DataType::Int64]);
        let column = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let batch = |values| RecordBatch::try_new(Arc::clone(&schema), vec![column(values)]).unwrap();
        let bytes = into_bytes(&[batch(vec![1]), batch(vec![2, 3])], &schema).unwrap();
        assert_eq!(from_bytes(&bytes).unwrap(), batch(vec![1, 2, 3]));
        assert_eq!(from_bytes(&into_bytes(&[], &schema).unwrap()).unwrap().num_rows(), 0);
        let large = batch((0..200_000).collect());
        assert_eq!(into_bytes(&[large], &schema).unwrap_err().condition(), Condition::ResourceExhausted);
    }
}
