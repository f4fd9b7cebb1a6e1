//! Functions that reckon with days and months: `date_add(d, n)`, `date_sub(d, n)`, `add_months(d, n)`, `datediff(end, start)`, and
//! `dateadd(unit, n, t)` and `datediff(unit, start, end)`, whose unit is a word that [`super::spark_calls`] makes a text of.
//!
//! They answer as Spark's do: a month later is the same day of the month, or the last where there is none; a span is counted
//! in whole units, those that have begun left out. What leaves the years 1 to 9999 is an error.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int32Array, Int64Array, PrimitiveArray};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{Datelike, Months};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

const MICROS_OF_SECOND: i64 = 1_000_000;
const MICROS_OF_DAY: i64 = 86_400 * MICROS_OF_SECOND;
/// 0001-01-01 and 9999-12-31, in days since 1970.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// The functions.
const FUNCTIONS: [(&str, Reckons); 8] = [
    ("add_months", Reckons::Months),
    ("date_add", Reckons::Later),
    ("date_diff", Reckons::Between),
    ("date_sub", Reckons::Earlier),
    ("dateadd", Reckons::Later),
    ("datediff", Reckons::Between),
    ("timestampadd", Reckons::Later),
    ("timestampdiff", Reckons::Between),
];

/// What a function reckons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reckons {
    /// A day, days later; a moment, units later.
    Later,
    /// A day, days earlier.
    Earlier,
    /// A day, months later.
    Months,
    /// The days from the second to the first; the units from one moment to another.
    Between,
}

/// Whether a function of that name takes a unit before two other arguments.
pub(super) fn takes_unit(name: &str) -> bool {
    let takes = |reckons| matches!(reckons, Reckons::Later | Reckons::Between);
    FUNCTIONS.iter().any(|(known, reckons)| *known == name && takes(*reckons))
}

/// The functions.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let made = |name: &'static str, reckons| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Calendar { name, reckons, signature }))
    };
    FUNCTIONS.into_iter().map(|(name, reckons)| made(name, reckons)).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Calendar {
    name: &'static str,
    reckons: Reckons,
    signature: Signature,
}

impl Calendar {
    fn day(&self, found: &DataType) -> Result<DataType> {
        match found {
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Null => {
                Ok(DataType::Date32)
            }
            found if found.is_string() => Ok(DataType::Date32),
            _ => plan_err!("{} takes a date where it gets something else", self.name),
        }
    }

    fn moment(&self, found: &DataType) -> Result<DataType> {
        let zone = match found {
            DataType::Timestamp(_, zone) => zone.clone(),
            DataType::Date32 | DataType::Date64 | DataType::Null => Some("UTC".into()),
            found if found.is_string() => Some("UTC".into()),
            _ => return plan_err!("{} takes a timestamp where it gets something else", self.name),
        };
        Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))
    }

    fn number(&self, found: &DataType) -> Result<DataType> {
        match found.is_integer() || found.is_null() {
            true => Ok(DataType::Int64),
            false => plan_err!("{} takes a whole number where it gets something else", self.name),
        }
    }

    fn unit(&self, argument: &ColumnarValue) -> Result<Unit> {
        let word = match argument {
            ColumnarValue::Scalar(word) => word.try_as_str().flatten(),
            ColumnarValue::Array(_) => None,
        };
        match word.and_then(Unit::of) {
            Some(unit) => Ok(unit),
            None => exec_err!(
                "{} takes one of YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND",
                self.name
            ),
        }
    }

    fn reckoned(&self, unit: Option<Unit>, one: &ArrayRef, two: &ArrayRef) -> Result<ArrayRef> {
        let reckoned: ArrayRef = match (self.reckons, unit) {
            (Reckons::Later, Some(unit)) => {
                let moments = two.as_primitive::<TimestampMicrosecondType>();
                let later: PrimitiveArray<TimestampMicrosecondType> =
                    try_binary(one.as_primitive::<Int64Type>(), moments, |number, moment| {
                        unit.later(moment, number).ok_or_else(|| out_of_range("TIMESTAMP"))
                    })?;
                Arc::new(later.with_data_type(two.data_type().clone()))
            }
            (Reckons::Between, Some(unit)) => {
                let (from, to) = (
                    one.as_primitive::<TimestampMicrosecondType>(),
                    two.as_primitive::<TimestampMicrosecondType>(),
                );
                let between: Int64Array = try_binary(from, to, |from, to| {
                    unit.between(from, to).ok_or_else(|| out_of_range("BIGINT"))
                })?;
                Arc::new(between)
            }
            (Reckons::Between, None) => {
                let (end, start) = (one.as_primitive::<Date32Type>(), two.as_primitive::<Date32Type>());
                let days: Int32Array = try_binary::<_, _, _, Int32Type>(end, start, |end: i32, start| {
                    end.checked_sub(start).ok_or_else(|| out_of_range("INT"))
                })?;
                Arc::new(days)
            }
            (reckons, _) => {
                let (days, numbers) = (one.as_primitive::<Date32Type>(), two.as_primitive::<Int64Type>());
                let moved: Date32Array = try_binary(days, numbers, |day: i32, number| {
                    moved(reckons, day, number).ok_or_else(|| out_of_range("DATE"))
                })?;
                Arc::new(moved)
            }
        };
        Ok(reckoned)
    }
}

impl ScalarUDFImpl for Calendar {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match (self.reckons, types) {
            (Reckons::Between, [end, start]) => Ok(vec![self.day(end)?, self.day(start)?]),
            (Reckons::Between, [_, from, to]) => {
                Ok(vec![DataType::Utf8, self.moment(from)?, self.moment(to)?])
            }
            (Reckons::Later, [_, number, moment]) => {
                Ok(vec![DataType::Utf8, self.number(number)?, self.moment(moment)?])
            }
            (Reckons::Later | Reckons::Earlier | Reckons::Months, [day, number]) => {
                Ok(vec![self.day(day)?, self.number(number)?])
            }
            (Reckons::Between, _) => plan_err!("{} takes two dates, or a unit and two timestamps", self.name),
            (Reckons::Later, _) => {
                plan_err!("{} takes a date and a number, or a unit, a number and a timestamp", self.name)
            }
            _ => plan_err!("{} takes a date and a number", self.name),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (self.reckons, types) {
            (Reckons::Between, [_, _, _]) => DataType::Int64,
            (Reckons::Between, _) => DataType::Int32,
            (_, [_, _, moment]) => moment.clone(),
            _ => DataType::Date32,
        })
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (unit, sides) = match call.args.as_slice() {
            [one, two] => (None, [one, two]),
            [unit, one, two] => (Some(self.unit(unit)?), [one, two]),
            _ => return exec_err!("{} takes two or three arguments", self.name),
        };
        let constant = sides.iter().all(|side| matches!(side, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { call.number_rows };
        let [one, two] = sides;
        let told = self.reckoned(unit, &one.to_array(rows)?, &two.to_array(rows)?)?;
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&told, 0)?)),
            false => Ok(ColumnarValue::Array(told)),
        }
    }
}

/// A unit of time, in microseconds or in months.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Micros(i64),
    Months(i64),
}

impl Unit {
    fn of(word: &str) -> Option<Self> {
        Some(match word.to_lowercase().as_str() {
            "microsecond" => Self::Micros(1),
            "millisecond" => Self::Micros(1_000),
            "second" => Self::Micros(MICROS_OF_SECOND),
            "minute" => Self::Micros(60 * MICROS_OF_SECOND),
            "hour" => Self::Micros(3_600 * MICROS_OF_SECOND),
            "day" => Self::Micros(MICROS_OF_DAY),
            "week" => Self::Micros(7 * MICROS_OF_DAY),
            "month" => Self::Months(1),
            "quarter" => Self::Months(3),
            "year" => Self::Months(12),
            _ => return None,
        })
    }

    fn later(self, moment: i64, number: i64) -> Option<i64> {
        let later = match self {
            Self::Micros(size) => moment.checked_add(number.checked_mul(size)?)?,
            Self::Months(size) => {
                let day = months_later(day_of(moment)?, number.checked_mul(size)?)?;
                i64::from(day) * MICROS_OF_DAY + time_of(moment)
            }
        };
        DAYS.contains(&later.div_euclid(MICROS_OF_DAY)).then_some(later)
    }

    fn between(self, from: i64, to: i64) -> Option<i64> {
        match self {
            Self::Micros(size) => Some(to.checked_sub(from)? / size),
            Self::Months(size) => Some(months_between(from, to)? / size),
        }
    }
}

fn day_of(moment: i64) -> Option<i32> {
    i32::try_from(moment.div_euclid(MICROS_OF_DAY)).ok()
}

fn time_of(moment: i64) -> i64 {
    moment.rem_euclid(MICROS_OF_DAY)
}

/// The whole months from one moment to another; less than none where that is earlier.
fn months_between(from: i64, to: i64) -> Option<i64> {
    let (start, end) = (day_of(from)?, day_of(to)?);
    let end = match time_of(to).cmp(&time_of(from)) {
        std::cmp::Ordering::Less if end > start => end.checked_sub(1)?,
        std::cmp::Ordering::Greater if end < start => end.checked_add(1)?,
        _ => end,
    };
    // A month has less than 32 days.
    let counted = |day: i32| -> Option<i64> {
        let date = Date32Type::to_naive_date_opt(day)?;
        let months = i64::from(date.year()) * 12 + i64::from(date.month0());
        Some(months * 32 + i64::from(date.day()))
    };
    Some((counted(end)? - counted(start)?) / 32)
}

fn months_later(day: i32, months: i64) -> Option<i32> {
    let date = Date32Type::to_naive_date_opt(day)?;
    let number = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { date.checked_sub_months(number) } else { date.checked_add_months(number) }?;
    Some(Date32Type::from_naive_date(moved))
}

/// A day, so many days or months later or earlier.
fn moved(reckons: Reckons, day: i32, number: i64) -> Option<i32> {
    let moved = match reckons {
        Reckons::Months => months_later(day, number)?,
        Reckons::Earlier => i32::try_from(i64::from(day).checked_sub(number)?).ok()?,
        Reckons::Later | Reckons::Between => i32::try_from(i64::from(day).checked_add(number)?).ok()?,
    };
    DAYS.contains(&i64::from(moved)).then_some(moved)
}

fn out_of_range(of: &str) -> ArrowError {
    ArrowError::ArithmeticOverflow(format!("the result is out of the range of {of}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    fn day(text: &str) -> i32 {
        Date32Type::from_naive_date(text.parse().unwrap())
    }

    #[test]
    fn a_month_later_is_the_same_day_or_the_last() {
        for (from, months, to) in [
            ("2026-01-31", 1, "2026-02-28"),
            ("2024-01-31", 1, "2024-02-29"),
            ("2026-02-28", 1, "2026-03-28"),
            ("2026-03-31", -1, "2026-02-28"),
            ("2026-05-05", 0, "2026-05-05"),
        ] {
            assert_eq!(moved(Reckons::Months, day(from), months), Some(day(to)), "{from} {months}");
        }
        assert_eq!(moved(Reckons::Months, day("9999-12-31"), 1), None);
        assert_eq!(moved(Reckons::Later, day("9999-12-31"), 1), None);
        assert_eq!(moved(Reckons::Later, 0, i64::MAX), None);
    }

    #[test]
    fn spans_are_counted_in_whole_units() {
        let moment =
            |date: &str, hours: i64| i64::from(day(date)) * MICROS_OF_DAY + hours * 3_600 * MICROS_OF_SECOND;
        let (from, to) = (moment("2026-01-31", 12), moment("2026-03-31", 11));
        for (unit, number) in [("month", 1), ("day", 58), ("hour", 1_415), ("year", 0), ("quarter", 0)] {
            let unit = Unit::of(unit).unwrap();
            assert_eq!(unit.between(from, to), Some(number), "{unit:?}");
            assert_eq!(unit.between(to, from), Some(-number), "{unit:?}");
        }
        assert!(Unit::of("fortnight").is_none());
    }
}
