//! The Flight SQL door: what drivers speak.
//!
//! Who calls is verified by the headers alone ([`entrance`]), for every RPC but the login; every
//! command and action is one of a closed set and is answered or refused by its name. The door
//! decides nothing about rights and plans nothing: it hands text and a [`Context`] to the
//! [`Warehouse`], and streams out what comes back. Tickets, prepared handles and sessions are
//! sealed and carry all they stand for; what the server does hold is counted for each user in
//! [`holdings`].
//!
//! How to add a command: a variant in `command`, its answer in `flights` or `put`; the
//! compiler names the places. How to add an action: a line in `action`.
//!
//! [`Context`]: crate::context::Context

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::sql::metadata::{SqlInfoData, XdbcTypeInfoData};
use bytes::Bytes;
use moka::sync::Cache;
use strum::VariantNames;

use crate::clock::Clock;
use crate::config::Sessions;
use crate::error::Result;
use crate::identity::{Login, Verifier};
use crate::run::Warehouse;

mod action;
mod arrivals;
mod binding;
mod call;
mod certificates;
mod command;
mod entrance;
mod flights;
mod handshake;
mod holdings;
mod ingest;
mod leaving;
mod message_bounds;
mod metadata;
mod polls;
mod prepared;
mod put;
mod receipts;
mod running;
mod seal;
mod server;
mod service;
mod session_bearer;
mod session_cookie;
mod session_options;
mod sql_info;
mod sql_type;
mod statement;
mod stream;
mod ticket;
mod trace_parent;
mod type_info;
mod unpacked;
mod writes;

pub use certificates::{Certificates, Tls};
pub use holdings::HoldingLimits;
pub use server::{Config, serve};

/// What can be asked of the door: each closed set, and the names in it.
pub(crate) fn ways_in() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("flight command", command::Command::VARIANTS.to_vec()),
        ("metadata", command::Metadata::VARIANTS.to_vec()),
        ("action", action::names()),
    ]
}

/// How long bound values are kept for clients that go on with an unbound handle.
const BINDINGS_LIFE: Duration = Duration::from_secs(3600);

/// The door: what its RPCs need.
pub struct Door {
    warehouse: Arc<Warehouse>,
    verifier: Arc<Verifier>,
    logins: Arc<Login>,
    clock: Arc<dyn Clock>,
    sessions: Sessions,
    seal: Arc<seal::Seal>,
    writes: writes::Writes,
    receipts: receipts::Receipts,
    running: running::Running,
    polls: polls::Polls,
    holdings: holdings::Holdings,
    leaving: leaving::Leaving,
    /// Values bound to prepared statements, by the nonce of the handle.
    bindings: Cache<Bytes, Arc<binding::Kept>>,
    sql_info: SqlInfoData,
    type_info: XdbcTypeInfoData,
}

impl Door {
    /// A door to `warehouse`. `secret` is the catalog's, the same for all its servers: 32
    /// uniformly random bytes. `limits` are of what is held for one user, `hint` tells clients where to go when the door
    /// closes.
    pub fn new(
        warehouse: Arc<Warehouse>,
        verifier: Arc<Verifier>,
        logins: Arc<Login>,
        clock: Arc<dyn Clock>,
        secret: [u8; 32],
        (limits, hint): (HoldingLimits, Option<&str>),
    ) -> Result<Self> {
        Ok(Self {
            warehouse,
            verifier,
            logins,
            clock,
            sessions: Sessions::default(),
            seal: Arc::new(seal::Seal::new(secret)),
            writes: writes::Writes::new()?,
            receipts: receipts::Receipts::new(),
            running: running::Running::new(),
            polls: polls::Polls::default(),
            holdings: holdings::Holdings::new(limits),
            leaving: leaving::Leaving::new(hint),
            // bounded by what each user may hold, and all together
            bindings: Cache::builder().time_to_live(BINDINGS_LIFE).build(),
            sql_info: sql_info::build()?,
            type_info: type_info::build()?,
        })
    }

    /// The same door, whose sessions begin as `sessions` says.
    #[must_use]
    pub fn with_sessions(self, sessions: Sessions) -> Self {
        Self { sessions, ..self }
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("warehouse", &self.warehouse).finish_non_exhaustive()
    }
}
