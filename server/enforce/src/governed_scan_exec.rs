//! [`GovernedScanExec`]: the sealed leaf.
//!
//! It owns its already planned and optimised inner plan (raw scan, policies, admitted
//! predicates, masks) and shows none of it: no children, no metrics, no expressions but the
//! dynamic filters it admitted, rows and bytes as rough guesses only, nothing in EXPLAIN but
//! its name and columns. No rule of the optimiser can enter it, no limit and no projection
//! moves into it.
//!
//! Its readings (CPU inside, rows, bytes, files, cache) are taken by the server alone.

mod even_batches;

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::parquet::errors::ParquetError;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::SortOrderPushdownResult;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};
use weir_catalog::TableId;
use weir_meter::{Meter, MeteredStream};

use self::even_batches::EvenBatches;
use crate::error::Refusal;
use crate::governed_plan::ScannedLeaf;
use crate::inlet::let_in;
use crate::leakproof::Admission;
use crate::open_table::{PlannedFiles, ScanNumbers};
use crate::permit::{Barrier, Permit};
use crate::row_bytes::row_bytes;

/// DataFusion's own guess of what a filter keeps, used so that a leaf weighs in join planning
/// what a visible filter would.
const FILTER_SELECTIVITY: f64 = 0.2;

/// Marks the leaves that were resolved for one statement. Another has them in its plan only where that was optimised for the
/// first, and was shown to be what the other asks. What was resolved within a view
/// that has policies of its own is marked with that view too: it may stand within the view's leaf, where
/// the view's policies are above it, and nowhere else. What stands in the query of a view or function that is
/// sealed is marked with that leaf in the same way.
#[derive(Debug, Clone, Default)]
pub struct StatementSeal {
    statement: Arc<()>,
    within: Option<TableId>,
    leaf: Option<Arc<()>>,
}

impl StatementSeal {
    /// Whether both are of the same place in the same statement.
    pub fn is(&self, other: &StatementSeal) -> bool {
        let same_leaf = match (&self.leaf, &other.leaf) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.is_of_statement(other) && self.within == other.within && same_leaf
    }

    /// Whether both are of the same statement, at whatever place.
    pub(crate) fn is_of_statement(&self, other: &StatementSeal) -> bool {
        Arc::ptr_eq(&self.statement, &other.statement)
    }

    /// The mark of what is resolved within a view that has policies of its own.
    pub(crate) fn within(&self, view: TableId) -> Self {
        Self { within: Some(view), ..self.clone() }
    }

    /// The mark of what stands below one leaf and no other.
    pub(crate) fn below_leaf(&self) -> Self {
        Self { leaf: Some(Arc::default()), ..self.clone() }
    }
}

/// What a leaf has done so far.
#[derive(Debug, Clone)]
pub struct LeafReadings {
    /// The full name of the table or view.
    pub name: String,
    /// How closed the leaf is.
    pub barrier: Barrier,
    /// CPU time spent inside, spawned tasks included.
    pub cpu: Duration,
    /// Rows that left the leaf.
    pub rows: u64,
    /// Bytes of the values that left the leaf, however they lie in memory.
    pub bytes: u64,
    /// Files of the planned scan.
    pub files: PlannedFiles,
    /// Bytes of files served from the cache.
    pub cache_hit_bytes: u64,
    /// Bytes of files fetched from storage.
    pub cache_miss_bytes: u64,
}

#[derive(Debug, Default)]
struct Output {
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// The sealed leaf. See the module.
#[derive(Debug, Clone)]
pub struct GovernedScanExec {
    inner: Arc<dyn ExecutionPlan>,
    permit: Arc<Permit>,
    seal: StatementSeal,
    admission: Admission,
    filters: usize,
    admitted: Vec<Arc<dyn PhysicalExpr>>,
    files: PlannedFiles,
    numbers: Option<Arc<dyn ScanNumbers>>,
    meter: Meter,
    output: Arc<Output>,
    properties: Arc<PlanProperties>,
}

impl GovernedScanExec {
    /// Seals `inner`. `filters` is how many filters stand in it, for the size guess.
    pub(crate) fn new(
        inner: Arc<dyn ExecutionPlan>,
        permit: Arc<Permit>,
        seal: StatementSeal,
        admission: Admission,
        filters: usize,
        files: PlannedFiles,
    ) -> Self {
        let inner = match permit.barrier {
            Barrier::Strict => in_one_partition(inner),
            Barrier::Standard | Barrier::None => inner,
        };
        let properties = sealed_properties(&inner);
        Self {
            inner,
            permit,
            seal,
            admission,
            filters,
            admitted: Vec::new(),
            files,
            numbers: None,
            meter: Meter::new(),
            output: Arc::default(),
            properties,
        }
    }

    /// The same, for which `numbers` count the rows read within.
    pub(crate) fn counted(self, numbers: Arc<dyn ScanNumbers>) -> Self {
        Self { numbers: Some(numbers), ..self }
    }

    /// What it let pass so far, and, for a view, what the leaves within did.
    fn scanned(&self, leaves: &mut Vec<ScannedLeaf>) {
        leaves.push(ScannedLeaf {
            permit: Arc::clone(&self.permit),
            rows_in: self.numbers.as_ref().and_then(|numbers| numbers.rows_read(&self.inner)),
            rows_out: self.output.rows.load(Ordering::Relaxed),
        });
        collect_scanned(&self.inner, Some(&self.seal), leaves);
    }

    /// Why the leaf may be in a plan.
    pub fn permit(&self) -> &Arc<Permit> {
        &self.permit
    }

    /// The statement it was made for.
    pub(crate) fn seal(&self) -> &StatementSeal {
        &self.seal
    }

    /// What it has done so far. Leaves within a sealed view keep meters of their own; their CPU
    /// and cache bytes are part of the view's.
    pub fn readings(&self) -> LeafReadings {
        let mut readings = LeafReadings {
            name: self.permit.name.clone(),
            barrier: self.permit.barrier,
            cpu: self.meter.cpu(),
            rows: self.output.rows.load(Ordering::Relaxed),
            bytes: self.output.bytes.load(Ordering::Relaxed),
            files: self.files,
            cache_hit_bytes: self.meter.cache_hit_bytes(),
            cache_miss_bytes: self.meter.cache_miss_bytes(),
        };
        let mut within = Vec::new();
        collect_readings(&self.inner, &mut within);
        for leaf in within {
            readings.cpu += leaf.cpu;
            readings.cache_hit_bytes += leaf.cache_hit_bytes;
            readings.cache_miss_bytes += leaf.cache_miss_bytes;
        }
        readings
    }

    /// What it is the seal of.
    #[cfg(test)]
    pub(crate) fn inner(&self) -> &Arc<dyn ExecutionPlan> {
        &self.inner
    }

    /// How many filters of operators above it let in.
    #[cfg(test)]
    pub(crate) fn admitted_filters(&self) -> usize {
        self.admitted.len()
    }

    fn with_inner(&self, inner: Arc<dyn ExecutionPlan>, admitted: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        let properties = sealed_properties(&inner);
        Self { inner, admitted, properties, ..self.clone() }
    }

    fn may_enter(&self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        match self.permit.barrier {
            Barrier::Strict => false,
            Barrier::Standard | Barrier::None => self.admission.admits_dynamic(filter),
        }
    }

    /// Rows and bytes as guesses, scaled as if the filters stood above the scan.
    fn guess(&self, inner: &Statistics) -> Statistics {
        let exponent = i32::try_from(self.filters).unwrap_or(i32::MAX);
        let share = FILTER_SELECTIVITY.powi(exponent);
        let scaled = |size: &Precision<usize>| match size.get_value() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a guess of a size"
            )]
            Some(value) => Precision::Inexact((*value as f64 * share) as usize),
            None => Precision::Absent,
        };
        Statistics {
            num_rows: scaled(&inner.num_rows),
            total_byte_size: scaled(&inner.total_byte_size),
            column_statistics: inner
                .column_statistics
                .iter()
                .map(|_| ColumnStatistics::new_unknown())
                .collect(),
        }
    }
}

/// What each leaf in `plan` let pass, leaves within leaves among them. Below a leaf of `statement` leaves of others are what policies
/// read in their definers' names: that is nobody's reading.
pub(crate) fn collect_scanned(
    plan: &Arc<dyn ExecutionPlan>,
    statement: Option<&StatementSeal>,
    leaves: &mut Vec<ScannedLeaf>,
) {
    let node: &dyn Any = plan.as_ref();
    if let Some(leaf) = node.downcast_ref::<GovernedScanExec>()
        && statement.is_none_or(|seal| leaf.seal.is_of_statement(seal))
    {
        leaf.scanned(leaves);
    }
    for child in plan.children() {
        collect_scanned(child, statement, leaves);
    }
}

/// The readings of each leaf in `plan`, in its order.
pub(crate) fn collect_readings(plan: &Arc<dyn ExecutionPlan>, readings: &mut Vec<LeafReadings>) {
    let node: &dyn Any = plan.as_ref();
    if let Some(leaf) = node.downcast_ref::<GovernedScanExec>() {
        readings.push(leaf.readings());
    }
    for child in plan.children() {
        collect_readings(child, readings);
    }
}

/// How many partitions a scan has hangs on how much there is, hidden rows included, and the plan above shows it.
fn in_one_partition(inner: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match inner.properties().partitioning.partition_count() {
        1 => inner,
        _ => Arc::new(CoalescePartitionsExec::new(inner)),
    }
}

/// What the optimiser may know: the schema and how many partitions there are.
fn sealed_properties(inner: &Arc<dyn ExecutionPlan>) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(inner.schema()),
        Partitioning::UnknownPartitioning(inner.properties().partitioning.partition_count()),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl DisplayAs for GovernedScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GovernedScanExec: {}", self.permit.name)
    }
}

impl ExecutionPlan for GovernedScanExec {
    fn name(&self) -> &'static str {
        "GovernedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    /// Shows the admitted dynamic filters, and only those: a join computes its filter only when
    /// it finds it on the other side.
    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expression in &self.admitted {
            if visit(expression)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

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
        let batch_rows = context.session_config().batch_size();
        let inner = self.meter.enter(|| self.inner.execute(partition, context));
        let inner = inner.map_err(|error| without_values(error, &self.permit))?;
        let inner = match self.permit.barrier {
            Barrier::Strict => EvenBatches::of(inner, batch_rows),
            Barrier::Standard | Barrier::None => inner,
        };
        Ok(Box::pin(SealedStream {
            schema: self.schema(),
            inner: self.meter.stream(inner),
            output: Arc::clone(&self.output),
            permit: Arc::clone(&self.permit),
            begun: Begun::Not,
        }))
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        arguments: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        if self.permit.barrier == Barrier::Strict {
            return Ok(Arc::new(Statistics::new_unknown(&self.schema())));
        }
        let inner = StatisticsContext::new().compute(self.inner.as_ref(), arguments)?;
        match (self.permit.barrier, self.filters) {
            (Barrier::None, 0) => Ok(inner),
            // The filters stand in the scan already, whose sizes do not heed them.
            (Barrier::None, _) => {
                let column_statistics = inner.as_ref().clone().to_inexact().column_statistics;
                Ok(Arc::new(Statistics { column_statistics, ..self.guess(&inner) }))
            }
            (Barrier::Standard | Barrier::Strict, _) => Ok(Arc::new(self.guess(&inner))),
        }
    }

    /// Reads files first whose rows come first. It tells nothing but time: the rows are the same, and the sort stays.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let wanted = order.first().and_then(|first| {
            let column = first.expr.downcast_ref::<Column>()?.name();
            let admitted = self.permit.barrier != Barrier::Strict && self.admission.admits_order(column);
            let numbers = self.numbers.as_ref().filter(|_| admitted)?;
            numbers.in_order(&self.inner, column, first.options.descending)
        });
        Ok(match wanted {
            Some(inner) => SortOrderPushdownResult::Inexact {
                inner: Arc::new(self.with_inner(inner, self.admitted.clone())),
            },
            None => SortOrderPushdownResult::Unsupported,
        })
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let refused = vec![PushedDown::No; result.parent_filters.len()];
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(refused);
        if !matches!(phase, FilterPushdownPhase::Post) {
            return Ok(answer);
        }
        let mut inner = Arc::clone(&self.inner);
        let mut admitted = self.admitted.clone();
        for parent in &result.parent_filters {
            if self.may_enter(&parent.filter) {
                inner = let_in(Arc::clone(&parent.filter), &inner, config)?;
                admitted.push(Arc::clone(&parent.filter));
            }
        }
        if admitted.len() == self.admitted.len() {
            return Ok(answer);
        }
        Ok(answer.with_updated_node(Arc::new(self.with_inner(inner, admitted))))
    }
}

/// Batches on their way out of a leaf: metered, counted, errors stripped of values.
struct SealedStream {
    schema: SchemaRef,
    inner: MeteredStream<SendableRecordBatchStream>,
    output: Arc<Output>,
    permit: Arc<Permit>,
    begun: Begun,
}

/// How far a stream is with its first batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Not,
    /// It is out, and whoever waits for it may not have run yet.
    JustNow,
    Long,
}

impl Stream for SealedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // To decode the next batch takes milliseconds, in which nobody else has this thread: the first one goes on its way before.
        if self.begun == Begun::JustNow {
            self.begun = Begun::Long;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let batch = std::task::ready!(self.inner.poll_next_unpin(context));
        if self.begun == Begun::Not {
            self.begun = Begun::JustNow;
        }
        Poll::Ready(batch.map(|batch| match batch {
            Ok(batch) => {
                self.output.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                self.output.bytes.fetch_add(row_bytes(&batch), Ordering::Relaxed);
                Ok(batch)
            }
            Err(error) => Err(without_values(error, &self.permit)),
        }))
    }
}

impl RecordBatchStream for SealedStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// An error from inside a leaf, with nothing in it that a hidden row could have put there.
pub(crate) fn without_values(error: DataFusionError, permit: &Permit) -> DataFusionError {
    match root_of(&error) {
        DataFusionError::ResourcesExhausted(_) => error,
        DataFusionError::External(cause) if cause.is::<Refusal>() => error,
        DataFusionError::ParquetError(cause) if failed_predicate(cause).is_some() => match permit.barrier {
            Barrier::None => failed_predicate(cause).map_or(error, DataFusionError::from),
            Barrier::Standard | Barrier::Strict => {
                Refusal::PolicyFailed { table: permit.name.clone() }.into()
            }
        },
        DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ParquetError(_)
        | DataFusionError::ExecutionJoin(_)
        | DataFusionError::External(_) => {
            Refusal::Storage { table: permit.name.clone(), cause: Box::new(error) }.into()
        }
        _ if permit.barrier == Barrier::None => error,
        _ => Refusal::PolicyFailed { table: permit.name.clone() }.into(),
    }
}

/// A predicate that the reader of files evaluated, and that failed on some row: not the files.
/// The reader passes the failure on as text.
fn failed_predicate(cause: &ParquetError) -> Option<ArrowError> {
    let text = match cause {
        ParquetError::ArrowError(text) => text.clone(),
        ParquetError::External(inner) => match inner.downcast_ref::<ArrowError>()? {
            ArrowError::ComputeError(text) => text.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let quoted = |after: &str| text.split_once(after)?.1.split_once("\")").map(|(text, _)| text.to_owned());
    let failure = if text.contains("DivideByZero") {
        Some(ArrowError::DivideByZero)
    } else {
        let cast = quoted("CastError(\"").map(ArrowError::CastError);
        cast.or_else(|| quoted("ArithmeticOverflow(\"").map(ArrowError::ArithmeticOverflow))
    };
    Some(failure.unwrap_or_else(|| ArrowError::ComputeError("a condition failed on some row".to_owned())))
}

fn root_of(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root_of(inner),
        DataFusionError::Shared(inner) => root_of(inner),
        _ => error,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failed test is a panic")]
mod tests;
