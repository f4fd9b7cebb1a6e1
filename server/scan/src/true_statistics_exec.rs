//! [`TrueStatisticsExec`]: stands on a scan. It lets those filters down to the files that are worth asking there
//! ([`crate::selectivity`]); the others stay above.
//!
//! Of columns whose statistics do not tell the whole truth it lets neither filters down to where files are left out, nor
//! statistics up to where answers are made of them. The files below it have no statistics of these columns, and of no column
//! exact ones: the engine would give one value for all rows of a file whose least and greatest value are told to be the same, or
//! whose values are told to be NULL, and a log may tell what is not so.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ColumnStatistics, Statistics, internal_datafusion_err, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, FilterDescription, FilterPushdownPhase,
};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crate::pruning::is_told_whole;
use crate::selectivity::asked_early;

/// The rows of its input, as they are.
#[derive(Debug)]
pub(crate) struct TrueStatisticsExec {
    input: Arc<dyn ExecutionPlan>,
    untold: HashSet<usize>,
}

impl TrueStatisticsExec {
    /// `input`, behind this node.
    pub(crate) fn over(input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = input.transform_down(without_untold)?.data;
        Ok(Self::on(input))
    }

    fn on(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let untold = untold_columns(&input.schema());
        Arc::new(Self { input, untold })
    }
}

/// A scan of files without the statistics that are not the whole truth, and without exact ones.
fn without_untold(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let source = node.downcast_ref::<DataSourceExec>();
    let Some(scan) = source.and_then(|source| source.data_source().downcast_ref::<FileScanConfig>()) else {
        return Ok(Transformed::no(node));
    };
    let untold = untold_columns(scan.file_schema());
    let is_exact = scan.file_groups.iter().flat_map(|group| group.iter()).any(tells_exactly);
    if untold.is_empty() && !is_exact {
        return Ok(Transformed::no(node));
    }
    let mut scan = scan.clone();
    for group in &mut scan.file_groups {
        let files = group.files().iter().cloned().map(|mut file| {
            if let Some(statistics) = &mut file.statistics {
                let statistics = Arc::make_mut(statistics);
                untell(statistics, &untold);
                let columns = std::mem::take(&mut statistics.column_statistics);
                statistics.column_statistics =
                    columns.into_iter().map(ColumnStatistics::to_inexact).collect();
            }
            file
        });
        *group = FileGroup::new(files.collect());
    }
    Ok(Transformed::yes(DataSourceExec::from_data_source(scan)))
}

/// Whether anything is told of the values of a file as exact.
fn tells_exactly(file: &PartitionedFile) -> bool {
    let is_exact = |column: &ColumnStatistics| {
        let values = [&column.min_value, &column.max_value, &column.sum_value];
        values.iter().any(|value| value.is_exact() == Some(true))
            || [&column.null_count, &column.distinct_count].iter().any(|count| count.is_exact() == Some(true))
    };
    file.statistics.as_ref().is_some_and(|told| told.column_statistics.iter().any(is_exact))
}

/// Leaves out what is told of the values of these columns.
fn untell(statistics: &mut Statistics, untold: &HashSet<usize>) {
    for (place, column) in statistics.column_statistics.iter_mut().enumerate() {
        if untold.contains(&place) {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
            column.sum_value = Precision::Absent;
            column.distinct_count = Precision::Absent;
        }
    }
}

fn untold_columns(schema: &SchemaRef) -> HashSet<usize> {
    let columns = schema.fields().iter().enumerate();
    columns.filter(|(_, field)| !is_told_whole(field.data_type())).map(|(place, _)| place).collect()
}

impl DisplayAs for TrueStatisticsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrueStatisticsExec")
    }
}

impl ExecutionPlan for TrueStatisticsExec {
    fn name(&self) -> &'static str {
        "TrueStatisticsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
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

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Self::on(input)),
            Err(_) => internal_err!("it has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn repartitioned(&self, target: usize, config: &ConfigOptions) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        Ok(self.input.repartitioned(target, config)?.map(Self::on))
    }

    fn supports_limit_pushdown(&self) -> bool {
        self.input.supports_limit_pushdown()
    }

    fn fetch(&self) -> Option<usize> {
        self.input.fetch()
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        self.input.with_fetch(limit).map(Self::on)
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let input = inputs.first().ok_or_else(|| internal_datafusion_err!("it has one input"))?;
        let mut statistics = Statistics::clone(input);
        untell(&mut statistics, &self.untold);
        Ok(Arc::new(statistics))
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let statistics = StatisticsContext::new().compute(self.input.as_ref(), &StatisticsArgs::new())?;
        let early = asked_early(&parent_filters, &statistics);
        // What is not asked early is told to the child as a filter of no column of its own.
        let late: Arc<dyn PhysicalExpr> = Arc::new(Column::new("asked above the scan", usize::MAX));
        let asked = early.into_iter().zip(&parent_filters);
        let asked: Vec<_> =
            asked.map(|(early, filter)| Arc::clone(if early { filter } else { &late })).collect();
        let told = (0..self.schema().fields().len()).filter(|place| !self.untold.contains(place)).collect();
        let told = ChildFilterDescription::from_child_with_allowed_indices(&asked, told, &self.input)?;
        Ok(FilterDescription::new().with_child(told))
    }
}
