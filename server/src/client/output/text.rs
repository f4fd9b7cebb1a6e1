//! CSV with a header line, and one JSON object a line.

use std::io::{BufWriter, Write};

use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{LineDelimited, Writer, WriterBuilder};
use arrow::record_batch::RecordBatch;

use super::{Output, Sink};
use crate::client::Failure;

/// Comma-separated values; NULL is an empty field.
pub(super) struct CsvOutput {
    writer: csv::Writer<Sink>,
    schema: SchemaRef,
    begun: bool,
}

impl CsvOutput {
    pub(super) fn new(schema: &SchemaRef, sink: Sink) -> Self {
        let writer = csv::WriterBuilder::new().with_header(true).build(sink);
        Self { writer, schema: SchemaRef::clone(schema), begun: false }
    }
}

impl Output for CsvOutput {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.begun = true;
        Ok(self.writer.write(batch)?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        if self.begun {
            return Ok(());
        }
        // the header stands over no rows as well
        self.write(&RecordBatch::new_empty(SchemaRef::clone(&self.schema)))
    }
}

/// One JSON object a line, with NULLs.
pub(super) struct JsonOutput(Writer<BufWriter<Sink>, LineDelimited>);

impl JsonOutput {
    pub(super) fn new(sink: Sink) -> Self {
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        Self(builder.build::<_, LineDelimited>(BufWriter::new(sink)))
    }
}

impl Output for JsonOutput {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        Ok(self.0.write(batch)?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.0.finish()?;
        Ok(self.0.get_mut().flush()?)
    }
}
