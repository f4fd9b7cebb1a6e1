//! A query whose rows go to its client: by running its plan, or as a result that was kept of a statement before.
//!
//! While its rows go out it is looked at whether what it stands on still holds. As long as nothing of it was sent, it
//! goes on by a plan of now where policies have changed.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;
use weir_enforce::{GovernedPlan, Scope, govern};

use super::{Outcome, Parameters, Run, Warehouse, failed};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::digest::Digests;
use crate::query::execute::{self, Guard, Outset, Restarted};
use crate::query::gauges::StatementGauges;
use crate::query::history::StatementType;
use crate::query::plan::Planned;
use crate::query::record::{GovernedBy, QueryRecord, Received, Running};
use crate::query::result_cache::Collected;
use crate::query::standing::{Asked, Standing};
use crate::query::statement_mark::StatementMark;
use crate::sql::ast;

/// A query that can run.
pub(super) struct Ready {
    pub(super) planned: Planned,
    /// With the values of its parameters.
    mark: Option<StatementMark>,
    pub(super) governed: GovernedPlan,
}

impl Warehouse {
    /// What the books want to know of the policies of a plan.
    pub(super) async fn governed_by(&self, scope: &Scope, plan: &GovernedPlan) -> GovernedBy {
        self.keeping.digests.governed_by(plan, &scope.pinned().await)
    }

    /// What a query stands on from now on.
    pub(super) fn standing(&self, context: &Context, query: &ast::Query, planned: &Planned) -> Standing {
        let asked = Asked::Query(Box::new(query.clone()));
        self.standing_on(context, asked, (&planned.scope, &planned.plan))
    }
}

impl Run<'_> {
    /// Planned and governed, charged to the statement.
    pub(super) async fn ready(&self, query: &ast::Query) -> Result<Ready> {
        let work = async {
            let planned = match &self.bound {
                Some(bound) => bound.planned.clone(),
                None => self.warehouse.plan(&self.context, query).await?,
            };
            let plan = planned.bound(&self.parameters)?;
            let with_values = (query, &self.parameters);
            let mark = StatementMark::of(&self.context, &planned, &plan, with_values).await?;
            let governed = self.warehouse.plans().governed(&planned, &plan, mark).await?;
            Ok(Ready { planned, mark, governed })
        };
        let deadline = self.warehouse.limits.deadline;
        self.gauges.meter().future(execute::in_time(&self.context, deadline, work).boxed()).await
    }

    /// Runs a query to its end and gives nothing of it.
    pub(super) async fn drained(
        &self,
        query: &ast::Query,
        planned: &Planned,
        governed: &GovernedPlan,
    ) -> Result<()> {
        let standing = self.warehouse.standing(&self.context, query, planned);
        let guard = Guard { deadline: self.warehouse.limits.deadline, standing: Some(standing) };
        let batches = execute::start(&planned.scope, governed, &self.gauges)?;
        execute::drain(&self.context, batches, &planned.schema, &self.gauges, guard).await
    }

    pub(super) async fn query(
        self,
        record: QueryRecord<Received>,
        kind: StatementType,
        query: &ast::Query,
    ) -> Result<Outcome> {
        let (warehouse, results) = (self.warehouse, &self.warehouse.keeping.results);
        let Ready { planned, mark, governed } = match self.ready(query).await {
            Ok(ready) => ready,
            Err(error) => return failed(record, error).await,
        };
        let key = results.key(&self.context, mark);
        let standing = warehouse.standing(&self.context, query, &planned);
        let kept = key.as_ref().and_then(|key| results.get(key));
        let by = warehouse.governed_by(&planned.scope, &governed).await;
        let by = GovernedBy { from_result_cache: kept.is_some(), ..by };
        let record = record.planned(kind).governed(by);
        self.gauges.watch(&governed);
        if let Some(kept) = &kept {
            self.gauges.answered_by_kept(kept.passed(&governed));
        }
        let record = record.running(self.gauges.clone());
        let batches = match &kept {
            Some(kept) => Ok(self.gauges.meter().stream(kept.rows(&planned.schema))),
            None => execute::start(&planned.scope, &governed, &self.gauges),
        };
        let batches = match batches {
            Ok(batches) => batches,
            Err(error) => return failed(record, error).await,
        };
        let outset = Beginning {
            gauges: Arc::clone(&self.gauges),
            parameters: self.parameters,
            digests: warehouse.keeping.digests.clone(),
            collected: key.filter(|_| kept.is_none()).map(|key| (results.collecting(key), governed)),
        };
        let guard = Guard { deadline: warehouse.limits.deadline, standing: Some(standing) };
        let outset = Box::new(outset);
        Ok(Outcome::Rows(execute::rows(
            &self.context,
            batches,
            planned.schema,
            record,
            self.gauges,
            (guard, outset),
        )))
    }
}

/// A query under way, as long as it can begin again, and the result that it leaves.
struct Beginning {
    gauges: Arc<StatementGauges>,
    parameters: Parameters,
    digests: Digests,
    /// With the plan that gives it.
    collected: Option<(Collected, GovernedPlan)>,
}

impl Beginning {
    async fn start(
        &mut self,
        planned: Planned,
        record: QueryRecord<Running>,
    ) -> std::result::Result<Restarted, (QueryRecord<Running>, Error)> {
        // It would be kept under the key of other policies.
        self.collected = None;
        let work = async {
            let plan = planned.bound(&self.parameters)?;
            Ok(govern(&planned.scope, planned.scope.state(), &plan).await?)
        };
        let governed = match self.gauges.meter().future(work.boxed()).await {
            Ok(governed) => governed,
            Err(error) => return Err((record, error)),
        };
        self.gauges.watch(&governed);
        let pinned = planned.scope.pinned().await;
        let record = record.governed_anew(self.digests.governed_by(&governed, &pinned));
        match execute::start(&planned.scope, &governed, &self.gauges) {
            Ok(batches) => Ok(Restarted { batches, record }),
            Err(error) => Err((record, error)),
        }
    }
}

impl Outset for Beginning {
    fn again(
        &mut self,
        planned: Planned,
        record: QueryRecord<Running>,
    ) -> BoxFuture<'_, std::result::Result<Restarted, (QueryRecord<Running>, Error)>> {
        self.start(planned, record).boxed()
    }

    fn gave(&mut self, batch: &RecordBatch) {
        let collected = self.collected.take();
        self.collected = collected.and_then(|(result, plan)| Some((result.with(batch)?, plan)));
    }

    fn ended(&mut self) {
        if let Some((result, plan)) = self.collected.take() {
            result.keep(&plan.scanned());
        }
    }
}
