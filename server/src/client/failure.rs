//! [`Failure`]: why a subcommand ended without its result, as its user reads it.

use std::fmt;

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;

use crate::error::Error;

/// The end of a subcommand that did not get to its result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of this process.
    Ours(Error),
    /// A sentence, for instance the server's.
    Said(String),
    /// Whoever read our output has read enough.
    PipeClosed,
}

impl Failure {
    /// A failure with this sentence.
    pub(crate) fn said(sentence: impl Into<String>) -> Self {
        Self::Said(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Ours(error) => {
                write!(f, "error: {}", error.message())?;
                if let Some(cause) = error.internal_context() {
                    write!(f, "\ncause: {cause}")?;
                }
                error.hint().map_or(Ok(()), |hint| write!(f, "\nhint:  {hint}"))
            }
            Failure::Said(sentence) => write!(f, "error: {sentence}"),
            Failure::PipeClosed => f.write_str("the reader of the output went away"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::Said(format!("cannot write the output: {}", crate::config::reason(&error))),
        }
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => error.into(),
            ArrowError::ExternalError(error) => match error.downcast::<FlightError>() {
                Ok(error) => (*error).into(),
                Err(error) => Self::Said(error.to_string()),
            },
            other => Self::Said(format!("the rows cannot be written: {other}")),
        }
    }
}

impl From<FlightError> for Failure {
    fn from(error: FlightError) -> Self {
        match error {
            FlightError::Tonic(status) => Self::from(*status),
            FlightError::Arrow(error) => error.into(),
            other => Self::Said(format!("the server's answer cannot be read: {other}")),
        }
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        // a status that was not sent but made here, because the connection broke
        if let Some(cause) = std::error::Error::source(&status) {
            let cause = root_cause(cause);
            return Self::Said(format!(
                "the connection to the server broke: {cause}; a server with TLS is asked with grpc+tls://"
            ));
        }
        match (status.message(), status.code()) {
            ("", tonic::Code::Unimplemented) => Self::said("the server does not do this"),
            ("", code) => Self::Said(format!("the server refused without a reason ({})", code.description())),
            (message, _) => Self::said(message),
        }
    }
}

impl From<parquet::errors::ParquetError> for Failure {
    fn from(error: parquet::errors::ParquetError) -> Self {
        match error {
            parquet::errors::ParquetError::External(error) => match error.downcast::<std::io::Error>() {
                Ok(error) => (*error).into(),
                Err(error) => Self::Said(error.to_string()),
            },
            other => Self::Said(format!("the rows cannot be written as Parquet: {other}")),
        }
    }
}

/// The innermost cause: the one that says something.
pub(super) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nothing listens there".to_owned()
        }
        Some(error) => crate::config::reason(error),
        None => cause.to_string(),
    }
}
