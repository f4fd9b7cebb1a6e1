//! Users, service principals and groups. Names are compared exactly; passwords are never in SQL.

use weir_catalog::PrincipalKind;

use super::Command;
use super::grant::principal;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A statement about principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalCommand {
    /// CREATE USER, SERVICE PRINCIPAL or GROUP.
    Create {
        /// Which kind.
        kind: PrincipalKind,
        /// Its name, exact.
        name: String,
        /// Whether an existing one is left as it is.
        if_not_exists: bool,
    },
    /// DROP USER, SERVICE PRINCIPAL or GROUP.
    Drop {
        /// Which kind.
        kind: PrincipalKind,
        /// Its name, exact.
        name: String,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// ALTER GROUP … ADD.
    AddMember {
        /// The group's name, exact.
        group: String,
        /// The member's kind.
        kind: PrincipalKind,
        /// The member's name, exact.
        member: String,
    },
    /// ALTER GROUP … DROP.
    RemoveMember {
        /// The group's name, exact.
        group: String,
        /// The member's kind.
        kind: PrincipalKind,
        /// The member's name, exact.
        member: String,
    },
    /// ALTER USER … ENABLE or DISABLE.
    SetDisabled {
        /// Which kind.
        kind: PrincipalKind,
        /// Its name, exact.
        name: String,
        /// Disabled or not.
        disabled: bool,
    },
    /// ALTER SERVICE PRINCIPAL … MAY ACT FOR USERS, or MAY NOT.
    SetActing {
        /// Its name, exact.
        name: String,
        /// Whether it may.
        may: bool,
    },
}

/// The kind of principal ahead, consumed.
pub(crate) fn kind(cursor: &mut Cursor<'_>) -> Option<PrincipalKind> {
    if cursor.word("USER") {
        Some(PrincipalKind::User)
    } else if cursor.word("GROUP") {
        Some(PrincipalKind::Group)
    } else if cursor.words(&["SERVICE", "PRINCIPAL"]) {
        Some(PrincipalKind::ServicePrincipal)
    } else {
        None
    }
}

/// After CREATE and the kind.
pub(crate) fn create(cursor: &mut Cursor<'_>, kind: PrincipalKind) -> Result<Command> {
    let if_not_exists = cursor.if_not_exists();
    let name = principal(cursor)?;
    if cursor.peek_words(&["WITH", "PASSWORD"]) || cursor.peek_words(&["PASSWORD"]) {
        return Err(cursor
            .unsupported("a password in a statement")
            .with_hint("`weir user password` reads it from standard input"));
    }
    if cursor.peek_words(&["WITH", "USER"]) || cursor.peek_words(&["WITH", "GROUP"]) {
        return Err(cursor
            .unsupported("members in CREATE GROUP")
            .with_hint("add them with ALTER GROUP … ADD USER"));
    }
    Ok(Command::Principal(PrincipalCommand::Create { kind, name, if_not_exists }))
}

/// After DROP and the kind.
pub(crate) fn drop(cursor: &mut Cursor<'_>, kind: PrincipalKind) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = principal(cursor)?;
    Ok(Command::Principal(PrincipalCommand::Drop { kind, name, if_exists }))
}

/// After ALTER SERVICE PRINCIPAL and the name.
fn acting(cursor: &mut Cursor<'_>, name: String) -> Result<Command> {
    let may = !cursor.words(&["MAY", "NOT"]);
    if may && !cursor.word("MAY") {
        return Err(cursor.expected("ENABLE, DISABLE, MAY ACT FOR USERS or MAY NOT ACT FOR USERS"));
    }
    if !cursor.words(&["ACT", "FOR", "USERS"]) {
        return Err(cursor.expected("ACT FOR USERS"));
    }
    Ok(Command::Principal(PrincipalCommand::SetActing { name, may }))
}

/// After ALTER and the kind.
pub(crate) fn alter(cursor: &mut Cursor<'_>, of: PrincipalKind) -> Result<Command> {
    let name = principal(cursor)?;
    if of != PrincipalKind::Group {
        let disabled = if cursor.word("DISABLE") {
            true
        } else if cursor.word("ENABLE") {
            false
        } else if of == PrincipalKind::ServicePrincipal {
            return acting(cursor, name);
        } else {
            return Err(cursor.expected("ENABLE or DISABLE"));
        };
        return Ok(Command::Principal(PrincipalCommand::SetDisabled { kind: of, name, disabled }));
    }
    let add = cursor.word("ADD");
    if !add && !cursor.word("DROP") && !cursor.word("REMOVE") {
        return Err(cursor.expected("ADD or DROP"));
    }
    let Some(kind) = kind(cursor) else { return Err(cursor.expected("USER, GROUP or SERVICE PRINCIPAL")) };
    let member = principal(cursor)?;
    Ok(Command::Principal(if add {
        PrincipalCommand::AddMember { group: name, kind, member }
    } else {
        PrincipalCommand::RemoveMember { group: name, kind, member }
    }))
}
