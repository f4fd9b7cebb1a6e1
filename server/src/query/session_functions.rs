//! Functions that tell of the session and the server: `current_catalog()`, `current_database()`, `current_schema()`,
//! `current_metastore()`, `version()`. Each statement gets its own, and planning folds them to constants.
//!
//! What tells of the session stands in no stored text: a view or policy would mean another thing for each caller's
//! USE (`sql/qualify.rs`).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use weir_catalog::Snapshot;

use crate::session::SessionSettings;

/// Their names.
pub fn session_function_names() -> impl Iterator<Item = &'static str> {
    ["current_catalog", "current_database", "current_metastore", "current_schema", "version"].into_iter()
}

/// Whether a function of that name speaks of the session, and of nothing that changes within it.
pub fn is_session_function(name: &str) -> bool {
    session_function_names().any(|known| known == name)
}

/// The functions as they answer in `session`.
pub fn session_functions(session: &SessionSettings, snapshot: &Snapshot) -> Vec<Arc<ScalarUDF>> {
    let named = session_function_names().map(|name| {
        let answer = match name {
            "current_catalog" => session.catalog.clone(),
            "current_metastore" => snapshot.metastore_id().to_string(),
            "version" => format!("Weir {}", env!("CARGO_PKG_VERSION")),
            _ => session.schema.clone(),
        };
        let signature = Signature::exact(Vec::new(), Volatility::Stable);
        Arc::new(ScalarUDF::new_from_impl(SessionFunction { name, signature, answer }))
    });
    named.collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SessionFunction {
    name: &'static str,
    signature: Signature,
    answer: String,
}

impl SessionFunction {
    fn value(&self) -> ScalarValue {
        ScalarValue::from(self.answer.as_str())
    }
}

impl ScalarUDFImpl for SessionFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _argument_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn simplify(&self, _arguments: Vec<Expr>, _context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(self.value(), None)))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value()))
    }
}
