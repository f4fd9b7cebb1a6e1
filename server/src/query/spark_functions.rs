//! Functions of the dialect that the engine does not have in any form: `size(list or map)`, `typeof(value)` and
//! `regexp_extract(text, pattern, group)`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use regex::Regex;

use crate::sql::types::text_of;

/// The functions.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let signature = || Signature::user_defined(Volatility::Immutable);
    let type_of = TypeOf { signature: Signature::any(1, Volatility::Immutable) };
    vec![
        Arc::new(ScalarUDF::new_from_impl(Size { name: "size", signature: signature() })),
        Arc::new(ScalarUDF::new_from_impl(Size { name: "array_size", signature: signature() })),
        Arc::new(ScalarUDF::new_from_impl(type_of)),
        Arc::new(ScalarUDF::new_from_impl(Extract { signature: signature() })),
    ]
}

/// What a call came to, of which `constant` tells whether it is the same in each row.
fn told(value: ArrayRef, constant: bool) -> Result<ColumnarValue> {
    match constant {
        true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?)),
        false => Ok(ColumnarValue::Array(value)),
    }
}

fn is_constant(call: &ScalarFunctionArgs) -> bool {
    call.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)))
}

/// How many elements a list or map has; NULL has none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Size {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Size {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [
                DataType::Null
                | DataType::List(_)
                | DataType::LargeList(_)
                | DataType::FixedSizeList(..)
                | DataType::Map(..),
            ] => Ok(types.to_vec()),
            _ => plan_err!("{} takes an array or a map", self.name),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = is_constant(&call);
        let rows = if constant { 1 } else { call.number_rows };
        let Some(argument) = call.args.first() else { return exec_err!("{} takes an argument", self.name) };
        let lists = argument.to_array(rows)?;
        let sizes = match lists.data_type() {
            DataType::Null => new_null_array(&DataType::Int32, rows),
            _ => cast(&length(&lists)?, &DataType::Int32)?,
        };
        told(sizes, constant)
    }
}

/// The name of a value's type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &'static str {
        "typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match call.arg_fields.first() {
            Some(field) => Ok(ColumnarValue::Scalar(ScalarValue::from(text_of(field.data_type()).as_str()))),
            None => exec_err!("typeof takes an argument"),
        }
    }
}

/// What a group of a pattern found first in a text: a text without letters where there is none. Group 0 is the whole.
///
/// The pattern is the same in each row, so that one is compiled for a batch.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extract {
    signature: Signature,
}

/// Which group is asked for.
fn group_of(call: &ScalarFunctionArgs) -> Result<usize> {
    let group = match call.args.get(2) {
        None => Some(1),
        Some(ColumnarValue::Scalar(ScalarValue::Int64(Some(group)))) => usize::try_from(*group).ok(),
        Some(_) => None,
    };
    match group {
        Some(group) => Ok(group),
        None => exec_err!("the group of regexp_extract is a number, 0 or more, and the same in each row"),
    }
}

impl ScalarUDFImpl for Extract {
    fn name(&self) -> &'static str {
        "regexp_extract"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |found: &DataType| found.is_string() || found.is_null();
        match types {
            [text, pattern, group @ ..]
                if is_text(text)
                    && is_text(pattern)
                    && group.len() < 2
                    && group.iter().all(DataType::is_integer) =>
            {
                let mut wanted = vec![DataType::Utf8, DataType::Utf8];
                wanted.extend(group.iter().map(|_| DataType::Int64));
                Ok(wanted)
            }
            _ => plan_err!("regexp_extract takes a text, a pattern and a number"),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = is_constant(&call);
        let rows = if constant { 1 } else { call.number_rows };
        let (Some(texts), Some(ColumnarValue::Scalar(pattern))) = (call.args.first(), call.args.get(1))
        else {
            return exec_err!("the pattern of regexp_extract is the same in each row");
        };
        let Some(pattern) = pattern.try_as_str().flatten() else {
            return told(new_null_array(&DataType::Utf8, rows), constant);
        };
        let group = group_of(&call)?;
        let pattern = Regex::new(pattern).map_err(|refused| DataFusionError::External(Box::new(refused)))?;
        if group >= pattern.captures_len() {
            return exec_err!("the pattern of regexp_extract has no group {group}");
        }
        let texts = texts.to_array(rows)?;
        let first = |text: &str| -> String {
            let found = pattern.captures(text).and_then(|found| found.get(group));
            found.map(|found| found.as_str().to_owned()).unwrap_or_default()
        };
        let extracted = texts.as_string::<i32>().iter().map(|text| text.map(first));
        told(Arc::new(extracted.collect::<StringArray>()), constant)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::datatypes::Field;
    use datafusion::common::config::ConfigOptions;

    use super::*;

    fn extracted(pattern: &str, group: i64) -> Result<Vec<Option<String>>> {
        let texts = StringArray::from(vec![Some("100-200 3-4"), Some("none"), None]);
        let extract = Extract { signature: Signature::user_defined(Volatility::Immutable) };
        let value = extract.invoke_with_args(ScalarFunctionArgs {
            args: vec![
                ColumnarValue::Array(Arc::new(texts)),
                ColumnarValue::Scalar(ScalarValue::from(pattern)),
                ColumnarValue::Scalar(ScalarValue::from(group)),
            ],
            arg_fields: Vec::new(),
            number_rows: 3,
            return_field: Arc::new(Field::new("", DataType::Utf8, true)),
            config_options: Arc::new(ConfigOptions::default()),
        })?;
        let value = value.into_array(3)?;
        Ok(value.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    }

    #[test]
    fn a_group_of_what_is_found_first_is_extracted() {
        let told = |part: &str| vec![Some(part.to_owned()), Some(String::new()), None];
        assert_eq!(extracted(r"(\d+)-(\d+)", 1).unwrap(), told("100"));
        assert_eq!(extracted(r"(\d+)-(\d+)", 2).unwrap(), told("200"));
        assert_eq!(extracted(r"\d+-\d+|x", 0).unwrap(), told("100-200"));
        // A group that took no part.
        assert_eq!(extracted(r"(x)|(\d+)", 1).unwrap(), told(""));
        assert!(extracted(r"(\d+)", 2).is_err());
        assert!(extracted(r"(\d+)", -1).is_err());
    }
}
