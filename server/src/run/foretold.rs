//! [`Foretold`]: a query as it was planned when its client was told of it, for the calls that follow.
//!
//! A driver asks thrice for one query: it prepares it, is told of its rows, and fetches them. Rights, policies and versions
//! are those of each call. Where nothing of them has changed since, the plan is the same, and is not made again: the same
//! user with the same claims and settings, the catalog at the same epoch, each table at its newest version still. Where
//! something has, or it cannot be told, the query is planned anew.
//!
//! A query that asks for the time, for chance, or for tables without versions is not foretold.

use std::collections::BTreeMap;
use std::hash::DefaultHasher;
use std::sync::Arc;

use serde_json::Value;
use weir_catalog::PrincipalId;
use weir_enforce::governing::mark_plan;
use weir_enforce::{Repeatable, Witness};

use super::{Answer, Described, Warehouse};
use crate::context::Context;
use crate::error::Result;
use crate::query::plan::Planned;
use crate::query::session_functions::is_session_function;
use crate::session::SessionSettings;
use crate::sql::ast;

/// A planned query, and for whom.
#[derive(Debug)]
pub struct Foretold {
    sql: String,
    pub(super) query: Box<ast::Query>,
    pub(super) planned: Planned,
    /// What was decided when it was planned.
    witness: Arc<Witness>,
    digest: Option<String>,
    asker: Asker,
}

/// What a plan depends on beside the catalog and its tables.
#[derive(Debug, PartialEq)]
struct Asker {
    principal: PrincipalId,
    run_by: Option<String>,
    claims: BTreeMap<String, Value>,
    session: SessionSettings,
}

impl Asker {
    /// None where somebody asks as another.
    fn of(context: &Context) -> Option<Self> {
        let identity = context.identity();
        context.acting_for().is_none().then(|| Self {
            principal: identity.principal(),
            run_by: identity.run_by().map(str::to_owned),
            claims: identity.claims().clone(),
            session: context.session.clone(),
        })
    }
}

impl Foretold {
    /// What is foretold of `sql`, which was planned for `context`.
    pub(super) fn new(
        context: &Context,
        (sql, query): (&str, Box<ast::Query>),
        planned: Planned,
        digest: Option<String>,
    ) -> Result<Option<Self>> {
        // The mark itself is of no use here.
        let repeatable = mark_plan(&planned.plan, &is_session_function, &mut DefaultHasher::new())?;
        let repeatable = repeatable == Repeatable::Yes;
        let asker = Asker::of(context).filter(|_| repeatable);
        let witness = Arc::clone(&context.witness);
        Ok(asker.map(|asker| Self { sql: sql.to_owned(), query, planned, witness, digest, asker }))
    }

    /// What its client is told.
    pub(super) fn described(self: &Arc<Self>) -> Described {
        Described {
            answer: Answer::Rows,
            schema: Arc::clone(&self.planned.schema),
            parameters: Arc::clone(&self.planned.parameters),
            digest: self.digest.clone(),
            foretold: Some(Arc::clone(self)),
        }
    }

    /// The surroundings of a statement that runs by this plan: what was decided then is decided of it.
    pub(super) fn decided(&self, mut context: Context) -> Context {
        context.witness = Arc::new(self.witness.copy());
        context
    }
}

impl Warehouse {
    /// `foretold`, if it is what would be planned of `sql` for `context` now.
    pub(super) async fn holding(
        &self,
        context: &Context,
        sql: &str,
        foretold: Option<Arc<Foretold>>,
    ) -> Result<Option<Arc<Foretold>>> {
        let Some(foretold) = foretold else { return Ok(None) };
        let scope = &foretold.planned.scope;
        let same = foretold.sql == sql
            && Asker::of(context).is_some_and(|asker| asker == foretold.asker)
            && self.snapshot().await?.epoch() == scope.snapshot().epoch()
            && scope.is_newest().await;
        Ok(same.then_some(foretold))
    }
}
