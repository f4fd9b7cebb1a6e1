//! Tags: a key and a value on a securable or a column, by which policies find what they protect.
//!
//! A schema has its catalog's tags, a table its schema's, unless it sets the key itself; columns
//! inherit nothing. Keys of governed tags take listed values only, and only who holds ASSIGN on the
//! governed tag sets or removes them: a table's owner cannot lift a policy by removing a tag.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::id::{GovernedTagId, PrincipalId};
use crate::stamps::Stamps;

/// A tag's key, folded to lower case: `PII` and `pii` are one key, so that a slip of the shift key
/// takes away no protection. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagKey(Arc<str>);

impl TagKey {
    /// Folds and checks `text`. Errors with kind `Invalid` when it is empty, longer than 255 bytes,
    /// begins or ends with a blank, or holds `,`, `=`, `/`, `:` or a control character.
    pub fn new(text: &str) -> Result<Self, Error> {
        let folded = text.to_lowercase();
        let forbidden = |c: char| matches!(c, ',' | '=' | '/' | ':') || c.is_control();
        if folded.is_empty() || folded.len() > 255 || folded.trim() != folded || folded.contains(forbidden) {
            return Err(Error::InvalidTagKey { key: text.to_owned() });
        }
        Ok(Self(folded.into()))
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tags set on one thing. A key without a value has the empty value.
pub type Tags = BTreeMap<TagKey, String>;

/// A key that policies may speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GovernedTag {
    /// What grants bind to.
    pub id: GovernedTagId,
    /// Unique in the metastore.
    pub key: TagKey,
    /// The values it takes, exact; any value where there are none.
    pub values: Vec<String>,
    /// Who may do everything with it.
    pub owner: PrincipalId,
    /// A remark for people.
    pub comment: Option<String>,
    /// When and by whom.
    pub stamps: Stamps,
}

impl GovernedTag {
    /// Whether the tag takes that value.
    pub fn takes(&self, value: &str) -> bool {
        self.values.is_empty() || self.values.iter().any(|known| known == value)
    }
}
