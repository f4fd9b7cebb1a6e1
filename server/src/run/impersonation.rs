//! EXECUTE AS USER: one statement with another user's rights, and no more than those.
//!
//! The right to do so is asked for at every step, so that a prepared statement or a ticket is worth what
//! its holder may do at the moment it is used; both stay bound to the real caller. The books and the
//! trail have the user as the one whose rights held and the caller as the one who acted.

use super::{Outcome, Run, Warehouse, failed};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::record::{QueryRecord, Received};
use crate::sql::ExecuteAs;

impl Warehouse {
    /// The surroundings of a statement that is told about, and does not run, as `user`.
    pub(super) async fn impersonable(&self, context: &Context, user: &str) -> Result<Context> {
        let now = context.clock().now();
        let allowed = self.metastore.user_impersonable(context.requester(), now, user).await?;
        context.executing_as(&allowed).ok_or_else(another)
    }

    /// The surroundings of a statement that runs now as `user`.
    pub(super) async fn impersonated(&self, context: &Context, user: &str) -> Result<Context> {
        let now = context.clock().now();
        let allowed = self.metastore.user_impersonate(context.requester(), now, user).await?;
        context.executing_as(&allowed).ok_or_else(another)
    }
}

fn another() -> Error {
    Error::internal("an impersonation that was allowed to another caller")
}

impl Run<'_> {
    pub(super) async fn execute_as(
        self,
        record: QueryRecord<Received>,
        execute: ExecuteAs,
    ) -> Result<Outcome> {
        let context = match self.warehouse.impersonated(&self.context, &execute.user).await {
            Ok(context) => context,
            Err(error) => return failed(record, error).await,
        };
        let record = record.executing_as(&context);
        let run = Run { context, bound: None, ..self };
        Box::pin(run.statement(record, *execute.statement)).await
    }
}
