//! Typed identifiers. An id is given once and survives renames; policies and grants bind to
//! ids, never to names.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id; ids made later sort later.
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

typed_id! {
    /// A catalog.
    CatalogId,
    /// A schema.
    SchemaId,
    /// A table or a view; both share one name space within a schema.
    TableId,
    /// A SQL function.
    FunctionId,
    /// A volume.
    VolumeId,
    /// An external location.
    ExternalLocationId,
    /// A storage credential.
    StorageCredentialId,
    /// A governed tag.
    GovernedTagId,
    /// A tag policy.
    TagPolicyId,
    /// A policy test.
    PolicyTestId,
    /// An event of the audit trail.
    AuditEventId,
    /// A request for access.
    AccessRequestId,
    /// A personal access token.
    AccessTokenId,
    /// A user, a service principal or a group.
    PrincipalId,
    /// A metastore: one catalog store, for as long as it lives.
    MetastoreId,
}
