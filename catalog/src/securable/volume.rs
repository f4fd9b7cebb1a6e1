//! Volumes: names for folders of files that are no tables. The catalog keeps what is known of them;
//! no statement reads their files.

use crate::id::{PrincipalId, SchemaId, VolumeId};
use crate::name::ObjectName;
use crate::stamps::Stamps;
use crate::tag::Tags;

/// Where a volume's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeKind {
    /// Under the data root; the path is relative to it.
    Managed {
        /// Relative to the data root.
        location: String,
    },
    /// Elsewhere.
    External {
        /// Absolute URL, canonical, ending in `/`.
        location: String,
    },
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Survives renames.
    pub id: VolumeId,
    /// The schema that holds it.
    pub schema: SchemaId,
    /// Its full name.
    pub name: ObjectName,
    /// Who may do everything with it.
    pub owner: PrincipalId,
    /// Managed or external.
    pub kind: VolumeKind,
    /// A remark for people.
    pub comment: Option<String>,
    /// Its own tags.
    pub tags: Tags,
    /// When and by whom.
    pub stamps: Stamps,
}
