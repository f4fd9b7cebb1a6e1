//! [`TokenService`]: service principals show what they have, and get a short-lived token of the local issuer for it: for
//! themselves (RFC 6749, section 4.4), or for a user for whom they act, by the user's own token (RFC 8693).
//!
//! A client's secret is an access token of the service principal whose name the client gives. What is given out never
//! outlives what was shown, may no more, and ends with the access tokens among it. It has the meaning of the two tokens in
//! one call: the user's rights alone, with the service principal beside. It is good for calls only, for no other token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use weir_catalog::metastore;
use weir_catalog::{Metastore, Origin, PrincipalId, PrincipalKind, Snapshot};

use super::access_tokens::ACCESS_TOKEN_PREFIX;
use super::credential::Credentials;
use super::local_issuer::{LocalIssuer, SignedToken};
use super::rejection::Rejection;
use super::throttle::{PerMinute, Throttle};
use super::verifier::{Identity, TOKEN_BYTES_MAX, Verifier, may_act};
use crate::config::Secret;
use crate::error::Error;

/// How long a token lives at most.
const TTL: Duration = Duration::from_secs(3600);

/// Requests under way at one time; more are turned away.
const UNDER_WAY_MAX: usize = 64;

/// Refusals that the catalog's trail is told of in a minute. Anybody can cause them; the log has the others.
const REFUSALS_TOLD: u32 = 120;

/// The longest name of a client that is looked up.
const CLIENT_BYTES_MAX: usize = 255;

/// What a client shows of itself.
pub struct ClientSecret {
    /// The name of the service principal, exact.
    pub id: String,
    /// One of its access tokens.
    pub secret: Secret,
}

/// Who acts for a user.
pub enum Actor {
    /// By its secret.
    Client(ClientSecret),
    /// By any token of its own.
    Token(Secret),
}

/// A request for a token.
pub enum TokenRequest {
    /// For the client itself.
    ClientCredentials(ClientSecret),
    /// For the user of `subject`.
    Exchange {
        /// Who acts for the user.
        actor: Actor,
        /// The user's own token.
        subject: Secret,
    },
}

impl TokenRequest {
    fn grant(&self) -> &'static str {
        match self {
            Self::ClientCredentials(_) => "client credentials",
            Self::Exchange { .. } => "token exchange",
        }
    }
}

/// Why no token is given.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such client, or not by that secret; which of the two is not said.
    #[error("no client is known by that name and secret")]
    Client,
    /// The client failed too often.
    #[error("too many failed attempts of this client: try again in {0} seconds")]
    Wait(i64),
    /// The client is none that may act for users.
    #[error("this client may not act for users: an administrator can let the service principal do so")]
    MayNotAct,
    /// The token of the acting service principal does not hold.
    #[error("the actor's token is not valid here")]
    Actor,
    /// The user's token does not hold, or is none of a user.
    #[error(
        "the subject's token is not valid here: it must be a user's own, live, and meant for this server"
    )]
    Subject,
    /// The user's token names another as the one who may act for them.
    #[error("the subject's token says who may act for its user (`may_act`), and that is another client")]
    MayActIsAnother,
    /// What would be given out could not be used.
    #[error("the subject's token says more than fits into another token")]
    TooLong,
    /// Too much at one time, or something elsewhere cannot be asked.
    #[error("no token can be given at present: try again later")]
    Unavailable,
    /// An error of ours.
    #[error("the server met an error of its own")]
    Internal(Error),
}

impl Refusal {
    /// For the catalog's trail.
    fn told(&self) -> &'static str {
        match self {
            Self::Client => "wrong secret, or a principal that may not ask",
            Self::Wait(_) => "too many failed attempts",
            Self::MayNotAct => "may not act for users",
            Self::Actor => "the actor's token does not hold",
            Self::MayActIsAnother => "the subject's token names another who may act",
            Self::Subject | Self::TooLong => "the subject's token does not hold",
            Self::Unavailable | Self::Internal(_) => "not to be had at present",
        }
    }

    /// Of a token that was refused: what is not the token's fault is told as that.
    fn of(rejection: Rejection, otherwise: Self) -> Self {
        tracing::info!(%rejection, "a token was not given");
        match rejection {
            Rejection::NoKeys | Rejection::NoAccessTokens => Self::Unavailable,
            Rejection::MayAct => Self::MayActIsAnother,
            _ => otherwise,
        }
    }

    fn internal(error: impl Into<Error>) -> Self {
        Self::Internal(error.into())
    }
}

/// Gives tokens out.
pub struct TokenService {
    metastore: Arc<Metastore>,
    verifier: Arc<Verifier>,
    issuer: Arc<LocalIssuer>,
    throttle: Throttle,
    refusals: PerMinute,
    places: Semaphore,
}

/// Whom a request turned out to be about, as far as it got.
#[derive(Default)]
struct Parties {
    by: Option<PrincipalId>,
    subject: Option<PrincipalId>,
}

impl TokenService {
    /// For what `verifier` believes, signed by `issuer`.
    pub fn new(metastore: Arc<Metastore>, verifier: Arc<Verifier>, issuer: Arc<LocalIssuer>) -> Self {
        let (throttle, refusals) = (Throttle::new(), PerMinute::new(REFUSALS_TOLD));
        Self { metastore, verifier, issuer, throttle, refusals, places: Semaphore::new(UNDER_WAY_MAX) }
    }

    /// The token that is asked for. What is given leaves an event in the catalog's trail, and so does what is refused to who
    /// need not wait, so many times a minute.
    pub async fn give(
        &self,
        request: TokenRequest,
        (address, origin): (IpAddr, Origin),
        now: DateTime<Utc>,
    ) -> Result<SignedToken, Refusal> {
        let _place = self.places.try_acquire().map_err(|_| Refusal::Unavailable)?;
        let snapshot = self.metastore.snapshot().await.map_err(Refusal::internal)?;
        let (mut parties, grant) = (Parties::default(), request.grant());
        let asked = Asked { service: self, snapshot: &snapshot, address, now };
        let answer = match request {
            TokenRequest::ClientCredentials(client) => asked.for_itself(client, &mut parties).await,
            TokenRequest::Exchange { actor, subject } => asked.for_user(actor, subject, &mut parties).await,
        };
        let Parties { by, subject } = parties;
        let refused = answer.as_ref().err().map(Refusal::told);
        let waits = matches!(answer, Err(Refusal::Wait(_)));
        if waits || refused.is_some() && !self.refusals.admit(now) {
            tracing::warn!(grant, refused, "a token was refused, and the trail is not told");
            return answer;
        }
        let note = metastore::TokenRequest { by, subject, grant, refused };
        self.metastore.token_request_note(note, now, origin).await.map_err(Refusal::internal)?;
        answer
    }
}

/// One request's surroundings.
#[derive(Clone, Copy)]
struct Asked<'a> {
    service: &'a TokenService,
    snapshot: &'a Snapshot,
    address: IpAddr,
    now: DateTime<Utc>,
}

impl Asked<'_> {
    async fn for_itself(self, client: ClientSecret, parties: &mut Parties) -> Result<SignedToken, Refusal> {
        let identity = self.client(&client, parties).await?;
        self.signed(&identity, Refusal::Client)
    }

    async fn for_user(
        self,
        actor: Actor,
        subject: Secret,
        parties: &mut Parties,
    ) -> Result<SignedToken, Refusal> {
        let (acting, own) = match actor {
            Actor::Client(client) => (self.client(&client, parties).await?, client.secret),
            Actor::Token(token) => {
                let known = self.known(&Credentials::bearer(token.clone())).await;
                (known.map_err(|rejection| Refusal::of(rejection, Refusal::Actor))?, token)
            }
        };
        parties.by = Some(acting.principal());
        let may = self.snapshot.principal(acting.principal()).is_some_and(may_act);
        if !may || acting.run_by().is_some() {
            return Err(Refusal::MayNotAct);
        }
        // The two tokens mean here what they mean together in one call.
        let identity = self.known(&Credentials::forwarded(own, subject)).await;
        let identity = identity.map_err(|rejection| Refusal::of(rejection, Refusal::Subject))?;
        if identity.run_by() != Some(acting.name()) {
            return Err(Refusal::Subject);
        }
        parties.subject = Some(identity.principal());
        self.signed(&identity, Refusal::Subject)
    }

    /// The service principal of that name, by an access token of its own.
    async fn client(self, client: &ClientSecret, parties: &mut Parties) -> Result<Identity, Refusal> {
        if client.id.len() > CLIENT_BYTES_MAX {
            return Err(Refusal::Client);
        }
        let named = self.snapshot.principal_by_name(&client.id);
        parties.by = named.map(|principal| principal.id);
        let shown = match client.secret.reveal().starts_with(ACCESS_TOKEN_PREFIX) {
            true => self.known(&Credentials::bearer(client.secret.clone())).await,
            false => Err(Rejection::AccessToken),
        };
        let is_its_own = |identity: &Identity| {
            named.is_some_and(|named| {
                named.id == identity.principal() && named.kind == PrincipalKind::ServicePrincipal
            })
        };
        match shown {
            Ok(identity) if is_its_own(&identity) => Ok(identity),
            Err(rejection @ Rejection::NoAccessTokens) => Err(Refusal::of(rejection, Refusal::Client)),
            _ => Err(self.guessed(&client.id)),
        }
    }

    /// Whoever fails waits longer each time. The right secret never waits, since 256 random bits are not guessed: else anybody at
    /// the same address, which of all clients behind a proxy is one, could keep a client out.
    fn guessed(self, client: &str) -> Refusal {
        let key = format!("{} {client}", self.address);
        match self.service.throttle.wait(&key, self.now) {
            Some(seconds) => Refusal::Wait(seconds),
            None => {
                self.service.throttle.failed(&key, self.now);
                Refusal::Client
            }
        }
    }

    async fn known(self, credentials: &Credentials) -> Result<Identity, Rejection> {
        self.service.verifier.known(credentials, self.snapshot, self.now).await
    }

    /// A token for `identity`, as long as what it was shown by holds; `ended` when that is over.
    fn signed(self, identity: &Identity, ended: Refusal) -> Result<SignedToken, Refusal> {
        let expires_at = identity.expires_at().min(self.now + TTL);
        // Between the end of a token and the end of the leeway for clocks there is nothing left to give.
        if expires_at <= self.now {
            return Err(ended);
        }
        let (grounds, time) = (identity.grounds(), (self.now, expires_at));
        let signed = self.service.issuer.sign_on(&grounds, identity.name(), identity.run_by(), time);
        let signed = signed.map_err(Refusal::Internal)?;
        if signed.token.reveal().len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        Ok(signed)
    }
}
