//! The server's error: what a user may read, and apart from it what only operators may.
//!
//! The public text is a lower-case fragment in the user's words, objects with their kind and
//! in backticks; the hint says what to do. The internal context never reaches a client: it is
//! logged once, by the door. A policy's body, a masked value or a token enters neither.

use std::fmt;
use std::sync::Arc;

pub mod condition;
pub mod convert;
pub mod grpc;
pub mod kind;

pub use condition::Condition;
pub use kind::Kind;

/// Shorthand for results of the server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in the statement's text something is wrong; both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// Something that went wrong. Clones share the cause: one outcome may be told to several.
#[derive(Debug, Clone)]
pub struct Error {
    condition: Condition,
    message: String,
    hint: Option<String>,
    position: Option<Position>,
    internal: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with its public text.
    pub fn new(condition: Condition, message: impl Into<String>) -> Self {
        Self { condition, message: message.into(), hint: None, position: None, internal: None }
    }

    /// An error of ours: users see the statement's id only, operators the cause.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(Condition::InternalError, "the server met an error of its own");
        error.internal = Some(Arc::from(cause.into()));
        error
    }

    /// The error for a name that resolves to nothing the caller may know of. One text for
    /// missing and hidden things.
    pub fn not_found(condition: Condition, what: impl fmt::Display, name: impl fmt::Display) -> Self {
        Self::new(condition, format!("{what} `{name}` not found"))
            .with_hint("check the spelling, or ask its owner for a grant on it")
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says where in the text it is.
    #[must_use]
    pub fn at(mut self, position: Option<Position>) -> Self {
        self.position = position.or(self.position);
        self
    }

    /// Puts what it is about before the public text.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.internal = Some(Arc::from(cause.into()));
        self
    }

    /// Which condition it is.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// What the caller is to do.
    pub fn kind(&self) -> Kind {
        self.condition.kind()
    }

    /// The public text without condition, hint and position.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the text it is.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// For the log only.
    pub fn internal_context(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.internal.as_deref()
    }
}

/// The longest message shown; what was asked for can be as long as the statement.
const MESSAGE_CHARS_MAX: usize = 1000;

/// The public text whole: `[CONDITION] message (line 1, column 8) · hint: … SQLSTATE: 42601`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.char_indices().nth(MESSAGE_CHARS_MAX) {
            None => write!(f, "[{}] {}", self.condition.name(), self.message)?,
            Some((end, _)) => {
                let beginning = self.message.get(..end).unwrap_or_default();
                write!(f, "[{}] {beginning}…", self.condition.name())?;
            }
        }
        if let Some(position) = self.position {
            write!(f, " (line {}, column {})", position.line, position.column)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, " · hint: {hint}")?;
        }
        write!(f, " · SQLSTATE: {}", self.condition.sqlstate())
    }
}

impl std::error::Error for Error {}
