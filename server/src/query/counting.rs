//! Plans that end in numbers: governed and run like any other, on behalf of a statement that shows what
//! policies do.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;
use futures::stream::BoxStream;
use weir_enforce::{Scope, govern};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::execute::{self, Deadline};
use crate::query::gauges::StatementGauges;
use crate::query::plan::Planned;

/// One statement's means to run further plans: its time, its meter, its end.
#[derive(Debug, Clone, Copy)]
pub struct Counting<'a> {
    /// Whose statement it is.
    pub context: &'a Context,
    /// Charged with everything.
    pub gauges: &'a Arc<StatementGauges>,
    /// Until when it may run.
    pub deadline: Deadline,
}

impl Counting<'_> {
    /// The one number that `plan` comes to.
    pub async fn number(&self, scope: &Arc<Scope>, plan: &LogicalPlan) -> Result<i64> {
        let governed = govern(scope, scope.state(), plan).await?;
        self.gauges.watch(&governed);
        let batches = execute::start(scope, &governed, self.gauges)?;
        let name = plan.schema().fields().first().map_or("", |field| field.name());
        let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]));
        let mut rows = execute::checked(self.context, batches, &schema, self.gauges, self.deadline);
        while let Some(batch) = rows.next().await {
            if let Some(number) = first_number(&batch?)? {
                return Ok(number);
            }
        }
        Err(Error::internal("a count came to nothing"))
    }

    /// The rows of a planned query without parameters, in its wire types.
    pub async fn rows(&self, planned: &Planned) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let plan = planned.bound(&None)?;
        let governed = govern(&planned.scope, planned.scope.state(), &plan).await?;
        self.gauges.watch(&governed);
        let batches = execute::start(&planned.scope, &governed, self.gauges)?;
        Ok(execute::checked(self.context, batches, &planned.schema, self.gauges, self.deadline))
    }
}

fn first_number(batch: &RecordBatch) -> Result<Option<i64>> {
    let Some(column) = batch.columns().first().filter(|column| !column.is_empty()) else { return Ok(None) };
    let numbers = cast(column, &DataType::Int64).map_err(Error::internal)?;
    let numbers: &dyn std::any::Any = numbers.as_any();
    let numbers = numbers.downcast_ref::<Int64Array>();
    Ok(numbers.and_then(|numbers| numbers.iter().next().flatten()))
}
