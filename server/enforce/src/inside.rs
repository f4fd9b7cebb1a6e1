//! [`Insides`]: what was first asked of a leaf, optimised, for a plan that is made physical again.
//!
//! A logical plan that several statements run makes its own physical plan for each; what stands inside its leaves is
//! the same every time. It is kept with the leaf, so that it lives as long as the plan and serves no other.

use std::sync::{Arc, OnceLock};

use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;

/// What a plan asks of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// Positions in the schema.
    pub(crate) projection: Vec<usize>,
    pub(crate) filters: Vec<Expr>,
    pub(crate) limit: Option<usize>,
}

/// The inside of a leaf as it was first asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Insides {
    first: Arc<OnceLock<(Asked, LogicalPlan)>>,
}

impl Insides {
    /// The physical plan of the inside that `inside` gives for `asked`.
    pub(crate) async fn physical(
        &self,
        state: &dyn Session,
        asked: Asked,
        inside: impl FnOnce(&Asked) -> Result<LogicalPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(state) = state.as_any().downcast_ref::<SessionState>() else {
            return state.create_physical_plan(&inside(&asked)?).await;
        };
        let made;
        let optimised = match self.first.get() {
            Some((known, plan)) if *known == asked => plan,
            _ => {
                made = state.optimize(&inside(&asked)?)?;
                self.first.get_or_init(|| (asked, made.clone()));
                &made
            }
        };
        state.query_planner().create_physical_plan(optimised, state).await
    }
}
