//! A grant: this principal has this privilege on this securable, and on all it contains; or, of a
//! denial, has it not, whatever else was granted.

use crate::id::PrincipalId;
use crate::privilege::{Privilege, PrivilegeSet};
use crate::securable::SecurableId;

/// Whether a privilege is given or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// GRANT.
    Allow,
    /// DENY: beats every grant and ownership, on the securable and on all it contains.
    Deny,
}

/// One granted or denied privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grant {
    /// Who has it; a group's members have it too.
    pub principal: PrincipalId,
    /// What may be done.
    pub privilege: Privilege,
    /// On what; grants on a catalog or schema hold for all it contains, now and later.
    pub securable: SecurableId,
    /// Given or taken away.
    pub effect: Effect,
}

impl Grant {
    /// A privilege given.
    pub fn allow(principal: PrincipalId, privilege: Privilege, securable: SecurableId) -> Self {
        Self { principal, privilege, securable, effect: Effect::Allow }
    }

    /// A privilege taken away.
    pub fn deny(principal: PrincipalId, privilege: Privilege, securable: SecurableId) -> Self {
        Self { principal, privilege, securable, effect: Effect::Deny }
    }
}

/// What one principal holds on one securable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) principal: PrincipalId,
    pub(crate) allowed: PrivilegeSet,
    pub(crate) denied: PrivilegeSet,
}

impl Holding {
    pub(crate) fn grants(self, securable: SecurableId) -> impl Iterator<Item = Grant> {
        let allowed =
            self.allowed.iter().map(move |privilege| Grant::allow(self.principal, privilege, securable));
        let denied =
            self.denied.iter().map(move |privilege| Grant::deny(self.principal, privilege, securable));
        allowed.chain(denied)
    }
}
