//! Requests for short-lived tokens, in the audit trail.
//!
//! The server decides about them, by what clients show; here stands who asked, for whom, and the answer. Where the trail
//! cannot be written, no token is given.

use chrono::{DateTime, Utc};

use super::{Metastore, Request};
use crate::audit::{Action, Answer, Origin, Requester};
use crate::error::Error;
use crate::id::PrincipalId;

/// A token that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct TokenRequest {
    /// The principal that asked, as far as the name that was given is one.
    pub by: Option<PrincipalId>,
    /// The user for whom, once that is known.
    pub subject: Option<PrincipalId>,
    /// The kind of request.
    pub grant: &'static str,
    /// Why it was refused.
    pub refused: Option<&'static str>,
}

impl Metastore {
    /// Puts the request and its answer into the trail. Of a name that nobody has no event says it: it may be a secret in
    /// the wrong place.
    pub async fn token_request_note(
        &self,
        request: TokenRequest,
        now: DateTime<Utc>,
        origin: Origin,
    ) -> Result<(), Error> {
        let snapshot = self.snapshot().await?;
        let about = request.subject.or(request.by).and_then(|id| snapshot.principal(id));
        let securable = about.map(|principal| format!("{} `{}`", principal.kind.noun(), principal.name));
        let securable = securable.unwrap_or_else(|| "account".to_owned());
        let asked = request.by.unwrap_or_else(PrincipalId::fresh);
        let requester = Requester::of(asked, origin);
        let event = Request::new(requester, now, Action::TokenIssue, securable).with("grant", request.grant);
        let (answer, because) = match request.refused {
            None => (Answer::Allowed, "its own credentials"),
            Some(why) => (Answer::Refused, why),
        };
        let mut event = event.event(&snapshot, answer, because.to_owned());
        event.by = request.by;
        self.store.audit_add(&event).await?;
        Ok(())
    }
}
