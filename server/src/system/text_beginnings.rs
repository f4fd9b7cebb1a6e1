//! Long texts of stored books, which were written when texts were kept as a whole: of them the beginning is read, as it is kept now.
//!
//! So that few of them are in memory as a whole, their rows are read in small batches.

use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, exec_err};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_plan::ExecutionPlan;

use crate::query::history::kept_text::{TEXT_BYTES_MAX, kept};

/// Rows of a batch that may hold long texts. A text has a MiB at most, unless the server was configured otherwise.
const BATCH_ROWS: usize = 64;

/// Gives texts as they are kept.
pub(super) fn beginning() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Beginning {
        signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable),
    }))
}

/// `scan`, whose files are read in small batches.
pub(super) fn in_small_batches(scan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let small = scan.transform_down(|node| {
        let source = node.downcast_ref::<DataSourceExec>();
        let files = source.and_then(|source| source.data_source().downcast_ref::<FileScanConfig>());
        let Some(mut files) = files.cloned() else { return Ok(Transformed::no(node)) };
        files.batch_size = Some(BATCH_ROWS);
        Ok(Transformed::yes(DataSourceExec::from_data_source(files) as Arc<dyn ExecutionPlan>))
    });
    Ok(small?.data)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Beginning {
    signature: Signature,
}

impl ScalarUDFImpl for Beginning {
    fn name(&self) -> &str {
        "beginning_of_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let Some(texts) = arguments.args.into_iter().next() else { return exec_err!("a text is missing") };
        let array = texts.into_array(rows)?;
        let Some(texts) = array.as_string_opt::<i32>() else { return exec_err!("a text is no string") };
        if texts.iter().flatten().all(|text| text.len() <= TEXT_BYTES_MAX) {
            return Ok(ColumnarValue::Array(array));
        }
        let texts: StringArray = texts.iter().map(|text| text.map(kept)).collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}
