//! The masks of `system.policy`: total functions that keep the type of what they mask, and NULL as NULL.
//!
//! Each is made for the type of one column; a type it is not made for is refused before anything runs.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::cast as cast_array;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::common::{Column, ScalarValue, TableReference, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, when,
};
use weir_catalog::effective::EffectiveArgument;
use weir_catalog::{BuiltinMask, Literal};

use super::body::Masked;
use super::{Bound, Site};
use crate::error::Refusal;

/// What a masked string that is to tell nothing reads.
const REDACTED: &str = "***";

/// The mask over `masked`.
pub(super) fn bound(
    site: &Site<'_>,
    mask: BuiltinMask,
    masked: &Masked,
    arguments: &[EffectiveArgument],
) -> Result<Bound, Refusal> {
    let column = format!("{}:value", site.relation);
    let relation = TableReference::bare(site.relation.clone());
    let value = Expr::Column(Column::new(Some(relation.clone()), column.clone()));
    if arguments.len() + 1 != mask.arity() {
        let found = arguments.len() + 1;
        return Err(site.refusal(format!("it takes {} arguments and gets {found}", mask.arity())));
    }
    let expression = match mask {
        BuiltinMask::MaskNull => Expr::Literal(null_of(site, &masked.data_type)?, None),
        BuiltinMask::MaskValue => {
            let constant = Expr::Literal(constant_of(site, &masked.data_type)?, None);
            let null = Expr::Literal(null_of(site, &masked.data_type)?, None);
            when(value.is_null(), null)
                .otherwise(constant)
                .map_err(|_| site.refusal("it does not fit the column's type"))?
        }
        BuiltinMask::ShowFirst4
        | BuiltinMask::ShowLast4
        | BuiltinMask::Sha256
        | BuiltinMask::YearOfDate
        | BuiltinMask::RoundNumber => {
            let step = step_of(site, mask, arguments, &masked.data_type)?;
            if !builtin_takes(mask, &masked.data_type) {
                return Err(site.refusal(format!("it is not made for {}", masked.data_type)));
            }
            let function = MaskFunction {
                mask,
                step,
                data_type: masked.data_type.clone(),
                signature: Signature::any(1, Volatility::Immutable),
            };
            ScalarUDF::new_from_impl(function).call(vec![value])
        }
    };
    let argument = masked.value.clone().alias_qualified(Some(relation), column);
    Ok(Bound { arguments: vec![argument], expression })
}

fn null_of(site: &Site<'_>, data_type: &DataType) -> Result<ScalarValue, Refusal> {
    ScalarValue::try_from(data_type).map_err(|_| site.refusal(format!("it is not made for {data_type}")))
}

fn constant_of(site: &Site<'_>, data_type: &DataType) -> Result<ScalarValue, Refusal> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            ScalarValue::from(REDACTED).cast_to(data_type)
        }
        other => ScalarValue::new_default(other),
    }
    .map_err(|_| site.refusal(format!("it is not made for {data_type}")))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_number(data_type: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32, Int64};
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Decimal128(..))
}

/// Whether the mask is made for columns of the type.
pub fn builtin_takes(mask: BuiltinMask, data_type: &DataType) -> bool {
    match mask {
        BuiltinMask::ShowFirst4 | BuiltinMask::ShowLast4 | BuiltinMask::Sha256 => is_text(data_type),
        BuiltinMask::YearOfDate => matches!(data_type, DataType::Date32 | DataType::Timestamp(..)),
        BuiltinMask::RoundNumber => is_number(data_type),
        BuiltinMask::MaskValue | BuiltinMask::MaskNull => true,
    }
}

/// The step of a rounding, in units of the column: of decimals the last digit, of all else one.
fn step_of(
    site: &Site<'_>,
    mask: BuiltinMask,
    arguments: &[EffectiveArgument],
    data_type: &DataType,
) -> Result<Step, Refusal> {
    if mask != BuiltinMask::RoundNumber {
        return Ok(Step::None);
    }
    let refused = || site.refusal(format!("its step must be a number above zero that fits {data_type}"));
    let Some(EffectiveArgument::Literal(Literal::Number(text))) = arguments.first() else {
        return Err(refused());
    };
    let step = match data_type {
        DataType::Float32 | DataType::Float64 => {
            Step::Real(text.parse::<f64>().map_err(|_| refused())?.to_bits())
        }
        other => match ScalarValue::try_from_string(text.clone(), other) {
            Ok(ScalarValue::Int8(Some(step))) => Step::Whole(step.into()),
            Ok(ScalarValue::Int16(Some(step))) => Step::Whole(step.into()),
            Ok(ScalarValue::Int32(Some(step))) => Step::Whole(step.into()),
            Ok(ScalarValue::Int64(Some(step))) => Step::Whole(step.into()),
            Ok(ScalarValue::Decimal128(Some(step), ..)) => Step::Whole(step),
            _ => return Err(refused()),
        },
    };
    let above_zero = match step {
        Step::Whole(step) => step > 0,
        Step::Real(bits) => f64::from_bits(bits) > 0.0 && f64::from_bits(bits).is_finite(),
        Step::None => false,
    };
    if above_zero { Ok(step) } else { Err(refused()) }
}

/// By what a number is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    None,
    Whole(i128),
    /// The bits of a double, so that steps can be compared.
    Real(u64),
}

/// One mask for one type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct MaskFunction {
    mask: BuiltinMask,
    step: Step,
    data_type: DataType,
    signature: Signature,
}

impl MaskFunction {
    fn text(&self, text: &str) -> String {
        let characters = text.chars().count();
        if self.mask == BuiltinMask::Sha256 {
            return hexadecimal(text);
        }
        let shown = if characters > 4 { 4 } else { 0 };
        let stars = |count: usize| "*".repeat(count);
        match self.mask {
            BuiltinMask::ShowFirst4 => {
                let first: String = text.chars().take(shown).collect();
                first + &stars(characters - shown)
            }
            _ => {
                let last: String = text.chars().skip(characters - shown).collect();
                stars(characters - shown) + &last
            }
        }
    }

    /// Towards zero, so that the result is always in range.
    fn whole(&self, value: i128) -> i128 {
        match self.step {
            Step::Whole(step) if step > 0 => value - value % step,
            _ => value,
        }
    }

    fn real(&self, value: f64) -> f64 {
        match self.step {
            Step::Real(bits) => {
                let step = f64::from_bits(bits);
                let rounded = (value / step).trunc() * step;
                // Beyond what a double can tell apart, the value is a multiple as good as any.
                if rounded.is_finite() { rounded } else { value }
            }
            _ => value,
        }
    }

    fn values(&self, array: &ArrayRef) -> Result<ArrayRef> {
        macro_rules! whole {
            ($native:ty, $arrow:ty) => {
                Arc::new(array.as_primitive::<$arrow>().unary::<_, $arrow>(|value| {
                    // reason: rounding towards zero stays in range
                    <$native>::try_from(self.whole(value.into())).unwrap_or(0)
                })) as ArrayRef
            };
        }
        macro_rules! moment {
            ($arrow:ty, $per_day:expr) => {{
                let begun =
                    array.as_primitive::<$arrow>().unary::<_, $arrow>(|value| begin_of_year(value, $per_day));
                Arc::new(begun.with_data_type(self.data_type.clone())) as ArrayRef
            }};
        }
        const SECONDS: i64 = 86_400;
        Ok(match &self.data_type {
            DataType::Int8 => whole!(i8, Int8Type),
            DataType::Int16 => whole!(i16, Int16Type),
            DataType::Int32 => whole!(i32, Int32Type),
            DataType::Int64 => whole!(i64, Int64Type),
            DataType::Decimal128(precision, scale) => {
                let rounded = array.as_primitive::<Decimal128Type>();
                let rounded = rounded.unary::<_, Decimal128Type>(|value| self.whole(value));
                Arc::new(rounded.with_precision_and_scale(*precision, *scale)?)
            }
            DataType::Float32 => Arc::new(
                array
                    .as_primitive::<Float32Type>()
                    .unary::<_, Float32Type>(|value| self.real(value.into()) as f32),
            ),
            DataType::Float64 => Arc::new(
                array.as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| self.real(value)),
            ),
            DataType::Date32 => Arc::new(array.as_primitive::<Date32Type>().unary::<_, Date32Type>(|days| {
                i32::try_from(begin_of_year(days.into(), 1)).unwrap_or(i32::MIN)
            })),
            DataType::Timestamp(TimeUnit::Second, _) => moment!(TimestampSecondType, SECONDS),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                moment!(TimestampMillisecondType, SECONDS * 1_000)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                moment!(TimestampMicrosecondType, SECONDS * 1_000_000)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                moment!(TimestampNanosecondType, SECONDS * 1_000_000_000)
            }
            _ => {
                let texts = cast_array(array, &DataType::Utf8View)?;
                let Some(texts) = texts.as_string_view_opt() else {
                    return exec_err!("a mask met a type it is not made for");
                };
                let masked: StringViewArray =
                    texts.iter().map(|text| text.map(|text| self.text(text))).collect();
                cast_array(&(Arc::new(masked) as ArrayRef), &self.data_type)?
            }
        })
    }
}

impl ScalarUDFImpl for MaskFunction {
    fn name(&self) -> &str {
        self.mask.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _argument_types: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.first() {
            Some(ColumnarValue::Array(array)) => {
                let array = cast_array(array, &self.data_type)?;
                Ok(ColumnarValue::Array(self.values(&array)?))
            }
            Some(ColumnarValue::Scalar(value)) => {
                let array = cast_array(&value.to_array()?, &self.data_type)?;
                let masked = self.values(&array)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&masked, 0)?))
            }
            None => exec_err!("a mask takes the value that it masks"),
        }
    }
}

/// SHA-256 in lower-case hexadecimal digits.
fn hexadecimal(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = sha256(text.as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut digits, byte| {
        // reason: writing to a string does not fail
        let _written = write!(digits, "{byte:02x}");
        digits
    })
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

/// The first moment of the year of `value`, which counts from 1970 in units of which a day has `per_day`; where the
/// year begins before there are any moments, the earliest of them.
fn begin_of_year(value: i64, per_day: i64) -> i64 {
    let days = value.div_euclid(per_day);
    first_day_of_year(days).checked_mul(per_day).unwrap_or(i64::MIN)
}

/// Days from 1970-01-01 to the first of January of the year that `days` lies in, in the proleptic Gregorian
/// calendar; the algorithm is Howard Hinnant's `civil_from_days` and `days_from_civil`.
fn first_day_of_year(days: i64) -> i64 {
    let (era, of_era) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // The algorithm's year begins in March: January and February belong to the next.
    let year = year_of_era + era * 400 + i64::from(day_of_year >= 306);
    let before = year - 1;
    let (era, of_era) = (before.div_euclid(400), before.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + 306 - 719_468
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests;
