//! A grant: this principal has this privilege on this securable, and on all it contains.

use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::SecurableId;

/// One granted privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grant {
    /// Who has it; a group's members have it too.
    pub principal: PrincipalId,
    /// What may be done.
    pub privilege: Privilege,
    /// On what; grants on a catalog or schema hold for all it contains, now and later.
    pub securable: SecurableId,
}
