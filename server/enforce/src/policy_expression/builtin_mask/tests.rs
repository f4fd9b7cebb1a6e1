//! Built-in masks never fail, keep types and NULLs, and tell what they say and no more.

use datafusion::arrow::array::{Array, Decimal128Array, Int64Array, PrimitiveArray, make_array};
use proptest::prelude::*;

use super::*;

fn function(mask: BuiltinMask, step: Step, data_type: DataType) -> MaskFunction {
    MaskFunction { mask, step, data_type, signature: Signature::any(1, Volatility::Immutable) }
}

fn text(mask: BuiltinMask, value: &str) -> String {
    function(mask, Step::None, DataType::Utf8).text(value)
}

#[test]
fn strings_show_four_characters_and_short_ones_none() {
    for (value, first, last) in
        [("", "", ""), ("abcd", "****", "****"), ("abcde", "abcd*", "*bcde"), ("ÄÖÜßéè", "ÄÖÜß**", "**Üßéè")]
    {
        assert_eq!(text(BuiltinMask::ShowFirst4, value), first);
        assert_eq!(text(BuiltinMask::ShowLast4, value), last);
    }
    assert_eq!(
        text(BuiltinMask::Sha256, "abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn years_begin_in_january() {
    for (days, begun) in [(0, 0), (364, 0), (365, 365), (-1, -365), (11_016, 10_957), (19_782, 19_723)] {
        assert_eq!(first_day_of_year(days), begun, "{days}");
    }
}

proptest! {
    #[test]
    fn a_year_begins_at_most_a_year_before(days in any::<i32>()) {
        let begun = first_day_of_year(days.into());
        prop_assert!(begun <= days.into() && i64::from(days) - begun <= 365);
        prop_assert_eq!(first_day_of_year(begun), begun);
    }

    #[test]
    fn no_moment_is_too_early_or_late(value in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)]) {
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            let data_type = DataType::Timestamp(unit, Some("UTC".into()));
            let numbers = Int64Array::from(vec![Some(value), None]).into_data();
            let array = make_array(numbers.into_builder().data_type(data_type.clone()).build().unwrap());
            let masked = function(BuiltinMask::YearOfDate, Step::None, data_type.clone()).values(&array);
            let masked = masked.unwrap();
            prop_assert_eq!(masked.data_type(), &data_type);
            prop_assert!(masked.is_null(1) && masked.is_valid(0));
        }
        let array: PrimitiveArray<Date32Type> = vec![i32::MIN, i32::MAX].into();
        let masked = function(BuiltinMask::YearOfDate, Step::None, DataType::Date32).values(&(Arc::new(array) as ArrayRef));
        prop_assert_eq!(masked.unwrap().len(), 2);
    }

    #[test]
    fn whole_numbers_become_multiples_towards_zero(
        value in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)],
        step in 1_i64..=i64::MAX,
    ) {
        let array = Arc::new(Int64Array::from(vec![Some(value), None])) as ArrayRef;
        let masked = function(BuiltinMask::RoundNumber, Step::Whole(step.into()), DataType::Int64).values(&array).unwrap();
        let rounded = masked.as_primitive::<Int64Type>().value(0);
        prop_assert_eq!(rounded % step, 0);
        prop_assert!(rounded.unsigned_abs() <= value.unsigned_abs() && (value.unsigned_abs() - rounded.unsigned_abs()) < step.unsigned_abs());
        prop_assert!(masked.is_null(1));
    }

    #[test]
    fn decimals_keep_their_precision(value in -999_i128..=999, step in 1_i128..=999) {
        let data_type = DataType::Decimal128(3, 1);
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(3, 1).unwrap();
        let mask = function(BuiltinMask::RoundNumber, Step::Whole(step), data_type.clone());
        let masked = mask.values(&(Arc::new(array) as ArrayRef)).unwrap();
        prop_assert_eq!(masked.data_type(), &data_type);
        prop_assert_eq!(masked.as_primitive::<Decimal128Type>().value(0) % step, 0);
    }

    #[test]
    fn doubles_never_fail(value in any::<f64>(), step in any::<f64>()) {
        let mask = function(BuiltinMask::RoundNumber, Step::Real(step.abs().to_bits()), DataType::Float64);
        let rounded = mask.real(value);
        prop_assert!(rounded.is_finite() || !value.is_finite());
    }

    #[test]
    fn strings_keep_their_length_in_characters(value in ".*") {
        for mask in [BuiltinMask::ShowFirst4, BuiltinMask::ShowLast4] {
            prop_assert_eq!(text(mask, &value).chars().count(), value.chars().count());
        }
        prop_assert_eq!(text(BuiltinMask::Sha256, &value).len(), 64);
    }
}
