//! [`Context`]: who asks, about which statement, until when. The first argument of everything
//! below the doors; made only from a verified [`Identity`].

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::Clock;
use crate::identity::Identity;
use crate::session::SessionSettings;

/// What the client says of itself; recorded, never believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientDescription {
    /// The `user-agent` header.
    pub user_agent: Option<String>,
}

/// One statement's surroundings.
#[derive(Debug, Clone)]
pub struct Context {
    identity: Identity,
    statement_id: Uuid,
    started_at: DateTime<Utc>,
    /// Settings of the session.
    pub session: SessionSettings,
    /// What the client says of itself.
    pub client: ClientDescription,
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
        Self {
            identity,
            statement_id: Uuid::now_v7(),
            started_at: clock.now(),
            session,
            client,
            cancellation: CancellationToken::new(),
            clock,
        }
    }

    /// Who asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
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
