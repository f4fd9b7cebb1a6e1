//! DoPut: updates, and values for prepared statements.

use arrow_flight::sql::DoPutUpdateResult;
use arrow_flight::{FlightData, PutResult};
use futures::StreamExt;
use futures::stream::BoxStream;
use prost::Message;
use tonic::{Status, Streaming};

use super::Door;
use super::binding::Incoming;
use super::call::Call;
use super::command::{Command, refused};
use super::holdings::What;
use super::statement::run_each;
use super::writes::Written;
use crate::error::{Condition, Error, Result};

/// What is said of a count that means nothing or is not known.
const UNKNOWN: i64 = -1;

impl Door {
    pub(crate) async fn put(
        &self,
        call: &Call,
        mut messages: Streaming<FlightData>,
    ) -> Result<BoxStream<'static, std::result::Result<PutResult, Status>>> {
        // a client that goes away stops the statement
        let _stop = call.context.cancellation.clone().drop_guard();
        let first = messages.message().await.map_err(|cause| nothing_sent().caused_by(cause))?;
        let first = first.ok_or_else(nothing_sent)?;
        let descriptor = first.flight_descriptor.clone().ok_or_else(nothing_sent)?;
        let incoming = Incoming::new(first, messages);
        let command = Command::of_descriptor(&descriptor)?;
        let changes = matches!(command, Command::Update(_) | Command::PreparedUpdate(_) | Command::Ingest(_));
        let user = call.context.identity().principal();
        let _held = changes.then(|| self.holdings.one(user, What::Change)).transpose()?;
        let answer = match command {
            Command::Update(sql) => {
                let written = run_each(&self.warehouse, &call.context, &sql, None, 0).await?;
                counted(call, written)?
            }
            Command::PreparedUpdate(handle) => {
                counted(call, self.update_prepared(call, &handle, incoming).await?)?
            }
            Command::PreparedQuery(handle) => self.bind(call, &handle, incoming).await?.encode_to_vec(),
            Command::Ingest(command) => counted(call, self.ingest(call, *command, incoming).await?)?,
            Command::Statement(_) | Command::Metadata(_) => {
                let text = "this command is asked by GetFlightInfo and fetched by DoGet, not sent by DoPut";
                return Err(Error::new(Condition::InvalidParameterValue, text));
            }
            Command::Refused(what) => return Err(refused(what)),
        };
        Ok(futures::stream::iter([Ok(PutResult { app_metadata: answer.into() })]).boxed())
    }
}

fn counted(call: &Call, written: Written) -> Result<Vec<u8>> {
    written.session.map(|session| call.keep(session)).transpose()?;
    let record_count = written.rows.map_or(UNKNOWN, |rows| i64::try_from(rows).unwrap_or(i64::MAX));
    Ok(DoPutUpdateResult { record_count }.encode_to_vec())
}

fn nothing_sent() -> Error {
    Error::new(Condition::InvalidParameterValue, "the call does not begin with a descriptor")
}
