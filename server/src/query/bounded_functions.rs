//! Functions whose result may be many times as large as what they are given, held to a bound before they make it.
//!
//! The engine counts what its operators hold, and nothing of what a function makes on its way: `repeat('a', 2000000000)` is two
//! gigabytes from thirty bytes, and a server that cannot have them ends. So it is estimated row by row what a call may come to;
//! rows are given to the function as few at a time as that allows, and the sum is bounded.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::kernels::length::length;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::common::resources_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// The most bytes of what a call comes to for the rows of a batch.
const BATCH_BYTES: u64 = 256 << 20;
/// The most bytes of a constant: it may stand in each row of a batch.
const CONSTANT_BYTES: u64 = 1 << 20;
/// The most bytes that are estimated for a constant, which may come to less.
const ESTIMATED_BYTES: u64 = 16 << 20;
/// The most comparisons of characters for one row.
const ROW_STEPS: u64 = 1 << 30;
/// And in one batch.
const BATCH_STEPS: u64 = 1 << 33;
/// A part of a format that stands for so many bytes at most.
const FORMATTED: u64 = 16;

/// `function` held to the bounds, where it is one that enlarges.
pub(super) fn bounded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let enlarges = match function.name() {
        "repeat" => Enlarges::Repeat,
        "lpad" | "rpad" => Enlarges::Pad,
        "replace" => Enlarges::Replace,
        "regexp_replace" => Enlarges::RegexpReplace,
        "concat" => Enlarges::Join,
        "overlay" => Enlarges::Overlay,
        "concat_ws" => Enlarges::JoinWith,
        "to_char" => Enlarges::Format,
        "levenshtein" => Enlarges::Compare,
        _ => return function,
    };
    Arc::new(ScalarUDF::new_from_impl(Bounded { function, enlarges }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<ScalarUDF>,
    enlarges: Enlarges,
}

/// How large the result becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Enlarges {
    /// The first as often as the second says.
    Repeat,
    /// As long as the second says.
    Pad,
    /// The third in the place of each second in the first.
    Replace,
    /// The third, in which the first may stand, in the place of what the second finds in the first.
    RegexpReplace,
    /// All of them together.
    Join,
    /// The first two.
    Overlay,
    /// All of them, with the first between them.
    JoinWith,
    /// The second with its parts written out.
    Format,
    /// Not at all; each character of the first is compared with each of the second.
    Compare,
}

/// What an argument is in each row, as far as that counts here.
enum Known {
    Same(u64),
    Each(Int64Array),
}

impl Known {
    fn of(&self, row: usize) -> u64 {
        match self {
            Self::Same(value) => *value,
            Self::Each(values) if values.is_null(row) => 0,
            Self::Each(values) => u64::try_from(values.value(row)).unwrap_or(0),
        }
    }

    /// The value of a number, zero below it; the length of a text in bytes.
    fn from(argument: &ColumnarValue) -> Result<Self> {
        match argument {
            ColumnarValue::Scalar(scalar) => {
                let number = match scalar.cast_to(&DataType::Int64) {
                    Ok(ScalarValue::Int64(number)) if scalar.data_type().is_integer() => number,
                    _ => None,
                };
                let text = scalar.try_as_str().flatten().map(|text| text.len() as u64);
                Ok(Self::Same(number.and_then(|number| u64::try_from(number).ok()).or(text).unwrap_or(0)))
            }
            ColumnarValue::Array(array) if array.data_type().is_integer() => {
                Ok(Self::Each(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()))
            }
            ColumnarValue::Array(array) => match length(array) {
                Ok(lengths) => {
                    Ok(Self::Each(cast(&lengths, &DataType::Int64)?.as_primitive::<Int64Type>().clone()))
                }
                // reason: what has no length is no text
                Err(_) => Ok(Self::Same(0)),
            },
        }
    }
}

impl Enlarges {
    fn estimate(self, arguments: &[Known], references: u64, row: usize) -> u64 {
        let of = |place: usize| arguments.get(place).map_or(0, |known| known.of(row));
        let (first, second, third) = (of(0), of(1), of(2));
        match self {
            Self::Repeat => first.saturating_mul(second),
            // A character has four bytes at most.
            Self::Pad => first.saturating_add(second.saturating_mul(if arguments.len() > 2 { 4 } else { 1 })),
            Self::Replace => {
                let places = first.checked_div(second).unwrap_or(first).saturating_add(1);
                first.saturating_add(places.saturating_mul(third))
            }
            Self::RegexpReplace => {
                // Without flags it replaces once.
                let places = if arguments.len() > 3 { first.saturating_add(1) } else { 1 };
                let found = first.saturating_mul(references.saturating_add(1));
                found.saturating_add(places.saturating_mul(third))
            }
            Self::Join => (0..arguments.len()).fold(0_u64, |sum, place| sum.saturating_add(of(place))),
            Self::Overlay => first.saturating_add(second),
            Self::JoinWith => (1..arguments.len())
                .fold(0_u64, |sum, place| sum.saturating_add(of(place)).saturating_add(first)),
            Self::Format => second.saturating_mul(FORMATTED),
            Self::Compare => first.saturating_mul(second),
        }
    }

    fn most(self, constant: bool) -> u64 {
        match self {
            Self::Compare => ROW_STEPS,
            _ if constant => ESTIMATED_BYTES,
            _ => BATCH_BYTES,
        }
    }
}

impl Bounded {
    /// The rows in stretches, each of which comes to what is allowed at most.
    fn stretches(
        &self,
        known: &[Known],
        references: u64,
        rows: usize,
        most: u64,
    ) -> Result<Vec<Range<usize>>> {
        let (mut stretches, mut start, mut sum, mut steps) = (Vec::new(), 0, 0_u64, 0_u64);
        for row in 0..rows {
            let own = self.enlarges.estimate(known, references, row);
            if own > most {
                return Err(self.too_large());
            }
            if self.enlarges == Enlarges::Compare {
                steps = steps.saturating_add(own);
                if steps > BATCH_STEPS {
                    return Err(self.too_large());
                }
            } else if sum.saturating_add(own) > most {
                stretches.push(start..row);
                (start, sum) = (row, 0);
            }
            sum = sum.saturating_add(own);
        }
        stretches.push(start..rows);
        Ok(stretches)
    }

    fn too_large(&self) -> datafusion::error::DataFusionError {
        resources_datafusion_err!("the result of {} is too large", self.function.name())
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(arguments)
    }

    fn short_circuits(&self) -> bool {
        self.function.short_circuits()
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let known = call.args.iter().map(Known::from).collect::<Result<Vec<_>>>()?;
        let constant = call.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { call.number_rows };
        let references = match self.enlarges {
            Enlarges::RegexpReplace => call.args.get(2).map_or(Ok(0), references)?,
            _ => 0,
        };
        let stretches = self.stretches(&known, references, rows, self.enlarges.most(constant))?;
        if constant {
            let value = self.function.invoke_with_args(call)?;
            return match size_of(&value)? <= CONSTANT_BYTES {
                true => Ok(value),
                false => Err(self.too_large()),
            };
        }
        if let [_] = stretches.as_slice() {
            return self.function.invoke_with_args(call);
        }
        let (mut parts, mut sum): (Vec<ArrayRef>, u64) = (Vec::new(), 0);
        for stretch in stretches {
            let arguments = call.args.iter().map(|argument| match argument {
                ColumnarValue::Array(array) => {
                    ColumnarValue::Array(array.slice(stretch.start, stretch.len()))
                }
                scalar @ ColumnarValue::Scalar(_) => scalar.clone(),
            });
            let part = ScalarFunctionArgs {
                args: arguments.collect(),
                arg_fields: call.arg_fields.clone(),
                number_rows: stretch.len(),
                return_field: Arc::clone(&call.return_field),
                config_options: Arc::clone(&call.config_options),
            };
            let value = self.function.invoke_with_args(part)?;
            sum = sum.saturating_add(size_of(&value)?);
            if sum > BATCH_BYTES {
                return Err(self.too_large());
            }
            parts.push(value.into_array(stretch.len())?);
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}

/// How often what is found may stand in a text that replaces it, at most.
fn references(replacement: &ColumnarValue) -> Result<u64> {
    let marks = |text: &str| text.bytes().filter(|byte| matches!(byte, b'$' | b'\\')).count() as u64;
    match replacement {
        ColumnarValue::Scalar(text) => Ok(text.try_as_str().flatten().map_or(0, marks)),
        ColumnarValue::Array(texts) => {
            let texts = cast(texts, &DataType::LargeUtf8)?;
            Ok(texts.as_string::<i64>().iter().flatten().map(marks).max().unwrap_or(0))
        }
    }
}

/// The bytes of texts.
fn size_of(value: &ColumnarValue) -> Result<u64> {
    match Known::from(value)? {
        Known::Same(size) => Ok(size),
        Known::Each(sizes) => {
            Ok(arrow::compute::sum(&sizes).and_then(|sum| u64::try_from(sum).ok()).unwrap_or(0))
        }
    }
}
