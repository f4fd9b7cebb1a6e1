//! The text of EXPLAIN ANALYZE, as it stands: the plan's tree needs no table around it.

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::{Output, Sink};
use crate::client::Failure;

/// Prints the last column, row after row.
pub(super) struct ProfileOutput(Sink);

impl ProfileOutput {
    pub(super) fn new(sink: Sink) -> Self {
        Self(sink)
    }
}

impl Output for ProfileOutput {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let Some(text) = batch.columns().last() else { return Ok(()) };
        let formatter = ArrayFormatter::try_new(text.as_ref(), &FormatOptions::default())?;
        for row in 0..batch.num_rows() {
            writeln!(self.0, "{}", formatter.value(row))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}
