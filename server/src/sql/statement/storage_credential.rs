//! Storage credentials: CREATE, DROP, RENAME. They are names; no secret is in a statement.

use weir_catalog::Name;

use super::grant::{owner, owner_to};
use super::{Command, SecurableReference};
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A statement about a storage credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageCredentialCommand {
    /// CREATE.
    Create {
        /// Its name.
        name: Name,
        /// Whether an existing one is left as it is.
        if_not_exists: bool,
        /// A remark for people.
        comment: Option<String>,
    },
    /// DROP.
    Drop {
        /// Its name.
        name: Name,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// ALTER … RENAME TO.
    Rename {
        /// Its name.
        name: Name,
        /// Its name afterwards.
        to: Name,
    },
}

/// After CREATE STORAGE CREDENTIAL.
pub(crate) fn create(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.name()?;
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    if !cursor.at_end() {
        return Err(cursor
            .unsupported("a storage credential with a secret or a role")
            .with_hint("the server's configuration says what a name opens"));
    }
    Ok(Command::StorageCredential(StorageCredentialCommand::Create { name, if_not_exists, comment }))
}

/// After DROP STORAGE CREDENTIAL.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.name()?;
    if cursor.peek_words(&["FORCE"]) {
        return Err(cursor.unsupported("DROP STORAGE CREDENTIAL … FORCE"));
    }
    Ok(Command::StorageCredential(StorageCredentialCommand::Drop { name, if_exists }))
}

/// After ALTER STORAGE CREDENTIAL.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.name()?;
    if cursor.words(&["RENAME", "TO"]) {
        let to = cursor.name()?;
        return Ok(Command::StorageCredential(StorageCredentialCommand::Rename { name, to }));
    }
    if owner_to(cursor) {
        return owner(cursor, SecurableReference::StorageCredential(name));
    }
    Err(cursor.unknown_alteration("STORAGE CREDENTIAL", "RENAME TO or OWNER TO"))
}
