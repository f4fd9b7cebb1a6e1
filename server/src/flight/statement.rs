//! Statements: told about by GetSchema, and by GetFlightInfo, which also runs those that change something; run by DoGet.
//!
//! Telling about a query never runs it. What the ticket carries is the text and the
//! session, never a plan. DoGet runs by the plan that was told of where nothing that it stands on has changed, and
//! plans again where it has: a right revoked in between is gone.

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt};
use uuid::Uuid;

use super::binding;
use super::call::Call;
use super::holdings::{Held, What};
use super::running::Fetch;
use super::seal::handle_not_found;
use super::ticket::{Content, Done, Statement, Token, Write};
use super::writes::Written;
use super::{Door, stream};
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::run::{Answer, Described, Outcome, RowStream, Warehouse};
use crate::session::SessionSettings;

/// A statement whose rows are on their way.
pub(crate) struct Begun {
    pub(crate) rows: RowStream,
    /// What it left of the session, where it set that.
    pub(crate) session: Option<SessionSettings>,
    pub(crate) statement: Uuid,
    pub(crate) fetch: Fetch,
}

impl Door {
    /// What `statement` would return, and what its ticket is to hold.
    pub(crate) async fn describe(&self, call: &Call, statement: Statement) -> Result<(Described, Content)> {
        let context = call.context_of(&statement);
        let described = self.warehouse.describe(&context, &statement.sql).await?;
        let content = match described.answer {
            Answer::Rows => Content::Rows(statement),
            Answer::Update => Content::Write(self.write(statement)),
            Answer::Receipt => Content::Write(Write { gives_receipt: true, ..self.write(statement) }),
        };
        Ok((described, content))
    }

    /// The rows of `statement`, for the ticket `token`: those that a poll began, or else begun now.
    pub(crate) async fn rows(
        &self,
        call: &Call,
        token: &Token,
        statement: &Statement,
    ) -> Result<stream::Stream> {
        let begun = match self.polls.rows(call, token.nonce()).await? {
            Some(begun) => begun,
            None => {
                let mut context = call.context_of(statement);
                context.asked_at = token.told_lately(context.started_at()).unwrap_or(context.asked_at);
                self.begin_rows(context, token.nonce(), statement).await?
            }
        };
        begun.session.map(|session| call.keep(session)).transpose()?;
        Ok(stream::encode(begun.rows, begun.statement, (begun.fetch, Arc::clone(&call.under_way))))
    }

    /// Begins to run `statement`, for the ticket of `nonce`.
    pub(crate) async fn begin_rows(
        &self,
        mut context: Context,
        nonce: &Bytes,
        statement: &Statement,
    ) -> Result<Begun> {
        let held = self.holdings.one(context.identity().principal(), What::Stream)?;
        let (fetch, stop) = self.running.begin(nonce, held);
        context.cancellation = stop;
        let id = context.statement_id();
        let (rows, session) = match self.values(statement)? {
            Some(values) if values.num_rows() == 0 => (self.no_rows(&context, &statement.sql).await?, None),
            Some(values) if values.num_rows() > 1 => {
                let (warehouse, sql) = (Arc::clone(&self.warehouse), Arc::from(statement.sql.as_str()));
                (concatenated(warehouse, context, sql, values).await?, None)
            }
            values => one(&self.warehouse, context, &statement.sql, values).await?,
        };
        Ok(Begun { rows, session, statement: id, fetch })
    }

    fn write(&self, statement: Statement) -> Write {
        Write { statement, origin: self.writes.origin().clone(), gives_receipt: false }
    }

    /// The ticket of what is asked for. What changes something is done before its ticket is given out, unless values
    /// may still be bound; the ticket then tells what is left to fetch.
    pub(crate) async fn done_first(&self, call: &Call, told: &Described, content: Content) -> Result<Token> {
        let token = self.token(call, content)?;
        let Content::Write(write) = token.content()? else { return Ok(token) };
        if !told.parameters.fields().is_empty() && self.values(&write.statement)?.is_none() {
            return Ok(token);
        }
        let written = self.write_once(call.context_of(&write.statement), &token, write).await;
        // Nobody has the ticket yet, and it will not be one to run anything by.
        self.writes.forget(token.nonce());
        let written = written?;
        written.session.clone().map(|session| call.keep(session)).transpose()?;
        Ok(token.with_content(Content::Done(Done::of(write, &written))))
    }

    /// Runs a statement that changes something, once for its ticket.
    pub(crate) async fn write_once(&self, context: Context, token: &Token, write: &Write) -> Result<Written> {
        if write.origin != *self.writes.origin() {
            return Err(handle_not_found());
        }
        let values = self.values(&write.statement)?;
        let (user, stop) = (context.identity().principal(), context.cancellation.clone());
        let (warehouse, sql) = (Arc::clone(&self.warehouse), write.statement.sql.clone());
        let receipt = write.gives_receipt.then(|| (self.receipts.clone(), token.nonce().clone()));
        let start = |held: Held| {
            async move {
                match receipt {
                    None => run_each(&warehouse, &context, &sql, values, 0).await,
                    Some(_) if values.is_some() => Err(no_values()),
                    Some((receipts, nonce)) => {
                        let rows = receipt_of(&warehouse, &context, &sql).await?;
                        receipts.keep(nonce, rows, held).await;
                        Ok(Written { rows: None, session: None })
                    }
                }
            }
            .boxed()
        };
        self.writes.once(token.nonce(), (stop, || self.holdings.change(user)), start).await
    }

    /// What is left to fetch of a statement that has been done.
    pub(crate) async fn what_is_left(&self, call: &Call, token: &Token, done: &Done) -> Result<RowStream> {
        done.session.clone().map(|session| call.keep(session.into())).transpose()?;
        match &done.receipt_at {
            None => Ok(RowStream::nothing()),
            Some(origin) if origin == self.writes.origin() => {
                Ok(RowStream::of(self.receipts.take(token.nonce()).await?))
            }
            Some(_) => Err(handle_not_found()),
        }
    }

    /// The values bound to `statement`: those in the token, else those bound later to the
    /// prepared handle the token came from.
    pub(crate) fn values(&self, statement: &Statement) -> Result<Option<RecordBatch>> {
        let kept = |nonce| self.bindings.get(nonce).map(|kept| kept.values.clone());
        let later = || statement.prepared.as_ref().and_then(kept);
        let bytes = statement.parameters.clone().or_else(later);
        bytes.as_ref().map(binding::from_bytes).transpose()
    }

    async fn no_rows(&self, context: &Context, sql: &str) -> Result<RowStream> {
        let schema = self.warehouse.describe(context, sql).await?.schema;
        Ok(RowStream { schema, batches: futures::stream::empty().boxed() })
    }
}

/// Runs a statement once for each row of `values`, or once if there are none to bind. It has run for `before` rows already.
pub(crate) async fn run_each(
    warehouse: &Warehouse,
    context: &Context,
    sql: &str,
    values: Option<RecordBatch>,
    before: usize,
) -> Result<Written> {
    let Some(values) = values else { return run_once(warehouse, context, sql, None).await };
    let mut total = Written { rows: Some(0), session: None };
    for row in 0..values.num_rows() {
        let written = run_once(warehouse, context, sql, Some(values.slice(row, 1))).await;
        let written = written.map_err(|error| after(error, before + row))?;
        total.rows = total.rows.zip(written.rows).map(|(sum, rows)| sum + rows);
        total.session = written.session.or(total.session);
    }
    Ok(total)
}

/// An error of values after the statement has run for some rows. There are no transactions: what they did stays, and the client
/// must know.
pub(crate) fn after(error: Error, rows: usize) -> Error {
    match rows {
        0 => error,
        _ => error
            .with_hint(format!("the statement ran for the first {rows} rows of values, which stays done")),
    }
}

/// Runs a statement that tells by rows what it changed; the rows.
async fn receipt_of(warehouse: &Warehouse, context: &Context, sql: &str) -> Result<RecordBatch> {
    match warehouse.run(again(context), sql, None).await? {
        Outcome::Rows(rows) => {
            let batches: Vec<_> = rows.batches.try_collect().await?;
            concat_batches(&rows.schema, &batches).map_err(Error::internal)
        }
        Outcome::Done { .. } => Err(Error::internal("a change that tells of itself told nothing")),
    }
}

fn no_values() -> Error {
    Error::new(Condition::InvalidParameterValue, "the statement takes no values, and some were bound")
}

async fn run_once(
    warehouse: &Warehouse,
    context: &Context,
    sql: &str,
    values: Option<RecordBatch>,
) -> Result<Written> {
    match warehouse.run(again(context), sql, values).await? {
        // What counts no rows wrote none: JDBC takes a number that is not known for a statement with rows to fetch.
        Outcome::Done { rows, session } => Ok(Written { rows: rows.or(Some(0)), session }),
        // a query asked for as an update: it runs to its end, and there is nothing to count
        Outcome::Rows(mut rows) => {
            while rows.batches.try_next().await?.is_some() {}
            Ok(Written { rows: None, session: None })
        }
    }
}

/// Runs a query once, in `context`. What it leaves of the session comes along.
async fn one(
    warehouse: &Warehouse,
    context: Context,
    sql: &str,
    values: Option<RecordBatch>,
) -> Result<(RowStream, Option<SessionSettings>)> {
    match warehouse.run(context, sql, values).await? {
        Outcome::Rows(rows) => Ok((rows, None)),
        Outcome::Done { session, .. } => Ok((RowStream::nothing(), session)),
    }
}

/// Runs a query for each row of `values`, one after the other, as one stream.
async fn concatenated(
    warehouse: Arc<Warehouse>,
    context: Context,
    sql: Arc<str>,
    values: RecordBatch,
) -> Result<RowStream> {
    let (first, _) = one(&warehouse, again(&context), &sql, Some(values.slice(0, 1))).await?;
    let schema = Arc::clone(&first.schema);
    let rest = futures::stream::iter(1..values.num_rows()).then(move |row| {
        let (warehouse, context, sql) = (Arc::clone(&warehouse), again(&context), Arc::clone(&sql));
        let values = Some(values.slice(row, 1));
        async move { one(&warehouse, context, &sql, values).await.map(|(rows, _)| rows.batches) }
    });
    Ok(RowStream { schema, batches: first.batches.chain(rest.try_flatten()).boxed() })
}

/// The surroundings of a further run: a statement of its own in the books, which share its text, stopped together.
fn again(context: &Context) -> Context {
    let mut again = Context::new(
        context.identity().clone(),
        context.session.clone(),
        context.client.clone(),
        Arc::clone(context.clock()),
    );
    again.cancellation = context.cancellation.clone();
    again.takes_kept_results = context.takes_kept_results;
    again.kept_text = Arc::clone(&context.kept_text);
    again
}
