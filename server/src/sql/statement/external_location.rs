//! External locations: CREATE, DROP, RENAME, and what they stand for.

use weir_catalog::Name;

use super::grant::{owner, owner_to};
use super::{Command, SecurableReference};
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// CREATE EXTERNAL LOCATION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateExternalLocation {
    /// Its name.
    pub name: Name,
    /// Whether an existing one is left as it is.
    pub if_not_exists: bool,
    /// Its folder, as written.
    pub url: String,
    /// The storage credential.
    pub credential: Option<Name>,
    /// A remark for people.
    pub comment: Option<String>,
}

/// A statement about an external location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalLocationCommand {
    /// CREATE.
    Create(CreateExternalLocation),
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
    /// ALTER … SET URL.
    SetUrl {
        /// Its name.
        name: Name,
        /// Its folder afterwards, as written.
        url: String,
    },
    /// ALTER … SET STORAGE CREDENTIAL.
    SetCredential {
        /// Its name.
        name: Name,
        /// The storage credential afterwards.
        credential: Name,
    },
}

/// After CREATE EXTERNAL LOCATION.
pub(crate) fn create(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.name()?;
    cursor.expect_words(&["URL"])?;
    let url = cursor.string()?;
    let credential = credential(cursor)?;
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    let create = CreateExternalLocation { name, if_not_exists, url, credential, comment };
    Ok(Command::ExternalLocation(ExternalLocationCommand::Create(create)))
}

/// `[WITH] (STORAGE CREDENTIAL name)`.
fn credential(cursor: &mut Cursor<'_>) -> Result<Option<Name>> {
    use datafusion::sql::sqlparser::tokenizer::Token;
    if !cursor.word("WITH") && !cursor.peek_symbol(&Token::LParen) {
        return Ok(None);
    }
    cursor.expect_symbol(&Token::LParen)?;
    if !cursor.words(&["STORAGE", "CREDENTIAL"]) {
        return Err(cursor.unknown_clause("STORAGE CREDENTIAL", &[&["CREDENTIAL"]]));
    }
    let name = cursor.name()?;
    cursor.expect_symbol(&Token::RParen)?;
    Ok(Some(name))
}

/// After DROP EXTERNAL LOCATION.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.name()?;
    if cursor.peek_words(&["FORCE"]) {
        return Err(cursor
            .unsupported("DROP EXTERNAL LOCATION … FORCE")
            .with_hint("drop what lies under it first"));
    }
    Ok(Command::ExternalLocation(ExternalLocationCommand::Drop { name, if_exists }))
}

/// After ALTER EXTERNAL LOCATION.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.name()?;
    if owner_to(cursor) {
        return owner(cursor, SecurableReference::ExternalLocation(name));
    }
    let command = if cursor.words(&["RENAME", "TO"]) {
        ExternalLocationCommand::Rename { name, to: cursor.name()? }
    } else if cursor.words(&["SET", "URL"]) {
        let url = cursor.string()?;
        if cursor.peek_words(&["FORCE"]) {
            return Err(cursor.unsupported("SET URL … FORCE"));
        }
        ExternalLocationCommand::SetUrl { name, url }
    } else if cursor.words(&["SET", "STORAGE", "CREDENTIAL"]) {
        ExternalLocationCommand::SetCredential { name, credential: cursor.name()? }
    } else {
        let expected = "RENAME TO, OWNER TO, SET URL or SET STORAGE CREDENTIAL";
        return Err(cursor.unknown_alteration("EXTERNAL LOCATION", expected));
    };
    Ok(Command::ExternalLocation(command))
}
