//! A raw table in memory that takes filters: at planning, as `pushdown` says, and from operators
//! while a plan runs.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{BooleanArray, RecordBatch};
use datafusion::arrow::compute::{and_kleene, filter_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

/// Rows in memory.
#[derive(Debug, Clone)]
pub(crate) struct RawTable {
    schema: SchemaRef,
    partitions: Vec<Vec<RecordBatch>>,
}

impl RawTable {
    /// One partition of `batches`.
    pub(crate) fn new(batches: Vec<RecordBatch>) -> Self {
        Self { schema: batches[0].schema(), partitions: vec![batches] }
    }

    /// Each batch a partition.
    pub(crate) fn partitioned(batches: Vec<RecordBatch>) -> Self {
        Self {
            schema: batches[0].schema(),
            partitions: batches.into_iter().map(|batch| vec![batch]).collect(),
        }
    }
}

#[async_trait]
impl TableProvider for RawTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = MemorySourceConfig::try_new_exec(
            &self.partitions,
            Arc::clone(&self.schema),
            projection.cloned(),
        )?;
        Ok(Arc::new(RawScanExec { rows, filters: Vec::new() }))
    }
}

/// Reads the rows and drops those that a filter it took drops.
#[derive(Debug, Clone)]
struct RawScanExec {
    rows: Arc<dyn ExecutionPlan>,
    filters: Vec<Arc<dyn PhysicalExpr>>,
}

impl DisplayAs for RawScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawScanExec: {:?}", self.filters)
    }
}

impl ExecutionPlan for RawScanExec {
    fn name(&self) -> &'static str {
        "RawScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.rows.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            visit(filter)?;
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let filters = self.filters.clone();
        let kept = self.rows.execute(partition, context)?.map(move |batch| {
            // Each filter on all rows, as a reader may that reorders them.
            let batch = batch?;
            let kept = filters
                .iter()
                .map(|filter| filter.evaluate(&batch)?.into_array(batch.num_rows()))
                .collect::<Result<Vec<_>>>()?;
            let mut keep = BooleanArray::from(vec![true; batch.num_rows()]);
            for array in &kept {
                keep = and_kleene(&keep, as_boolean_array(array)?)?;
            }
            Ok(filter_record_batch(&batch, &keep)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), kept)))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        arguments: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let exact = StatisticsContext::new().compute(self.rows.as_ref(), arguments)?;
        match self.filters.is_empty() {
            true => Ok(exact),
            false => Ok(Arc::new(exact.as_ref().clone().to_inexact())),
        }
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let taken = result.parent_filters.len();
        let mut scan = self.clone();
        scan.filters.extend(result.parent_filters.into_iter().map(|parent| parent.filter));
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::Yes; taken]);
        match taken {
            0 => Ok(answer),
            _ => Ok(answer.with_updated_node(Arc::new(scan))),
        }
    }
}

/// The filters that a raw scan of `plan` took.
pub(crate) fn taken(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let node: &dyn Any = plan.as_ref();
    let own = node.downcast_ref::<RawScanExec>().into_iter().flat_map(|scan| &scan.filters);
    let own = own.map(ToString::to_string);
    own.chain(plan.children().into_iter().flat_map(taken)).collect()
}
