//! Requests for access: who asks for what, for those who may grant it to read.

use chrono::{DateTime, Utc};

use crate::id::{AccessRequestId, PrincipalId};
use crate::privilege::Privilege;
use crate::securable::SecurableId;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Given once.
    pub id: AccessRequestId,
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// Who asks.
    pub by: PrincipalId,
    /// For what.
    pub securable: SecurableId,
    /// Its full name at that time, with its kind.
    pub securable_name: String,
    /// Which privileges.
    pub privileges: Vec<Privilege>,
    /// Why, in the asker's words.
    pub reason: Option<String>,
}
