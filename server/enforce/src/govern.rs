//! From a logical plan to a plan that may run: optimised, made physical, and every leaf checked.
//!
//! The optimised plan is a value of its own, [`OptimisedPlan`], from which a statement that asks the same makes its own
//! physical plan: what runs has state, and is never shared.

use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;

use crate::aside::{aside, stretches_aside};
use crate::check_governed::{check_governed, check_resolved};
use crate::constant_row::constant_row;
use crate::governed_plan::GovernedPlan;
use crate::governed_scan_exec::StatementSeal;
use crate::governing::canonical;
use crate::resolver::Scope;

/// A logical plan over governed tables after the optimiser, which changed none of its tables. It holds for whoever has the
/// same tables at the same versions under the same effective policies, whose statement it then is part of.
#[derive(Debug, Clone)]
pub struct OptimisedPlan {
    plan: LogicalPlan,
    /// Of the statement in which its leaves were resolved.
    seal: StatementSeal,
    canonical: String,
}

impl OptimisedPlan {
    /// Optimises `plan`, whose names were resolved in `scope`. Leaves come to be there: the policies are in them from the
    /// start. Its tables are looked at before and after, so that no rule brings another.
    pub fn new(scope: &Scope, state: &SessionState, plan: &LogicalPlan) -> Result<Self> {
        aside(|| {
            check_resolved(plan, scope.seal())?;
            let optimised = state.optimize(plan)?;
            check_resolved(&optimised, scope.seal())?;
            Ok(Self { plan: optimised, seal: scope.seal().clone(), canonical: canonical(plan)? })
        })
    }

    /// A physical plan of its own, with every leaf checked.
    pub async fn governed(&self, state: &SessionState) -> Result<GovernedPlan> {
        let physical = match constant_row(&self.plan)? {
            Some(row) => row,
            None => stretches_aside(state.query_planner().create_physical_plan(&self.plan, state)).await?,
        };
        let permits = check_governed(&physical, &self.seal)?;
        Ok(GovernedPlan::new(physical, permits, self.canonical.clone()))
    }
}

/// Optimises `plan` and makes it physical, as [`OptimisedPlan`] says.
pub async fn govern(scope: &Scope, state: &SessionState, plan: &LogicalPlan) -> Result<GovernedPlan> {
    OptimisedPlan::new(scope, state, plan)?.governed(state).await
}
