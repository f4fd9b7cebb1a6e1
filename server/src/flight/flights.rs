//! Descriptors and tickets: what a command would return, and the fetching of it.

use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, PollInfo, SchemaAsIpc, SchemaResult, Ticket,
};
use futures::StreamExt;
use prost_types::Timestamp;

use super::call::Call;
use super::command::{Command, refused};
use super::seal::{Purpose, handle_not_found};
use super::ticket::{Content, TICKET_LIFE, Token, from_ticket, into_ticket};
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
        let info = FlightInfo::new()
            .try_with_schema(&told.schema)
            .map_err(Error::internal)?
            .with_descriptor(descriptor)
            .with_endpoint(self.endpoint(&token)?)
            .with_total_records(UNKNOWN)
            .with_total_bytes(UNKNOWN);
        Ok(match told.digest {
            Some(digest) => info.with_app_metadata(policy_metadata(&digest)),
            None => info,
        })
    }

    /// Where the rows of a token are fetched: here, until it expires, as often as one likes. An endpoint that says no
    /// time is one to fetch once.
    pub(crate) fn endpoint(&self, token: &Token) -> Result<FlightEndpoint> {
        let ticket = into_ticket(token.seal(&self.seal, Purpose::Ticket)?);
        let expires_at = token.repeatable_until().map(|time| Timestamp {
            seconds: time.timestamp(),
            nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0),
        });
        Ok(FlightEndpoint { expiration_time: expires_at, ..FlightEndpoint::new().with_ticket(ticket) })
    }

    /// Complete at once: what takes time of a query is the fetching, and that streams.
    pub(crate) async fn poll_info(&self, call: &Call, descriptor: FlightDescriptor) -> Result<PollInfo> {
        let info = self.flight_info(call, descriptor).await?;
        Ok(PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() })
    }

    pub(crate) async fn schema(&self, call: &Call, descriptor: FlightDescriptor) -> Result<SchemaResult> {
        let (told, _) = self.told(call, &descriptor).await?;
        SchemaAsIpc::new(&told.schema, &IpcWriteOptions::default()).try_into().map_err(Error::internal)
    }

    /// Answers a ticket.
    pub(crate) async fn fetch(&self, call: &Call, ticket: &Ticket) -> Result<stream::Stream> {
        let token = self.open(call, Purpose::Ticket, &from_ticket(ticket)?)?;
        tracing::debug!(statement = %call.context.statement_id(), told_at_epoch = token.epoch().0, "ticket");
        match token.content()? {
            Content::Rows(statement) => self.rows(call, &token, statement).await,
            Content::Write(write) => {
                self.write_once(call, &token, write).await?;
                Ok(stream::encode(RowStream::nothing(), call.context.statement_id(), ()))
            }
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
            Content::Done(done) => {
                let left = self.what_is_left(call, &token, done).await?;
                Ok(stream::encode(left, call.context.statement_id(), ()))
            }
            Content::Session(_) => Err(handle_not_found()),
        }
    }

    /// A new token for the caller, as of the call.
    pub(crate) fn token(&self, call: &Call, content: Content) -> Result<Token> {
        let expires_at = call.context.started_at() + TICKET_LIFE;
        Token::new(call.context.identity().principal(), call.epoch, Some(expires_at), content)
    }

    /// What is known of what `descriptor` asks for, and what its ticket is to hold.
    async fn told(&self, call: &Call, descriptor: &FlightDescriptor) -> Result<(Described, Content)> {
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

/// What an answer says of the policies that hold, for clients that compare: a JSON object.
fn policy_metadata(digest: &str) -> String {
    format!("{{\"policy_digest\":\"{digest}\"}}")
}
