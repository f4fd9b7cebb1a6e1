//! From the errors of delta-rs, its kernel, DataFusion and the object store to ours.
//!
//! Decided by types, not by texts: what a lower layer has flattened into a text becomes the general error of its place.

use std::error::Error as StdError;
use std::io;

use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;

use super::Error;
use crate::location::TableLocation;

/// Of opening a table.
pub(crate) fn from_delta(table: &TableLocation, error: DeltaTableError) -> Error {
    match error {
        DeltaTableError::NotATable(_) => Error::NoDeltaLog { table: table.clone() },
        DeltaTableError::ObjectStore { source } => from_store(table, source),
        DeltaTableError::Io { source } => Error::Io { place: table.to_string(), source: Box::new(source) },
        DeltaTableError::Transaction { source: TransactionError::UnsupportedTableFeatures(features) } => {
            let features = features.iter().map(|feature| feature.to_string()).collect();
            Error::UnsupportedFeature { table: table.clone(), features }
        }
        other => match storage_cause(&other) {
            Some(StorageCause::Changed(path)) => Error::ChangedFile { path, source: Box::new(other) },
            Some(StorageCause::LongName | StorageCause::Unavailable) => {
                Error::Io { place: table.to_string(), source: Box::new(other) }
            }
            Some(StorageCause::Missing(path)) => Error::MissingFile { path, source: Box::new(other) },
            None => Error::CorruptLog { table: table.clone(), source: Box::new(other) },
        },
    }
}

/// Of planning a scan.
pub(crate) fn from_datafusion(table: &TableLocation, error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(cause) => match cause.downcast::<DeltaTableError>() {
            Ok(delta) => from_delta(table, *delta),
            Err(cause) => Error::CorruptLog { table: table.clone(), source: cause },
        },
        DataFusionError::Context(_, inner) => from_datafusion(table, *inner),
        other => read_failure(table, other),
    }
}

/// Of the object store, outside of any known file.
pub(crate) fn from_store(table: &TableLocation, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { ref path, .. } => {
            Error::MissingFile { path: path.clone(), source: Box::new(error) }
        }
        other => Error::Io { place: table.to_string(), source: Box::new(other) },
    }
}

/// Of reading files, as far as the error's own type tells.
pub(crate) fn read_failure(table: &TableLocation, error: DataFusionError) -> Error {
    match storage_cause(&error) {
        Some(StorageCause::Missing(path)) => Error::MissingFile { path, source: Box::new(error) },
        Some(StorageCause::Changed(path)) => Error::ChangedFile { path, source: Box::new(error) },
        Some(StorageCause::LongName | StorageCause::Unavailable) => {
            Error::Io { place: table.to_string(), source: Box::new(error) }
        }
        None => Error::CorruptFile { path: None, source: Box::new(error) },
    }
}

/// Of writing rows and committing them.
pub(crate) fn commit_failure(table: &TableLocation, error: DeltaTableError) -> Error {
    let source_text =
        |error: &DeltaTableError| error.to_string().lines().next().unwrap_or_default().to_owned();
    match error {
        DeltaTableError::VersionAlreadyExists(_)
        | DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(_) | TransactionError::MaxCommitAttempts(_),
        } => Error::Conflict { table: table.clone(), source: Box::new(error) },
        DeltaTableError::Transaction { source: TransactionError::UnsupportedTableFeatures(features) } => {
            let features = features.iter().map(|feature| feature.to_string()).collect();
            Error::UnsupportedWrite { table: table.clone(), features }
        }
        DeltaTableError::Transaction { source: TransactionError::TableFeaturesRequired(feature) } => {
            Error::UnsupportedWrite { table: table.clone(), features: vec![feature.to_string()] }
        }
        DeltaTableError::UnsupportedColumnMapping { .. } => {
            Error::UnsupportedWrite { table: table.clone(), features: vec!["columnMapping".to_owned()] }
        }
        DeltaTableError::ObjectStore { source } if !is_long_name(&source) => from_store(table, source),
        DeltaTableError::InvalidData { .. } | DeltaTableError::SchemaMismatch { .. } => {
            Error::InvalidRows { table: table.clone(), reason: source_text(&error), source: Box::new(error) }
        }
        other => match storage_cause(&other) {
            Some(StorageCause::Missing(path)) => Error::MissingFile { path, source: Box::new(other) },
            Some(StorageCause::Changed(path)) => Error::ChangedFile { path, source: Box::new(other) },
            Some(StorageCause::LongName) => Error::LongName { table: table.clone(), source: Box::new(other) },
            Some(StorageCause::Unavailable) => {
                Error::Io { place: table.to_string(), source: Box::new(other) }
            }
            None => Error::InvalidRows {
                table: table.clone(),
                reason: "a column, a NOT NULL or a constraint refuses them".to_owned(),
                source: Box::new(other),
            },
        },
    }
}

enum StorageCause {
    Missing(String),
    Changed(String),
    /// Longer than the store has names.
    LongName,
    Unavailable,
}

/// Looks for the object store down the chain of causes.
fn storage_cause(error: &(dyn StdError + 'static)) -> Option<StorageCause> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(store) = error.downcast_ref::<object_store::Error>() {
            return match store {
                object_store::Error::NotFound { path, .. } => Some(StorageCause::Missing(path.clone())),
                object_store::Error::Precondition { path, .. } => Some(StorageCause::Changed(path.clone())),
                _ if is_damage(store) => None,
                _ if is_long_name(store) => Some(StorageCause::LongName),
                _ => Some(StorageCause::Unavailable),
            };
        }
        // Parquet keeps foreign errors as a cause that its own `source` may not show.
        if let Some(ParquetError::External(inner)) = error.downcast_ref::<ParquetError>() {
            return storage_cause(inner.as_ref());
        }
        // What an error of the system wraps is no cause of it, but it.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

/// Whether a read failed because the file ends too early or claims to be too long, which is damage and not a failing store.
fn is_damage(error: &object_store::Error) -> bool {
    is_of(error, &[io::ErrorKind::UnexpectedEof, io::ErrorKind::FileTooLarge])
}

/// Whether a store has no names that long.
fn is_long_name(error: &object_store::Error) -> bool {
    is_of(error, &[io::ErrorKind::InvalidFilename])
}

/// Whether an error of the system that is of one of these kinds is behind it.
fn is_of(error: &object_store::Error, kinds: &[io::ErrorKind]) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| kinds.contains(&error.kind())) {
            return true;
        }
        cause = error.source();
    }
    false
}
