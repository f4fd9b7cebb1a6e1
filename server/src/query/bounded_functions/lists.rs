//! What texts, and lists of them, come to in bytes.

use arrow::array::{Array, AsArray, GenericListArray, Int64Array, OffsetSizeTrait};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result;

/// The most bytes of a number or a moment that is written out.
const WRITTEN: u64 = 64;
/// And of one with a floating point, which is written without an exponent.
const WRITTEN_FLOAT: u64 = 350;

/// What one row holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Elements, those of inner lists with them; a list is one itself.
    pub(super) elements: u64,
    /// Bytes of all of them, written out.
    pub(super) bytes: u64,
}

/// What each row holds.
pub(super) fn weights(array: &dyn Array) -> Result<Vec<Weight>> {
    let each = |bytes| vec![Weight { elements: 1, bytes }; array.len()];
    match array.data_type() {
        DataType::List(_) => weights_of_list(array.as_list::<i32>()),
        DataType::LargeList(_) => weights_of_list(array.as_list::<i64>()),
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let size = usize::try_from(list.value_length()).unwrap_or(0);
            let places = (0..list.len()).map(|row| (row * size, row * size + size));
            Ok(gathered(&weights(list.values())?, places))
        }
        DataType::Struct(_) => {
            let mut sums = each(0);
            for column in array.as_struct().columns() {
                for (sum, own) in sums.iter_mut().zip(weights(column)?) {
                    sum.bytes = sum.bytes.saturating_add(own.bytes);
                }
            }
            Ok(sums)
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Ok(each(WRITTEN_FLOAT)),
        _ => Ok(match lengths(array)? {
            Some(lengths) => {
                lengths.iter().map(|bytes| Weight { elements: 1, bytes: whole(bytes) }).collect()
            }
            None => each(WRITTEN),
        }),
    }
}

fn weights_of_list<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> Result<Vec<Weight>> {
    let places = || list.value_offsets().iter().map(|place| place.as_usize());
    Ok(gathered(&weights(list.values())?, places().zip(places().skip(1))))
}

/// The weights of stretches of values, each of which is one row.
fn gathered(values: &[Weight], places: impl Iterator<Item = (usize, usize)>) -> Vec<Weight> {
    let mut sum = Weight::default();
    let mut sums = vec![sum];
    for value in values {
        sum.elements = sum.elements.saturating_add(value.elements);
        sum.bytes = sum.bytes.saturating_add(value.bytes);
        sums.push(sum);
    }
    let until = |place: usize| sums.get(place).copied().unwrap_or_default();
    let between = |(start, end)| {
        let (from, to): (Weight, Weight) = (until(start), until(end));
        Weight {
            elements: to.elements.saturating_sub(from.elements).saturating_add(1),
            bytes: to.bytes.saturating_sub(from.bytes),
        }
    };
    places.map(between).collect()
}

/// The bytes of an array's rows, those that rows share counted for each of them.
pub(in crate::query) fn bytes_of(array: &dyn Array) -> Result<u64> {
    match array.data_type() {
        DataType::List(_) => bytes_of_list(array.as_list::<i32>()),
        DataType::LargeList(_) => bytes_of_list(array.as_list::<i64>()),
        DataType::Struct(_) => {
            let mut sum = 0_u64;
            for column in array.as_struct().columns() {
                sum = sum.saturating_add(bytes_of(column)?);
            }
            Ok(sum)
        }
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => Ok(match lengths(array)? {
            Some(lengths) => whole(arrow::compute::sum(&lengths)),
            None => 0,
        }),
        _ => Ok(array.to_data().get_slice_memory_size()? as u64),
    }
}

fn bytes_of_list<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> Result<u64> {
    let (Some(start), Some(end)) = (list.value_offsets().first(), list.value_offsets().last()) else {
        return Ok(0);
    };
    let (start, end) = (start.as_usize(), end.as_usize());
    let values = list.values().slice(start, end.saturating_sub(start));
    Ok(bytes_of(&values)?.saturating_add((list.len() * size_of::<O>()) as u64))
}

/// The length of each row in bytes, of what has one.
fn lengths(array: &dyn Array) -> Result<Option<Int64Array>> {
    match length(array) {
        Ok(lengths) => Ok(Some(cast(&lengths, &DataType::Int64)?.as_primitive::<Int64Type>().clone())),
        // reason: what has no length is no text
        Err(_) => Ok(None),
    }
}

fn whole(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, ListArray, StringArray, StringViewArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Field;

    use super::*;

    fn list(values: ArrayRef, lengths: &[usize]) -> ListArray {
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), values, None)
    }

    #[test]
    fn lists_weigh_what_their_elements_do() {
        let texts = Arc::new(StringArray::from(vec![Some("ab"), None, Some("cde"), Some("f")]));
        let rows = list(texts, &[2, 0, 2]);
        let expected = [(3, 2), (1, 0), (3, 4)].map(|(elements, bytes)| Weight { elements, bytes });
        assert_eq!(weights(&rows).unwrap(), expected);
        assert_eq!(weights(&rows.slice(2, 1)).unwrap(), [Weight { elements: 3, bytes: 4 }]);
        let outer = list(Arc::new(rows), &[3]);
        assert_eq!(weights(&outer).unwrap(), [Weight { elements: 8, bytes: 6 }]);
        let numbers = list(Arc::new(Int32Array::from(vec![1, 2, 3])), &[3]);
        assert_eq!(weights(&numbers).unwrap(), [Weight { elements: 4, bytes: 3 * WRITTEN }]);
    }

    #[test]
    fn texts_count_for_each_row_that_holds_them() {
        let texts = StringViewArray::from_iter_values(["0123456789abcdef", "x", "y"]);
        assert_eq!(bytes_of(&texts).unwrap(), 18);
        assert_eq!(bytes_of(&texts.slice(1, 2)).unwrap(), 2);
        let rows = list(Arc::new(texts), &[1, 2]);
        assert_eq!(bytes_of(&rows).unwrap(), 18 + 8);
        assert_eq!(bytes_of(&rows.slice(1, 1)).unwrap(), 2 + 4);
    }
}
