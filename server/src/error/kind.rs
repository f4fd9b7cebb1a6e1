//! Kinds of error: each tells the caller what to do, and each has one gRPC code.

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Present a valid credential.
    Unauthenticated,
    /// Ask for a right.
    PermissionDenied,
    /// Use another name, or ask for a right on it.
    NotFound,
    /// Use another name.
    AlreadyExists,
    /// Change the statement.
    Invalid,
    /// Do without.
    Unsupported,
    /// Put the object right first.
    FailedPrecondition,
    /// Try again.
    Conflict,
    /// Ask for less, or later.
    Exhausted,
    /// Try again later.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// Somebody stopped it.
    Cancelled,
    /// Report it.
    Internal,
}
