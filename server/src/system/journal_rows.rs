//! [`JournalRows`]: the statements that still lie in the journal as rows of a table of the books, made while the query runs, in
//! batches of bounded bytes. The journal holds them in memory once, however many read.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;

use super::SystemTableName;
use crate::billing::Entry;

/// Statements whose texts come to more than this are not in one batch, unless it is one.
const BATCH_BYTES: usize = 4 << 20;
/// Nor are more of them than these.
const BATCH_STATEMENTS: usize = 1024;

/// Statements, as rows of one table.
struct JournalRows {
    name: SystemTableName,
    entries: Vec<Arc<Entry>>,
    schema: SchemaRef,
}

/// The rows of `entries` in a table of the books.
pub(super) fn table(name: SystemTableName, entries: Vec<Arc<Entry>>) -> Result<StreamingTable> {
    let schema = name.arrow_schema();
    let rows = JournalRows { name, entries, schema: Arc::clone(&schema) };
    StreamingTable::try_new(schema, vec![Arc::new(rows)])
}

/// The first of these that are in one batch; none where there are none.
fn in_one_batch(entries: &[Arc<Entry>]) -> &[Arc<Entry>] {
    let mut bytes = 0_usize;
    let fits = |entry: &&Arc<Entry>| {
        bytes = bytes.saturating_add(bytes_of(entry));
        bytes <= BATCH_BYTES
    };
    let count = entries.iter().take(BATCH_STATEMENTS).take_while(fits).count();
    entries.get(..count.max(1)).unwrap_or_default()
}

fn bytes_of(entry: &Entry) -> usize {
    let record = &entry.record;
    record.statement_text.len() + record.error_message.as_ref().map_or(0, String::len)
}

impl fmt::Debug for JournalRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalRows").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartitionStream for JournalRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (name, entries) = (self.name, self.entries.clone());
        let mut done = 0;
        let batches = std::iter::from_fn(move || {
            let batch = in_one_batch(entries.get(done..)?);
            done += batch.len();
            (!batch.is_empty()).then(|| name.rows(batch).map_err(DataFusionError::from))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::iter(batches)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::*;
    use crate::billing::Config;
    use crate::query::history::sample;

    fn entries(count: usize, text_bytes: usize) -> Vec<Arc<Entry>> {
        let mut record = sample::record("ann", "2026-01-01T10:00:00Z", TimeDelta::zero(), Duration::ZERO);
        record.statement_text = "x".repeat(text_bytes).into();
        let entry = Arc::new(Entry::new(record, &Config::sample()));
        vec![entry; count]
    }

    #[test]
    fn a_batch_is_of_few_statements_with_long_texts_and_of_many_with_short_ones() {
        for (count, text_bytes, in_batch) in [
            (0, 10, 0),
            (10, 10, 10),
            (5000, 10, BATCH_STATEMENTS),
            (200, 64 << 10, 64),
            (2, BATCH_BYTES + 1, 1),
        ] {
            assert_eq!(in_one_batch(&entries(count, text_bytes)).len(), in_batch, "{count} {text_bytes}");
        }
    }
}
