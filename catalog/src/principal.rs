//! Principals: users, service principals and groups.
//!
//! A principal exists before it logs in; its name is immutable and compared exactly (case,
//! quotes and blanks count), and no user shares a name with a group.

use crate::id::PrincipalId;

/// The group that contains every user and service principal, and whose members nobody sets.
pub const ACCOUNT_USERS: &str = "account users";

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A program. Only one with `may_act_for_users` may carry another user's token.
    ServicePrincipal,
    /// A set of principals; groups nest, without cycles.
    Group,
}

impl PrincipalKind {
    /// The word in a sentence, e.g. `service principal`.
    pub fn noun(self) -> &'static str {
        match self {
            PrincipalKind::User => "user",
            PrincipalKind::ServicePrincipal => "service principal",
            PrincipalKind::Group => "group",
        }
    }
}

/// A user, a service principal or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Survives everything but deletion.
    pub id: PrincipalId,
    /// Immutable, compared exactly.
    pub name: String,
    /// User, service principal or group.
    pub kind: PrincipalKind,
    /// A disabled principal is unauthenticated from the next call on.
    pub disabled: bool,
    /// Account administrators read all of the books and manage principals and top-level
    /// securables. They bypass no policy.
    pub account_admin: bool,
    /// Whether a service principal may present a user's token beside its own.
    pub may_act_for_users: bool,
}

impl Principal {
    /// Whether it is a set of principals rather than somebody.
    pub fn is_group(&self) -> bool {
        self.kind == PrincipalKind::Group
    }
}
