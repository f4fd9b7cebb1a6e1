//! `element_at(array, index)` and `element_at(map, key)`: the element or value, NULL where there is none. The engine has
//! it for maps alone, and gives a list.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

/// Made of the engine's functions for arrays and for maps.
pub fn element_at(of_array: Arc<ScalarUDF>, of_map: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(ElementAt { signature, of_array, of_map }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ElementAt {
    signature: Signature,
    of_array: Arc<ScalarUDF>,
    of_map: Arc<ScalarUDF>,
}

/// The types of a map's keys and values.
fn entry(map: &DataType) -> Option<(&DataType, &DataType)> {
    let DataType::Map(entries, _) = map else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    match fields.as_ref() {
        [key, value] => Some((key.data_type(), value.data_type())),
        _ => None,
    }
}

impl ScalarUDFImpl for ElementAt {
    fn name(&self) -> &'static str {
        "element_at"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [container, place] = types else {
            return plan_err!("element_at takes an array and an index, or a map and a key");
        };
        match container {
            DataType::Null => Ok(types.to_vec()),
            DataType::List(_) | DataType::LargeList(_) if place.is_integer() || place.is_null() => {
                Ok(vec![container.clone(), DataType::Int64])
            }
            DataType::List(_) | DataType::LargeList(_) => {
                plan_err!("the index of element_at must be an integer")
            }
            _ => match entry(container) {
                Some((key, _)) => Ok(vec![container.clone(), key.clone()]),
                None => plan_err!("the first argument of element_at must be an array or a map"),
            },
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(DataType::Null) => Ok(DataType::Null),
            Some(DataType::List(element) | DataType::LargeList(element)) => Ok(element.data_type().clone()),
            Some(container) => match entry(container) {
                Some((_, value)) => Ok(value.clone()),
                None => plan_err!("the first argument of element_at must be an array or a map"),
            },
            None => plan_err!("element_at takes an array and an index, or a map and a key"),
        }
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(container) = arguments.first() else { return Ok(ExprSimplifyResult::Original(arguments)) };
        let expression = match context.get_data_type(container)? {
            DataType::Map(..) => self.of_array.call(vec![self.of_map.call(arguments), lit(1_i64)]),
            _ => self.of_array.call(arguments),
        };
        Ok(ExprSimplifyResult::Simplified(expression))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("element_at was not planned")
    }
}
