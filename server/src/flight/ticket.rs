//! Tickets and prepared handles: opaque, expiring, bound to the principal.
//!
//! A token holds all that is needed to run: the text, the session's settings, the values of
//! parameters. Any server of the catalog can answer a read. What changes something is done before
//! its ticket is given out, and the ticket runs nothing; where values are bound after that, the ticket is
//! good on the server that issued it alone, which remembers the outcome. What a token holds is never
//! trusted for rights: execution plans again, under today's catalog and identity.
//! Another principal's token, an expired, changed or unknown one: one text, *not found*.

use arrow_flight::sql::{Any, ProstMessageExt, TicketStatementQuery};
use bytes::Bytes;
use chrono::{DateTime, Duration, Utc};
use prost::Message;
use weir_catalog::{Epoch, PrincipalId};

use super::seal::{Purpose, Seal, handle_not_found, random_id};
use super::writes::Written;
use crate::error::Result;
use crate::session::SessionSettings;

/// How long a ticket can be redeemed.
pub(crate) const TICKET_LIFE: Duration = Duration::minutes(15);
/// How long after its client was told of a query it is fetched for the tables to be as new as they were then.
const TOLD_LATELY: Duration = Duration::seconds(5);
/// How long a prepared statement can be used.
pub(crate) const PREPARED_LIFE: Duration = Duration::hours(24);

/// A statement as it stands in a token.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Statement {
    #[prost(string, tag = "1")]
    pub(crate) sql: String,
    #[prost(message, required, tag = "2")]
    pub(crate) session: Session,
    /// Rows of parameters as an IPC stream, once bound.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) parameters: Option<Bytes>,
    /// The nonce of the prepared handle it came from.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(crate) prepared: Option<Bytes>,
}

/// A session's settings as they stand in a token.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Session {
    #[prost(string, tag = "1")]
    catalog: String,
    #[prost(string, tag = "2")]
    schema: String,
    #[prost(bool, tag = "3")]
    double_quoted_identifiers: bool,
    #[prost(btree_map = "string, string", tag = "4")]
    accepted: std::collections::BTreeMap<String, String>,
    #[prost(sint64, optional, tag = "5")]
    read_at: Option<i64>,
    #[prost(bool, tag = "6")]
    leaves_kept_results: bool,
}

/// A statement that changes something, and the server that may run it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Write {
    #[prost(message, required, tag = "1")]
    pub(crate) statement: Statement,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) origin: Bytes,
    /// Whether it tells by rows what it changed.
    #[prost(bool, tag = "3")]
    pub(crate) gives_receipt: bool,
}

/// What is left to fetch of a statement that has been run.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Done {
    /// The session that it left, where it set one.
    #[prost(message, optional, tag = "1")]
    pub(crate) session: Option<Session>,
    /// The server that keeps the rows it gave, where it gave some.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) receipt_at: Option<Bytes>,
}

/// A session's settings, and the credential beside which they lie.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Carried {
    #[prost(message, required, tag = "1")]
    pub(crate) session: Session,
    /// As it stood in the call's header.
    #[prost(string, optional, tag = "2")]
    pub(crate) credential: Option<String>,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What a token stands for.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Content {
    /// Rows of a statement.
    #[prost(message, tag = "10")]
    Rows(Statement),
    /// A statement to be run once.
    #[prost(message, tag = "11")]
    Write(Write),
    /// A metadata command, as it came.
    #[prost(bytes = "bytes", tag = "12")]
    Metadata(Bytes),
    /// A session's settings.
    #[prost(message, tag = "13")]
    Session(Session),
    /// A statement that has been run.
    #[prost(message, tag = "14")]
    Done(Done),
    /// A session's settings beside a credential.
    #[prost(message, tag = "15")]
    Carried(Carried),
}

/// A token opened, or about to be sealed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Token {
    #[prost(string, tag = "1")]
    principal: String,
    /// The catalog's epoch when it was made. Nothing is decided by it: a newer epoch shows in
    /// the log that the plan told to the client is not the one that runs.
    #[prost(uint64, tag = "2")]
    epoch: u64,
    /// Microseconds since 1970; 0 for a token that holds nothing but settings.
    #[prost(int64, tag = "3")]
    expires_at: i64,
    #[prost(bytes = "bytes", tag = "4")]
    nonce: Bytes,
    #[prost(oneof = "Content", tags = "10, 11, 12, 13, 14, 15")]
    content: Option<Content>,
}

impl Done {
    /// What is left of `write`, of which that came.
    pub(crate) fn of(write: &Write, written: &Written) -> Self {
        Self {
            session: written.session.as_ref().map(Into::into),
            receipt_at: write.gives_receipt.then(|| write.origin.clone()),
        }
    }
}

impl Token {
    /// A token for `principal`.
    pub(crate) fn new(
        principal: PrincipalId,
        epoch: Epoch,
        expires_at: Option<DateTime<Utc>>,
        content: Content,
    ) -> Result<Self> {
        Ok(Self {
            principal: principal.to_string(),
            epoch: epoch.0,
            expires_at: expires_at.map_or(0, |time| time.timestamp_micros()),
            nonce: Bytes::copy_from_slice(&random_id()?),
            content: Some(content),
        })
    }

    /// When the client was told of what this ticket gives, if that is not long before `now`.
    pub(crate) fn told_lately(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let told_at = self.expires_at()?.checked_sub_signed(TICKET_LIFE)?;
        (told_at <= now && now - told_at <= TOLD_LATELY).then_some(told_at)
    }

    /// Sealed for `purpose`.
    pub(crate) fn seal(&self, seal: &Seal, purpose: Purpose) -> Result<Bytes> {
        Ok(seal.seal(purpose, &self.encode_to_vec())?.into())
    }

    /// Opens what `principal` was given for `purpose`, if it still holds at `now`.
    pub(crate) fn open(
        seal: &Seal,
        purpose: Purpose,
        sealed: &[u8],
        principal: PrincipalId,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let token = Self::open_anybodys(seal, purpose, sealed, now)?;
        if token.belongs_to(principal) { Ok(token) } else { Err(handle_not_found()) }
    }

    /// Opens what somebody was given for `purpose`, before it is known who asks. Whoever uses what is in it must look at
    /// [`belongs_to`](Self::belongs_to).
    pub(crate) fn open_anybodys(
        seal: &Seal,
        purpose: Purpose,
        sealed: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let plain = seal.open(purpose, sealed)?;
        let token = Token::decode(plain.as_slice()).map_err(|_| handle_not_found())?;
        let expired = token.expires_at != 0 && token.expires_at <= now.timestamp_micros();
        if expired { Err(handle_not_found()) } else { Ok(token) }
    }

    /// Whether it was given to `principal`.
    pub(crate) fn belongs_to(&self, principal: PrincipalId) -> bool {
        self.principal == principal.to_string()
    }

    /// The catalog's epoch when the token was made.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// Unique to this token and those derived from it by binding parameters.
    pub(crate) fn nonce(&self) -> &Bytes {
        &self.nonce
    }

    /// What it stands for.
    pub(crate) fn content(&self) -> Result<&Content> {
        self.content.as_ref().ok_or_else(handle_not_found)
    }

    /// The same token with another expiry.
    pub(crate) fn living_until(&self, expires_at: DateTime<Utc>) -> Self {
        Self { expires_at: expires_at.timestamp_micros(), ..self.clone() }
    }

    /// Until when it is fetched as often as one likes; none for what is given once.
    pub(crate) fn repeatable_until(&self) -> Option<DateTime<Utc>> {
        match &self.content {
            Some(
                Content::Done(Done { receipt_at: Some(_), .. })
                | Content::Write(Write { gives_receipt: true, .. }),
            ) => None,
            _ => self.expires_at(),
        }
    }

    /// When it expires; none for one that does not.
    pub(crate) fn expires_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.expires_at).filter(|_| self.expires_at != 0)
    }

    /// The same token with other content: same nonce, same expiry.
    pub(crate) fn with_content(&self, content: Content) -> Self {
        Self { content: Some(content), ..self.clone() }
    }
}

impl From<&SessionSettings> for Session {
    fn from(settings: &SessionSettings) -> Self {
        Self {
            catalog: settings.catalog.clone(),
            schema: settings.schema.clone(),
            double_quoted_identifiers: settings.double_quoted_identifiers,
            accepted: settings.accepted.clone(),
            read_at: settings.read_at,
            leaves_kept_results: !settings.use_cached_result,
        }
    }
}

impl From<Session> for SessionSettings {
    fn from(session: Session) -> Self {
        Self {
            catalog: session.catalog,
            schema: session.schema,
            double_quoted_identifiers: session.double_quoted_identifiers,
            accepted: session.accepted,
            read_at: session.read_at,
            use_cached_result: !session.leaves_kept_results,
        }
    }
}

/// A sealed token as the bytes of a Flight ticket: the envelope of the protocol around it.
pub(crate) fn into_ticket(sealed: Bytes) -> arrow_flight::Ticket {
    let envelope = TicketStatementQuery { statement_handle: sealed }.as_any();
    arrow_flight::Ticket { ticket: envelope.encode_to_vec().into() }
}

/// The sealed token in a Flight ticket.
pub(crate) fn from_ticket(ticket: &arrow_flight::Ticket) -> Result<Bytes> {
    Any::decode(ticket.ticket.as_ref())
        .ok()
        .and_then(|any| any.unpack::<TicketStatementQuery>().ok().flatten())
        .map(|query| query.statement_handle)
        .ok_or_else(handle_not_found)
}

#[cfg(test)]
mod tests;
