//! How much the rows of a batch come to once each has values of its own.
//!
//! Rows of views, of dictionaries, of runs and of lists that are views may share what was sent: a thousand rows may each be the
//! same text of a megabyte. Whatever takes such a batch apart, a cast first of all, makes a copy for each. So rows are handed on as
//! few at a time as come to a bounded size, and a row that comes to more by itself is refused.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, UnionArray};
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type, UnionMode};
use arrow::record_batch::RecordBatch;

use crate::error::{Condition, Error, Result};

/// The most rows that are handed on together: of a column that takes up nothing a cast makes one that does.
const SLICE_ROWS: usize = 8192;
/// The most bytes that rows handed on together come to.
const SLICE_BYTES: u64 = 64 << 20;
/// What a value of fixed width may come to: a cast makes the widest of it.
const WIDEST: u64 = 16;

/// How many rows of `batch` are handed on at a time, one after the other.
pub(super) fn slices(batch: &RecordBatch) -> Result<VecDeque<usize>> {
    let shared = batch.columns().iter().filter(|column| may_share(column.data_type()));
    let mut sizes = Sizes::Same(0);
    for column in shared {
        sizes = sizes.and(of_rows(column)?);
    }
    let (mut slices, mut rows, mut bytes) = (VecDeque::new(), 0, 0_u64);
    for row in 0..batch.num_rows() {
        let own = sizes.of(row);
        if own > SLICE_BYTES {
            return Err(too_large());
        }
        if rows == SLICE_ROWS || bytes.saturating_add(own) > SLICE_BYTES {
            slices.push_back(rows);
            (rows, bytes) = (0, 0);
        }
        rows += 1;
        bytes += own;
    }
    slices.push_back(rows);
    Ok(slices)
}

/// The bytes that each row of an array comes to.
enum Sizes {
    Same(u64),
    Each(Vec<u64>),
}

impl Sizes {
    fn of(&self, row: usize) -> u64 {
        match self {
            Self::Same(size) => *size,
            Self::Each(sizes) => sizes.get(row).copied().unwrap_or(0),
        }
    }

    /// Those of rows that have both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same(one), Self::Same(other)) => Self::Same(one.saturating_add(other)),
            (Self::Each(mut sizes), other) | (other, Self::Each(mut sizes)) => {
                for (row, size) in sizes.iter_mut().enumerate() {
                    *size = size.saturating_add(other.of(row));
                }
                Self::Each(sizes)
            }
        }
    }

    /// Those of lists, each of a stretch of these: its start and its length.
    fn of_lists(&self, lists: impl Iterator<Item = (usize, usize)>) -> Self {
        match self {
            Self::Same(size) => {
                Self::Each(lists.map(|(_, count)| size.saturating_mul(wide(count))).collect())
            }
            Self::Each(sizes) => {
                let mut before = Vec::with_capacity(sizes.len() + 1);
                before.push(0_u64);
                before.extend(sizes.iter().scan(0_u64, |sum, size| {
                    *sum = sum.saturating_add(*size);
                    Some(*sum)
                }));
                let until = |place: usize| before.get(place).or(before.last()).copied().unwrap_or(0);
                let own = lists
                    .map(|(start, count)| until(start.saturating_add(count)).saturating_sub(until(start)));
                Self::Each(own.collect())
            }
        }
    }

    fn chosen(&self, places: impl Iterator<Item = Option<usize>>) -> Self {
        match self {
            Self::Same(size) => Self::Same(*size),
            Self::Each(_) => {
                Self::Each(places.map(|place| place.map_or(0, |place| self.of(place))).collect())
            }
        }
    }
}

/// Whether rows of that type may share values, or have values that a cast makes many times as large.
fn may_share(data_type: &DataType) -> bool {
    data_type.is_nested()
        || matches!(
            data_type,
            DataType::Utf8View
                | DataType::BinaryView
                | DataType::Dictionary(..)
                | DataType::RunEndEncoded(..)
        )
}

fn of_rows(array: &ArrayRef) -> Result<Sizes> {
    Ok(match array.data_type() {
        DataType::Utf8 => of_offsets(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => of_offsets(array.as_string::<i64>().value_offsets()),
        DataType::Binary => of_offsets(array.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => of_offsets(array.as_binary::<i64>().value_offsets()),
        DataType::Utf8View => of_views(array.as_string_view().views()),
        DataType::BinaryView => of_views(array.as_binary_view().views()),
        DataType::FixedSizeBinary(width) => Sizes::Same(wide(*width).saturating_add(WIDEST)),
        DataType::List(_) => {
            of_list(array.as_list::<i32>().values(), array.as_list::<i32>().value_offsets())?
        }
        DataType::LargeList(_) => {
            of_list(array.as_list::<i64>().values(), array.as_list::<i64>().value_offsets())?
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            of_list(&entries, map.value_offsets())?
        }
        DataType::ListView(_) => {
            let lists = array.as_list_view::<i32>();
            of_list_views(lists.values(), lists.value_offsets(), lists.value_sizes())?
        }
        DataType::LargeListView(_) => {
            let lists = array.as_list_view::<i64>();
            of_list_views(lists.values(), lists.value_offsets(), lists.value_sizes())?
        }
        DataType::FixedSizeList(_, length) => {
            let (lists, length) = (array.as_fixed_size_list(), place(*length));
            of_rows(lists.values())?
                .of_lists((0..lists.len()).map(|row| (row.saturating_mul(length), length)))
        }
        DataType::Struct(_) => {
            let mut sizes = Sizes::Same(0);
            for column in array.as_struct().columns() {
                sizes = sizes.and(of_rows(column)?);
            }
            sizes
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            // Keys of no values are not to be looked at.
            if dictionary.values().is_empty() {
                return Ok(Sizes::Same(0));
            }
            let keys = dictionary.normalized_keys();
            let valid = |(row, key)| dictionary.keys().is_valid(row).then_some(key);
            of_rows(dictionary.values())?.chosen(keys.into_iter().enumerate().map(valid))
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => of_runs::<Int16Type>(array)?,
            DataType::Int32 => of_runs::<Int32Type>(array)?,
            _ => of_runs::<Int64Type>(array)?,
        },
        DataType::Union(_, mode) => of_union(array.as_union(), *mode)?,
        _ => Sizes::Same(WIDEST),
    })
}

fn of_offsets<O: OffsetSizeTrait>(offsets: &[O]) -> Sizes {
    let lengths = offsets.windows(2).map(|pair| match pair {
        [start, end] => wide(end.as_usize().saturating_sub(start.as_usize())).saturating_add(WIDEST),
        _ => 0,
    });
    Sizes::Each(lengths.collect())
}

/// A view begins with its length (Arrow's format, "Variable-size Binary View Layout").
fn of_views(views: &[u128]) -> Sizes {
    Sizes::Each(views.iter().map(|view| u64::from(*view as u32).saturating_add(WIDEST)).collect())
}

fn of_list<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &[O]) -> Result<Sizes> {
    let lists = offsets.windows(2).map(|pair| match pair {
        [start, end] => (start.as_usize(), end.as_usize().saturating_sub(start.as_usize())),
        _ => (0, 0),
    });
    Ok(of_rows(values)?.of_lists(lists))
}

fn of_list_views<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &[O], lengths: &[O]) -> Result<Sizes> {
    let lists = offsets.iter().zip(lengths).map(|(start, length)| (start.as_usize(), length.as_usize()));
    Ok(of_rows(values)?.of_lists(lists))
}

fn of_runs<R: arrow::datatypes::RunEndIndexType>(array: &ArrayRef) -> Result<Sizes> {
    let Some(runs) = array.as_any().downcast_ref::<arrow::array::RunArray<R>>() else {
        return Err(Error::internal("an array of runs is of another type"));
    };
    let places = (0..runs.len()).map(|row| Some(runs.get_physical_index(row)));
    Ok(of_rows(runs.values())?.chosen(places))
}

fn of_union(union: &UnionArray, mode: UnionMode) -> Result<Sizes> {
    let DataType::Union(fields, _) = union.data_type() else {
        return Err(Error::internal("a union is of another type"));
    };
    let mut sizes = std::collections::HashMap::new();
    for (id, _) in fields.iter() {
        sizes.insert(id, of_rows(union.child(id))?);
    }
    let own = (0..union.len()).map(|row| {
        let place = if mode == UnionMode::Dense { union.value_offset(row) } else { row };
        sizes.get(&union.type_id(row)).map_or(0, |sizes| sizes.of(place))
    });
    Ok(Sizes::Each(own.collect()))
}

fn wide(size: impl TryInto<u64>) -> u64 {
    size.try_into().unwrap_or(u64::MAX)
}

fn place(size: i32) -> usize {
    usize::try_from(size).unwrap_or(0)
}

fn too_large() -> Error {
    let text = format!("a row of what was sent may come to more than {} MiB", SLICE_BYTES >> 20);
    Error::new(Condition::ResourceExhausted, text).with_hint("send less in one row")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::Arc;

    use arrow::array::{
        DictionaryArray, Int8Array, Int32Array, Int64Array, ListArray, ListViewArray, RunArray, StringArray,
        StringViewArray, StructArray,
    };
    use arrow::buffer::{OffsetBuffer, ScalarBuffer};
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn sliced(column: ArrayRef) -> Result<VecDeque<usize>> {
        slices(&RecordBatch::try_from_iter([("c", column)]).unwrap())
    }

    fn item() -> Arc<Field> {
        Arc::new(Field::new_list_field(DataType::Int32, true))
    }

    #[test]
    fn rows_of_their_own_go_on_by_the_thousands() {
        let numbers = Int64Array::from_iter_values(0..20_000);
        assert_eq!(sliced(Arc::new(numbers)).unwrap(), [8192, 8192, 3616]);
        let views: StringViewArray = (0..20_000).map(|n| Some(format!("a text of its own {n}"))).collect();
        assert_eq!(sliced(Arc::new(views)).unwrap(), [8192, 8192, 3616]);
        assert_eq!(sliced(Arc::new(Int64Array::from(Vec::<i64>::new()))).unwrap(), [0]);
    }

    #[test]
    fn rows_that_share_what_was_sent_go_on_by_what_they_come_to() {
        let long = "x".repeat(1 << 20);
        let keys = || Int32Array::from(vec![0; 1000]);
        let views = {
            let once = StringViewArray::from(vec![long.as_str()]);
            let view = once.views().first().copied().unwrap();
            StringViewArray::try_new(ScalarBuffer::from(vec![view; 1000]), once.data_buffers().to_vec(), None)
                .unwrap()
        };
        let values: ArrayRef = Arc::new(StringArray::from(vec![long.as_str()]));
        let dictionary = DictionaryArray::new(keys(), Arc::clone(&values));
        let runs = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![1000]), &values).unwrap();
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![7; 1 << 16]));
        let offsets = OffsetBuffer::from_lengths([1 << 16]);
        let list: ArrayRef = Arc::new(ListArray::new(item(), offsets, Arc::clone(&numbers), None));
        let lists = DictionaryArray::new(keys(), list);
        let starts = ScalarBuffer::from(vec![0; 1000]);
        let lengths = ScalarBuffer::from(vec![1 << 16; 1000]);
        let list_views = ListViewArray::new(item(), starts, lengths, numbers, None);
        let within: ArrayRef = Arc::new(dictionary.clone());
        let structs =
            StructArray::from(vec![(Arc::new(Field::new("d", within.data_type().clone(), true)), within)]);
        let columns: [ArrayRef; 6] = [
            Arc::new(views),
            Arc::new(dictionary),
            Arc::new(runs),
            Arc::new(lists),
            Arc::new(list_views),
            Arc::new(structs),
        ];
        for column in columns {
            let (kind, slices) = (column.data_type().clone(), sliced(column).unwrap());
            assert_eq!(slices.iter().sum::<usize>(), 1000, "{kind}");
            assert!(slices.iter().all(|rows| *rows <= 64), "{kind}: {slices:?}");
        }
    }

    #[test]
    fn what_takes_up_nothing_takes_nothing_to_measure() {
        let nothing = |rows: usize| -> ArrayRef { Arc::new(arrow::array::NullArray::new(rows)) };
        let structs =
            StructArray::from(vec![(Arc::new(Field::new("n", DataType::Null, true)), nothing(1 << 20))]);
        assert!(matches!(of_rows(&(Arc::new(structs) as ArrayRef)).unwrap(), Sizes::Same(_)));
        let empty: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
        let keys = Int32Array::from(vec![None, None]);
        assert_eq!(sliced(Arc::new(DictionaryArray::new(keys, empty))).unwrap(), [2]);
    }

    #[test]
    fn a_row_that_comes_to_too_much_is_refused() {
        let numbers: ArrayRef = Arc::new(Int8Array::from(vec![7; 5 << 20]));
        let offsets = OffsetBuffer::from_lengths([5 << 20]);
        let item = Arc::new(Field::new_list_field(DataType::Int8, true));
        let list = ListArray::new(item, offsets, numbers, None);
        let refused = sliced(Arc::new(list)).unwrap_err();
        assert_eq!(refused.condition(), Condition::ResourceExhausted);
    }
}
