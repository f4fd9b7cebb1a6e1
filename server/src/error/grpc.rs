//! From an error to a gRPC status; the only file that makes one.
//!
//! The text has all of it; condition, SQLSTATE and position stand in the status details too.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use uuid::Uuid;

use super::Error;
use super::kind::Kind;

/// The longest text put into a status; gRPC carries it in a header.
const TEXT_BYTES_MAX: usize = 4096;

/// `google.rpc.Status`, which gRPC's clients look for in `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    /// The condition's name.
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    /// `sqlstate`, and `line` and `column` where the error is at a place of the text.
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: BTreeMap<String, String>,
}

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
        let code = self.kind().code();
        let details = Details { code: code as i32, message: text.clone(), details: vec![self.info()] };
        #[expect(clippy::disallowed_methods, reason = "the one place that makes a status")]
        Status::with_details(code, text, details.encode_to_vec().into())
    }

    /// What the text says, for programs.
    fn info(&self) -> Any {
        let mut metadata = BTreeMap::from([("sqlstate".to_owned(), self.condition().sqlstate().to_owned())]);
        if let Some(position) = self.position() {
            metadata.insert("line".to_owned(), position.line.to_string());
            metadata.insert("column".to_owned(), position.column.to_string());
        }
        let info =
            ErrorInfo { reason: self.condition().name().to_owned(), domain: "weir".to_owned(), metadata };
        Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(), value: info.encode_to_vec() }
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
