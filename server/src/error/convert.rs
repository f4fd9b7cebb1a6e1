//! Errors of the other crates, turned into ours: each variant by name, so that a new one is
//! looked at. What is not known here is a fault of the server.

use datafusion::error::DataFusionError;
use weir_catalog::error::Error as CatalogError;
use weir_catalog::securable::{SecurableKind, SecurableName};
use weir_catalog::store::Error as StoreError;
use weir_scan::{ColumnChange, Error as ScanError, Obstacle};

use super::{Condition, Error};

#[cfg(test)]
mod tests;

impl From<CatalogError> for Error {
    fn from(error: CatalogError) -> Self {
        let condition = match error {
            CatalogError::NotFound { securable } => return not_found(&securable),
            CatalogError::Store(error) => return store(error),
            CatalogError::PasswordHash => return Error::internal(error),
            CatalogError::InvalidName { .. }
            | CatalogError::InvalidPrincipalName { .. }
            | CatalogError::ReservedName { .. } => Condition::InvalidIdentifier,
            CatalogError::PrincipalNotFound { .. } | CatalogError::MemberNotFound { .. } => {
                Condition::PrincipalDoesNotExist
            }
            CatalogError::RowFilterNotFound { .. }
            | CatalogError::MaskNotFound { .. }
            | CatalogError::TagPolicyNotFound { .. } => Condition::PolicyNotFound,
            CatalogError::TagPolicyExists { .. } => Condition::PolicyAlreadyExists,
            CatalogError::PolicyScopeUnfit { .. } => Condition::PolicyOnSecurableTypeNotSupported,
            CatalogError::TagNotGoverned { .. } => Condition::UnknownTagPolicy,
            CatalogError::PolicyReadsItself { .. } => Condition::InvalidStatement,
            CatalogError::AlreadyExists { kind, .. } => exists(kind),
            CatalogError::PolicyTestNotFound { .. } => Condition::PolicyTestNotFound,
            CatalogError::AccessTokenNotFound { .. } => Condition::AccessTokenNotFound,
            CatalogError::PolicyTestExists { .. } => Condition::PolicyTestAlreadyExists,
            CatalogError::PrincipalExists { .. } | CatalogError::AlreadyBootstrapped => {
                Condition::PrincipalAlreadyExists
            }
            CatalogError::PermissionDenied { .. }
            | CatalogError::Reserved { .. }
            | CatalogError::PolicyReadsGoverned { .. } => Condition::InsufficientPermissions,
            CatalogError::CallerUnknown => Condition::Unauthenticated,
            CatalogError::WrongKind { .. } => Condition::WrongCommandForObjectType,
            CatalogError::PrivilegeNotApplicable { .. }
            | CatalogError::InvalidTagKey { .. }
            | CatalogError::InvalidTagPolicy { .. }
            | CatalogError::InvalidTagValues { .. }
            | CatalogError::TagValueNotTaken { .. }
            | CatalogError::InvalidLocation { .. }
            | CatalogError::InvalidProperty { .. }
            | CatalogError::PropertyNotFound { .. }
            | CatalogError::InvalidPassword
            | CatalogError::ReasonTooLong { .. }
            | CatalogError::AccessTokenLife { .. }
            | CatalogError::ImportRefused { .. }
            | CatalogError::PrincipalKindUnfit { .. } => Condition::InvalidParameterValue,
            CatalogError::NotEmpty { kind: SecurableKind::Schema, .. } => Condition::SchemaNotEmpty,
            CatalogError::NotEmpty { .. }
            | CatalogError::DependentsExist { .. }
            | CatalogError::TaggedColumn { .. }
            | CatalogError::LastAccountAdmin { .. } => Condition::DependentsExist,
            CatalogError::LocationOverlap { .. } => Condition::LocationOverlap,
            CatalogError::ColumnNotFound { .. } => Condition::UnresolvedColumn,
            CatalogError::ReplacesExternal { .. } => Condition::UnsupportedFeature,
            CatalogError::MaskOverlap { .. } => Condition::MaskUnsupported,
            CatalogError::DuplicateColumn { .. } => Condition::ColumnAlreadyExists,
            CatalogError::WrongArgumentCount { .. } => Condition::WrongNumArgs,
            CatalogError::SourceDropped | CatalogError::Contention => Condition::ConcurrentModification,
            CatalogError::ViewCycle { .. } => Condition::RecursiveView,
            CatalogError::FunctionCycle { .. } => Condition::InvalidStatement,
            CatalogError::GroupCycle { .. } => Condition::InvalidStatement,
            _ => return Error::internal(error),
        };
        let told = Error::new(condition, error.to_string());
        match error.hint() {
            Some(hint) => told.with_hint(hint),
            None => told,
        }
    }
}

/// The error for a name that means nothing to the caller; the same wherever it comes up.
pub fn not_found(securable: &SecurableName) -> Error {
    match securable {
        SecurableName::Metastore => Error::internal("the metastore is not found"),
        SecurableName::Catalog(name) => Error::not_found(Condition::CatalogNotFound, "catalog", name),
        SecurableName::Schema(name) => Error::not_found(Condition::SchemaNotFound, "schema", name),
        SecurableName::Table(name) => Error::not_found(Condition::TableOrViewNotFound, "table or view", name),
        SecurableName::Function(name) => Error::not_found(Condition::RoutineNotFound, "function", name),
        SecurableName::Volume(name) => Error::not_found(Condition::VolumeNotFound, "volume", name),
        SecurableName::ExternalLocation(name) => {
            Error::not_found(Condition::ExternalLocationNotFound, "external location", name)
        }
        SecurableName::StorageCredential(name) => {
            Error::not_found(Condition::StorageCredentialNotFound, "storage credential", name)
        }
        SecurableName::GovernedTag(key) => {
            Error::not_found(Condition::GovernedTagNotFound, "governed tag", key)
        }
    }
}

fn exists(kind: SecurableKind) -> Condition {
    match kind {
        SecurableKind::Metastore | SecurableKind::Catalog => Condition::CatalogAlreadyExists,
        SecurableKind::Schema => Condition::SchemaAlreadyExists,
        SecurableKind::Table | SecurableKind::View => Condition::TableOrViewAlreadyExists,
        SecurableKind::Function => Condition::RoutineAlreadyExists,
        SecurableKind::Volume => Condition::VolumeAlreadyExists,
        SecurableKind::ExternalLocation => Condition::ExternalLocationAlreadyExists,
        SecurableKind::StorageCredential => Condition::StorageCredentialAlreadyExists,
        SecurableKind::GovernedTag => Condition::GovernedTagAlreadyExists,
    }
}

fn store(error: StoreError) -> Error {
    match error {
        StoreError::Conflict => {
            Error::new(Condition::ConcurrentModification, error.to_string()).with_hint("try again")
        }
        StoreError::Unavailable(_) => Error::new(Condition::Unavailable, error.to_string())
            .with_hint("try again later")
            .caused_by(error),
        StoreError::Address => Error::new(Condition::InvalidConfiguration, error.to_string())
            .with_hint("write postgres://user:password@host:port/database"),
        StoreError::Statement(_)
        | StoreError::Migration(_)
        | StoreError::NoCatalog(_)
        | StoreError::Damaged { .. } => Error::internal(error),
    }
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        let condition = match error {
            ScanError::Input(cause) => return input(cause),
            ScanError::ColumnChange { change, ref obstacle, .. } => {
                let (condition, hint) = column_change(change, obstacle);
                let told = Error::new(condition, error.to_string());
                return hint.map_or_else(|| told.clone(), |hint| told.clone().with_hint(hint));
            }
            ScanError::InvalidRootName { .. }
            | ScanError::UnusableRoot { .. }
            | ScanError::UnusableSecret { .. }
            | ScanError::DuplicateRoot { .. }
            | ScanError::Runtime(_) => Condition::InvalidConfiguration,
            ScanError::InvalidPath { .. } => Condition::InvalidParameterValue,
            ScanError::NoDeltaLog { .. } => Condition::DeltaTableNotFound,
            ScanError::CorruptLog { .. } | ScanError::MissingFile { .. } | ScanError::CorruptFile { .. } => {
                Condition::DeltaTableCorrupt
            }
            ScanError::ChangedFile { .. } => {
                return Error::new(Condition::DeltaTableCorrupt, error.to_string())
                    .with_hint(
                        "bring the file back; where the change is meant, an administrator runs CLEAR CACHE",
                    )
                    .caused_by(error);
            }
            ScanError::UnsupportedFeature { .. } | ScanError::UnsupportedProtocol { .. } => {
                Condition::DeltaFeatureUnsupported
            }
            ScanError::UnsupportedWrite { .. } => Condition::DeltaFeatureUnwritten,
            ScanError::VersionNotFound { .. } => Condition::VersionNotFound,
            ScanError::BeforeFirstVersion { .. } => Condition::TimestampTooEarly,
            ScanError::ChangeRange { .. } => Condition::InvalidChangeRange,
            ScanError::NoChangeData { .. } => Condition::MissingChangeData,
            ScanError::ChangedColumns { .. } => Condition::ChangedColumns,
            ScanError::AlreadyExists { .. } => Condition::TableOrViewAlreadyExists,
            ScanError::Conflict { .. } => Condition::ConcurrentModification,
            ScanError::ChangedTwice => Condition::MergeCardinality,
            ScanError::TextTooLong(ref too_long) => {
                let hint = format!("write a shorter text, as left(…, {}) gives it", too_long.length_max);
                return Error::new(Condition::TextTooLong, error.to_string()).with_hint(hint);
            }
            ScanError::LongName { .. } => Condition::InvalidParameterValue,
            ScanError::UnwrittenText { .. } => Condition::UnsupportedFeature,
            ScanError::InvalidRows { .. } => Condition::ConstraintViolated,
            ScanError::UnsupportedType { .. } => Condition::DatatypeMismatch,
            ScanError::InvalidDefinition { .. } => Condition::InvalidStatement,
            ScanError::Io { .. } => {
                return Error::new(Condition::Unavailable, error.to_string())
                    .with_hint("try again; where it stays so, the server's log has the cause")
                    .caused_by(error);
            }
            _ => return Error::internal(error),
        };
        let told = Error::new(condition, error.to_string());
        match error.place() {
            Some(place) => told.caused_by(format!("{error} ({place})")),
            None => told.caused_by(error),
        }
    }
}

/// A column that cannot be renamed or dropped: the condition, and what can be done.
fn column_change(change: ColumnChange, obstacle: &Obstacle) -> (Condition, Option<&'static str>) {
    let mapping = "make the table with TBLPROPERTIES ('delta.columnMapping.mode' = 'name'); CREATE OR REPLACE TABLE \
                   gives this one other columns";
    match (change, obstacle) {
        (ColumnChange::Rename, Obstacle::NoColumnMapping) => {
            (Condition::UnsupportedRenameColumn, Some(mapping))
        }
        (ColumnChange::Drop, Obstacle::NoColumnMapping) => (Condition::UnsupportedDropColumn, Some(mapping)),
        (ColumnChange::Rename, Obstacle::Partition) => (Condition::UnsupportedFeature, None),
        (ColumnChange::Drop, Obstacle::Partition) => (Condition::UnsupportedDropPartitionColumn, None),
        (_, Obstacle::Constraint(_)) => {
            (Condition::ConstraintDependentColumn, Some("take the constraint or property away first"))
        }
        (_, Obstacle::Generated(_)) => (Condition::GeneratedDependentColumn, None),
        (_, Obstacle::LastColumn) => (Condition::DropLastColumn, Some("DROP TABLE takes the table away")),
        (_, Obstacle::Missing) => (Condition::UnresolvedColumn, Some("DESCRIBE TABLE lists the columns")),
        (_, Obstacle::Taken(_)) => (Condition::ColumnAlreadyExists, None),
    }
}

/// The rows of a write come from a query; its own error is the one to tell.
fn input(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match cause.downcast::<Error>() {
        Ok(error) => *error,
        Err(cause) => match cause.downcast::<DataFusionError>() {
            Ok(error) => Error::from(*error),
            Err(cause) => Error::internal(cause),
        },
    }
}
