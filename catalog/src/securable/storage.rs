//! External locations and storage credentials: where files may lie beside the data root, and with
//! whose key they are read. No secret stands in the catalog: a credential is a name, and the server's
//! configuration says what it opens.

use crate::id::{ExternalLocationId, PrincipalId, StorageCredentialId};
use crate::name::Name;
use crate::stamps::Stamps;

/// A root under which external tables and volumes may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalLocation {
    /// Survives renames.
    pub id: ExternalLocationId,
    /// Unique in the metastore among external locations.
    pub name: Name,
    /// Absolute URL, canonical, ending in `/`. No two locations overlap.
    pub url: String,
    /// With whose key its files are read; none where the server needs none.
    pub credential: Option<StorageCredentialId>,
    /// Who may do everything with it.
    pub owner: PrincipalId,
    /// A remark for people.
    pub comment: Option<String>,
    /// When and by whom.
    pub stamps: Stamps,
}

/// A key to stores, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageCredential {
    /// Survives renames.
    pub id: StorageCredentialId,
    /// Unique in the metastore among storage credentials.
    pub name: Name,
    /// Who may do everything with it.
    pub owner: PrincipalId,
    /// A remark for people.
    pub comment: Option<String>,
    /// When and by whom.
    pub stamps: Stamps,
}
