//! What can go wrong, and its kind.
//!
//! A variant names what failed with typed fields; its text is a lower-case fragment with the
//! objects in backticks. The kind tells the caller what to do. No text carries the body of a
//! policy, a password, or the name of something its reader may not see: such a thing is
//! [not found](Error::NotFound), with the same value as for a missing one.

mod reserved;
mod words;

use std::fmt;

use crate::id::AccessTokenId;
use crate::name::{Name, ObjectName};
use crate::principal::PrincipalKind;
use crate::privilege::Privilege;
use crate::securable::{SecurableKind, SecurableName};
use crate::store;
use crate::tag::TagKey;
pub use reserved::Reserved;
use words::{arity, list, overlapped, quoted};

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such thing, or none the caller may see.
    NotFound,
    /// Choose another name.
    AlreadyExists,
    /// Ask an owner or an administrator.
    PermissionDenied,
    /// The request itself makes no sense.
    Invalid,
    /// Others wrote at the same time; try again.
    Conflict,
    /// Something else needs what was to be dropped or altered.
    DependencyExists,
    /// There is as much of it as there may be; let go of some, or wait.
    Exhausted,
    /// The store does not answer; try again later.
    Unavailable,
    /// Our fault.
    Internal,
}

impl ErrorKind {
    /// Its name in the audit trail.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "not_found",
            ErrorKind::AlreadyExists => "already_exists",
            ErrorKind::PermissionDenied => "permission_denied",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Conflict => "conflict",
            ErrorKind::DependencyExists => "dependency_exists",
            ErrorKind::Exhausted => "exhausted",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Internal => "internal",
        }
    }
}

/// A privilege the caller would need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPrivilege {
    /// The privilege.
    pub privilege: Privilege,
    /// On what.
    pub securable: SecurableName,
    /// Whether it was denied, so that no grant helps.
    pub denied: bool,
}

impl fmt::Display for MissingPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.privilege, self.securable)?;
        if self.denied { f.write_str(" (denied to you)") } else { Ok(()) }
    }
}

/// Things that need another thing: the ones the caller may see by name, the rest by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependents {
    /// What the caller may see, each with its kind, e.g. ``row filter of table `main.hr.people` ``.
    pub visible: Vec<String>,
    /// How many more there are.
    pub hidden: usize,
}

impl Dependents {
    /// Whether nothing depends.
    pub fn is_empty(&self) -> bool {
        self.visible.is_empty() && self.hidden == 0
    }
}

impl fmt::Display for Dependents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.visible.join(", "))?;
        match (self.visible.is_empty(), self.hidden) {
            (_, 0) => Ok(()),
            (true, hidden) => write!(f, "{hidden} objects you may not see"),
            (false, hidden) => write!(f, " and {hidden} you may not see"),
        }
    }
}

/// What can go wrong in the catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name with a character names may not have.
    #[error("invalid name `{name}`: names have 1 to 255 bytes and no `.`, `/`, blanks or control characters")]
    InvalidName {
        /// As given.
        name: String,
    },
    /// A principal's name that is empty, too long or holds control characters.
    #[error("invalid principal name `{name}`: names have 1 to 255 bytes and no control characters")]
    InvalidPrincipalName {
        /// As given.
        name: String,
    },
    /// A tag's key that is empty, too long or holds a character keys may not have.
    #[error(
        "invalid tag key `{key}`: keys have 1 to 255 bytes, no blanks at their ends, and no `,`, `=`, `/`, `:` or control characters"
    )]
    InvalidTagKey {
        /// As given.
        key: String,
    },
    /// A name the warehouse keeps for itself.
    #[error("the name `{name}` is reserved")]
    ReservedName {
        /// As given.
        name: Name,
    },
    /// A securable is missing, or hidden from the caller.
    #[error("{securable} not found")]
    NotFound {
        /// As named by the caller.
        securable: SecurableName,
    },
    /// A principal is missing.
    #[error("principal `{name}` not found")]
    PrincipalNotFound {
        /// As named by the caller.
        name: String,
    },
    /// A principal is not in the group.
    #[error("`{member}` is not a member of group `{group}`")]
    MemberNotFound {
        /// The group.
        group: String,
        /// The principal.
        member: String,
    },
    /// A table has no such policy.
    #[error("table `{table}` has no row filter")]
    RowFilterNotFound {
        /// The table.
        table: ObjectName,
    },
    /// A column has no mask.
    #[error("column `{column}` of table `{table}` has no mask")]
    MaskNotFound {
        /// The table.
        table: ObjectName,
        /// The column.
        column: String,
    },
    /// A tag policy is missing.
    #[error("policy `{name}` on {scope} not found")]
    TagPolicyNotFound {
        /// As named by the caller.
        name: Name,
        /// Where it should stand.
        scope: SecurableName,
    },
    /// A tag policy of that name stands there.
    #[error("policy `{name}` on {scope} already exists")]
    TagPolicyExists {
        /// The name.
        name: Name,
        /// Where it stands.
        scope: SecurableName,
    },
    /// A tag policy cannot stand there.
    #[error("a policy cannot stand on {scope}")]
    PolicyScopeUnfit {
        /// As named by the caller.
        scope: SecurableName,
    },
    /// A tag policy that contradicts itself.
    #[error("invalid policy: {reason}")]
    InvalidTagPolicy {
        /// What is wrong with it.
        reason: String,
    },
    /// A policy asks for a tag that is not governed, or not for the caller to see.
    #[error("tag `{key}` is not a governed tag")]
    TagNotGoverned {
        /// The key.
        key: TagKey,
    },
    /// A governed tag takes listed values only.
    #[error("tag `{key}` does not take the value `{value}`: it takes {}", quoted(values))]
    TagValueNotTaken {
        /// The key.
        key: TagKey,
        /// As given.
        value: String,
        /// Those it takes.
        values: Vec<String>,
    },
    /// A list of values that a governed tag cannot have.
    #[error("invalid values of tag `{key}`: {reason}")]
    InvalidTagValues {
        /// The key.
        key: TagKey,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// A column with tags does not go: the policies that find it by them would lose it.
    #[error("column `{column}` of table `{table}` has the tags {}", quoted(tags))]
    TaggedColumn {
        /// The table.
        table: ObjectName,
        /// The column.
        column: String,
        /// The keys.
        tags: Vec<String>,
    },
    /// A table has no such column.
    #[error("column `{column}` of table `{table}` not found")]
    ColumnNotFound {
        /// The table.
        table: ObjectName,
        /// As named by the caller.
        column: String,
    },
    /// Two masks on one value.
    #[error("[MULTIPLE_MASKS] a mask on `{place}` cannot stand beside the mask on `{other}`")]
    MaskOverlap {
        /// Where the mask was to be.
        place: String,
        /// Where there is one.
        other: String,
    },
    /// A policy test is missing, or hidden from the caller.
    #[error("policy test `{name}` not found")]
    PolicyTestNotFound {
        /// As named by the caller.
        name: Name,
    },
    /// A policy test of that name exists.
    #[error("policy test `{name}` already exists")]
    PolicyTestExists {
        /// The name.
        name: Name,
    },
    /// An access token is missing, or another's.
    #[error("access token `{id}` not found")]
    AccessTokenNotFound {
        /// As named by the caller.
        id: AccessTokenId,
    },
    /// A life that no access token has.
    #[error("an access token lives from 1 to {days_max} days")]
    AccessTokenLife {
        /// The bound.
        days_max: i64,
    },
    /// A request's reason that is too long.
    #[error("the reason has more than {bytes_max} bytes")]
    ReasonTooLong {
        /// The bound.
        bytes_max: usize,
    },
    /// One principal would have more of something than anybody has.
    #[error("nobody has more than {most} {what}")]
    TooMany {
        /// In the plural.
        what: &'static str,
        /// The bound.
        most: usize,
        /// What to do about it.
        hint: &'static str,
    },
    /// The name is taken.
    #[error("{kind} `{name}` already exists", kind = .kind.noun())]
    AlreadyExists {
        /// Of the thing that has it.
        kind: SecurableKind,
        /// The full name.
        name: String,
    },
    /// A principal of that name exists; principals of all kinds share one name space.
    #[error("{kind} `{name}` already exists", kind = .kind.noun())]
    PrincipalExists {
        /// Of the principal that has the name.
        kind: PrincipalKind,
        /// The name.
        name: String,
    },
    /// Privileges are missing: all of them at once.
    #[error("permission denied: you need {}", list(missing))]
    PermissionDenied {
        /// Each with the securable it is needed on.
        missing: Vec<MissingPrivilege>,
    },
    /// No grant would do.
    #[error("permission denied: {}", .act.sentence())]
    Reserved {
        /// What was tried.
        act: Reserved,
    },
    /// The principal that asks is gone or disabled.
    #[error("permission denied: the calling principal does not exist or is disabled")]
    CallerUnknown,
    /// The thing is of another kind.
    #[error("`{name}` is a {found}, not a {expected}", found = .found.noun(), expected = .expected.noun())]
    WrongKind {
        /// The full name.
        name: String,
        /// What the statement is about.
        expected: SecurableKind,
        /// What it is.
        found: SecurableKind,
    },
    /// The privilege cannot be granted there.
    #[error("privilege {privilege} does not apply to a {kind}", kind = .kind.noun())]
    PrivilegeNotApplicable {
        /// The privilege.
        privilege: Privilege,
        /// The kind of securable.
        kind: SecurableKind,
    },
    /// A catalog or schema still holds something.
    #[error("{kind} `{name}` is not empty", kind = .kind.noun())]
    NotEmpty {
        /// Catalog or schema.
        kind: SecurableKind,
        /// Its name.
        name: String,
    },
    /// A policy would read, in the name of its function's owner, what has policies itself.
    #[error(
        "a policy that calls function {function} reads {read}, which has policies itself, {}",
        if *is_group { "in the name of a group" } else { "in the name of another than you" }
    )]
    PolicyReadsGoverned {
        /// The function, as far as the caller may know of it.
        function: String,
        /// What it reads, the same way.
        read: String,
        /// Whether a group owns the function.
        is_group: bool,
    },
    /// Something depends on what was to be dropped or altered.
    #[error("{what} is used by {dependents}")]
    DependentsExist {
        /// Kind and name.
        what: String,
        /// What uses it.
        dependents: Dependents,
    },
    /// Two securables may not share files.
    #[error("location `{location}` overlaps {}", overlapped(other.as_ref()))]
    LocationOverlap {
        /// As asked for.
        location: String,
        /// The other table, volume or external location, when the caller may see it.
        other: Option<SecurableName>,
    },
    /// OR REPLACE of a table whose files are not the warehouse's.
    #[error("external table `{table}` cannot be replaced")]
    ReplacesExternal {
        /// The table.
        table: ObjectName,
    },
    /// UNSET of a property that is not set.
    #[error("property `{property}` is not set")]
    PropertyNotFound {
        /// The property.
        property: String,
    },
    /// A location that is not what its kind of table takes.
    #[error("invalid location `{location}`: {reason}")]
    InvalidLocation {
        /// As given.
        location: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A property with a value it cannot have.
    #[error("invalid value `{value}` of property `{property}`")]
    InvalidProperty {
        /// The property.
        property: String,
        /// As given.
        value: String,
    },
    /// Two columns of one table differ in case at most.
    #[error("column `{column}` appears twice")]
    DuplicateColumn {
        /// The name.
        column: String,
    },
    /// A policy gives its function too few or too many arguments.
    #[error("function `{function}` takes {}, {found} given", arity(*.least, *.most))]
    WrongArgumentCount {
        /// The function.
        function: ObjectName,
        /// How many it needs.
        least: usize,
        /// How many it takes.
        most: usize,
        /// How many there are.
        found: usize,
    },
    /// A policy would hold inside itself.
    #[error("policies would read in a circle: {path}")]
    PolicyReadsItself {
        /// The way round, as far as the caller may see it.
        path: String,
    },
    /// A table that a definition reads was dropped since the definition was looked at.
    #[error("a table that the definition reads was dropped meanwhile")]
    SourceDropped,
    /// A password that is empty or too long.
    #[error("a password has 1 to 1024 bytes")]
    InvalidPassword,
    /// A view would read itself.
    #[error("view `{view}` would read itself")]
    ViewCycle {
        /// The view.
        view: ObjectName,
    },
    /// A function would call itself.
    #[error("function `{function}` would call itself")]
    FunctionCycle {
        /// The function.
        function: ObjectName,
    },
    /// A group would contain itself.
    #[error("group `{group}` cannot contain `{member}`: `{member}` contains `{group}` already")]
    GroupCycle {
        /// The group.
        group: String,
        /// What was to be added.
        member: String,
    },
    /// The act is for another kind of principal.
    #[error("{kind} `{name}` cannot {act}", kind = .kind.noun())]
    PrincipalKindUnfit {
        /// The principal.
        name: String,
        /// Its kind.
        kind: PrincipalKind,
        /// What was tried, e.g. `have a password`.
        act: &'static str,
    },
    /// Somebody must be left who can administer.
    #[error("`{name}` is the last account admin who can log in")]
    LastAccountAdmin {
        /// The principal.
        name: String,
    },
    /// The store has principals already.
    #[error("the catalog has an administrator already")]
    AlreadyBootstrapped,
    /// A document asks for what does not fit or would not hold together; nothing of it is done.
    #[error("the import is refused: {}", problems.join("; "))]
    ImportRefused {
        /// Each a sentence.
        problems: Vec<String>,
    },
    /// Others kept writing in between.
    #[error("the catalog changed while it was being written")]
    Contention,
    /// A password could not be hashed.
    #[error("the password could not be hashed")]
    PasswordHash,
    /// The store failed.
    #[error("the catalog store failed")]
    Store(#[from] store::Error),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotFound { .. }
            | Error::PrincipalNotFound { .. }
            | Error::MemberNotFound { .. }
            | Error::RowFilterNotFound { .. }
            | Error::MaskNotFound { .. }
            | Error::TagPolicyNotFound { .. }
            | Error::ColumnNotFound { .. }
            | Error::AccessTokenNotFound { .. }
            | Error::PolicyTestNotFound { .. } => ErrorKind::NotFound,
            Error::AlreadyExists { .. }
            | Error::PrincipalExists { .. }
            | Error::TagPolicyExists { .. }
            | Error::PolicyTestExists { .. }
            | Error::AlreadyBootstrapped => ErrorKind::AlreadyExists,
            Error::PermissionDenied { .. }
            | Error::Reserved { .. }
            | Error::PolicyReadsGoverned { .. }
            | Error::CallerUnknown => ErrorKind::PermissionDenied,
            Error::InvalidName { .. }
            | Error::InvalidPrincipalName { .. }
            | Error::InvalidTagKey { .. }
            | Error::InvalidTagPolicy { .. }
            | Error::InvalidTagValues { .. }
            | Error::PolicyScopeUnfit { .. }
            | Error::TagNotGoverned { .. }
            | Error::TagValueNotTaken { .. }
            | Error::PolicyReadsItself { .. }
            | Error::ReservedName { .. }
            | Error::WrongKind { .. }
            | Error::PrivilegeNotApplicable { .. }
            | Error::LocationOverlap { .. }
            | Error::InvalidLocation { .. }
            | Error::InvalidProperty { .. }
            | Error::PropertyNotFound { .. }
            | Error::ReplacesExternal { .. }
            | Error::DuplicateColumn { .. }
            | Error::MaskOverlap { .. }
            | Error::WrongArgumentCount { .. }
            | Error::InvalidPassword
            | Error::ReasonTooLong { .. }
            | Error::AccessTokenLife { .. }
            | Error::ImportRefused { .. }
            | Error::ViewCycle { .. }
            | Error::FunctionCycle { .. }
            | Error::GroupCycle { .. }
            | Error::PrincipalKindUnfit { .. } => ErrorKind::Invalid,
            Error::Contention | Error::SourceDropped => ErrorKind::Conflict,
            Error::NotEmpty { .. }
            | Error::DependentsExist { .. }
            | Error::TaggedColumn { .. }
            | Error::LastAccountAdmin { .. } => ErrorKind::DependencyExists,
            Error::TooMany { .. } => ErrorKind::Exhausted,
            Error::PasswordHash => ErrorKind::Internal,
            Error::Store(error) => error.kind(),
        }
    }

    /// What to do about it, where the message does not say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Error::NotFound { .. } => Some("check the name; you see only what you have a grant on"),
            Error::PermissionDenied { .. } => Some("ask its owner or an account admin for the privileges"),
            Error::NotEmpty { .. } => Some("say CASCADE to drop what it holds as well"),
            Error::DependentsExist { .. } => Some("drop or alter what uses it first"),
            Error::TaggedColumn { .. } => Some("remove its tags first"),
            Error::TagNotGoverned { .. } => {
                Some("policies speak of governed tags only: CREATE GOVERNED TAG makes one")
            }
            Error::PolicyReadsGoverned { is_group: false, .. } => Some(
                "the function's owner can set it, or an account or metastore admin: its answers carry what that \
                 owner sees",
            ),
            Error::PolicyReadsGoverned { is_group: true, .. } => Some(
                "let a user or service principal own the function: what has policies is not read for a group",
            ),
            Error::PolicyReadsItself { .. } => Some(
                "let a policy read a table without policies, or except the owner of its function from the \
                 tag policy",
            ),
            Error::Contention => Some("try again"),
            Error::TooMany { hint, .. } => Some(*hint),
            Error::ReplacesExternal { .. } => Some("drop it and create it again, or insert into it"),
            Error::PropertyNotFound { .. } => Some("say IF EXISTS to pass over properties that are not set"),
            _ => None,
        }
    }
}
