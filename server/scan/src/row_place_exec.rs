//! [`RowPlaceExec`]: numbers the rows of each file in the order in which they come.
//!
//! A file's rows all come through one partition, in order: nothing above may ask the scan below to split files, and no
//! predicate, limit or projection goes through here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ExecutionPlanProperties, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

use crate::identified_table::{FILE, PLACE};

/// The columns of its input, of which the last names the file, and the place.
#[derive(Debug)]
pub(crate) struct RowPlaceExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl RowPlaceExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        let known = input.schema();
        let Some((_, own)) = known.fields().split_last() else {
            return internal_err!("a scan without the column of files");
        };
        let mut fields: Vec<Arc<Field>> = own.to_vec();
        fields.push(Arc::new(Field::new(FILE, DataType::Utf8, false)));
        fields.push(Arc::new(Field::new(PLACE, DataType::UInt64, false)));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::new(fields))),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(Self { input, properties })
    }
}

impl DisplayAs for RowPlaceExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowPlaceExec")
    }
}

impl ExecutionPlan for RowPlaceExec {
    fn name(&self) -> &'static str {
        "RowPlaceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    /// Keeps its own input, whatever the optimiser made of it: it splits files, or deals their batches out, below nodes that gain by
    /// it, and then a place is counted anew in each part.
    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let schema = self.schema();
        let mut places = Places { schema: Arc::clone(&schema), seen: HashMap::new() };
        let placed = input.map(move |batch| places.add(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, placed)))
    }
}

/// How many rows of each file have come.
struct Places {
    schema: SchemaRef,
    seen: HashMap<String, u64>,
}

impl Places {
    fn add(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Some((named, own)) = batch.columns().split_last() else {
            return internal_err!("rows without the column of files");
        };
        let files = cast(named, &DataType::Utf8)?;
        let names = files.as_string::<i32>();
        let mut places = Vec::with_capacity(batch.num_rows());
        let mut row = 0;
        while row < batch.num_rows() {
            let file = names.value(row);
            let end = (row..batch.num_rows()).find(|next| names.value(*next) != file);
            let end = end.unwrap_or(batch.num_rows());
            let first = self.seen.get(file).copied().unwrap_or(0);
            let following = first + (end - row) as u64;
            places.extend(first..following);
            self.seen.insert(file.to_owned(), following);
            row = end;
        }
        let mut columns: Vec<ArrayRef> = own.to_vec();
        columns.push(files);
        columns.push(Arc::new(UInt64Array::from(places)));
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(DataFusionError::from)
    }
}
