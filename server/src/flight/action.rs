//! Actions: one closed set. What is part of the protocol but not there is refused by name.

use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult, Any, ProstMessageExt};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
    RenewFlightEndpointRequest,
};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use prost::Message;
use tonic::Status;

use super::Door;
use super::call::Call;
use super::command::refused;
use super::seal::Purpose;
use super::ticket::{Content, TICKET_LIFE, from_ticket};
use crate::error::{Condition, Error, Result};

/// An action of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Prepare,
    ClosePrepared,
    CancelQuery,
    CancelFlightInfo,
    SetSessionOptions,
    GetSessionOptions,
    CloseSession,
    RenewFlightEndpoint,
    /// Part of the protocol, and not there: what it would need.
    Refused(&'static str),
}

/// Those that are there: name, meaning, description.
const ACTIONS: [(&str, Known, &str); 8] = [
    ("CreatePreparedStatement", Known::Prepare, "prepares a statement without running it"),
    ("ClosePreparedStatement", Known::ClosePrepared, "closes a prepared statement"),
    ("CancelQuery", Known::CancelQuery, "stops a query that is being fetched"),
    ("CancelFlightInfo", Known::CancelFlightInfo, "stops a query that is being fetched"),
    ("SetSessionOptions", Known::SetSessionOptions, "sets catalog, schema, double_quoted_identifiers"),
    ("GetSessionOptions", Known::GetSessionOptions, "tells the session's options"),
    ("CloseSession", Known::CloseSession, "ends the session"),
    ("RenewFlightEndpoint", Known::RenewFlightEndpoint, "lets the ticket of a query be fetched for longer"),
];

const REFUSED: [(&str, &str); 5] = [
    ("BeginTransaction", "transactions"),
    ("EndTransaction", "transactions"),
    ("BeginSavepoint", "savepoints"),
    ("EndSavepoint", "savepoints"),
    ("CreatePreparedSubstraitPlan", "Substrait plans"),
];

impl Known {
    fn of(name: &str) -> Option<Self> {
        let there = ACTIONS.iter().find(|(known, ..)| *known == name).map(|(_, action, _)| *action);
        let refused = || REFUSED.iter().find(|(known, _)| *known == name);
        there.or_else(|| refused().map(|(_, what)| Known::Refused(what)))
    }
}

/// Every action of the protocol, those that are refused by name among them.
pub(crate) fn names() -> Vec<&'static str> {
    ACTIONS.iter().map(|(name, ..)| *name).chain(REFUSED.iter().map(|(name, _)| *name)).collect()
}

/// The actions that are there, for ListActions.
pub(crate) fn list() -> Vec<ActionType> {
    let action = |(name, _, description): &(&str, Known, &str)| ActionType {
        r#type: (*name).to_owned(),
        description: (*description).to_owned(),
    };
    ACTIONS.iter().map(action).collect()
}

impl Door {
    pub(crate) async fn act(
        &self,
        call: &Call,
        action: &Action,
    ) -> Result<BoxStream<'static, std::result::Result<arrow_flight::Result, Status>>> {
        let name = action.r#type.as_str();
        let known = Known::of(name).ok_or_else(|| unknown(name))?;
        let body = match known {
            Known::Prepare => Some(self.prepare(call, decode_wrapped(&action.body)?).await?),
            Known::ClosePrepared => {
                self.close_prepared(call, &decode_wrapped(&action.body)?);
                None
            }
            Known::CancelQuery => Some(self.cancel_query(call, &decode_wrapped(&action.body)?).await?),
            Known::CancelFlightInfo => {
                Some(self.cancel_flight_info(call, &decode_bare(&action.body)?).await?)
            }
            Known::SetSessionOptions => Some(self.set_session_options(call, &action.body).await?),
            Known::GetSessionOptions => Some(self.session_options(call)),
            Known::CloseSession => Some(self.close_session(call)),
            Known::RenewFlightEndpoint => Some(self.renew(call, decode_bare(&action.body)?)?),
            Known::Refused(what) => return Err(refused(what)),
        };
        let results = body.map(|body| Ok(arrow_flight::Result { body: body.into() }));
        Ok(futures::stream::iter(results).boxed())
    }

    /// Gives the ticket of an endpoint another life, to whom it was given alone. Rights are looked at when it is fetched.
    fn renew(&self, call: &Call, request: RenewFlightEndpointRequest) -> Result<Vec<u8>> {
        let endpoint = request.endpoint.ok_or_else(unreadable)?;
        let ticket = endpoint.ticket.as_ref().ok_or_else(unreadable)?;
        let token = self.open(call, Purpose::Ticket, &from_ticket(ticket)?)?;
        if let Content::Write(_) | Content::Done(_) = token.content()? {
            return Err(refused("renewing the ticket of a statement that changes something"));
        }
        let endpoint = self.endpoint(&token.living_until(self.clock.now() + TICKET_LIFE))?;
        Ok(endpoint.encode_to_vec())
    }

    async fn cancel_query(&self, call: &Call, request: &ActionCancelQueryRequest) -> Result<Vec<u8>> {
        let info: FlightInfo = decode_bare(&request.info)?;
        // both results have the same numbers
        let result = self.cancel(call, &info).await? as i32;
        Ok(ActionCancelQueryResult { result }.as_any().encode_to_vec())
    }

    async fn cancel_flight_info(&self, call: &Call, request: &CancelFlightInfoRequest) -> Result<Vec<u8>> {
        let info = request.info.as_ref().ok_or_else(unreadable)?;
        let status = self.cancel(call, info).await? as i32;
        Ok(CancelFlightInfoResult { status }.encode_to_vec())
    }

    /// Stops what runs for the tickets of `info`, the caller's own alone.
    async fn cancel(&self, call: &Call, info: &FlightInfo) -> Result<CancelStatus> {
        let mut status = CancelStatus::NotCancellable;
        for ticket in info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref()) {
            let token = self.open(call, Purpose::Ticket, &from_ticket(ticket)?)?;
            let polled = self.polls.cancel(token.nonce()).await;
            if self.running.cancel(token.nonce()) || self.writes.cancel(token.nonce()) || polled {
                status = CancelStatus::Cancelled;
            }
        }
        Ok(status)
    }
}

/// A body in the envelope that most actions of Flight SQL have.
fn decode_wrapped<M: ProstMessageExt>(body: &Bytes) -> Result<M> {
    let any = Any::decode(body.as_ref()).map_err(|cause| unreadable().caused_by(cause))?;
    any.unpack().map_err(|cause| unreadable().caused_by(cause))?.ok_or_else(unreadable)
}

/// A body without an envelope.
pub(crate) fn decode_bare<M: Message + Default>(body: &[u8]) -> Result<M> {
    M::decode(body).map_err(|cause| unreadable().caused_by(cause))
}

fn unreadable() -> Error {
    Error::new(Condition::InvalidParameterValue, "the action's body cannot be read")
}

fn unknown(name: &str) -> Error {
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    Error::new(Condition::UnsupportedFeature, format!("`{name}` is not an action of this server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_known_by_its_name() {
        for (name, action, _) in ACTIONS {
            assert_eq!(Known::of(name), Some(action));
        }
        assert_eq!(Known::of("BeginTransaction"), Some(Known::Refused("transactions")));
        assert_eq!(Known::of("Guess"), None);
        assert_eq!(list().len(), ACTIONS.len());
    }
}
