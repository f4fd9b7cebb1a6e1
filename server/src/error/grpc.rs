//! From an error to a gRPC status; the only file that makes one.

use tonic::{Code, Status};
use uuid::Uuid;

use super::Error;
use super::kind::Kind;

/// The longest text put into a status; gRPC carries it in a header.
const TEXT_BYTES_MAX: usize = 4096;

impl Kind {
    fn code(self) -> Code {
        match self {
            Kind::Unauthenticated => Code::Unauthenticated,
            Kind::PermissionDenied => Code::PermissionDenied,
            Kind::NotFound => Code::NotFound,
            Kind::AlreadyExists => Code::AlreadyExists,
            Kind::Invalid => Code::InvalidArgument,
            Kind::Unsupported => Code::Unimplemented,
            Kind::FailedPrecondition => Code::FailedPrecondition,
            Kind::Conflict => Code::Aborted,
            Kind::Exhausted => Code::ResourceExhausted,
            Kind::Unavailable => Code::Unavailable,
            Kind::Timeout => Code::DeadlineExceeded,
            Kind::Cancelled => Code::Cancelled,
            Kind::Internal => Code::Internal,
        }
    }
}

impl Error {
    /// The status a client gets; `statement` lets an operator find the log line. Logs the
    /// error: this is where it is consumed.
    pub fn into_status(self, statement: Option<Uuid>) -> Status {
        let mut text = self.to_string();
        if let Some(id) = statement.filter(|_| self.kind() == Kind::Internal) {
            text.push_str(&format!(" · statement {id}"));
        }
        self.log(statement);
        let mut end = text.len().min(TEXT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        #[expect(clippy::disallowed_methods, reason = "the one place that makes a status")]
        Status::new(self.kind().code(), text)
    }

    /// One line in the log. A message about the caller's own rows or text may hold values, so
    /// only faults of the server's side are told with text and cause.
    fn log(&self, statement: Option<Uuid>) {
        let condition = self.condition().name();
        let cause = || self.internal_context().map(ToString::to_string);
        match self.kind() {
            Kind::Internal => {
                tracing::error!(statement = ?statement, condition, cause = cause(), "{}", self.message());
            }
            Kind::FailedPrecondition | Kind::Unavailable => {
                tracing::info!(statement = ?statement, condition, cause = cause(), "{}", self.message());
            }
            _ => tracing::info!(statement = ?statement, condition, "a statement was refused or failed"),
        }
    }
}
