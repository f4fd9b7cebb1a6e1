//! The governance model of Weir and its store: who may see what.
//!
//! The crate answers three questions: what exists (securables), who asks (principals and
//! their groups), and what is allowed (grants, ownership, policies). It never plans a query,
//! never speaks a wire protocol and never sees a row of user data; types of columns and
//! bodies of functions are text here.
//!
//! Reading goes through [`Snapshot`], an immutable picture of the whole catalog at one
//! [`Epoch`]. Writing goes through [`Metastore`]: each operation takes the principal that
//! asks, decides on a snapshot, and commits its row changes only if the epoch has not moved.

pub mod access_request;
pub mod access_token;
pub mod audit;
pub mod authorize;
pub mod check;
pub mod coverage;
pub mod decision;
pub mod document;
pub mod effective;
pub mod error;
pub mod function;
pub mod grant;
pub mod id;
pub mod metastore;
pub mod name;
pub mod policy;
pub mod policy_cycle;
pub mod policy_reading;
pub mod policy_test;
pub mod principal;
pub mod privilege;
pub mod securable;
pub mod snapshot;
pub mod stamps;
pub mod store;
pub mod tag;
pub mod tag_policy;

pub use access_request::AccessRequest;
pub use access_token::AccessToken;
pub use audit::{Origin, Requester};
pub use authorize::{
    Visible, Within, authorize, is_account_admin, is_metastore_admin, may_count_hidden, may_read_policies,
    may_see, resolve, visible_grants, visible_grants_to, visible_tables,
};
pub use check::findings;
pub use coverage::{CoveredTable, Tagged};
pub use decision::{Decision, Lack, Reason};
pub use document::{Difference, Document, Removal};
pub use effective::{
    EffectiveArgument, EffectiveColumn, EffectiveFilter, EffectiveMask, EffectivePolicies, OpenedColumn,
    PolicyOrigin, PolicyRefusal, TagPolicyOrigin,
};
pub use error::{Error, ErrorKind};
pub use function::{Function, Parameter, Returns};
pub use grant::{Effect, Grant};
pub use id::{
    AccessRequestId, AccessTokenId, AuditEventId, CatalogId, ExternalLocationId, FunctionId, GovernedTagId,
    MetastoreId, PolicyTestId, PrincipalId, SchemaId, StorageCredentialId, TableId, TagPolicyId, VolumeId,
};
pub use metastore::impersonation::Impersonation;
pub use metastore::{
    AccountAdmin, CatalogSpec, Contents, Created, Delegation, Enablement, FunctionSpec, GovernedTagSpec,
    Metastore, OnExisting, OnExistingDefinition, OnMissing, PolicyTestSpec, PrincipalSpec, SchemaSpec,
    Storage, TableSpec, TagPolicySpec, TagTarget, TagValues, ViewSpec,
};
pub use name::{Name, ObjectName, SchemaName};
pub use policy::{
    BuiltinMask, ColumnBinding, ColumnMask, Literal, PolicyArgument, PolicyFunction, RowFilter,
};
pub use policy_cycle::PolicyCycle;
pub use policy_test::{Expectation, PolicyTest};
pub use principal::{ACCOUNT_USERS, Principal, PrincipalKind};
pub use privilege::Privilege;
pub use securable::{
    Catalog, Column, ExternalLocation, KeyPart, PrimaryKey, Protection, Schema, SecurableId, SecurableKind,
    SecurableName, StorageCredential, Table, TableKind, ViewDefinition, Volume, VolumeKind,
};
pub use snapshot::{ClaimedGroups, Content, Epoch, Increment, MetastoreRoot, Snapshot, Unclaimable};
pub use stamps::Stamps;
pub use tag::{GovernedTag, TagKey, Tags};
pub use tag_policy::{
    Audience, ColumnMatch, Composition, OnNoMatch, TagCondition, TagPolicy, TagPolicyArgument, TagPolicyRule,
};
