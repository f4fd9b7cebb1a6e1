//! [`Rows`]: a result as it came over the wire, and as text to compare.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A result: its schema, and batches of exactly that schema.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The schema of the stream.
    pub schema: SchemaRef,
    /// Its batches.
    pub batches: Vec<RecordBatch>,
}

impl Rows {
    /// The rows in the order they came, each as its values joined by ` | `; NULL as `NULL`.
    pub fn lines(&self) -> Vec<String> {
        text_of(&self.batches)
    }

    /// The rows as a multiset: sorted, nothing dropped.
    pub fn sorted(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.sort();
        lines
    }

    /// The number of rows.
    pub fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The only value of the only row, as text.
    pub fn value(&self) -> String {
        match self.lines().as_slice() {
            [line] => line.clone(),
            lines => panic!("one row was expected, not {lines:?}"),
        }
    }

    /// The names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }
}

/// Rows as text, in order.
pub fn text_of(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| {
                ArrayFormatter::try_new(column.as_ref(), &options).expect("a type that can be shown")
            })
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<_> = columns.iter().map(|column| column.value(row).to_string()).collect();
            lines.push(values.join(" | "));
        }
    }
    lines
}
