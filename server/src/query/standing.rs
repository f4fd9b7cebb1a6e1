//! [`Standing`]: whether what a statement under way stands on still holds.
//!
//! Every half a second, between batches, the catalog is asked for its epoch. Only when that has moved the statement is
//! planned again, without running, and its policies are compared with those it began with. A right that is gone, a
//! policy that reads otherwise, a user who is disabled, an impersonation that is no more: the statement ends with a refusal. What
//! a statement under EXECUTE AS stands on is asked of the real caller too.
//!
//! Only what is a refusal becomes one. Where it cannot be told whether the statement may go on, it ends with that error.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion::logical_expr::LogicalPlan;
use futures::future::BoxFuture;
use tokio::time::Sleep;
use weir_catalog::{Epoch, Metastore, PrincipalKind, Privilege, Snapshot};
use weir_enforce::Scope;
use weir_enforce::governing::mark_policies;

use crate::context::Context;
use crate::error::{Condition, Error, Kind, Result};
use crate::query::change::ChangePlan;
use crate::query::digest::{Mark, Marker};
use crate::query::engine::Engine;
use crate::query::plan::Planned;
use crate::query::write::{Ingestion, writable};
use crate::sql::{Change, ObjectReference, ast};

/// How often the catalog is asked whether its epoch has moved.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is under way.
#[derive(Debug, Clone)]
pub enum Asked {
    /// The rows of a query.
    Query(Box<ast::Query>),
    /// The rows of a query for a table.
    Insert(ObjectReference, Box<ast::Query>),
    /// A change of rows.
    Change(Box<Change>),
    /// Rows that the client sends.
    Ingestion(Box<Ingestion>),
}

/// What a statement under way stands on.
pub struct Standing {
    metastore: Arc<Metastore>,
    engine: Engine,
    context: Context,
    asked: Asked,
    epoch: Epoch,
    /// As it was planned, parameters open. Its policies are compared when the epoch has moved, and not before.
    plan: LogicalPlan,
    look: Pin<Box<Sleep>>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// What became of what a statement stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same.
    Holds,
    /// The caller may read all of it, under other policies.
    OtherPolicies,
}

/// The policies of a plan as they can be compared.
fn policies_of(plan: &LogicalPlan) -> Result<Mark> {
    let mut marker = Marker::default();
    mark_policies(plan, &mut marker)?;
    Ok(marker.mark())
}

impl Standing {
    /// What `asked` stands on, which was planned for `context` in `scope` as `plan`.
    pub fn new(
        metastore: &Arc<Metastore>,
        engine: &Engine,
        context: &Context,
        asked: Asked,
        (scope, plan): (&Arc<Scope>, &LogicalPlan),
    ) -> Self {
        Self {
            metastore: Arc::clone(metastore),
            engine: engine.at_time_of(scope),
            context: context.clone(),
            asked,
            epoch: scope.snapshot().epoch(),
            plan: plan.clone(),
            look: Box::pin(tokio::time::sleep(LOOK_EVERY)),
        }
    }

    /// Resolves when it is time to look.
    pub async fn due(&mut self) {
        self.look.as_mut().await;
    }

    /// Looks now. A refusal where rights are gone.
    pub async fn look(&mut self) -> Result<Verdict> {
        self.look = Box::pin(tokio::time::sleep(LOOK_EVERY));
        let snapshot = self.metastore.snapshot().await?;
        if snapshot.epoch() == self.epoch {
            return Ok(Verdict::Holds);
        }
        let snapshot = self.context.catalog(&snapshot);
        self.check_callers(&snapshot).await.map_err(refused)?;
        let policies = self.asked_again(&snapshot).await.map_err(refused)?;
        self.epoch = snapshot.epoch();
        if policies == policies_of(&self.plan)? {
            return Ok(Verdict::Holds);
        }
        Ok(Verdict::OtherPolicies)
    }

    /// The query as it is planned now: the statement stands on that from here on, and the books have of it what is decided
    /// here.
    pub async fn anew(&mut self) -> Result<Planned> {
        let Asked::Query(query) = &self.asked else { return Err(changed()) };
        let snapshot = self.context.catalog(&self.metastore.snapshot().await?);
        self.check_callers(&snapshot).await.map_err(refused)?;
        self.context.witness.forget().await;
        let planned = Planned::new(&self.engine, &self.context, &snapshot, query).await.map_err(refused)?;
        (self.epoch, self.plan) = (snapshot.epoch(), planned.plan.clone());
        Ok(planned)
    }

    /// The user, and whoever acts for the user, may still do so.
    async fn check_callers(&self, snapshot: &Snapshot) -> Result<()> {
        let mut context = &self.context;
        loop {
            let identity = context.identity();
            let enabled = snapshot.principal(identity.principal()).is_some_and(|known| !known.disabled);
            if !enabled {
                return Err(changed());
            }
            let Some(caller) = context.acting_for() else { break };
            let now = context.clock().now();
            self.metastore.user_impersonable(caller.requester(), now, identity.name()).await?;
            context = caller;
        }
        match context.identity().run_by() {
            None => Ok(()),
            Some(app) => {
                let acts = snapshot.principal_by_name(app).is_some_and(|known| {
                    let may = known.kind == PrincipalKind::ServicePrincipal && known.may_act_for_users;
                    may && !known.disabled
                });
                if acts { Ok(()) } else { Err(changed()) }
            }
        }
    }

    /// The statement planned anew.
    fn asked_again<'a>(&'a self, snapshot: &'a Arc<Snapshot>) -> BoxFuture<'a, Result<Mark>> {
        // What is decided in looking is no access of the statement's.
        let context = self.context.clone().seen_anew();
        Box::pin(async move {
            match &self.asked {
                Asked::Query(query) => {
                    let planned = Planned::new(&self.engine, &context, snapshot, query).await?;
                    policies_of(&planned.plan)
                }
                Asked::Insert(table, query) => {
                    let name = table.resolve(&context.session)?;
                    writable(&context, snapshot, &name, Privilege::Insert).await?;
                    let planned = Planned::new(&self.engine, &context, snapshot, query).await?;
                    policies_of(&planned.plan)
                }
                Asked::Ingestion(ingestion) => {
                    ingestion.check_rights(&context, snapshot).await?;
                    // Nothing is read for it.
                    policies_of(&self.plan)
                }
                Asked::Change(change) => {
                    let planned = ChangePlan::new(&self.engine, &context, snapshot, change).await?;
                    policies_of(planned.unbound())
                }
            }
        })
    }
}

/// The refusal of a statement whose rights or policies are other ones than it began with.
pub fn changed() -> Error {
    Error::new(
        Condition::InsufficientPermissions,
        "the rights or policies under which this statement runs have changed",
    )
    .with_hint("run the statement again: it runs under those of now, or says what is missing")
}

/// What says that something is not there or not allowed is a refusal; all else stays what it is.
fn refused(error: Error) -> Error {
    let is_refusal = matches!(error.kind(), Kind::PermissionDenied | Kind::NotFound | Kind::Unauthenticated)
        || error.condition() == Condition::UnresolvedRoutine;
    if is_refusal { changed() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_becomes_a_refusal() {
        for (condition, becomes) in [
            (Condition::TableOrViewNotFound, Condition::InsufficientPermissions),
            (Condition::InsufficientPermissions, Condition::InsufficientPermissions),
            (Condition::UnresolvedRoutine, Condition::InsufficientPermissions),
            (Condition::Unavailable, Condition::Unavailable),
            (Condition::DeltaTableCorrupt, Condition::DeltaTableCorrupt),
            (Condition::UnresolvedColumn, Condition::UnresolvedColumn),
            (Condition::InternalError, Condition::InternalError),
        ] {
            let told = refused(Error::new(condition, "table `main.hr.secret` is not there"));
            assert_eq!(told.condition(), becomes);
            let names = told.to_string().contains("secret");
            assert_eq!(names, becomes == condition && condition != Condition::InsufficientPermissions);
        }
        assert_eq!(changed().condition().sqlstate(), "42501");
    }
}
