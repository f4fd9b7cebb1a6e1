//! When and by whom a thing was made and last changed.

use chrono::{DateTime, Utc};

use crate::id::PrincipalId;

/// When and by whom a thing was made and last changed. The principals may be gone since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: PrincipalId,
    /// When it was last changed.
    pub altered_at: DateTime<Utc>,
    /// Who changed it last.
    pub altered_by: PrincipalId,
}

impl Stamps {
    /// Of a thing made at that moment.
    pub fn new(at: DateTime<Utc>, by: PrincipalId) -> Self {
        Self { created_at: at, created_by: by, altered_at: at, altered_by: by }
    }

    /// The same thing, changed at that moment.
    #[must_use]
    pub fn altered(self, at: DateTime<Utc>, by: PrincipalId) -> Self {
        Self { altered_at: at, altered_by: by, ..self }
    }
}
