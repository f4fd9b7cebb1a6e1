//! How many bytes rows have, told from their values alone.
//!
//! The number leaves the barrier, in `strict` protection too. So the same rows count the same however they lie in
//! batches, buffers and dictionaries, which hidden rows have a part in: a value counts its own bytes, a text or list four
//! more, and whether there is a bitmap of NULLs does not count.

use datafusion::arrow::array::{
    Array, AsArray, BooleanArray, GenericByteArray, OffsetSizeTrait, RecordBatch,
};
use datafusion::arrow::compute::filter;
use datafusion::arrow::datatypes::{ByteArrayType, DataType};

/// What a text or a list counts beside its contents.
const OFFSET: usize = 4;

/// The bytes of the rows in `batch`.
pub(crate) fn row_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| value_bytes(column.as_ref()) as u64).sum()
}

fn value_bytes(values: &dyn Array) -> usize {
    let rows = values.len();
    match values.data_type() {
        DataType::Null => 0,
        DataType::Boolean => rows,
        DataType::Utf8 => text_bytes(values.as_string::<i32>()),
        DataType::LargeUtf8 => text_bytes(values.as_string::<i64>()),
        DataType::Utf8View => texts(rows, values.as_string_view().iter().flatten().map(str::len)),
        DataType::Binary => text_bytes(values.as_binary::<i32>()),
        DataType::LargeBinary => text_bytes(values.as_binary::<i64>()),
        DataType::BinaryView => texts(rows, values.as_binary_view().iter().flatten().map(<[u8]>::len)),
        DataType::FixedSizeBinary(width) => rows * usize::try_from(*width).unwrap_or(0), // reason: no width is below zero
        DataType::Dictionary(..) => dictionary_bytes(values),
        DataType::Struct(_) => match without_nulls(values) {
            Some(there) => value_bytes(there.as_ref()),
            None => values.as_struct().columns().iter().map(|column| value_bytes(column.as_ref())).sum(),
        },
        DataType::List(_) => list_bytes(values.as_list::<i32>(), values),
        DataType::LargeList(_) => list_bytes(values.as_list::<i64>(), values),
        DataType::Map(..) => match without_nulls(values) {
            Some(there) => (rows - there.len()) * OFFSET + value_bytes(there.as_ref()),
            None => {
                let map = values.as_map();
                let entries = span(map.offsets())
                    .map_or(0, |(from, length)| value_bytes(&map.entries().slice(from, length)));
                rows * OFFSET + entries
            }
        },
        other => rows * other.primitive_width().unwrap_or(OFFSET), // reason: no column of a table is of another type
    }
}

/// Where no text is NULL, both ends say it without a look at each.
fn text_bytes<T: ByteArrayType>(values: &GenericByteArray<T>) -> usize {
    if values.null_count() == 0 {
        return values.len() * OFFSET + span(values.offsets()).map_or(0, |(_, length)| length);
    }
    texts(values.len(), values.iter().flatten().map(|value| AsRef::<[u8]>::as_ref(value).len()))
}

fn texts(rows: usize, lengths: impl Iterator<Item = usize>) -> usize {
    rows * OFFSET + lengths.sum::<usize>()
}

/// What the values count that the keys speak of.
fn dictionary_bytes(values: &dyn Array) -> usize {
    let dictionary = values.as_any_dictionary();
    let known = dictionary.values();
    if known.is_empty() {
        return 0;
    }
    let each: Vec<usize> = (0..known.len()).map(|at| value_bytes(known.slice(at, 1).as_ref())).collect();
    let keys = dictionary.normalized_keys();
    let there = keys.iter().enumerate().filter(|(row, _)| values.is_valid(*row));
    there.filter_map(|(_, key)| each.get(*key)).sum()
}

fn list_bytes<O: OffsetSizeTrait>(
    list: &datafusion::arrow::array::GenericListArray<O>,
    values: &dyn Array,
) -> usize {
    if let Some(there) = without_nulls(values) {
        return (values.len() - there.len()) * OFFSET + value_bytes(there.as_ref());
    }
    let items = span(list.offsets())
        .map_or(0, |(from, length)| value_bytes(list.values().slice(from, length).as_ref()));
    values.len() * OFFSET + items
}

/// Where the items of a list without NULLs begin, and how many they are.
fn span<O: OffsetSizeTrait>(offsets: &[O]) -> Option<(usize, usize)> {
    let (first, last) = (offsets.first()?.as_usize(), offsets.last()?.as_usize());
    Some((first, last.saturating_sub(first)))
}

/// The values that are not NULL, where some are: what lies below a NULL is nobody's.
fn without_nulls(values: &dyn Array) -> Option<datafusion::arrow::array::ArrayRef> {
    let nulls = values.nulls().filter(|nulls| nulls.null_count() > 0)?;
    // reason: what is as long as the values always fits them
    filter(values, &BooleanArray::new(nulls.inner().clone(), None)).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, DictionaryArray, Int32Array, ListArray, StringArray, StructArray,
    };
    use datafusion::arrow::compute::{concat, take};
    use datafusion::arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn bytes(values: &ArrayRef) -> usize {
        value_bytes(values.as_ref())
    }

    fn columns() -> Vec<ArrayRef> {
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some("x"), None, Some("hidden one"), Some("yz")]));
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)]));
        let parts: DictionaryArray<Int32Type> =
            vec![Some("p"), None, Some("hidden"), Some("p")].into_iter().collect();
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1)]),
            None,
            Some(vec![Some(1), None, Some(3)]),
            Some(vec![]),
        ]);
        let nested = StructArray::from(vec![
            (Arc::new(Field::new("t", DataType::Utf8, true)), Arc::clone(&texts)),
            (Arc::new(Field::new("n", DataType::Int32, true)), Arc::clone(&numbers)),
        ]);
        vec![texts, numbers, Arc::new(parts), Arc::new(lists), Arc::new(nested)]
    }

    /// Rows left when the third of four is hidden, in every layout that a leaf may hand them on in.
    #[test]
    fn the_bytes_of_rows_do_not_hang_on_rows_that_were_thrown_away() {
        for column in columns() {
            let kept = take(&column, &Int32Array::from(vec![0, 1, 3]), None).unwrap();
            let one_by_one: usize = (0..3).map(|row| bytes(&kept.slice(row, 1))).sum();
            let sliced = bytes(&column.slice(0, 2)) + bytes(&column.slice(3, 1));
            let glued = concat(&[&column.slice(0, 2), &column.slice(3, 1)]).unwrap();
            assert_eq!(bytes(&kept), one_by_one, "{column:?}");
            assert_eq!(bytes(&kept), sliced, "{column:?}");
            assert_eq!(bytes(&kept), bytes(&glued), "{column:?}");
            assert!(bytes(&column) > bytes(&kept), "{column:?}");
        }
    }

    #[test]
    fn a_bitmap_of_nulls_that_is_not_needed_does_not_count() {
        let with = Int32Array::from(vec![Some(1), None]).slice(0, 1);
        assert_eq!(value_bytes(&with), value_bytes(&Int32Array::from(vec![1])));
        let texts = columns()[0].slice(0, 1);
        assert_eq!(bytes(&texts), value_bytes(&StringArray::from(vec!["x"])));
    }
}
