//! An aligned table: numbers to the right, lines and bold names on a terminal, plain when piped.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};
use comfy_table::{Attribute, Cell, CellAlignment, Table};

use super::{Output, Reader, Sink};
use crate::client::Failure;

/// Rows that are shown: widths are known only when all of them are.
const ROWS_MAX: usize = 10_000;

/// Collects rows and prints them at the end.
pub(super) struct TableOutput {
    table: Table,
    alignments: Vec<CellAlignment>,
    rows: usize,
    left_out: usize,
    sink: Sink,
}

impl TableOutput {
    pub(super) fn new(schema: &SchemaRef, sink: Sink, reader: Reader) -> Self {
        let terminal = reader == Reader::Person;
        let mut table = Table::new();
        table.load_preset(if terminal { UTF8_FULL_CONDENSED } else { ASCII_MARKDOWN });
        if !terminal {
            table.force_no_tty();
        }
        let alignments: Vec<CellAlignment> = schema
            .fields()
            .iter()
            .map(
                |field| {
                    if field.data_type().is_numeric() { CellAlignment::Right } else { CellAlignment::Left }
                },
            )
            .collect();
        table.set_header(schema.fields().iter().zip(&alignments).map(|(field, alignment)| {
            let cell = Cell::new(printable(field.name())).set_alignment(*alignment);
            if terminal { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        Self { table, alignments, rows: 0, left_out: 0, sink }
    }
}

impl Output for TableOutput {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let options = FormatOptions::new().with_null("NULL");
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        let shown = batch.num_rows().min(ROWS_MAX - self.rows);
        for row in 0..shown {
            let cells = columns.iter().zip(&self.alignments).map(|(column, alignment)| {
                Cell::new(printable(&column.value(row).to_string())).set_alignment(*alignment)
            });
            self.table.add_row(cells);
        }
        self.rows += shown;
        self.left_out += batch.num_rows() - shown;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        writeln!(self.sink, "{}", self.table)?;
        if self.left_out > 0 {
            writeln!(
                self.sink,
                "… the first {ROWS_MAX} rows of {}; --format csv writes all of them",
                self.rows + self.left_out
            )?;
        }
        Ok(self.sink.flush()?)
    }
}

/// Control characters in values are shown, not obeyed: they could rewrite the screen.
fn printable(text: &str) -> String {
    if !text.contains(|c: char| c.is_control() && c != '\n') {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn numbers_stand_right_and_nothing_is_named() {
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("a\u{1b}[2J"), None]));
        let amount: ArrayRef = Arc::new(Int64Array::from(vec![7, 1234]));
        let batch = RecordBatch::try_from_iter([("name", name), ("amount", amount)]).unwrap();
        let mut output = TableOutput::new(&batch.schema(), Box::new(std::io::sink()), Reader::Program);
        output.write(&batch).unwrap();
        let text = output.table.to_string();
        assert!(text.contains("|      7 |"), "{text}");
        assert!(text.contains("| NULL "), "{text}");
        assert!(text.contains("u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    }
}
