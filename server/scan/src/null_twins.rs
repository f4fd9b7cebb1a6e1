//! Rows that would come into one file though their values differ: with NULL, and with the text that is the name of NULL's folder.
//!
//! A file has one value of each column that partitions the table, and the log tells it. delta-rs's writer puts into one file what comes
//! into one folder, with the values of whichever row was first; any other two values have folders of their own. So rows with that
//! text are written apart from all others.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{cast, take_record_batch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::Session;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use tokio::sync::Mutex;

use crate::pinned_table::PinnedTable;

/// The folder of NULL, which is Hive's.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// Which of the columns that partition a table have the text, in their order.
pub(crate) type Twins = Vec<bool>;

/// The rows, those with the same twins together: of such rows no two with different values have one folder.
pub(crate) fn told_apart(
    rows: &RecordBatch,
    partitions: &[String],
) -> Result<BTreeMap<Twins, RecordBatch>, ArrowError> {
    let columns = partitions.iter().map(|name| match rows.column_by_name(name) {
        Some(column) => twins_in(column),
        None => Ok(Vec::new()),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    if !columns.iter().flatten().any(|is_twin| *is_twin) {
        return Ok(BTreeMap::from([(vec![false; partitions.len()], rows.clone())]));
    }
    let mut places: BTreeMap<Twins, Vec<u64>> = BTreeMap::new();
    for (row, place) in (0..rows.num_rows()).zip(0_u64..) {
        let twins = columns.iter().map(|column| column.get(row) == Some(&true)).collect();
        places.entry(twins).or_default().push(place);
    }
    let parts = places.into_iter();
    parts.map(|(twins, places)| Ok((twins, take_record_batch(rows, &UInt64Array::from(places))?))).collect()
}

/// Which values are the text; nothing for a column of another type.
fn twins_in(column: &ArrayRef) -> Result<Vec<bool>, ArrowError> {
    let is_twin = |text: Option<&str>| text == Some(NULL_FOLDER);
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(is_twin).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(is_twin).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(is_twin).collect(),
        DataType::Dictionary(_, value) if value.is_string() => twins_in(&cast(column, &DataType::Utf8)?)?,
        _ => Vec::new(),
    })
}

/// Rows with the text, kept until all others are written.
#[derive(Debug)]
pub(crate) struct Aside {
    partitions: Vec<String>,
    kept: Mutex<BTreeMap<Twins, Vec<RecordBatch>>>,
    memory: MemoryReservation,
}

impl Aside {
    /// For rows that are written to `table`; none where nothing partitions it. The session's memory holds what is kept.
    pub(crate) fn of(table: &PinnedTable, session: &dyn Session) -> Option<Self> {
        let partitions = table.partition_columns().to_vec();
        if partitions.is_empty() {
            return None;
        }
        let pool = &session.runtime_env().memory_pool;
        let memory = MemoryConsumer::new("rows to write apart").register(pool);
        Some(Self { partitions, kept: Mutex::default(), memory })
    }

    /// Keeps the rows of `batch` with the text, and gives the others.
    pub(crate) async fn others(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let mut parts = told_apart(batch, &self.partitions)?;
        let others = parts.remove(&vec![false; self.partitions.len()]);
        if !parts.is_empty() {
            let mut kept = self.kept.lock().await;
            for (twins, rows) in parts {
                self.memory.try_grow(rows.get_array_memory_size())?;
                kept.entry(twins).or_default().push(rows);
            }
        }
        Ok(others.unwrap_or_else(|| RecordBatch::new_empty(batch.schema())))
    }

    /// The rows that were kept; those of one part may be written together.
    pub(crate) async fn take(&self) -> Vec<Vec<RecordBatch>> {
        std::mem::take(&mut *self.kept.lock().await).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::Arc;

    use datafusion::arrow::array::{DictionaryArray, Int64Array, StringArray, StringViewArray};
    use datafusion::arrow::datatypes::{Int32Type, Int64Type};

    use super::*;

    fn ids(rows: &RecordBatch) -> Vec<i64> {
        rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_with_the_text_are_told_from_those_with_null_by_column() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]));
        let text = Some(NULL_FOLDER);
        let (a, b) = ([None, text, None, text, Some("x")], [None, None, text, text, text]);
        let dictionary: DictionaryArray<Int32Type> = b.into_iter().collect();
        let alike: [(ArrayRef, ArrayRef); 2] = [
            (Arc::new(StringArray::from(a.to_vec())), Arc::new(StringViewArray::from(b.to_vec()))),
            (Arc::new(StringViewArray::from(a.to_vec())), Arc::new(dictionary)),
        ];
        for (a, b) in alike {
            let rows = RecordBatch::try_from_iter([("id", Arc::clone(&id)), ("a", a), ("b", b)]).unwrap();
            let parts = told_apart(&rows, &["a".to_owned(), "b".to_owned()]).unwrap();
            let parts: Vec<_> = parts.iter().map(|(twins, rows)| (twins.as_slice(), ids(rows))).collect();
            let wanted: [(&[bool], Vec<i64>); 4] = [
                (&[false, false], vec![1]),
                (&[false, true], vec![3, 5]),
                (&[true, false], vec![2]),
                (&[true, true], vec![4]),
            ];
            assert_eq!(parts, wanted);
            let whole = told_apart(&rows, &["id".to_owned(), "missing".to_owned()]).unwrap();
            assert_eq!(whole.values().map(ids).collect::<Vec<_>>(), [[1, 2, 3, 4, 5]]);
        }
    }
}
