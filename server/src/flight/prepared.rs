//! Prepared statements. Preparing never runs anything: the handle is the statement, sealed, and what the server keeps is
//! a plan that it can do without. Every use is under the rights of that moment, and plans again where they changed.
//!
//! Binding returns a new handle with the values inside. Clients that go on with the old handle,
//! or have asked for their ticket before, find the values here as well for a while.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, DoPutPreparedStatementResult, ProstMessageExt,
};
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use prost::Message;

use super::Door;
use super::binding::{self, Incoming};
use super::call::Call;
use super::command::refuse_transaction;
use super::holdings::What;
use super::seal::{Purpose, handle_not_found};
use super::statement::{after, run_each};
use super::ticket::{Content, PREPARED_LIFE, Statement, Token};
use super::writes::Written;
use crate::error::{Error, Result};
use crate::run::Answer;

impl Door {
    pub(crate) async fn prepare(
        &self,
        call: &Call,
        request: ActionCreatePreparedStatementRequest,
    ) -> Result<Vec<u8>> {
        refuse_transaction(request.transaction_id.as_ref())?;
        let statement = call.statement(request.query);
        let described = self.warehouse.describe(&call.context, &statement.sql).await?;
        let expires_at = self.clock.now() + PREPARED_LIFE;
        let principal = call.context.identity().principal();
        let token = Token::new(principal, call.epoch, Some(expires_at), Content::Rows(statement))?;
        let result = ActionCreatePreparedStatementResult {
            prepared_statement_handle: token.seal(&self.seal, Purpose::Prepared)?,
            // JDBC takes a statement without a dataset schema for an update
            dataset_schema: match described.answer {
                Answer::Rows | Answer::Receipt => ipc_message(&described.schema)?,
                Answer::Update => Bytes::new(),
            },
            parameter_schema: ipc_message(&described.wire_parameters())?,
        };
        let mut answer = result.as_any();
        answer.value = with_is_update(&answer.value, described.answer == Answer::Update);
        Ok(answer.encode_to_vec())
    }

    /// Closing is a courtesy: a handle that is unknown or expired is closed as well.
    pub(crate) fn close_prepared(&self, call: &Call, request: &ActionClosePreparedStatementRequest) {
        if let Ok(token) = self.open(call, Purpose::Prepared, &request.prepared_statement_handle) {
            self.unbind(token.nonce());
        }
    }

    fn unbind(&self, nonce: &Bytes) {
        if let Some(kept) = self.bindings.remove(nonce) {
            kept.held.give_back();
        }
    }

    /// Keeps values for a client that goes on with the handle it has.
    fn keep_bound(&self, call: &Call, nonce: &Bytes, values: Bytes) -> Result<()> {
        let user = call.context.identity().principal();
        let held = self.holdings.take(user, What::BoundBytes, values.len() as u64)?;
        self.bindings.insert(nonce.clone(), Arc::new(binding::Kept { values, held }));
        Ok(())
    }

    /// The statement that a handle stands for; it remembers which handle it came from.
    pub(crate) fn prepared(&self, call: &Call, handle: &Bytes) -> Result<(Token, Statement)> {
        let token = self.open(call, Purpose::Prepared, handle)?;
        let Content::Rows(statement) = token.content()? else { return Err(handle_not_found()) };
        let statement = Statement { prepared: Some(token.nonce().clone()), ..statement.clone() };
        Ok((token, statement))
    }

    /// Binds the values of a prepared query; the answer is the handle that holds them.
    pub(crate) async fn bind(
        &self,
        call: &Call,
        handle: &Bytes,
        mut incoming: Incoming,
    ) -> Result<DoPutPreparedStatementResult> {
        let (token, statement) = self.prepared(call, handle)?;
        let context = call.context_of(&statement);
        let parameters = self.warehouse.describe(&context, &statement.sql).await?.parameters;
        let (mut bound, mut bytes, mut rows) = (Vec::new(), 0, 0);
        while let Some(batch) = incoming.next_batch().await? {
            // A batch without rows takes room as well.
            rows += batch.num_rows().max(1);
            binding::check_rows(rows)?;
            let values = binding::bind(&batch, &parameters)?;
            bytes += binding::size_of(&values)?;
            binding::check_size(bytes)?;
            bound.push(values);
        }
        let without_values = incoming.columns() == 0 && bound.iter().all(|batch| batch.num_rows() == 0);
        let values = if without_values { None } else { Some(binding::into_bytes(&bound, &parameters)?) };
        self.unbind(token.nonce());
        values.clone().map(|values| self.keep_bound(call, token.nonce(), values)).transpose()?;
        let statement = Statement { parameters: values, prepared: None, ..statement };
        let handle = token.with_content(Content::Rows(statement)).seal(&self.seal, Purpose::Prepared)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    /// Runs a prepared update: once for each row of values, or once if no columns were sent.
    pub(crate) async fn update_prepared(
        &self,
        call: &Call,
        handle: &Bytes,
        mut incoming: Incoming,
    ) -> Result<Written> {
        let (_, statement) = self.prepared(call, handle)?;
        let context = call.context_of(&statement);
        let first = incoming.next_batch().await?;
        let rows = first.as_ref().map_or(0, arrow::array::RecordBatch::num_rows);
        if incoming.columns() == 0 && rows == 0 {
            let values = self.values(&statement)?;
            return run_each(&self.warehouse, &context, &statement.sql, values, 0).await;
        }
        let parameters = self.warehouse.describe(&context, &statement.sql).await?.parameters;
        let mut total = Written { rows: Some(0), session: None };
        let (mut next, mut done) = (first, 0);
        while let Some(batch) = next {
            let values = binding::bind(&batch, &parameters).map_err(|error| after(error, done))?;
            let written = run_each(&self.warehouse, &context, &statement.sql, Some(values), done).await?;
            done += batch.num_rows();
            total.rows = total.rows.zip(written.rows).map(|(sum, rows)| sum + rows);
            total.session = written.session.or(total.session);
            next = incoming.next_batch().await.map_err(|error| after(error, done))?;
        }
        Ok(total)
    }
}

/// The result with `is_update`, a field that the Flight crate does not have yet; who does not know it passes over it.
fn with_is_update(result: &[u8], is_update: bool) -> Bytes {
    let mut bytes = result.to_vec();
    prost::encoding::bool::encode(4, &is_update, &mut bytes);
    bytes.into()
}

/// A schema as the protocol carries it: an encapsulated IPC message.
fn ipc_message(schema: &Schema) -> Result<Bytes> {
    let message: IpcMessage =
        SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into().map_err(Error::internal)?;
    Ok(message.0)
}
