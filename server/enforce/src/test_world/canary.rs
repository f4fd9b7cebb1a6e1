//! A function that users may call and that remembers every value it was called with.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the function was called with.
#[derive(Debug)]
pub(crate) struct Canary {
    seen: UnboundedReceiver<String>,
}

impl Canary {
    /// A function `name` of one argument that gives the argument back.
    pub(crate) fn new(name: &'static str, volatility: Volatility) -> (ScalarUDF, Self) {
        let (sender, seen) = unbounded_channel();
        let function = Spy { name, signature: Signature::any(1, volatility), seen: Arc::new(sender) };
        (ScalarUDF::new_from_impl(function), Self { seen })
    }

    /// Lets the function remember nothing.
    pub(crate) fn forget(mut self) {
        self.seen.close();
    }

    /// Every value since the last call, sorted, each once.
    pub(crate) fn seen(&mut self) -> Vec<String> {
        // reason: an empty channel ends the list
        let mut values: Vec<String> = std::iter::from_fn(|| self.seen.try_recv().ok()).collect();
        values.sort();
        values.dedup();
        values
    }
}

struct Spy {
    name: &'static str,
    signature: Signature,
    seen: Arc<UnboundedSender<String>>,
}

/// The engine shows it in errors, which are compared.
impl std::fmt::Debug for Spy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Spy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Spy {}

impl Hash for Spy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Spy {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, argument_types: &[DataType]) -> Result<DataType> {
        Ok(argument_types[0].clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = arguments.args[0].to_array(arguments.number_rows)?;
        for row in 0..values.len() {
            let value = ScalarValue::try_from_array(&values, row)?;
            // Nobody listens where the function was told to forget.
            drop(self.seen.send(value.to_string()));
        }
        Ok(arguments.args[0].clone())
    }
}
