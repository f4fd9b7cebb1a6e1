//! How rows are written to standard output: one [`Output`] a format.

mod columnar;
mod profile;
mod table;
mod text;

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::Failure;
use super::arguments::Format;

/// Where the bytes go.
pub(super) type Sink = Box<dyn Write + Send>;

/// Whether somebody reads along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person, at a terminal.
    Person,
    /// A file or a program.
    Program,
}

/// Writes the rows of one statement.
pub(super) trait Output: Send {
    /// Takes rows.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure>;

    /// Writes what is left.
    fn finish(&mut self) -> Result<(), Failure>;
}

/// The output of a format, for rows of that schema.
pub(super) fn of(
    format: Format,
    schema: &SchemaRef,
    sink: Sink,
    reader: Reader,
) -> Result<Box<dyn Output>, Failure> {
    Ok(match format {
        Format::Table => Box::new(table::TableOutput::new(schema, sink, reader)),
        Format::Csv => Box::new(text::CsvOutput::new(schema, sink)),
        Format::Json => Box::new(text::JsonOutput::new(sink)),
        Format::Arrow => Box::new(columnar::ArrowOutput::new(schema, sink)?),
        Format::Parquet => Box::new(columnar::ParquetOutput::new(schema, sink)?),
    })
}

/// The output of EXPLAIN ANALYZE.
pub(super) fn profile(sink: Sink) -> Box<dyn Output> {
    Box::new(profile::ProfileOutput::new(sink))
}
