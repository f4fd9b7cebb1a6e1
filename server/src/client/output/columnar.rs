//! Arrow IPC streams and Parquet files.

use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;

use super::{Output, Sink};
use crate::client::Failure;

/// An Arrow IPC stream.
pub(super) struct ArrowOutput(StreamWriter<Sink>);

impl ArrowOutput {
    pub(super) fn new(schema: &SchemaRef, sink: Sink) -> Result<Self, Failure> {
        Ok(Self(StreamWriter::try_new(sink, schema)?))
    }
}

impl Output for ArrowOutput {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        Ok(self.0.write(batch)?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.0.finish()?)
    }
}

/// A Parquet file. The writer is gone once its footer is written.
pub(super) struct ParquetOutput(Option<ArrowWriter<Sink>>);

impl ParquetOutput {
    pub(super) fn new(schema: &SchemaRef, sink: Sink) -> Result<Self, Failure> {
        Ok(Self(Some(ArrowWriter::try_new(sink, SchemaRef::clone(schema), None)?)))
    }
}

impl Output for ParquetOutput {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.0.as_mut().map_or(Ok(()), |writer| Ok(writer.write(batch)?))
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.0.take().map_or(Ok(()), |writer| Ok(writer.close().map(drop)?))
    }
}
