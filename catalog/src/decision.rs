//! Allowed or refused, with what determined it.

use crate::error::{Error, MissingPrivilege};
use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableName};
use crate::snapshot::Snapshot;

/// Why one privilege is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A grant of `privilege` (the one asked for, or ALL PRIVILEGES) on `on` to `to`.
    Granted {
        /// The caller or a group of the caller.
        to: PrincipalId,
        /// What was granted.
        privilege: Privilege,
        /// The securable itself or a container of it.
        on: SecurableId,
    },
    /// `owner` (the caller or a group of the caller) owns `of`.
    Owned {
        /// The owner.
        owner: PrincipalId,
        /// The securable itself or, for administration, a container of it.
        of: SecurableId,
    },
    /// The caller is an account admin; a reason for administration only, never for data.
    AccountAdmin,
    /// The caller is the metastore admin or in that group; for administration only.
    MetastoreAdmin,
}

impl Reason {
    /// The fact as text, names instead of ids: "SELECT on schema `main.hr` granted to `readers`".
    pub fn told(&self, snapshot: &Snapshot) -> String {
        let principal = |id| snapshot.principal(id).map_or("?", |principal| principal.name.as_str());
        let securable = |id| snapshot.name_of(id).map_or_else(|| "?".to_owned(), |name| name.to_string());
        match self {
            Reason::Granted { to, privilege, on } => {
                format!("{privilege} on {} granted to `{}`", securable(*on), principal(*to))
            }
            Reason::Owned { owner, of } => format!("{} owned by `{}`", securable(*of), principal(*owner)),
            Reason::AccountAdmin => "account admin".to_owned(),
            Reason::MetastoreAdmin => "metastore admin".to_owned(),
        }
    }
}

/// What a refused decision lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lack {
    /// The privilege.
    pub privilege: Privilege,
    /// On what.
    pub on: SecurableId,
    /// The denial that takes it away, where one does: whom it names, and on what.
    pub denied: Option<(PrincipalId, SecurableId)>,
}

/// The answer to "may this principal do that here?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Everything needed is there.
    Allowed {
        /// One determining fact for each privilege that was needed, the asked one first.
        because: Vec<Reason>,
    },
    /// Something is missing.
    Refused {
        /// All of it, the asked one first.
        missing: Vec<Lack>,
        /// Whether the caller may be told that the securable exists. When not, the answer to
        /// the caller is "not found".
        knows_of_it: bool,
    },
}

impl Decision {
    /// Whether the answer is yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed { .. })
    }

    /// The refusal as the caller may read it: with the missing privileges where the caller
    /// knows of the securable, else as "not found" under the name that was `asked` for.
    pub fn require(self, snapshot: &Snapshot, asked: &SecurableName) -> Result<Vec<Reason>, Error> {
        match self {
            Decision::Allowed { because } => Ok(because),
            Decision::Refused { knows_of_it: false, .. } => Err(Error::NotFound { securable: asked.clone() }),
            Decision::Refused { missing, knows_of_it: true } => {
                let missing = missing
                    .into_iter()
                    .filter_map(|lack| {
                        let securable = snapshot.name_of(lack.on)?;
                        let denied = lack.denied.is_some();
                        Some(MissingPrivilege { privilege: lack.privilege, securable, denied })
                    })
                    .collect();
                Err(Error::PermissionDenied { missing })
            }
        }
    }
}
