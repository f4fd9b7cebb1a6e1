//! What is held by another type goes on, what is not is refused.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use arrow::array::{
    BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, NullArray, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Int32Type, Int64Type};

use super::*;

const DAY: i64 = 86_400_000_000;

fn field(to: &DataType) -> Field {
    Field::new("$1", to.clone(), true)
}

fn array(values: impl Array + 'static) -> ArrayRef {
    Arc::new(values)
}

fn double(value: f64) -> ArrayRef {
    array(Float64Array::from(vec![value]))
}

fn float(value: f32) -> ArrayRef {
    array(Float32Array::from(vec![value]))
}

fn whole(value: i64) -> ArrayRef {
    array(Int64Array::from(vec![value]))
}

fn text(value: &str) -> ArrayRef {
    array(StringArray::from(vec![value]))
}

fn decimal(value: i128, precision: u8, scale: i8) -> ArrayRef {
    array(Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale).unwrap())
}

fn moment(value: i64) -> ArrayRef {
    array(TimestampMicrosecondArray::from(vec![value]))
}

fn nanoseconds(value: i64) -> ArrayRef {
    array(TimestampNanosecondArray::from(vec![value]))
}

fn micros(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from))
}

#[test]
fn values_that_their_new_type_holds_are_read() {
    let (money, int) = (DataType::Decimal128(10, 2), DataType::Int32);
    let berlin = array(TimestampMicrosecondArray::from(vec![DAY - 3_600_000_000]).with_timezone("+01:00"));
    for (given, to) in [
        (whole(7), int.clone()),
        (double(2.0), int.clone()),
        (double(-0.0), int.clone()),
        (decimal(200, 5, 2), int.clone()),
        (text("7"), int),
        (double(9.99), money.clone()),
        (double(1.1), DataType::Decimal128(38, 18)),
        (double(12_345_678.12), money.clone()),
        (float(9.99), money.clone()),
        (decimal(9_990, 6, 3), money.clone()),
        (text("9.990"), money.clone()),
        (text("-9.9"), money),
        (float(0.1), DataType::Float64),
        (double(0.1), DataType::Float32),
        (double(f64::NAN), DataType::Float32),
        (text("2020-01-01"), DataType::Date32),
        (text("2020-01-01 00:00:00"), DataType::Date32),
        (text("9999-12-31"), DataType::Date32),
        (moment(3 * DAY), DataType::Date32),
        (moment(-DAY), DataType::Date32),
        (berlin.clone(), DataType::Date32),
        (berlin.clone(), micros(None)),
        (berlin, micros(Some("UTC"))),
        (moment(1), DataType::Timestamp(TimeUnit::Nanosecond, None)),
        (nanoseconds(5_000), micros(Some("UTC"))),
        (array(Date32Array::from(vec![1])), micros(None)),
        (text("2020-01-01 00:00:00.123456"), micros(None)),
        (text("9999-12-31 00:00:00"), micros(None)),
        (array(BooleanArray::from(vec![true])), DataType::Int32),
        (array(NullArray::new(1)), DataType::Int32),
        (double(2.7), DataType::Utf8),
    ] {
        let read = read_as(&given, &field(&to), 1);
        assert_eq!(read.unwrap().data_type(), &to, "{given:?}");
    }
}

#[test]
fn values_that_would_become_others_are_refused() {
    let (money, int) = (DataType::Decimal128(10, 2), DataType::Int32);
    for (given, to) in [
        (double(2.7), int.clone()),
        (double(-0.5), DataType::Int64),
        (decimal(270, 5, 2), int),
        (double(9.991), money.clone()),
        (float(9.991), money.clone()),
        (decimal(9_991, 6, 3), money.clone()),
        (text("9.991"), money),
        (double(1e300), DataType::Float32),
        (double(1e-300), DataType::Float32),
        (moment(1_000_000), DataType::Date32),
        (text("2020-01-01 00:00:01"), DataType::Date32),
        (nanoseconds(5_001), micros(None)),
        (text("2020-01-01 00:00:00.1234567"), micros(None)),
        (whole(2), DataType::Boolean),
    ] {
        let told = read_as(&given, &field(&to), 3).unwrap_err();
        assert_eq!(told.condition(), Condition::InvalidParameterValue, "{given:?}");
        assert!(told.message().contains("parameter 3"), "{}", told.message());
        // What the statement casts itself, and what it stores, is its own affair.
        read_as(&given, &only_cast(field(&to)), 3).unwrap();
    }
    for value in [f64::NAN, f64::INFINITY, 1e30] {
        assert!(read_as(&double(value), &field(&DataType::Int64), 1).is_err(), "{value}");
        assert!(read_as(&double(value), &field(&DataType::Decimal128(10, 2)), 1).is_err(), "{value}");
    }
}

#[test]
fn one_value_of_many_is_enough_and_nulls_are_none() {
    let column = |values: Vec<Option<f64>>| -> ArrayRef { array(Float64Array::from(values)) };
    let bigint = field(&DataType::Int64);
    let read = read_as(&column(vec![Some(1.0), None]), &bigint, 1).unwrap();
    assert_eq!(read.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), None]);
    assert!(read_as(&column(vec![Some(1.0), None, Some(1.5)]), &bigint, 1).is_err());
}

#[test]
fn values_inside_others_are_looked_at_too() {
    let doubles = |values: Vec<f64>| -> ArrayRef {
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
        array(ListArray::new(item, offsets, array(Float64Array::from(values)), None))
    };
    let list = field(&DataType::List(Arc::new(Field::new("element", DataType::Int32, true))));
    read_as(&doubles(vec![1.0, 2.0]), &list, 1).unwrap();
    assert!(read_as(&doubles(vec![1.0, 2.5]), &list, 1).is_err());
    let coded = |values: Vec<f64>| -> ArrayRef {
        let keys = Int32Array::from(vec![0, 1]);
        array(DictionaryArray::<Int32Type>::new(keys, array(Float64Array::from(values))))
    };
    let int = field(&DataType::Int32);
    read_as(&coded(vec![1.0, 2.0]), &int, 1).unwrap();
    assert!(read_as(&coded(vec![1.0, 2.5]), &int, 1).is_err());
}
