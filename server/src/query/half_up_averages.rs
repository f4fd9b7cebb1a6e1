//! `avg` of decimals, rounded half up in its last digit, as in Spark. The engine's cuts off what does not fit.
//!
//! What the engine's accumulators hold are the sum and the number of values: they go on holding them, and the division is
//! done here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Decimal128Builder};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, FieldRef, UInt64Type, i256};
use arrow::error::ArrowError;
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

/// The engine's `avg`, which rounds where it is one of decimals.
pub(super) fn rounded(avg: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Rounded { avg }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounded {
    avg: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Rounded {
    fn name(&self) -> &str {
        self.avg.name()
    }

    fn aliases(&self) -> &[String] {
        self.avg.aliases()
    }

    fn signature(&self) -> &Signature {
        self.avg.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.avg.return_type(arguments)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let division = Division::of(&arguments);
        let accumulator = self.avg.accumulator(arguments)?;
        Ok(one(accumulator, division))
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let division = Division::of(&arguments);
        let accumulator = self.avg.create_sliding_accumulator(arguments)?;
        Ok(one(accumulator, division))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.avg.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.avg.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let division = Division::of(&arguments);
        let groups = self.avg.create_groups_accumulator(arguments)?;
        Ok(match division {
            Some(division) => Box::new(Averages { groups, division }),
            None => groups,
        })
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.avg.order_sensitivity()
    }
}

fn one(accumulator: Box<dyn Accumulator>, division: Option<Division>) -> Box<dyn Accumulator> {
    match division {
        Some(division) => Box::new(Average { accumulator, division }),
        None => accumulator,
    }
}

/// The type of an average, and how many digits more it has behind the point than the sum.
#[derive(Debug, Clone, Copy)]
struct Division {
    precision: u8,
    scale: i8,
    digits: u32,
}

impl Division {
    /// None where the average is not one of decimals.
    fn of(arguments: &AccumulatorArgs<'_>) -> Option<Self> {
        let of = arguments.expr_fields.first()?.data_type();
        match (of, arguments.return_field.data_type()) {
            (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) => {
                let digits = u32::try_from(i16::from(*scale) - i16::from(*from)).ok()?;
                Some(Self { precision: *precision, scale: *scale, digits })
            }
            _ => None,
        }
    }

    /// Most sums have room in 128 bits, whose division costs less.
    fn of_sum(self, sum: i256, number: u64) -> Result<i128> {
        let narrow = sum.to_i128().and_then(|sum| sum.checked_mul(10_i128.checked_pow(self.digits)?));
        let average = match narrow {
            Some(sum) => half_up(sum, number),
            None => self.of_wide_sum(sum, number),
        };
        let most = 10_u128.pow(u32::from(self.precision));
        match average.filter(|average| average.unsigned_abs() < most) {
            Some(average) => Ok(average),
            None => {
                let text = "an average is out of the range of its type".to_owned();
                Err(DataFusionError::ArrowError(Box::new(ArrowError::ArithmeticOverflow(text)), None))
            }
        }
    }

    fn of_wide_sum(self, sum: i256, number: u64) -> Option<i128> {
        let sum = sum.checked_mul(i256::from_i128(10_i128.checked_pow(self.digits)?))?;
        let number = i256::from_i128(i128::from(number));
        let (quotient, rest) = (sum.checked_div(number)?, sum.checked_rem(number)?);
        let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
        let up = match (twice >= number, sum.is_negative()) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => -1,
        };
        quotient.to_i128()?.checked_add(up)
    }
}

/// A quotient, rounded away from zero where half or more is left.
fn half_up(sum: i128, number: u64) -> Option<i128> {
    let number = i128::from(number);
    let (quotient, rest) = (sum.checked_div(number)?, sum.checked_rem(number)?);
    Some(match rest.abs() * 2 >= number {
        true => quotient + sum.signum(),
        false => quotient,
    })
}

/// The sums in a column of states.
fn sum_at(sums: &ArrayRef, row: usize) -> Result<i256> {
    match sums.data_type() {
        DataType::Decimal128(..) => Ok(i256::from_i128(sums.as_primitive::<Decimal128Type>().value(row))),
        DataType::Decimal256(..) => Ok(sums.as_primitive::<Decimal256Type>().value(row)),
        other => internal_err!("the sum of an average of decimals is of type {other}"),
    }
}

/// One average.
#[derive(Debug)]
struct Average {
    accumulator: Box<dyn Accumulator>,
    division: Division,
}

impl Average {
    /// The sum and the number of the values; none where there are none.
    fn sum(&mut self) -> Result<Option<(i256, u64)>> {
        let state = self.accumulator.state()?;
        match state.as_slice() {
            [ScalarValue::UInt64(number), ScalarValue::Decimal128(sum, ..)] => {
                Ok(sum.map(i256::from_i128).zip(*number))
            }
            [ScalarValue::UInt64(number), ScalarValue::Decimal256(sum, ..)] => Ok((*sum).zip(*number)),
            // Of DISTINCT, the values themselves are held.
            [ScalarValue::List(values)] => {
                let values = values.values();
                let mut sum = i256::ZERO;
                let mut number = 0_u64;
                for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
                    sum = sum.wrapping_add(sum_at(values, row)?);
                    number += 1;
                }
                Ok(Some((sum, number)))
            }
            _ => internal_err!("an average of decimals is held in another way"),
        }
    }
}

impl Accumulator for Average {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.accumulator.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let average = match self.sum()? {
            None | Some((_, 0)) => None,
            Some((sum, number)) => Some(self.division.of_sum(sum, number)?),
        };
        Ok(ScalarValue::Decimal128(average, self.division.precision, self.division.scale))
    }

    fn size(&self) -> usize {
        self.accumulator.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.accumulator.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.accumulator.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.accumulator.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.accumulator.supports_retract_batch()
    }
}

/// The averages of groups.
struct Averages {
    groups: Box<dyn GroupsAccumulator>,
    division: Division,
}

impl GroupsAccumulator for Averages {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        groups_total: usize,
    ) -> Result<()> {
        self.groups.update_batch(values, groups, filter, groups_total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let state = self.groups.state(emit)?;
        let [numbers, sums] = state.as_slice() else {
            return internal_err!("averages of decimals are held in another way");
        };
        let numbers = numbers.as_primitive::<UInt64Type>();
        let mut averages = Decimal128Builder::with_capacity(numbers.len());
        for row in 0..numbers.len() {
            let number = if numbers.is_valid(row) { numbers.value(row) } else { 0 };
            averages.append_option(match number {
                0 => None,
                number => Some(self.division.of_sum(sum_at(sums, row)?, number)?),
            });
        }
        let averages: Decimal128Array = averages.finish();
        Ok(Arc::new(averages.with_precision_and_scale(self.division.precision, self.division.scale)?))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.groups.state(emit)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], groups_total: usize) -> Result<()> {
        self.groups.merge_batch(values, groups, groups_total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.groups.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.groups.size()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    #[test]
    fn half_is_rounded_away_from_zero() {
        let division = Division { precision: 9, scale: 6, digits: 4 };
        let average = |sum: i128, number| division.of_sum(i256::from_i128(sum), number).unwrap();
        // 5.00 / 3, 4.00 / 3 and their negatives; 0.01 / 20000 is half of the last digit.
        for (sum, number, told) in [(500, 3, 1_666_667), (400, 3, 1_333_333), (1, 20_000, 1), (1, 20_001, 0)]
        {
            assert_eq!(average(sum, number), told);
            assert_eq!(average(-sum, number), -told);
        }
        assert!(division.of_sum(i256::from_i128(100_000), 1).is_err());
    }

    #[test]
    fn sums_beyond_128_bits_are_divided_too() {
        let division = Division { precision: 38, scale: 4, digits: 4 };
        let sum = i256::from_i128(i128::MAX).wrapping_mul(i256::from_i128(30));
        let number = 1_000_000_000_u64;
        let exact = sum.wrapping_mul(i256::from_i128(10_000)).wrapping_div(i256::from_i128(1_000_000_000));
        let average = division.of_sum(sum, number).unwrap();
        assert!((average - exact.to_i128().unwrap()).abs() <= 1);
        assert!(division.of_sum(sum, 1).is_err());
    }
}
