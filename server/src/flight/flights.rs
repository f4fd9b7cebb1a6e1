//! Descriptors and tickets: what a command would return, and the fetching of it.

use std::sync::Arc;

use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, SchemaAsIpc, SchemaResult, Ticket};
use chrono::{DateTime, Utc};
use prost_types::Timestamp;

use super::call::Call;
use super::command::{Command, refused};
use super::holdings::What;
use super::seal::{Purpose, handle_not_found};
use super::ticket::{Content, Done, TICKET_LIFE, Token, from_ticket, into_ticket};
use super::{Door, stream};
use crate::error::{Condition, Error, Result};
use crate::run::{Described, RowStream};

/// What is said of a number of rows or bytes that is not known; zero would be believed.
const UNKNOWN: i64 = -1;

impl Door {
    /// One endpoint without a location, and always a schema: drivers expect just that. What changes something is done
    /// when this is answered: many clients do not fetch what has no rows, or hang up while they do.
    pub(crate) async fn flight_info(&self, call: &Call, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let (told, content) = self.told(call, &descriptor).await?;
        let token = self.done_first(call, &told, content).await?;
        self.info(&told, descriptor, &token)
    }

    pub(crate) fn info(
        &self,
        told: &Described,
        descriptor: FlightDescriptor,
        token: &Token,
    ) -> Result<FlightInfo> {
        let info = FlightInfo::new()
            .try_with_schema(&told.schema)
            .map_err(Error::internal)?
            .with_descriptor(descriptor)
            .with_endpoint(self.endpoint(token)?)
            .with_total_records(UNKNOWN)
            .with_total_bytes(UNKNOWN);
        Ok(match &told.digest {
            Some(digest) => info.with_app_metadata(policy_metadata(digest)),
            None => info,
        })
    }

    /// Where the rows of a token are fetched: here, until it expires, as often as one likes. An endpoint that says no
    /// time is one to fetch once.
    pub(crate) fn endpoint(&self, token: &Token) -> Result<FlightEndpoint> {
        let ticket = into_ticket(token.seal(&self.seal, Purpose::Ticket)?);
        let expires_at = token.repeatable_until().map(timestamp);
        Ok(FlightEndpoint { expiration_time: expires_at, ..FlightEndpoint::new().with_ticket(ticket) })
    }

    pub(crate) async fn schema(&self, call: &Call, descriptor: FlightDescriptor) -> Result<SchemaResult> {
        let (told, _) = self.told(call, &descriptor).await?;
        SchemaAsIpc::new(&told.schema, &IpcWriteOptions::default()).try_into().map_err(Error::internal)
    }

    /// Answers a ticket.
    pub(crate) async fn fetch(&self, call: &Call, ticket: &Ticket) -> Result<stream::Stream> {
        let token = self.open(call, Purpose::Ticket, &from_ticket(ticket)?)?;
        tracing::debug!(statement = %call.context.statement_id(), told_at_epoch = token.epoch().0, "ticket");
        if let Content::Rows(statement) = token.content()? {
            return self.rows(call, &token, statement).await;
        }
        let held = self.holdings.one(call.context.identity().principal(), What::Stream)?;
        let rows = match token.content()? {
            Content::Write(write) => {
                let written = self.write_once(call.context_of(&write.statement), &token, write).await?;
                self.what_is_left(call, &token, &Done::of(write, &written)).await?
            }
            Content::Done(done) => self.what_is_left(call, &token, done).await?,
            Content::Metadata(command) => match Command::decode(command)? {
                Command::Metadata(metadata) => RowStream::of(self.metadata(call, metadata).await?),
                _ => return Err(handle_not_found()),
            },
            Content::Rows(_) | Content::Session(_) | Content::Carried(_) => return Err(handle_not_found()),
        };
        let held = (held, Arc::clone(&call.under_way));
        Ok(stream::encode(rows, call.context.statement_id(), held))
    }

    /// A new token for the caller, as of the call.
    pub(crate) fn token(&self, call: &Call, content: Content) -> Result<Token> {
        let expires_at = call.context.started_at() + TICKET_LIFE;
        Token::new(call.context.identity().principal(), call.epoch, Some(expires_at), content)
    }

    /// What is known of what `descriptor` asks for, and what its ticket is to hold.
    pub(crate) async fn told(
        &self,
        call: &Call,
        descriptor: &FlightDescriptor,
    ) -> Result<(Described, Content)> {
        let statement = match Command::of_descriptor(descriptor)? {
            Command::Statement(sql) => call.statement(sql),
            Command::PreparedQuery(handle) => self.prepared(call, &handle)?.1,
            Command::Metadata(metadata) => {
                let told = Described::of_rows(metadata.schema());
                return Ok((told, Content::Metadata(descriptor.cmd.clone())));
            }
            Command::Update(_) | Command::PreparedUpdate(_) | Command::Ingest(_) => {
                let text = "an update is sent by DoPut; there is nothing to fetch";
                return Err(Error::new(Condition::InvalidParameterValue, text));
            }
            Command::Refused(what) => return Err(refused(what)),
        };
        self.describe(call, statement).await
    }
}

/// A moment, as the protocol writes it.
pub(crate) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    // reason: below a thousand million, which an i32 holds
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp { seconds: at.timestamp(), nanos }
}

/// What an answer says of the policies that hold, for clients that compare: a JSON object.
fn policy_metadata(digest: &str) -> String {
    format!("{{\"policy_digest\":\"{digest}\"}}")
}
