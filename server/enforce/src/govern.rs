//! From a logical plan to a plan that may run.

use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;

use datafusion::error::Result;

use crate::check_governed::{check_governed, check_resolved};
use crate::governed_plan::GovernedPlan;
use crate::governing::canonical;
use crate::resolver::Scope;

/// Optimises `plan`, makes it physical and checks every leaf. Leaves come to be here: the
/// policies are in them from the start. Its tables are looked at before and after it is optimised, so that no
/// rule brings another.
pub async fn govern(scope: &Scope, state: &SessionState, plan: &LogicalPlan) -> Result<GovernedPlan> {
    check_resolved(plan, scope.seal())?;
    let optimised = state.optimize(plan)?;
    check_resolved(&optimised, scope.seal())?;
    let physical = state.query_planner().create_physical_plan(&optimised, state).await?;
    let permits = check_governed(&physical, scope.seal())?;
    Ok(GovernedPlan::new(physical, permits, canonical(plan)?))
}
