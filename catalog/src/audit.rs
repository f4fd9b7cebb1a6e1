//! What was asked of the catalog, by whom, and what the answer was.
//!
//! Each write commits together with its event; a refused one leaves an event as well. Events
//! name securables as the caller did and say which fact decided. They hold no policy's body and
//! no password. Reading the catalog leaves no event here: statements are in the server's books.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::id::{AuditEventId, PrincipalId};
use crate::snapshot::{ClaimedGroups, Snapshot};

/// Where a request came from, as far as the server knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who carried it, where an app acts for a user: the app's exact name.
    pub run_by: Option<String>,
    /// The statement's id.
    pub request_id: Option<String>,
    /// The session's id.
    pub session_id: Option<String>,
    /// The client's address.
    pub source_address: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

/// Who asks, and where the request came from.
#[derive(Debug, Clone)]
pub struct Requester {
    /// Whose rights count.
    pub by: PrincipalId,
    /// The groups of which the caller's token makes it a member, beside the catalog's own.
    pub groups: ClaimedGroups,
    /// For the audit trail.
    pub origin: Arc<Origin>,
}

impl Requester {
    /// A request of which nothing is claimed.
    pub fn of(by: PrincipalId, origin: Origin) -> Self {
        Self { by, groups: ClaimedGroups::default(), origin: Arc::new(origin) }
    }

    /// The catalog as the caller has it.
    pub fn catalog(&self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        snapshot.claiming(self.by, &self.groups)
    }
}

impl From<PrincipalId> for Requester {
    /// A request of which no more is known.
    fn from(by: PrincipalId) -> Self {
        Self { by, groups: ClaimedGroups::default(), origin: Arc::default() }
    }
}

/// An operation on the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the operation of the same name")]
pub enum Action {
    Bootstrap,
    CatalogCreate,
    CatalogAlter,
    CatalogDrop,
    SchemaCreate,
    SchemaAlter,
    SchemaDrop,
    TableCreate,
    TableReplace,
    TableAlter,
    TableDrop,
    ViewCreate,
    ViewReplace,
    ViewDrop,
    FunctionCreate,
    FunctionReplace,
    FunctionAlter,
    FunctionDrop,
    VolumeCreate,
    VolumeAlter,
    VolumeDrop,
    ExternalLocationCreate,
    ExternalLocationAlter,
    ExternalLocationDrop,
    StorageCredentialCreate,
    StorageCredentialAlter,
    StorageCredentialDrop,
    RowFilterSet,
    RowFilterDrop,
    MaskSet,
    MaskDrop,
    TagPolicyCreate,
    TagPolicyReplace,
    TagPolicyDrop,
    GovernedTagCreate,
    GovernedTagAlter,
    GovernedTagDrop,
    EntityTagSet,
    EntityTagUnset,
    GrantAdd,
    /// A grant to the one who grants, or to a group of theirs: how a holder of MANAGE comes to
    /// see data.
    GrantAddToSelf,
    GrantRemove,
    DenyAdd,
    DenyRemove,
    OwnerSet,
    PrincipalCreate,
    PrincipalAlter,
    PrincipalDrop,
    MemberAdd,
    MemberRemove,
    AccountAdminSet,
    PasswordSet,
    AccessTokenCreate,
    AccessTokenDrop,
    /// A login by password.
    Login,
    /// A token asked for by a service principal, for itself or for a user.
    TokenIssue,
    /// A query as another user.
    UserImpersonate,
    PolicyTestCreate,
    PolicyTestReplace,
    PolicyTestDrop,
    AccessRequestAdd,
    /// A whole document of objects, policies and grants at once.
    CatalogImport,
}

impl Action {
    /// Its name in the audit trail.
    pub fn name(self) -> &'static str {
        match self {
            Action::Bootstrap => "bootstrap",
            Action::CatalogCreate => "createCatalog",
            Action::CatalogAlter => "alterCatalog",
            Action::CatalogDrop => "dropCatalog",
            Action::SchemaCreate => "createSchema",
            Action::SchemaAlter => "alterSchema",
            Action::SchemaDrop => "dropSchema",
            Action::TableCreate => "createTable",
            Action::TableReplace => "replaceTable",
            Action::TableAlter => "alterTable",
            Action::TableDrop => "dropTable",
            Action::ViewCreate => "createView",
            Action::ViewReplace => "replaceView",
            Action::ViewDrop => "dropView",
            Action::FunctionCreate => "createFunction",
            Action::FunctionReplace => "replaceFunction",
            Action::FunctionAlter => "alterFunction",
            Action::FunctionDrop => "dropFunction",
            Action::VolumeCreate => "createVolume",
            Action::VolumeAlter => "alterVolume",
            Action::VolumeDrop => "dropVolume",
            Action::ExternalLocationCreate => "createExternalLocation",
            Action::ExternalLocationAlter => "alterExternalLocation",
            Action::ExternalLocationDrop => "dropExternalLocation",
            Action::StorageCredentialCreate => "createStorageCredential",
            Action::StorageCredentialAlter => "alterStorageCredential",
            Action::StorageCredentialDrop => "dropStorageCredential",
            Action::RowFilterSet => "setRowFilter",
            Action::RowFilterDrop => "dropRowFilter",
            Action::MaskSet => "setColumnMask",
            Action::MaskDrop => "dropColumnMask",
            Action::TagPolicyCreate => "createPolicy",
            Action::TagPolicyReplace => "updatePolicy",
            Action::TagPolicyDrop => "deletePolicy",
            Action::GovernedTagCreate => "createGovernedTag",
            Action::GovernedTagAlter => "alterGovernedTag",
            Action::GovernedTagDrop => "dropGovernedTag",
            Action::EntityTagSet => "createEntityTagAssignment",
            Action::EntityTagUnset => "deleteEntityTagAssignment",
            Action::GrantAdd => "grant",
            Action::GrantAddToSelf => "grantToSelf",
            Action::GrantRemove => "revoke",
            Action::DenyAdd => "deny",
            Action::DenyRemove => "revokeDenial",
            Action::OwnerSet => "setOwner",
            Action::PrincipalCreate => "createPrincipal",
            Action::PrincipalAlter => "alterPrincipal",
            Action::PrincipalDrop => "dropPrincipal",
            Action::MemberAdd => "addMember",
            Action::MemberRemove => "removeMember",
            Action::AccountAdminSet => "setAccountAdmin",
            Action::PasswordSet => "setPassword",
            Action::AccessTokenCreate => "createAccessToken",
            Action::AccessTokenDrop => "dropAccessToken",
            Action::Login => "login",
            Action::TokenIssue => "issueToken",
            Action::UserImpersonate => "executeAsUser",
            Action::PolicyTestCreate => "createPolicyTest",
            Action::PolicyTestReplace => "replacePolicyTest",
            Action::PolicyTestDrop => "dropPolicyTest",
            Action::AccessRequestAdd => "requestAccess",
            Action::CatalogImport => "importCatalog",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Done.
    Allowed,
    /// Not done.
    Refused,
}

impl Answer {
    /// Its name in the audit trail.
    pub fn name(self) -> &'static str {
        match self {
            Answer::Allowed => "allowed",
            Answer::Refused => "refused",
        }
    }
}

/// One row of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Given once.
    pub id: AuditEventId,
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// Who asked; nobody at bootstrap.
    pub by: Option<PrincipalId>,
    /// The asker's exact name at that time; empty at bootstrap.
    pub by_name: String,
    /// Where it came from.
    pub origin: Origin,
    /// What was asked, an [`Action`]'s name.
    pub action: String,
    /// On what, as the caller named it, e.g. ``table `main.hr.people` ``.
    pub securable: String,
    /// What else was said, by name.
    pub parameters: BTreeMap<String, String>,
    /// An [`Answer`]'s name.
    pub answer: String,
    /// The facts that decided: grants, ownership, rank, or what was missing.
    pub because: String,
}

/// The parameter under which a refused event says of which kind the refusal was, an
/// [`ErrorKind`](crate::ErrorKind)'s name.
pub const REFUSAL_KIND: &str = "refusal_kind";

/// An operation in the words of the reference's audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceAction<'a> {
    /// The service it belongs to.
    pub service: &'static str,
    /// Its name there; our own where the reference has no such operation.
    pub action: &'a str,
}

/// The service of operations on securables, grants and policies.
pub const CATALOG_SERVICE: &str = "unityCatalog";

/// The service of operations on principals.
pub const ACCOUNTS_SERVICE: &str = "accounts";

impl<'a> ReferenceAction<'a> {
    /// What the reference calls the operation of that name, an [`Action`]'s. Several of ours are one of its:
    /// a view is a table there, and each change of rights is `updatePermissions`.
    pub fn of(operation: &'a str) -> Self {
        let action = match operation {
            "alterCatalog" => "updateCatalog",
            "dropCatalog" => "deleteCatalog",
            "alterSchema" => "updateSchema",
            "dropSchema" => "deleteSchema",
            "alterTable" | "replaceView" | "setRowFilter" | "dropRowFilter" | "setColumnMask"
            | "dropColumnMask" => "updateTable",
            "createView" => "createTable",
            "dropTable" | "dropView" => "deleteTable",
            "replaceFunction" => "updateFunction",
            "dropFunction" => "deleteFunction",
            "grant" | "grantToSelf" | "revoke" | "deny" | "revokeDenial" | "setOwner" => "updatePermissions",
            "createPrincipal" => return Self::of_accounts("add"),
            "alterPrincipal" => return Self::of_accounts("updateUser"),
            "dropPrincipal" => return Self::of_accounts("delete"),
            "addMember" => return Self::of_accounts("addPrincipalToGroup"),
            "removeMember" => return Self::of_accounts("removePrincipalFromGroup"),
            "setAccountAdmin" => return Self::of_accounts("setAdmin"),
            "setPassword" => return Self::of_accounts("changePassword"),
            "createAccessToken" => return Self::of_accounts("generateDbToken"),
            "dropAccessToken" => return Self::of_accounts("revokeDbToken"),
            "login" => return Self::of_accounts("login"),
            "issueToken" => return Self::of_accounts("issueToken"),
            other => other,
        };
        Self { service: CATALOG_SERVICE, action }
    }

    fn of_accounts(action: &'static str) -> Self {
        Self { service: ACCOUNTS_SERVICE, action }
    }
}
