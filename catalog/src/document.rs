//! [`Document`]: the whole catalog as one reviewable text, names instead of ids.
//!
//! What stands in it: principals and groups, every securable with its policies, tag policies, policy
//! tests, grants and denials. What does not: passwords and keys, ids and stamps, the audit trail. Every
//! list and map is sorted, so that equal catalogs make equal texts.
//!
//! The structs spell the shape; nested values have the shape in which stores keep them.

mod columns;
mod difference;
mod export;
mod ids;
mod import;
mod name;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::store::rows::nested::{ColumnJson, ExpectationJson, FilterJson, MaskJson, ParameterJson};
use crate::store::rows::tag_policy::TagPolicyJson;

pub use difference::Difference;
pub(crate) use difference::between;

/// The version of the format.
pub const VERSION: u32 = 1;

/// What an import does with what the document does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It stays: objects, and of objects that are named their columns, policies, tags, members and grants.
    Keep,
    /// It goes, but for columns with governed tags or masks: for these the import is refused.
    Prune,
}

type Texts = BTreeMap<String, String>;
/// Securable, principal, privileges.
type Privileges = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// The whole catalog by names.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    pub(crate) weir_catalog: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metastore_admin: Option<String>,
    pub(crate) principals: BTreeMap<String, PrincipalEntry>,
    pub(crate) storage_credentials: BTreeMap<String, CredentialEntry>,
    pub(crate) external_locations: BTreeMap<String, LocationEntry>,
    pub(crate) governed_tags: BTreeMap<String, TagEntry>,
    pub(crate) catalogs: BTreeMap<String, ContainerEntry>,
    pub(crate) schemas: BTreeMap<String, ContainerEntry>,
    pub(crate) functions: BTreeMap<String, FunctionEntry>,
    /// Views among them.
    pub(crate) tables: BTreeMap<String, TableEntry>,
    pub(crate) volumes: BTreeMap<String, VolumeEntry>,
    /// By scope, then by name.
    pub(crate) tag_policies: BTreeMap<String, BTreeMap<String, TagPolicyEntry>>,
    pub(crate) policy_tests: BTreeMap<String, TestEntry>,
    pub(crate) grants: Privileges,
    pub(crate) denials: Privileges,
}

impl fmt::Debug for Document {
    /// Not the bodies of policies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("tables", &self.tables.len()).finish_non_exhaustive()
    }
}

impl Document {
    /// Where the files of managed tables and volumes lie below the data root, by the name of what they
    /// belong to.
    pub fn managed_locations(&self) -> BTreeMap<&str, &str> {
        let tables = self.tables.iter().filter(|(_, table)| table.kind == "managed");
        let tables = tables.filter_map(|(name, table)| Some((name.as_str(), table.location.as_deref()?)));
        tables.collect()
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrincipalEntry {
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) disabled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) account_admin: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) may_act_for_users: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) members: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialEntry {
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocationEntry {
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<String>,
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagEntry {
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<String>,
}

/// A catalog or a schema.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContainerEntry {
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: Texts,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Texts,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FunctionEntry {
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default)]
    pub(crate) parameters: Vec<ParameterJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) returns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) returns_table: Option<Vec<ParameterJson>>,
    pub(crate) body: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reads: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<String>,
}

/// A table or a view.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableEntry {
    pub(crate) kind: String,
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tests_identity: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reads: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<String>,
    pub(crate) columns: Vec<ColumnJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) row_filter: Option<FilterJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) masks: Vec<MaskJson>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: Texts,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Texts,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VolumeEntry {
    pub(crate) kind: String,
    pub(crate) location: String,
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: Texts,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagPolicyEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    pub(crate) definition: TagPolicyJson,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestEntry {
    pub(crate) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    pub(crate) as_user: String,
    pub(crate) query: String,
    pub(crate) expectation: ExpectationJson,
}
