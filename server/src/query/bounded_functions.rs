//! Functions whose result may be many times as large as what they are given, held to a bound before they make it.
//!
//! The engine counts what its operators hold, and nothing of what a function makes on its way: `repeat('a', 2000000000)` is two
//! gigabytes from thirty bytes, and a server that cannot have them ends. So it is estimated row by row what a call may come to;
//! rows are given to the function as few at a time as that allows, and the sum is bounded.
//!
//! So it is with patterns that stand in rows: each is compiled, and kept until the function has done all the rows it is given.

mod lists;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::kernels::length::length;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::common::resources_datafusion_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

pub(super) use self::lists::bytes_of;
use self::lists::weights;

/// The most bytes of what a call comes to for the rows of a batch.
pub(super) const BATCH_BYTES: u64 = 256 << 20;
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
/// What an element of a list takes beside its bytes, at most.
const ELEMENT_BYTES: u64 = 16;
/// The most patterns that are compiled and kept at once.
const PATTERNS: usize = 32;

/// `function` held to the bounds, where it is one that enlarges.
pub(super) fn bounded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let enlarges = match function.name() {
        "repeat" => Enlarges::Repeat,
        "lpad" | "rpad" => Enlarges::Pad,
        "replace" => Enlarges::Replace,
        "regexp_replace" => Enlarges::RegexpReplace,
        "regexp_match" => Enlarges::Match,
        "regexp_count" | "regexp_instr" | "regexp_like" => Enlarges::Search,
        "concat" => Enlarges::Join,
        "overlay" => Enlarges::Overlay,
        "concat_ws" => Enlarges::JoinWith,
        "to_char" => Enlarges::Format,
        "levenshtein" => Enlarges::Compare,
        "encode" => Enlarges::Encode,
        "string_to_array" => Enlarges::Split,
        "array_to_string" => Enlarges::JoinList,
        "array_replace" | "array_replace_n" | "array_replace_all" => Enlarges::ReplaceElements,
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
    /// Not at all; the second is a pattern.
    Search,
    /// The first for each group of the second, which is a pattern.
    Match,
    /// Each byte of the first as two at most.
    Encode,
    /// The first, and for each of its parts what an element takes.
    Split,
    /// The elements of the first, with the second between them and the third for NULL.
    JoinList,
    /// The elements of the first, with the third in the place of each.
    ReplaceElements,
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
                let bytes = match scalar {
                    ScalarValue::Binary(Some(bytes))
                    | ScalarValue::LargeBinary(Some(bytes))
                    | ScalarValue::BinaryView(Some(bytes))
                    | ScalarValue::FixedSizeBinary(_, Some(bytes)) => Some(bytes.len() as u64),
                    _ => None,
                };
                let number = number.and_then(|number| u64::try_from(number).ok());
                Ok(Self::Same(number.or(text).or(bytes).unwrap_or(0)))
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

    /// The elements of a list, and their bytes.
    fn of_list(argument: &ColumnarValue) -> Result<(Self, Self)> {
        match argument {
            ColumnarValue::Scalar(scalar) => {
                let weight = weights(&scalar.to_array()?)?.first().copied().unwrap_or_default();
                Ok((Self::Same(weight.elements), Self::Same(weight.bytes)))
            }
            ColumnarValue::Array(array) => {
                let weights = weights(array)?;
                let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
                let elements = weights.iter().map(|weight| number(weight.elements));
                let bytes = weights.iter().map(|weight| number(weight.bytes));
                Ok((
                    Self::Each(Int64Array::from_iter_values(elements)),
                    Self::Each(Int64Array::from_iter_values(bytes)),
                ))
            }
        }
    }
}

impl Enlarges {
    /// What counts of the arguments. Of a list, its bytes stand after all of them.
    fn known(self, arguments: &[ColumnarValue]) -> Result<Vec<Known>> {
        if !matches!(self, Self::JoinList | Self::ReplaceElements) {
            return arguments.iter().map(Known::from).collect();
        }
        let (mut elements, mut bytes) = (Known::Same(0), Known::Same(0));
        if let Some(list) = arguments.first() {
            (elements, bytes) = Known::of_list(list)?;
        }
        let mut known = vec![elements];
        for place in 1..3 {
            known.push(match arguments.get(place) {
                None => Known::Same(0),
                Some(argument) if self == Self::JoinList => Known::from(argument)?,
                Some(argument) => Known::of_list(argument)?.1,
            });
        }
        known.push(bytes);
        Ok(known)
    }

    /// Whether the function compiles what stands at a place of its arguments.
    fn compiles(self, place: usize) -> bool {
        match self {
            Self::Search | Self::Match => place > 0,
            Self::RegexpReplace => place == 1 || place == 3,
            _ => false,
        }
    }

    /// How often a mark that counts stands in an argument, at most.
    fn references(self, arguments: &[ColumnarValue]) -> Result<u64> {
        match self {
            Self::RegexpReplace => arguments.get(2).map_or(Ok(0), |text| marks(text, b"$\\")),
            Self::Match => arguments.get(1).map_or(Ok(0), |pattern| marks(pattern, b"(")),
            _ => Ok(0),
        }
    }

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
            Self::Search => 0,
            Self::Match => first.saturating_mul(references.saturating_add(1)),
            Self::Encode => first.saturating_mul(2).saturating_add(4),
            Self::Split => {
                let parts = first.checked_div(second).unwrap_or(first).saturating_add(1);
                first.saturating_add(parts.saturating_mul(ELEMENT_BYTES))
            }
            Self::JoinList => of(3).saturating_add(first.saturating_mul(second.saturating_add(third))),
            Self::ReplaceElements => of(3).saturating_add(first.saturating_mul(third)),
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
    fn stretches(&self, call: &ScalarFunctionArgs, constant: bool) -> Result<Vec<Range<usize>>> {
        let known = self.enlarges.known(&call.args)?;
        let references = self.enlarges.references(&call.args)?;
        let (rows, most) = (if constant { 1 } else { call.number_rows }, self.enlarges.most(constant));
        let mut cuts = self.cuts(&call.args)?.into_iter().peekable();
        let (mut stretches, mut start, mut sum, mut steps) = (Vec::new(), 0, 0_u64, 0_u64);
        for row in 0..rows {
            let own = self.enlarges.estimate(&known, references, row);
            let cut = cuts.next_if_eq(&row).is_some();
            if own > most {
                return Err(self.too_large());
            }
            if self.enlarges == Enlarges::Compare {
                steps = steps.saturating_add(own);
                if steps > BATCH_STEPS {
                    return Err(self.too_large());
                }
            } else if cut || sum.saturating_add(own) > most {
                stretches.push(start..row);
                (start, sum) = (row, 0);
            }
            sum = sum.saturating_add(own);
        }
        stretches.push(start..rows);
        Ok(stretches)
    }

    /// The rows before which a stretch ends, so that few patterns are compiled in each.
    fn cuts(&self, arguments: &[ColumnarValue]) -> Result<Vec<usize>> {
        let mut columns = Vec::new();
        for (place, argument) in arguments.iter().enumerate() {
            if let ColumnarValue::Array(array) = argument
                && self.enlarges.compiles(place)
                && !array.data_type().is_integer()
            {
                columns.push(cast(array, &DataType::Utf8View)?);
            }
        }
        let columns: Vec<_> = columns.iter().map(|column| column.as_string_view()).collect();
        let rows = columns.first().map_or(0, |column| column.len());
        let (mut cuts, mut kept) = (Vec::new(), HashSet::new());
        for row in 0..rows {
            let texts = columns.iter().map(|column| column.is_valid(row).then(|| column.value(row)));
            let pattern: Vec<Option<&str>> = texts.collect();
            if kept.contains(&pattern) {
                continue;
            }
            if kept.len() == PATTERNS {
                cuts.push(row);
                kept.clear();
            }
            kept.insert(pattern);
        }
        Ok(cuts)
    }

    fn too_large(&self) -> DataFusionError {
        too_large(self.function.name())
    }
}

/// The refusal of what a function or an aggregate would come to.
pub(super) fn too_large(name: &str) -> DataFusionError {
    resources_datafusion_err!("the result of {} is too large", name)
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

    /// A search for a constant pattern becomes an operator. It stays a call where the pattern stands in rows: an operator is not
    /// held to bounds.
    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match arguments.get(1) {
            Some(Expr::Literal(..)) if self.enlarges == Enlarges::Search => {
                self.function.simplify(arguments, context)
            }
            _ => Ok(ExprSimplifyResult::Original(arguments)),
        }
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = call.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let stretches = self.stretches(&call, constant)?;
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

/// How often one of some marks stands in a text, at most.
fn marks(argument: &ColumnarValue, marks: &[u8]) -> Result<u64> {
    let count = |text: &str| text.bytes().filter(|byte| marks.contains(byte)).count() as u64;
    match argument {
        ColumnarValue::Scalar(text) => Ok(text.try_as_str().flatten().map_or(0, count)),
        ColumnarValue::Array(texts) => {
            let texts = cast(texts, &DataType::Utf8View)?;
            Ok(texts.as_string_view().iter().flatten().map(count).max().unwrap_or(0))
        }
    }
}

/// The bytes of what a call came to.
fn size_of(value: &ColumnarValue) -> Result<u64> {
    match value {
        ColumnarValue::Scalar(scalar) => match scalar.try_as_str() {
            Some(text) => Ok(text.map_or(0, |text| text.len() as u64)),
            None => bytes_of(&scalar.to_array()?),
        },
        ColumnarValue::Array(array) => bytes_of(array),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::StringArray;
    use datafusion::execution::SessionStateDefaults;

    use super::*;

    fn search(name: &str) -> Bounded {
        let functions = SessionStateDefaults::default_scalar_functions();
        let function = functions.into_iter().find(|function| function.name() == name).unwrap();
        Bounded { function, enlarges: Enlarges::Search }
    }

    fn column(texts: impl Iterator<Item = String>) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(StringArray::from_iter_values(texts)))
    }

    #[test]
    fn stretches_hold_few_patterns() {
        let like = search("regexp_like");
        let texts = column((0..100).map(|_| "x".to_owned()));
        let cuts = |patterns| like.cuts(&[texts.clone(), patterns]).unwrap();
        assert_eq!(cuts(column((0..100).map(|row| format!("x{row}")))), [32, 64, 96]);
        assert_eq!(cuts(column((0..100).map(|row| format!("x{}", row % 32)))), [0_usize; 0]);
        assert_eq!(cuts(ColumnarValue::Scalar(ScalarValue::from("x"))), [0_usize; 0]);
    }

    #[test]
    fn numbers_are_small_whatever_they_say() {
        let number = ColumnarValue::Scalar(ScalarValue::Int64(Some(i64::MAX)));
        assert!(size_of(&number).unwrap() < 100);
        let numbers = ColumnarValue::Array(Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX])));
        assert!(size_of(&numbers).unwrap() < 100);
    }
}
