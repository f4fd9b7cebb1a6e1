//! Descriptors and tickets: what a command would return, and the fetching of it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, PollInfo, SchemaAsIpc, SchemaResult, Ticket,
};
use futures::StreamExt;

use super::call::Call;
use super::command::{Command, refused};
use super::seal::{Purpose, handle_not_found};
use super::ticket::{Content, TICKET_LIFE, Token, from_ticket, into_ticket};
use super::{Door, stream};
use crate::error::{Condition, Error, Result};
use crate::run::RowStream;

/// What is said of a number of rows or bytes that is not known; zero would be believed.
const UNKNOWN: i64 = -1;

impl Door {
    /// One endpoint without a location, and always a schema: drivers expect just that.
    pub(crate) async fn flight_info(&self, call: &Call, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let (schema, content, digest) = self.told(call, &descriptor).await?;
        let ticket = into_ticket(self.token(call, content).await?.seal(&self.seal, Purpose::Ticket)?);
        let info = FlightInfo::new()
            .try_with_schema(&schema)
            .map_err(Error::internal)?
            .with_descriptor(descriptor)
            .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
            .with_total_records(UNKNOWN)
            .with_total_bytes(UNKNOWN);
        Ok(match digest {
            Some(digest) => info.with_app_metadata(policy_metadata(&digest)),
            None => info,
        })
    }

    /// Complete at once: what takes time is the fetching, and that streams.
    pub(crate) async fn poll_info(&self, call: &Call, descriptor: FlightDescriptor) -> Result<PollInfo> {
        let info = self.flight_info(call, descriptor).await?;
        Ok(PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() })
    }

    pub(crate) async fn schema(&self, call: &Call, descriptor: FlightDescriptor) -> Result<SchemaResult> {
        let (schema, ..) = self.told(call, &descriptor).await?;
        SchemaAsIpc::new(&schema, &IpcWriteOptions::default()).try_into().map_err(Error::internal)
    }

    /// Answers a ticket.
    pub(crate) async fn fetch(&self, call: &Call, ticket: &Ticket) -> Result<stream::Stream> {
        let token = self.open(call, Purpose::Ticket, &from_ticket(ticket)?)?;
        tracing::debug!(statement = %call.context.statement_id(), told_at_epoch = token.epoch().0, "ticket");
        match token.content()? {
            Content::Rows(statement) => self.rows(call, &token, statement).await,
            Content::Write(write) => self.write_once(call, &token, write).await,
            Content::Metadata(command) => match Command::decode(command)? {
                Command::Metadata(metadata) => {
                    let batch = self.metadata(call, metadata).await?;
                    let rows = RowStream {
                        schema: batch.schema(),
                        batches: futures::stream::iter([Ok(batch)]).boxed(),
                    };
                    Ok(stream::encode(rows, call.context.statement_id(), ()))
                }
                _ => Err(handle_not_found()),
            },
            Content::Session(_) => Err(handle_not_found()),
        }
    }

    /// A new token for the caller, made at today's epoch.
    async fn token(&self, call: &Call, content: Content) -> Result<Token> {
        let epoch = self.warehouse.snapshot().await?.epoch();
        let expires_at = self.clock.now() + TICKET_LIFE;
        Token::new(call.context.identity().principal(), epoch, Some(expires_at), content)
    }

    /// The schema of what `descriptor` asks for, and what its ticket is to hold.
    async fn told(
        &self,
        call: &Call,
        descriptor: &FlightDescriptor,
    ) -> Result<(SchemaRef, Content, Option<String>)> {
        let statement = match Command::of_descriptor(descriptor)? {
            Command::Statement(sql) => call.statement(sql),
            Command::PreparedQuery(handle) => self.prepared(call, &handle)?.1,
            Command::Metadata(metadata) => {
                return Ok((metadata.schema(), Content::Metadata(descriptor.cmd.clone()), None));
            }
            Command::Update(_) | Command::PreparedUpdate(_) => {
                let text = "an update is sent by DoPut; there is nothing to fetch";
                return Err(Error::new(Condition::InvalidParameterValue, text));
            }
            Command::Refused(what) => return Err(refused(what)),
        };
        let (described, content) = self.describe(call, statement).await?;
        Ok((Arc::clone(&described.schema), content, described.digest))
    }
}

/// What an answer says of the policies that hold, for clients that compare: a JSON object.
fn policy_metadata(digest: &str) -> String {
    format!("{{\"policy_digest\":\"{digest}\"}}")
}
