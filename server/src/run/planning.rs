//! Planning a query, or taking the plan that was made before where it is the one that would be made now.
//!
//! A driver asks thrice for one query: it prepares it, is told of its rows, and fetches them; and it asks the same again.
//! Rights, policies and versions are those of each call. Where nothing of them has changed since, the query was bound
//! before, and is not bound again: the same user with the same claims and settings, the catalog at the same epoch, each
//! table at its newest version since the client asked. Where something has, or it cannot be told, it is planned anew.

use std::hash::DefaultHasher;
use std::sync::Arc;

use weir_enforce::Repeatable;
use weir_enforce::governing::mark_plan;

use super::{Answer, Described, Warehouse};
use crate::context::Context;
use crate::error::Result;
use crate::query::execute;
use crate::query::plan::Planned;
use crate::query::plan_cache::{BoundQuery, PlanCache, Said};
use crate::query::session_functions::is_session_function;
use crate::sql::ast;

impl Warehouse {
    /// The plans that are kept.
    pub fn plans(&self) -> &PlanCache {
        &self.keeping.plans
    }

    pub(super) async fn plan(&self, context: &Context, query: &ast::Query) -> Result<Planned> {
        let snapshot = self.snapshot_for(context).await?;
        Planned::new(&self.engine, context, &snapshot, query).await
    }

    /// What was bound of `sql` before, where it is what would be bound for `context` now.
    pub(super) async fn bound_before(&self, context: &Context, sql: &str) -> Result<Option<Arc<BoundQuery>>> {
        let Some(said) = Said::of(context, sql) else { return Ok(None) };
        let Some(bound) = self.plans().bound(&said) else { return Ok(None) };
        let scope = &bound.planned.scope;
        let asked_before = context.clock().now() - context.asked_at;
        // reason: a clock that was set back tells nothing, and tables are looked at now
        let age = asked_before.to_std().unwrap_or_default();
        if self.snapshot().await?.epoch() != scope.snapshot().epoch() || !scope.is_newest(age).await {
            self.plans().forget(&said);
            return Ok(None);
        }
        self.plans().used_bound();
        Ok(Some(bound))
    }

    /// What is told of `sql`, which is that query of `context`. It is kept for the calls that follow, unless it asks for the
    /// time, for chance, or for tables without versions.
    pub(super) async fn describe_query(
        &self,
        context: &Context,
        (sql, query): (&str, Box<ast::Query>),
    ) -> Result<Described> {
        let planned = self.plan(context, &query);
        let planned = execute::in_time(context, self.limits.deadline, planned).await?;
        let digest = self.digest(&planned.plan)?;
        let witness = Arc::clone(&context.witness);
        let bound = BoundQuery { query, planned, witness, digest };
        let described = described(&bound);
        // The mark itself is of no use here.
        let repeatable = mark_plan(&bound.planned.plan, &is_session_function, &mut DefaultHasher::new())?;
        let holds_later = repeatable == Repeatable::Yes && !bound.planned.scope.asks_the_time();
        if let Some(said) = Said::of(context, sql).filter(|_| holds_later) {
            self.plans().keep(said, Arc::new(bound))?;
        }
        Ok(described)
    }
}

/// What the client of a query is told.
pub(super) fn described(bound: &BoundQuery) -> Described {
    Described {
        answer: Answer::Rows,
        schema: Arc::clone(&bound.planned.schema),
        parameters: Arc::clone(&bound.planned.parameters),
        digest: bound.digest.clone(),
    }
}

/// The surroundings of a statement that runs by what was bound before: what was decided then is decided of it.
pub(super) fn decided(bound: &BoundQuery, mut context: Context) -> Context {
    context.witness = Arc::new(bound.witness.copy());
    context
}
