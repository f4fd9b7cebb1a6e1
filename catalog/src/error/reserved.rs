//! What is kept for one kind of caller.

/// An act only one kind of caller may do, whatever was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reserved {
    /// Creating, disabling and dropping principals, and changing groups.
    ManagePrincipals,
    /// Granting and revoking on the metastore.
    GrantOnMetastore,
    /// Granting what lets data out past the warehouse.
    GrantExternalUse,
    /// Lifting a denial that holds for oneself.
    LiftOwnDenial,
    /// Setting and dropping policies that stand on the metastore.
    SetMetastorePolicy,
    /// Saying who the metastore admin is.
    SetMetastoreAdmin,
    /// Creating a table over files that are there already.
    CreateExternalTable,
    /// Creating a volume over files that are there already.
    CreateExternalVolume,
    /// Making a view or function run with the rights of somebody else.
    GiveRightsAway,
    /// Replacing the text of a view or function, which runs with its owner's rights.
    ReplaceDefinition,
    /// Setting somebody else's password.
    SetPassword,
    /// Making access tokens for service principals, and dropping those of others.
    ManageAccessTokens,
    /// Reading the audit trail.
    ReadAudit,
    /// Replacing or dropping somebody else's policy test.
    ChangePolicyTest,
    /// Filling and emptying the caches of a server.
    ManageCaches,
    /// Importing a document of the whole catalog.
    ImportCatalog,
}

impl Reserved {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Reserved::ManagePrincipals => "only an account admin may manage principals",
            Reserved::GrantOnMetastore => {
                "only an account admin or the metastore admin may grant or revoke on the metastore"
            }
            Reserved::GrantExternalUse => "only the catalog's owner may grant EXTERNAL USE SCHEMA",
            Reserved::LiftOwnDenial => {
                "nobody but an account admin or the metastore admin may lift a denial that holds for oneself"
            }
            Reserved::SetMetastorePolicy => {
                "only an account admin or the metastore admin may set, drop or read policies on the metastore"
            }
            Reserved::SetMetastoreAdmin => "only an account admin may say who the metastore admin is",
            Reserved::CreateExternalTable => {
                "an external table needs CREATE EXTERNAL TABLE on an external location that covers it"
            }
            Reserved::CreateExternalVolume => {
                "an external volume needs CREATE EXTERNAL VOLUME on an external location that covers it"
            }
            Reserved::GiveRightsAway => {
                "only an account admin or the metastore admin may give a view or function to a principal other than oneself or one's groups"
            }
            Reserved::ReplaceDefinition => "only the owner may replace the definition of a view or function",
            Reserved::SetPassword => "only an account admin may set another user's password",
            Reserved::ManageAccessTokens => {
                "only an account admin may make access tokens for service principals"
            }
            Reserved::ImportCatalog => "only an account admin may import a catalog",
            Reserved::ManageCaches => {
                "only an account admin or the metastore admin may fill and clear the server's caches"
            }
            Reserved::ReadAudit => "only an account admin may read the audit trail",
            Reserved::ChangePolicyTest => {
                "only its owner, an account admin or the metastore admin may replace or drop a policy test"
            }
        }
    }
}
