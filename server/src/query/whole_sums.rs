//! `sum` of whole numbers: one that BIGINT does not hold is an error. The engine's goes round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator, Operator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// The engine's `sum`, which looks where it is one of whole numbers.
pub(super) fn checked(sum: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Checked { sum }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    sum: Arc<AggregateUDF>,
}

/// What is added up twice is left out by the engine's own, which the optimiser writes as a sum of groups where it can.
fn counts(arguments: &AccumulatorArgs<'_>) -> bool {
    arguments.return_field.data_type() == &DataType::Int64 && !arguments.is_distinct
}

impl AggregateUDFImpl for Checked {
    fn name(&self) -> &str {
        self.sum.name()
    }

    fn signature(&self) -> &Signature {
        self.sum.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.sum.return_type(arguments)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match counts(&arguments) {
            true => Ok(Box::new(WholeSum::default())),
            false => self.sum.accumulator(arguments),
        }
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.sum.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.sum.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match counts(&arguments) {
            true => Ok(Box::new(WholeSums::new())),
            false => self.sum.create_groups_accumulator(arguments),
        }
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match counts(&arguments) {
            true => Ok(Box::new(WholeSum::default())),
            false => self.sum.create_sliding_accumulator(arguments),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.sum.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.sum.inner().set_monotonicity(data_type)
    }

    fn simplify_expr_op_literal(
        &self,
        call: &AggregateFunction,
        argument: &Expr,
        operator: Operator,
        literal: &Expr,
        argument_is_left: bool,
    ) -> Result<Option<Expr>> {
        self.sum.inner().simplify_expr_op_literal(call, argument, operator, literal, argument_is_left)
    }

    fn value_from_stats(&self, arguments: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.sum.inner().value_from_stats(arguments)
    }
}

/// One sum; of a window, what leaves it is taken out again.
#[derive(Debug, Default)]
struct WholeSum {
    sum: i128,
    numbers: usize,
}

impl Accumulator for WholeSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for values in values.iter().map(|values| values.as_primitive::<Int64Type>()) {
            self.sum += total(values);
            self.numbers += values.len() - values.null_count();
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.numbers {
            0 => Ok(ScalarValue::Int64(None)),
            _ => i64::try_from(self.sum).map(|sum| ScalarValue::Int64(Some(sum))).map_err(|_| out_of_range()),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for values in values.iter().map(|values| values.as_primitive::<Int64Type>()) {
            self.sum -= total(values);
            self.numbers -= values.len() - values.null_count();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// The halves of numbers are added up, which a processor does with several at once.
fn total(values: &Int64Array) -> i128 {
    if values.null_count() > 0 {
        return values.iter().flatten().map(i128::from).sum();
    }
    let halves =
        |(high, low): (i64, u64), value: &i64| (high + (value >> 32), low + u64::from(*value as u32));
    let (high, low) = values.values().iter().fold((0, 0), halves);
    (i128::from(high) << 32) + i128::from(low)
}

/// The sums of groups.
struct WholeSums {
    sums: Box<dyn GroupsAccumulator>,
    overflowed: Arc<AtomicBool>,
}

impl WholeSums {
    fn new() -> Self {
        let overflowed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&overflowed);
        let add = move |sum: &mut i64, value| {
            let (next, over) = sum.overflowing_add(value);
            *sum = next;
            if over {
                seen.store(true, Ordering::Relaxed);
            }
        };
        let sums = Box::new(PrimitiveGroupsAccumulator::<Int64Type, _>::new(&DataType::Int64, add));
        Self { sums, overflowed }
    }

    fn looked(&self) -> Result<()> {
        if self.overflowed.load(Ordering::Relaxed) { Err(out_of_range()) } else { Ok(()) }
    }
}

impl GroupsAccumulator for WholeSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        groups_total: usize,
    ) -> Result<()> {
        self.sums.update_batch(values, groups, filter, groups_total)?;
        self.looked()
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        self.sums.evaluate(emit)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sums.state(emit)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], groups_total: usize) -> Result<()> {
        self.sums.merge_batch(values, groups, groups_total)?;
        self.looked()
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.sums.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.sums.size()
    }
}

fn out_of_range() -> DataFusionError {
    let text = "a sum is out of the range of BIGINT".to_owned();
    DataFusionError::ArrowError(Box::new(ArrowError::ArithmeticOverflow(text)), None)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    #[test]
    fn halves_come_to_the_whole() {
        let numbers = [i64::MIN, i64::MAX, -1, 0, 1, 1 << 32, -(1 << 32), (1 << 31) - 1, i64::MIN, 77];
        let whole = numbers.iter().copied().map(i128::from).sum::<i128>();
        assert_eq!(total(&Int64Array::from_iter_values(numbers)), whole);
        assert_eq!(total(&numbers.iter().copied().map(Some).chain([None]).collect()), whole);
    }

    #[test]
    fn what_leaves_a_window_is_taken_out_and_an_overflow_is_told_at_the_end() {
        let of = |numbers: &[i64]| {
            vec![Arc::new(Int64Array::from_iter_values(numbers.iter().copied())) as ArrayRef]
        };
        let mut sum = WholeSum::default();
        assert_eq!(sum.evaluate().unwrap(), ScalarValue::Int64(None));
        sum.update_batch(&of(&[i64::MAX, 1])).unwrap();
        let refused = sum.evaluate().unwrap_err().to_string();
        assert!(refused.contains("out of the range of BIGINT"), "{refused}");
        sum.retract_batch(&of(&[1])).unwrap();
        assert_eq!(sum.evaluate().unwrap(), ScalarValue::Int64(Some(i64::MAX)));
    }

    #[test]
    fn groups_tell_of_an_overflow_at_once() {
        let numbers = vec![Arc::new(Int64Array::from(vec![i64::MAX, 5, 1])) as ArrayRef];
        let mut sums = WholeSums::new();
        sums.update_batch(&numbers, &[0, 1, 1], None, 2).unwrap();
        let refused = sums.update_batch(&numbers, &[1, 1, 0], None, 2).unwrap_err().to_string();
        assert!(refused.contains("out of the range of BIGINT"), "{refused}");
    }
}
