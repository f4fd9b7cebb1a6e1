//! The rows of the catalog `tpch`: TPC-H, in as many parts as the table gets files. The demo takes
//! it at scale 0.1; the benches ask for other scales.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RecordBatchIterator,
    RegionArrow, SupplierArrow,
};

/// The scale of the demo.
const SCALE: f64 = 0.1;

/// Rows that are made at once.
const BATCH_ROWS: usize = 65_536;

/// A table: its name, in how many files it comes, the column that orders it.
#[derive(Debug, Clone, Copy)]
pub struct SampleTable {
    /// Its name.
    pub name: &'static str,
    /// In how many files the demo has it.
    pub files: usize,
    sorted_by: Option<&'static str>,
    rows: fn(f64) -> Box<dyn RecordBatchIterator>,
}

/// The eight tables; the two large ones in the order of their dates, so that a date tells the files.
pub const TABLES: [SampleTable; 8] = [
    table("lineitem", 16, Some("l_shipdate"), |scale| {
        Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
    }),
    table("orders", 12, Some("o_orderdate"), |scale| {
        Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
    }),
    table("partsupp", 4, None, |scale| {
        Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
    }),
    table("part", 4, None, |scale| {
        Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
    }),
    table("customer", 4, None, |scale| {
        Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
    }),
    table("supplier", 2, None, |scale| Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))),
    table("nation", 1, None, |scale| Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1)))),
    table("region", 1, None, |scale| Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1)))),
];

const fn table(
    name: &'static str,
    files: usize,
    sorted_by: Option<&'static str>,
    rows: fn(f64) -> Box<dyn RecordBatchIterator>,
) -> SampleTable {
    SampleTable { name, files, sorted_by, rows }
}

impl SampleTable {
    /// The table's rows, one batch a file. Takes a while and much memory.
    pub fn parts(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        self.parts_at(SCALE, self.files)
    }

    /// The table's rows at `scale`, in `files` batches. Takes a while and much memory.
    pub fn parts_at(&self, scale: f64, files: usize) -> Result<Vec<RecordBatch>, ArrowError> {
        let rows = (self.rows)(scale);
        let schema = Arc::clone(rows.schema());
        let batches: Vec<RecordBatch> = rows.collect();
        let whole = concat_batches(&schema, &batches)?;
        let whole = match self.sorted_by {
            Some(column) => sorted(&whole, column)?,
            None => whole,
        };
        let whole = plain(&whole)?;
        let rows = whole.num_rows().div_ceil(files.max(1)).max(1);
        let starts = (0..whole.num_rows()).step_by(rows);
        Ok(starts.map(|start| whole.slice(start, rows.min(whole.num_rows() - start))).collect())
    }
}

fn sorted(batch: &RecordBatch, column: &str) -> Result<RecordBatch, ArrowError> {
    let missing = || ArrowError::SchemaError(format!("no column {column}"));
    let values = ArrayRef::clone(batch.column_by_name(column).ok_or_else(missing)?);
    let order = lexsort_to_indices(&[SortColumn { values, options: None }], None)?;
    take_record_batch(batch, &order)
}

/// Strings as plain strings: views are of Arrow's inside.
fn plain(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let kind = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            other => other.clone(),
        };
        columns.push(cast(column, &kind)?);
        fields.push(Field::new(field.name(), kind, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::{AsArray, Date32Array};
    use arrow::datatypes::Date32Type;

    use super::*;

    #[test]
    fn orders_come_in_the_order_of_their_dates() {
        let orders = TABLES.iter().find(|table| table.name == "orders").unwrap();
        let parts = orders.parts().unwrap();
        assert_eq!(parts.len(), orders.files);
        assert_eq!(parts.iter().map(RecordBatch::num_rows).sum::<usize>(), 150_000);
        let dates = |part: &RecordBatch| -> Date32Array {
            part.column_by_name("o_orderdate").unwrap().as_primitive::<Date32Type>().clone()
        };
        let ends: Vec<(i32, i32)> = parts
            .iter()
            .map(|part| {
                let dates = dates(part);
                (dates.value(0), dates.value(dates.len() - 1))
            })
            .collect();
        assert!(ends.is_sorted() && ends.iter().all(|(first, last)| first < last), "{ends:?}");
    }
}
