//! Dates, moments and spans of time in arithmetic and in comparisons, where the engine alone would give another answer.
//!
//! * Spans are compared by how long they are. The engine compares months, then days, then the rest: 26 hours would not be more
//!   than `INTERVAL '1 day'`. A month has no length, and is refused there.
//! * A DATE and an interval with hours come to a TIMESTAMP. The engine would leave the hours out.
//! * Days between dates are counted by a call: the engine takes the operator's bounds for another type than its values are of.
//! * A DATE beside a TIMESTAMP is one too, in microseconds. The engine would count nanoseconds, which end in the year 2262.
//! * A moment becomes its microseconds, and they a moment, by calls: a cast between the two would be taken for one of seconds where
//!   an expression is looked at twice.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::kernels::arity::binary;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Float64Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue, exec_datafusion_err, exec_err, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility, cast,
};

use crate::value_type::value_type;

/// A span of months, days and nanoseconds.
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
/// A span of a certain length.
pub(crate) const LENGTH: DataType = DataType::Duration(TimeUnit::Microsecond);

/// The zone in which moments are kept.
const UTC: &str = "UTC";

const MICROS_OF_SECOND: i64 = 1_000_000;
const MICROS_OF_DAY: i64 = 86_400 * MICROS_OF_SECOND;
const NANOS_OF_MICRO: i64 = 1_000;

/// An interval as the length it has.
pub(crate) fn length(interval: Expr) -> Expr {
    call(Span::Length, vec![cast(interval, INTERVAL)])
}

/// The moment that is so many microseconds after the beginning of 1970.
pub(crate) fn moment(micros: Expr) -> Expr {
    call(Span::Moment, vec![micros])
}

/// The microseconds of a moment since the beginning of 1970.
pub(crate) fn micros(moment: Expr) -> Expr {
    call(Span::Micros, vec![cast(moment, in_utc())])
}

/// The whole seconds of a moment since the beginning of 1970: the greatest that are not more.
pub(crate) fn seconds(moment: Expr) -> Expr {
    call(Span::Seconds, vec![cast(moment, in_utc())])
}

/// The whole microseconds that are nearest to a DOUBLE of seconds, as a DOUBLE.
pub(crate) fn nearest_micros(seconds: Expr) -> Expr {
    call(Span::NearestMicros, vec![seconds])
}

fn in_utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from(UTC)))
}

/// A sum or difference in which a date stands, as what it means.
pub(crate) fn written(part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match part {
        Expr::BinaryExpr(part) if matches!(part.op, Operator::Plus | Operator::Minus) => {
            with_dates(part, schema)
        }
        other => Transformed::no(other),
    }
}

fn with_dates(part: BinaryExpr, schema: &DFSchema) -> Transformed<Expr> {
    // reason: a parameter may have no type yet, and is left to the engine
    let Some(of_right) = value_type(&part.right, schema).ok().filter(may_stand_right) else {
        return Transformed::no(Expr::BinaryExpr(part));
    };
    // reason: as above
    let Ok(of_left) = value_type(&part.left, schema) else {
        return Transformed::no(Expr::BinaryExpr(part));
    };
    let op = part.op;
    let (left, right) = match (&of_left, &of_right) {
        (DataType::Date32 | DataType::Date64, DataType::Date32 | DataType::Date64)
            if op == Operator::Minus =>
        {
            let dates = [*part.left, *part.right].map(|date| cast(date, DataType::Date32));
            return Transformed::yes(call(Span::DaysBetween, dates.into()));
        }
        (DataType::Timestamp(..), DataType::Date32) => (part.left, Box::new(cast(*part.right, of_left))),
        (DataType::Date32, DataType::Timestamp(..)) => (Box::new(cast(*part.left, of_right)), part.right),
        (DataType::Date32, DataType::Interval(_)) => with_interval(part.left, part.right),
        (DataType::Interval(_), DataType::Date32) if op == Operator::Plus => {
            let (date, interval) = with_interval(part.right, part.left);
            (interval, date)
        }
        _ => return Transformed::no(Expr::BinaryExpr(part)),
    };
    Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
}

/// Whether something of that type stands on the right side of what is written anew here. Of a long chain that is the short side.
fn may_stand_right(found: &DataType) -> bool {
    use DataType::{Date32, Date64, Interval, Timestamp};
    matches!(found, Date32 | Date64 | Timestamp(..) | Interval(_))
}

/// A date, as a moment where the interval beside it has hours; one that is not known yet must not have any.
fn with_interval(date: Box<Expr>, interval: Box<Expr>) -> (Box<Expr>, Box<Expr>) {
    match hours_of(&interval) {
        Some(false) => (date, interval),
        Some(true) => (Box::new(cast(*date, in_utc())), interval),
        None => (date, Box::new(call(Span::WholeDays, vec![cast(*interval, INTERVAL)]))),
    }
}

/// Whether a constant interval has a part below a day.
fn hours_of(interval: &Expr) -> Option<bool> {
    let Expr::Literal(value, _) = interval else { return None };
    match value {
        ScalarValue::IntervalMonthDayNano(Some(value)) => Some(value.nanoseconds != 0),
        ScalarValue::IntervalDayTime(Some(value)) => Some(value.milliseconds != 0),
        ScalarValue::IntervalYearMonth(_) => Some(false),
        ScalarValue::IntervalMonthDayNano(None) | ScalarValue::IntervalDayTime(None) => Some(false),
        _ => None,
    }
}

fn call(span: Span, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction {
        func: Arc::new(ScalarUDF::new_from_impl(Function::new(span))),
        args,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Span {
    /// From the second date to the first.
    DaysBetween,
    /// Of an interval without months.
    Length,
    /// An interval that has no part below a day.
    WholeDays,
    /// Of microseconds.
    Moment,
    /// Of a moment.
    Micros,
    /// Of a moment.
    Seconds,
    /// Of seconds.
    NearestMicros,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    span: Span,
    signature: Signature,
}

impl Function {
    fn new(span: Span) -> Self {
        let taken = match span {
            Span::DaysBetween => vec![DataType::Date32, DataType::Date32],
            Span::Length | Span::WholeDays => vec![INTERVAL],
            Span::Moment => vec![DataType::Int64],
            Span::Micros | Span::Seconds => vec![in_utc()],
            Span::NearestMicros => vec![DataType::Float64],
        };
        Self { span, signature: Signature::new(TypeSignature::Exact(taken), Volatility::Immutable) }
    }

    fn of_arrays(&self, arrays: &[ArrayRef]) -> Result<ArrayRef> {
        Ok(match (self.span, arrays) {
            (Span::DaysBetween, [left, right]) => {
                let between = |left: i32, right: i32| i64::from(left) - i64::from(right);
                let (left, right) = (left.as_primitive::<Date32Type>(), right.as_primitive::<Date32Type>());
                Arc::new(binary::<_, _, _, Int64Type>(left, right, between)?)
            }
            (Span::Length, [intervals]) => {
                let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
                Arc::new(intervals.try_unary::<_, DurationMicrosecondType, DataFusionError>(length_of)?)
            }
            (Span::WholeDays, [intervals]) => {
                let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
                Arc::new(intervals.try_unary::<_, IntervalMonthDayNanoType, DataFusionError>(of_days)?)
            }
            (Span::Moment, [micros]) => {
                let micros = micros.as_primitive::<Int64Type>();
                Arc::new(micros.reinterpret_cast::<TimestampMicrosecondType>().with_timezone(UTC))
            }
            (Span::Micros, [moments]) => {
                let moments = moments.as_primitive::<TimestampMicrosecondType>();
                Arc::new(moments.reinterpret_cast::<Int64Type>())
            }
            (Span::Seconds, [moments]) => {
                let moments = moments.as_primitive::<TimestampMicrosecondType>();
                Arc::new(moments.unary::<_, Int64Type>(|micros| micros.div_euclid(MICROS_OF_SECOND)))
            }
            (Span::NearestMicros, [seconds]) => {
                let seconds = seconds.as_primitive::<Float64Type>();
                Arc::new(seconds.unary::<_, Float64Type>(|seconds| (seconds * 1e6).round()))
            }
            _ => return internal_err!("`{}` takes other arguments", self.name()),
        })
    }
}

fn length_of(interval: IntervalMonthDayNano) -> Result<i64> {
    if interval.months != 0 {
        return exec_err!(
            "a span of months or years has no length to compare; add it to a date and compare dates"
        );
    }
    let micros = interval.nanoseconds / NANOS_OF_MICRO;
    i64::from(interval.days)
        .checked_mul(MICROS_OF_DAY)
        .and_then(|days| days.checked_add(micros))
        .ok_or_else(|| exec_datafusion_err!("a span is out of range"))
}

fn of_days(interval: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    match interval.nanoseconds {
        0 => Ok(interval),
        _ => exec_err!("an interval with hours stands beside a DATE; add it to a TIMESTAMP"),
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.span {
            Span::DaysBetween => "days_between",
            Span::Length => "interval_length",
            Span::WholeDays => "interval_of_days",
            Span::Moment => "moment_of_micros",
            Span::Micros => "micros_of_moment",
            Span::Seconds => "seconds_of_moment",
            Span::NearestMicros => "nearest_micros",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.span {
            Span::DaysBetween | Span::Micros | Span::Seconds => DataType::Int64,
            Span::Moment => in_utc(),
            Span::NearestMicros => DataType::Float64,
            Span::Length => LENGTH,
            Span::WholeDays => INTERVAL,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let told = self.of_arrays(&arrays)?;
        match scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&told, 0)?)),
            false => Ok(ColumnarValue::Array(told)),
        }
    }
}
