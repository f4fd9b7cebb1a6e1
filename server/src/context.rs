//! [`Context`]: who asks, about which statement, until when. The first argument of everything
//! below the doors; made only from a verified [`Identity`].

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use opentelemetry::trace::SpanContext;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_catalog::{Impersonation, Origin, Requester, Snapshot};
use weir_enforce::Witness;

use crate::clock::Clock;
use crate::identity::Identity;
use crate::session::SessionSettings;

/// What the client says of itself; recorded, never believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientDescription {
    /// The `user-agent` header, its beginning.
    pub user_agent: Option<String>,
    /// The address the call came from: the client's, or that of what stands before the server.
    pub address: Option<String>,
    /// The span of the client in which it calls.
    pub span: Option<SpanContext>,
}

/// The longest user agent that is kept, in characters: it stands on each row of the books.
const USER_AGENT_CHARS_MAX: usize = 256;

impl ClientDescription {
    /// A client that calls itself `user_agent` and calls from `address`.
    pub fn new(user_agent: Option<&str>, address: Option<IpAddr>) -> Self {
        Self {
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARS_MAX).collect()),
            address: address.map(|address| address.to_canonical().to_string()),
            span: None,
        }
    }

    /// As the catalog's trail has it, of a call that is no statement.
    pub fn origin(&self) -> Origin {
        Origin {
            source_address: self.address.clone(),
            user_agent: self.user_agent.clone(),
            ..Origin::default()
        }
    }
}

/// One statement's surroundings.
#[derive(Debug, Clone)]
pub struct Context {
    identity: Identity,
    acting_for: Option<Arc<Context>>,
    statement_id: Uuid,
    started_at: DateTime<Utc>,
    /// When the client asked for what the statement gives: a version that was a table's newest at that time or since is new
    /// enough.
    pub asked_at: DateTime<Utc>,
    /// Settings of the session.
    pub session: SessionSettings,
    /// What the client says of itself.
    pub client: ClientDescription,
    /// Sees what is decided in the statement.
    pub witness: Arc<Witness>,
    /// Whether the statement may be answered by a result that is kept, as far as the call says.
    pub takes_kept_results: bool,
    /// The text of the statement as the books keep it, for all runs of it.
    pub kept_text: Arc<OnceLock<Arc<str>>>,
    /// Stops the statement when cancelled.
    pub cancellation: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Context {
    /// The surroundings of a new statement.
    pub fn new(
        identity: Identity,
        session: SessionSettings,
        client: ClientDescription,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let now = clock.now();
        Self {
            identity,
            acting_for: None,
            statement_id: Uuid::now_v7(),
            started_at: now,
            asked_at: now,
            session,
            client,
            witness: Arc::default(),
            takes_kept_results: true,
            kept_text: Arc::default(),
            cancellation: CancellationToken::new(),
            clock,
        }
    }

    /// The same statement, of which nothing is decided yet.
    #[must_use]
    pub fn seen_anew(self) -> Self {
        Self { witness: Arc::default(), ..self }
    }

    /// Who asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who asks, for the catalog and its trail: with the app that acted for the user, the
    /// statement, and the client.
    pub fn requester(&self) -> Requester {
        let origin = Origin {
            run_by: self.identity.run_by().map(str::to_owned),
            request_id: Some(self.statement_id.to_string()),
            ..self.client.origin()
        };
        let groups = self.identity.groups().clone();
        Requester { by: self.identity.principal(), groups, origin: Arc::new(origin) }
    }

    /// The catalog as whoever asks has it: with the groups that the caller's token claims. Every question of a statement about
    /// rights, policies or groups is put to this.
    pub fn catalog(&self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        snapshot.claiming(self.identity.principal(), self.identity.groups())
    }

    /// The surroundings of the same statement as another user.
    pub fn executing_as(&self, allowed: &Impersonation) -> Option<Self> {
        let identity = self.identity.executing_as(allowed)?;
        Some(Self { identity, acting_for: Some(Arc::new(self.clone())), ..self.clone() })
    }

    /// The surroundings of whoever runs this statement as another user.
    pub fn acting_for(&self) -> Option<&Context> {
        self.acting_for.as_deref()
    }

    /// The same surroundings by what the catalog alone says of the caller: for texts that are kept and run later with the
    /// caller's rights.
    #[must_use]
    pub fn without_claimed_groups(&self) -> Self {
        Self { identity: self.identity.without_claimed_groups(), ..self.clone() }
    }

    /// The statement's id, as it stands in history.
    pub fn statement_id(&self) -> Uuid {
        self.statement_id
    }

    /// When the statement came in.
    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
