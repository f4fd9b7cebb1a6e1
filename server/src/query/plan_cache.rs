//! [`PlanCache`]: plans of queries, kept for the statements that ask the same.
//!
//! Two things are kept, since a driver asks several times for one query, and many users ask the same:
//!
//! * a *bound* query, for whoever it was bound for: the same text, user, claims and session. It is used only where it is what
//!   would be bound now ([`Warehouse`](crate::run::Warehouse) looks: the catalog at the same epoch, each table at its newest
//!   version), so that rights, policies and versions are those of each call;
//! * an *optimised* plan, for everybody whose own binding, with the rights and policies of now, comes to the same
//!   [`StatementMark`] at the same epoch of the catalog.
//!
//! What runs is made anew of it each time, and checked: physical plans have state.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use moka::sync::Cache;
use weir_catalog::Epoch;
use weir_enforce::{GovernedPlan, OptimisedPlan, Witness};

use crate::context::Context;
use crate::error::Result;
use crate::identity::Identity;
use crate::query::digest::Mark;
use crate::query::plan::Planned;
use crate::query::statement_mark::StatementMark;
use crate::session::SessionSettings;
use crate::sql::ast;

/// How long a plan is kept that nobody asks for: it holds snapshots of its tables.
const IDLE_LIFE: Duration = Duration::from_secs(300);
/// What one of the plans may take that are kept; a larger one counts as several.
const PLAN_BYTES: usize = 256 << 10;
/// About what one expression of a plan takes, its part of the syntax tree among it: 2.4 kB were measured of rows of VALUES.
const EXPRESSION_BYTES: usize = 2 << 10;
/// No plan takes more than one of so many parts of the cache.
const PARTS: u64 = 16;

/// A query, bound for one caller.
#[derive(Debug)]
pub struct BoundQuery {
    /// Its tree.
    pub query: Box<ast::Query>,
    /// Its plan; parameters are open.
    pub planned: Planned,
    /// What was decided when it was bound.
    pub witness: Arc<Witness>,
    /// The digest of what governs it.
    pub digest: Option<String>,
}

/// Who says what: all that a bound query depends on beside the catalog and its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    sql: String,
    identity: Identity,
    session: SessionSettings,
}

impl Said {
    /// None where somebody asks as another.
    pub fn of(context: &Context, sql: &str) -> Option<Self> {
        context.acting_for().is_none().then(|| Self {
            sql: sql.to_owned(),
            identity: context.identity().clone(),
            session: context.session.clone(),
        })
    }
}

impl Hash for Said {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.sql, self.identity.principal()).hash(state);
    }
}

/// Plans that are kept, and how often they served.
#[derive(Clone)]
pub struct PlanCache {
    kept: Option<Kept>,
    uses: Arc<Uses>,
}

#[derive(Clone)]
struct Kept {
    bound: Cache<Said, Weighed<BoundQuery>>,
    optimised: Cache<(Mark, Epoch), Weighed<OptimisedPlan>>,
    /// A plan that counts as more is not kept.
    most: u32,
}

/// Something that counts as so many plans.
#[derive(Debug)]
struct Weighed<T> {
    value: Arc<T>,
    plans: u32,
}

impl<T> Clone for Weighed<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), plans: self.plans }
    }
}

fn cache<K, T>(plans: u64) -> Cache<K, Weighed<T>>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(plans)
        .weigher(|_, kept: &Weighed<T>| kept.plans)
        .time_to_idle(IDLE_LIFE)
        .build()
}

/// As how many plans a plan counts.
fn plans_of(plan: &LogicalPlan) -> Result<u32> {
    let mut bytes = 0_usize;
    plan.apply_with_subqueries(|node| {
        bytes += EXPRESSION_BYTES;
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                bytes += EXPRESSION_BYTES;
                if let Expr::Literal(value, _) = part {
                    bytes += value.size();
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(u32::try_from(bytes.div_ceil(PLAN_BYTES)).unwrap_or(u32::MAX))
}

/// How often plans served since the start of the server.
#[derive(Debug, Default)]
struct Uses {
    bound: AtomicU64,
    optimised: AtomicU64,
}

/// Figures of the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanFigures {
    /// Plans that are kept.
    pub kept: u64,
    /// Calls that a bound query served, since the start of the server.
    pub bound_uses: u64,
    /// Statements that an optimised plan served.
    pub optimised_uses: u64,
}

impl fmt::Debug for PlanCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanCache").field("uses", &self.uses).finish_non_exhaustive()
    }
}

impl PlanCache {
    /// A cache of `plans` plans of each kind at most; a large one counts as several, and one that would take much of the cache
    /// is not kept. Zero keeps none.
    pub fn new(plans: u64) -> Self {
        let most = u32::try_from(plans.div_ceil(PARTS)).unwrap_or(u32::MAX);
        let kept = (plans > 0).then(|| Kept { bound: cache(plans), optimised: cache(plans), most });
        Self { kept, uses: Arc::default() }
    }

    /// What was bound of it. Whether it still holds is for the caller to see.
    pub fn bound(&self, said: &Said) -> Option<Arc<BoundQuery>> {
        Some(self.kept.as_ref()?.bound.get(said)?.value)
    }

    /// Counts that a bound query served.
    pub fn used_bound(&self) {
        self.uses.bound.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps what was bound.
    pub fn keep(&self, said: Said, bound: Arc<BoundQuery>) -> Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let plans = plans_of(&bound.planned.plan)?;
        if plans <= kept.most {
            kept.bound.insert(said, Weighed { value: bound, plans });
        }
        Ok(())
    }

    /// Forgets what was bound: it does not hold any more.
    pub fn forget(&self, said: &Said) {
        if let Some(kept) = &self.kept {
            kept.bound.invalidate(said);
        }
    }

    /// A plan to run for `planned`, whose parameters have their values in `plan`, which comes to `mark`.
    pub async fn governed(
        &self,
        planned: &Planned,
        plan: &LogicalPlan,
        mark: Option<StatementMark>,
    ) -> Result<GovernedPlan> {
        let (scope, state) = (&planned.scope, planned.scope.state());
        let optimise = || OptimisedPlan::new(scope, state, plan);
        let optimised = match (&self.kept, mark) {
            (Some(kept), Some(mark)) => {
                let key = (mark.mark, scope.snapshot().epoch());
                if let Some(known) = kept.optimised.get(&key) {
                    self.uses.optimised.fetch_add(1, Ordering::Relaxed);
                    known.value
                } else {
                    let (optimised, plans) = (Arc::new(optimise()?), plans_of(plan)?);
                    if plans <= kept.most {
                        kept.optimised.insert(key, Weighed { value: Arc::clone(&optimised), plans });
                    }
                    optimised
                }
            }
            _ => Arc::new(optimise()?),
        };
        Ok(optimised.governed(state).await?)
    }

    /// Keeps nothing of what was kept so far.
    pub fn clear(&self) {
        if let Some(kept) = &self.kept {
            kept.bound.invalidate_all();
            kept.optimised.invalidate_all();
        }
    }

    /// What is kept now, and how often it served.
    pub fn figures(&self) -> PlanFigures {
        let kept = self.kept.as_ref().map_or(0, |kept| {
            kept.bound.run_pending_tasks();
            kept.optimised.run_pending_tasks();
            kept.bound.entry_count() + kept.optimised.entry_count()
        });
        PlanFigures {
            kept,
            bound_uses: self.uses.bound.load(Ordering::Relaxed),
            optimised_uses: self.uses.optimised.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use datafusion::logical_expr::{LogicalPlanBuilder, lit};

    use super::*;

    #[test]
    fn large_plans_count_as_several() {
        let rows = |count: i32| {
            let rows = (0..count).map(|row| vec![lit(row)]).collect();
            LogicalPlanBuilder::values(rows).unwrap().build().unwrap()
        };
        assert_eq!(plans_of(&rows(1)).unwrap(), 1);
        assert_eq!(plans_of(&rows(100)).unwrap(), 1);
        assert!((40..200).contains(&plans_of(&rows(10_000)).unwrap()));
        let long =
            LogicalPlanBuilder::empty(true).project([lit("x".repeat(1 << 20))]).unwrap().build().unwrap();
        assert!(plans_of(&long).unwrap() >= 4);
    }
}
