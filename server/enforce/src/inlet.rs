//! [`Inlet`]: a one-child node that lives only while a dynamic filter is being handed into a
//! leaf's inner plan.
//!
//! DataFusion's rule for filters that arise at run time starts at operators that own such a
//! filter. The inlet owns the admitted one, the rule pushes it down from there, and the inlet
//! is taken off again.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, FilterDescription, FilterPushdownPhase,
};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crate::named_alike::may_stray;

/// Hands `filter` into `inner` as far down as its operators take it, and the columns it speaks of are those.
pub(crate) fn let_in(
    filter: Arc<dyn PhysicalExpr>,
    inner: &Arc<dyn ExecutionPlan>,
    config: &ConfigOptions,
) -> Result<Arc<dyn ExecutionPlan>> {
    if may_stray(&filter, inner) {
        return Ok(Arc::clone(inner));
    }
    let inlet: Arc<dyn ExecutionPlan> = Arc::new(Inlet { filter, input: Arc::clone(inner) });
    let pushed = FilterPushdown::new_post_optimization().optimize(inlet, config)?;
    match pushed.children().first() {
        Some(inner) => Ok(Arc::clone(inner)),
        None => internal_err!("the inlet lost its input"),
    }
}

#[derive(Debug)]
struct Inlet {
    filter: Arc<dyn PhysicalExpr>,
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for Inlet {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inlet")
    }
}

impl ExecutionPlan for Inlet {
    fn name(&self) -> &str {
        "Inlet"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) => Ok(Arc::new(Inlet { filter: Arc::clone(&self.filter), input })),
            None => internal_err!("an inlet has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let child = ChildFilterDescription::all_unsupported(&parent_filters)
            .with_self_filter(Arc::clone(&self.filter));
        Ok(FilterDescription::new().with_child(child))
    }
}
