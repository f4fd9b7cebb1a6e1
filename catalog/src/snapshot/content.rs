//! What a store hands over: everything, or what changed.

use std::collections::BTreeSet;

use crate::function::Function;
use crate::grant::Grant;
use crate::id::{
    CatalogId, ExternalLocationId, FunctionId, GovernedTagId, MetastoreId, PolicyTestId, PrincipalId,
    SchemaId, StorageCredentialId, TableId, TagPolicyId, VolumeId,
};
use crate::policy_test::PolicyTest;
use crate::principal::Principal;
use crate::securable::{Catalog, ExternalLocation, Schema, SecurableId, StorageCredential, Table, Volume};
use crate::tag::GovernedTag;
use crate::tag_policy::TagPolicy;

/// The metastore itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetastoreRoot {
    /// Given when the store was made.
    pub id: MetastoreId,
    /// The metastore admin: a user, a service principal or a group.
    pub owner: Option<PrincipalId>,
}

/// Things a store holds, as rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the list of that noun")]
pub struct Content {
    pub metastore: MetastoreRoot,
    pub principals: Vec<Principal>,
    /// Group and direct member.
    pub memberships: Vec<(PrincipalId, PrincipalId)>,
    pub catalogs: Vec<Catalog>,
    pub schemas: Vec<Schema>,
    pub tables: Vec<Table>,
    pub functions: Vec<Function>,
    pub volumes: Vec<Volume>,
    pub external_locations: Vec<ExternalLocation>,
    pub storage_credentials: Vec<StorageCredential>,
    pub governed_tags: Vec<GovernedTag>,
    pub tag_policies: Vec<TagPolicy>,
    pub policy_tests: Vec<PolicyTest>,
    pub grants: Vec<Grant>,
}

impl Content {
    /// Nothing but the metastore.
    pub fn empty(metastore: MetastoreRoot) -> Self {
        Self {
            metastore,
            principals: Vec::new(),
            memberships: Vec::new(),
            catalogs: Vec::new(),
            schemas: Vec::new(),
            tables: Vec::new(),
            functions: Vec::new(),
            volumes: Vec::new(),
            external_locations: Vec::new(),
            storage_credentials: Vec::new(),
            governed_tags: Vec::new(),
            tag_policies: Vec::new(),
            policy_tests: Vec::new(),
            grants: Vec::new(),
        }
    }
}

/// Things a store holds no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the list of that noun")]
pub struct Gone {
    pub principals: Vec<PrincipalId>,
    pub catalogs: Vec<CatalogId>,
    pub schemas: Vec<SchemaId>,
    pub tables: Vec<TableId>,
    pub functions: Vec<FunctionId>,
    pub volumes: Vec<VolumeId>,
    pub external_locations: Vec<ExternalLocationId>,
    pub storage_credentials: Vec<StorageCredentialId>,
    pub governed_tags: Vec<GovernedTagId>,
    pub tag_policies: Vec<TagPolicyId>,
    pub policy_tests: Vec<PolicyTestId>,
}

/// What changed between two epochs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    /// What was made or altered, as it is now.
    pub content: Content,
    /// What is no more.
    pub gone: Gone,
    /// Groups whose members are exactly those in `content`.
    pub groups: BTreeSet<PrincipalId>,
    /// Securables whose grants are exactly those in `content`.
    pub granted: BTreeSet<SecurableId>,
}

impl Increment {
    /// Everything as a change of nothing.
    pub fn whole(content: Content) -> Self {
        let groups = content.memberships.iter().map(|(group, _)| *group).collect();
        let granted = content.grants.iter().map(|grant| grant.securable).collect();
        Self { content, gone: Gone::default(), groups, granted }
    }
}
