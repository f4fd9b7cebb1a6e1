//! `CREATE ACCESS TOKEN`, `SHOW ACCESS TOKENS`, `DROP ACCESS TOKEN`.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::Name;

use super::Command;
use super::grant::principal;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A statement about personal access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTokenCommand {
    /// CREATE ACCESS TOKEN name [FOR principal] [READ ONLY] [EXPIRES IN n DAYS].
    Create {
        /// What it is for.
        name: Name,
        /// Whose it is, exact; the caller's own where it is left out.
        principal: Option<String>,
        /// Whether it may change nothing.
        read_only: bool,
        /// How many days it lives; 30 where it is left out.
        days: i64,
    },
    /// SHOW ACCESS TOKENS.
    Show,
    /// DROP ACCESS TOKEN 'id'.
    Drop {
        /// As SHOW ACCESS TOKENS tells it.
        id: String,
    },
}

/// How many days a token lives that does not say.
const DAYS: i64 = 30;

/// After CREATE.
pub(crate) fn create(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.name()?;
    let principal = if cursor.word("FOR") { Some(principal(cursor)?) } else { None };
    let read_only = cursor.words(&["READ", "ONLY"]);
    let days = if cursor.words(&["EXPIRES", "IN"]) { days(cursor)? } else { DAYS };
    Ok(Command::AccessToken(AccessTokenCommand::Create { name, principal, read_only, days }))
}

/// After DROP.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    Ok(Command::AccessToken(AccessTokenCommand::Drop { id: cursor.string()? }))
}

fn days(cursor: &mut Cursor<'_>) -> Result<i64> {
    let number = match cursor.peek() {
        Token::Number(text, _) => text.parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| cursor.expected("a number of days"))?;
    cursor.take();
    match cursor.word("DAYS") || cursor.word("DAY") {
        true => Ok(number),
        false => Err(cursor.expected("DAYS")),
    }
}
