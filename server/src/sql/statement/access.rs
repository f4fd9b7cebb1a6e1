//! `REQUEST ACCESS ON …` and `SHOW ACCESS REQUESTS`.

use weir_catalog::Privilege;

use super::Command;
use super::grant::{SecurableReference, privilege, securable};
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A statement about requests for access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessCommand {
    /// REQUEST ACCESS.
    Request {
        /// To what.
        on: SecurableReference,
        /// Which; what the kind is for where it is left out.
        privileges: Vec<Privilege>,
        /// Why.
        comment: Option<String>,
    },
    /// SHOW ACCESS REQUESTS [ON …].
    Show {
        /// To what; everything where it is left out.
        on: Option<SecurableReference>,
    },
}

/// After REQUEST.
pub(crate) fn request(cursor: &mut Cursor<'_>) -> Result<Command> {
    cursor.expect_words(&["ACCESS", "ON"])?;
    let on = securable(cursor)?;
    let privileges = if cursor.word("PRIVILEGES") {
        let privileges = cursor.bracketed(privilege)?;
        if privileges.is_empty() {
            return Err(cursor.expected("privileges before `)`"));
        }
        privileges
    } else {
        Vec::new()
    };
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    Ok(Command::Access(AccessCommand::Request { on, privileges, comment }))
}

/// After SHOW.
pub(crate) fn show(cursor: &mut Cursor<'_>) -> Result<Command> {
    cursor.expect_words(&["ACCESS", "REQUESTS"])?;
    let on = if cursor.word("ON") { Some(securable(cursor)?) } else { None };
    Ok(Command::Access(AccessCommand::Show { on }))
}
