//! Every type that drivers do not know goes out as one that they do.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]

use std::collections::HashMap;

use arrow::array::{
    AsArray, BinaryViewArray, DictionaryArray, Float32Array, Int32Array, LargeStringArray, ListArray,
    RunArray, StringArray, StringViewArray, StructArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{Int32Type, Int64Type, TimeUnit};

use super::*;

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn through(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let schema = wire_schema(batch.schema_ref());
    to_wire(batch, &schema).unwrap()
}

#[test]
fn views_and_large_types_become_plain_ones() {
    let batch = through(vec![
        ("a", Arc::new(StringViewArray::from(vec![Some("a string longer than twelve bytes"), None]))),
        ("b", Arc::new(LargeStringArray::from(vec!["x", "y"]))),
        ("c", Arc::new(BinaryViewArray::from(vec![Some(b"1".as_slice()), None]))),
    ]);
    let types: Vec<_> = batch.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    assert_eq!(types, [DataType::Utf8, DataType::Utf8, DataType::Binary]);
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "a string longer than twelve bytes");
    assert!(batch.column(0).is_null(1));
}

#[test]
fn dictionaries_and_runs_become_their_values() {
    let dictionary: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let runs =
        RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 3]), &StringArray::from(vec!["p", "q"]))
            .unwrap();
    let batch = through(vec![("d", Arc::new(dictionary)), ("r", Arc::new(runs))]);
    assert_eq!(batch.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["x", "y", "x"]);
    assert_eq!(batch.column(1).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["p", "p", "q"]);
}

#[test]
fn numbers_are_widened_to_types_that_drivers_know() {
    let half = cast(&Float32Array::from(vec![1.5]), &DataType::Float16).unwrap();
    let decimal = cast(&Int32Array::from(vec![7]), &DataType::Decimal64(10, 2)).unwrap();
    let count: ArrayRef = Arc::new(UInt64Array::from(vec![Some(7), None]));
    let batch = through(vec![("n", count)]);
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(7), None]);
    let batch = through(vec![("h", half), ("d", decimal)]);
    assert_eq!(batch.schema().field(0).data_type(), &DataType::Float32);
    assert_eq!(batch.schema().field(1).data_type(), &DataType::Decimal128(10, 2));
}

#[test]
fn nested_children_are_mapped_too() {
    let inner = StructArray::from(vec![(
        Arc::new(field("s", DataType::Utf8View)),
        Arc::new(StringViewArray::from(vec!["u", "v"])) as ArrayRef,
    )]);
    let item = Arc::new(field("item", inner.data_type().clone()));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([2]), Arc::new(inner), None);
    let batch = through(vec![("l", Arc::new(list))]);
    let wanted =
        DataType::List(Arc::new(field("item", DataType::Struct(vec![field("s", DataType::Utf8)].into()))));
    assert_eq!(batch.schema().field(0).data_type(), &wanted);
}

#[test]
fn list_views_become_lists() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None])]);
    let view = cast(&list, &DataType::ListView(Arc::new(field("item", DataType::Int32)))).unwrap();
    let batch = through(vec![("v", view)]);
    assert_eq!(batch.column(0).as_list::<i32>().value(0).len(), 2);
}

#[test]
fn metadata_is_stripped_at_every_depth_and_nullability_kept() {
    let note = HashMap::from([("delta.invariants".to_owned(), "secret".to_owned())]);
    let child = Field::new("c", DataType::Int32, false).with_metadata(note.clone());
    let top = Field::new("t", DataType::Struct(vec![child].into()), false).with_metadata(note.clone());
    let wire = wire_schema(&Schema::new_with_metadata(vec![top], note));
    assert!(wire.metadata().is_empty());
    assert!(wire.field(0).metadata().is_empty() && !wire.field(0).is_nullable());
    let DataType::Struct(children) = wire.field(0).data_type() else { unreachable!() };
    assert!(children[0].metadata().is_empty() && !children[0].is_nullable());
}

#[test]
fn types_that_drivers_know_stay() {
    let schema = Schema::new(vec![
        field("d", DataType::Decimal128(15, 2)),
        field("t", DataType::Timestamp(TimeUnit::Microsecond, None)),
        field("e", DataType::Date32),
    ]);
    assert_eq!(wire_schema(&schema).as_ref(), &schema);
}

#[test]
fn a_batch_without_columns_keeps_its_row_count() {
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let schema = Arc::new(Schema::empty());
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).unwrap();
    assert_eq!(to_wire(batch, &schema).unwrap().num_rows(), 3);
}

#[test]
fn another_nullability_is_taken_over() {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
    let wanted = Arc::new(Schema::new(vec![field("n", DataType::Int32)]));
    assert!(to_wire(batch, &wanted).unwrap().schema().field(0).is_nullable());
}
