//! [`Call`]: one RPC of a verified caller, as the door's entrance makes it for every RPC but the login itself.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::{Extensions, HeaderMap};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Response, Status};
use weir_catalog::Epoch;

use super::Door;
use super::arrivals::{address_of, certificate_of};
use super::leaving::UnderWay;
use super::seal::{Purpose, Seal};
use super::session_bearer;
use super::session_cookie::{self, Presented};
use super::ticket::{Statement, Token};
use super::trace_parent;
use crate::config::Secret;
use crate::context::{ClientDescription, Context};
use crate::error::{Error, Result};
use crate::identity::{Credentials, Identity};
use crate::session::SessionSettings;

/// What a call leaves of its session.
#[derive(Debug)]
enum Afterwards {
    Keep(SessionSettings),
    End,
}

/// One RPC of a verified caller.
pub(crate) struct Call {
    /// Its surroundings, in the caller's session.
    pub(crate) context: Context,
    /// The catalog's epoch in which the caller was verified; tokens that the call makes tell it.
    pub(crate) epoch: Epoch,
    /// What a session of this client begins with: its headers say, and the configuration where they do not.
    pub(crate) beginning: SessionSettings,
    /// Keeps the server from ending before it.
    pub(crate) under_way: Arc<UnderWay>,
    presented: Presented,
    /// Of a client that keeps its session in a bearer.
    bearer: Option<Bearer>,
    afterwards: OnceLock<Afterwards>,
    seal: Arc<Seal>,
}

/// What a session's bearer is made of.
struct Bearer {
    /// Of the call, as it came.
    credential: Option<Secret>,
    /// Whether the call came with one already.
    carried: bool,
}

impl Door {
    /// The call with these headers, once it is verified who calls.
    pub(super) async fn verified_call(
        &self,
        mut headers: HeaderMap,
        connection: &Extensions,
    ) -> Result<Call> {
        let (address, certificate) = (address_of(connection), certificate_of(connection));
        let under_way = self.leaving.begin()?;
        let carried = session_bearer::taken_out(&self.seal, self.clock.as_ref(), &mut headers)?;
        let snapshot = self.warehouse.snapshot().await?;
        let credentials = Credentials::from_headers(&headers)?.with_certificate(certificate);
        let identity = self.verifier.admit(credentials, &snapshot, self.clock.now()).await?;
        let mut call = self.call_of(identity, snapshot.epoch(), (&headers, address), under_way)?;
        if call.presented == Presented::Nothing
            && (carried.is_some() || session_bearer::is_taken_up(&headers))
        {
            let principal = call.context.identity().principal();
            let is_carried = carried.is_some();
            let settings = carried.and_then(|token| session_bearer::settings_in(&token, principal));
            call.context.session = settings.unwrap_or(call.context.session);
            let credential = session_bearer::credential_of(&headers);
            call.bearer = Some(Bearer { credential, carried: is_carried });
        }
        Ok(call)
    }

    /// A call of somebody verified.
    pub(crate) fn call_of(
        &self,
        identity: Identity,
        epoch: Epoch,
        (headers, address): (&HeaderMap, Option<IpAddr>),
        under_way: UnderWay,
    ) -> Result<Call> {
        let clock = Arc::clone(&self.clock);
        let presented = session_cookie::presented(&self.seal, clock.as_ref(), identity.principal(), headers);
        let begun = session_cookie::settings_of_user(&self.sessions, identity.name());
        let beginning = session_cookie::settings_of_headers(headers, begun);
        let session = match &presented {
            Presented::Session(settings) => settings.clone(),
            Presented::Nothing | Presented::Unusable => beginning.clone(),
        };
        let client = described(headers, address);
        let mut context = Context::new(identity, session, client, clock);
        context.takes_kept_results = session_cookie::takes_kept_results(headers);
        Ok(Call {
            context,
            epoch,
            beginning,
            under_way: Arc::new(under_way),
            presented,
            bearer: None,
            afterwards: OnceLock::new(),
            seal: Arc::clone(&self.seal),
        })
    }

    /// Opens a token that was given to the caller.
    pub(crate) fn open(&self, call: &Call, purpose: Purpose, sealed: &[u8]) -> Result<Token> {
        let principal = call.context.identity().principal();
        Token::open(&self.seal, purpose, sealed, principal, self.clock.now())
    }
}

/// What a call says of its client.
pub(crate) fn described(headers: &HeaderMap, address: Option<IpAddr>) -> ClientDescription {
    let user_agent = headers.get("user-agent").and_then(|value| value.to_str().ok());
    ClientDescription {
        span: trace_parent::of_headers(headers),
        ..ClientDescription::new(user_agent, address)
    }
}

impl Call {
    /// The surroundings in which `statement` runs: those of this call, in its own session.
    pub(crate) fn context_of(&self, statement: &Statement) -> Context {
        let mut context = self.context.clone();
        context.session = statement.session.clone().into();
        context
    }

    /// A statement of `sql` in the caller's session.
    pub(crate) fn statement(&self, sql: String) -> Statement {
        Statement { sql, session: (&self.context.session).into(), parameters: None, prepared: None }
    }

    /// Keeps `settings` for the calls that follow, or says that this client cannot.
    pub(crate) fn keep(&self, settings: SessionSettings) -> Result<()> {
        self.must_keep_sessions()?;
        let _already_ended = self.afterwards.set(Afterwards::Keep(settings));
        Ok(())
    }

    /// Says so if this client keeps no sessions: it brought no cookie, and takes up no bearer.
    pub(crate) fn must_keep_sessions(&self) -> Result<()> {
        match self.presented {
            Presented::Nothing if self.bearer.is_none() => Err(session_cookie::session_not_kept()),
            Presented::Nothing | Presented::Unusable | Presented::Session(_) => Ok(()),
        }
    }

    /// Ends the session.
    pub(crate) fn end_session(&self) {
        let _already_changed = self.afterwards.set(Afterwards::End);
    }

    /// The answer to the client: what it asked for, and its session's cookie if there is
    /// something to say; or why not.
    pub(crate) fn answer<T>(&self, result: Result<T>) -> std::result::Result<Response<T>, Status> {
        let statement = Some(self.context.statement_id());
        let answer = result.and_then(|message| {
            let mut response = Response::new(message);
            self.set_cookie(response.metadata_mut())?;
            self.set_bearer(response.metadata_mut())?;
            Ok(response)
        });
        answer.map_err(|error| error.into_status(statement))
    }

    /// Puts the session's cookie into the metadata of an answer.
    pub(crate) fn set_cookie(&self, metadata: &mut MetadataMap) -> Result<()> {
        let principal = self.context.identity().principal();
        let cookie = match (self.afterwards.get(), &self.presented) {
            (Some(Afterwards::End), _) => session_cookie::clear_cookie(),
            (Some(Afterwards::Keep(settings)), _) => {
                session_cookie::set_cookie(&self.seal, principal, settings)?
            }
            (None, Presented::Session(_)) => return Ok(()),
            (None, Presented::Nothing | Presented::Unusable) => {
                session_cookie::set_cookie(&self.seal, principal, &self.context.session)?
            }
        };
        let mut value: AsciiMetadataValue = cookie.parse().map_err(Error::internal)?;
        value.set_sensitive(true);
        metadata.insert("set-cookie", value);
        Ok(())
    }

    /// Puts the session's bearer into the metadata of an answer to a client that keeps its session so, where it changed.
    fn set_bearer(&self, metadata: &mut MetadataMap) -> Result<()> {
        let (Some(bearer), Some(afterwards)) = (&self.bearer, self.afterwards.get()) else { return Ok(()) };
        let settings = match afterwards {
            Afterwards::Keep(settings) => settings,
            Afterwards::End if bearer.carried => &self.beginning,
            Afterwards::End => return Ok(()),
        };
        let principal = self.context.identity().principal();
        let text =
            session_bearer::authorization(&self.seal, principal, settings, bearer.credential.as_ref())?;
        let text = text.ok_or_else(session_cookie::session_not_kept)?;
        let mut value: AsciiMetadataValue = text.parse().map_err(Error::internal)?;
        value.set_sensitive(true);
        metadata.insert("authorization", value);
        Ok(())
    }
}
