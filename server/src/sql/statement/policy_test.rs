//! `CREATE POLICY TEST … EXPECT … FOR query`, DROP, SHOW and DESCRIBE of policy tests.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::ast::Value;
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::{Expectation, Name};

use super::Command;
use super::grant::principal;
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::parse::parse_query;
use crate::sql::reference::checked;

/// A policy test to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePolicyTest {
    /// Its name.
    pub name: Name,
    /// Whether it takes the place of one that is there.
    pub or_replace: bool,
    /// Whether one that is there stays.
    pub if_not_exists: bool,
    /// As whom the query runs, exact.
    pub user: String,
    /// What must come.
    pub expectation: Expectation,
    /// A remark for people.
    pub comment: Option<String>,
    /// What runs.
    pub query: Box<ast::Query>,
}

/// A statement about policy tests that runs none.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicyTestCommand {
    /// CREATE POLICY TEST.
    Create(Box<CreatePolicyTest>),
    /// DROP POLICY TEST.
    Drop {
        /// Its name.
        name: Name,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// SHOW POLICY TESTS [LIKE].
    Show {
        /// As SHOW has it.
        pattern: Option<String>,
    },
    /// DESCRIBE POLICY TEST.
    Describe {
        /// Its name.
        name: Name,
    },
}

/// Whether POLICY TEST is `ahead`, and not a policy that is named `test`.
pub(crate) fn is_ahead(cursor: &Cursor<'_>, ahead: usize) -> bool {
    cursor.peek_nth_word(ahead, "POLICY")
        && cursor.peek_nth_word(ahead + 1, "TEST")
        && !cursor.peek_nth_word(ahead + 2, "ON")
        && !cursor.is_end_after(ahead + 2)
}

/// After CREATE, with OR REPLACE consumed where it stood.
pub(crate) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Command> {
    cursor.expect_words(&["POLICY", "TEST"])?;
    let position = cursor.position();
    let if_not_exists = cursor.if_not_exists();
    if or_replace && if_not_exists {
        let message = "OR REPLACE and IF NOT EXISTS exclude each other";
        return Err(Error::new(Condition::ParseSyntaxError, message).at(position));
    }
    let name = name(cursor)?;
    cursor.expect_words(&["AS", "USER"])?;
    let user = principal(cursor)?;
    cursor.expect_words(&["EXPECT"])?;
    let expectation = expectation(cursor)?;
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    cursor.expect_words(&["FOR"])?;
    let query = cursor.query()?;
    let test = CreatePolicyTest { name, or_replace, if_not_exists, user, expectation, comment, query };
    Ok(Command::PolicyTest(PolicyTestCommand::Create(Box::new(test))))
}

/// After DROP.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    cursor.expect_words(&["POLICY", "TEST"])?;
    let if_exists = cursor.if_exists();
    Ok(Command::PolicyTest(PolicyTestCommand::Drop { name: name(cursor)?, if_exists }))
}

/// After SHOW.
pub(crate) fn show(cursor: &mut Cursor<'_>) -> Result<Command> {
    cursor.expect_words(&["POLICY", "TESTS"])?;
    let pattern = if cursor.word("LIKE") { Some(cursor.string()?) } else { None };
    Ok(Command::PolicyTest(PolicyTestCommand::Show { pattern }))
}

/// After DESCRIBE.
pub(crate) fn describe(cursor: &mut Cursor<'_>) -> Result<Command> {
    cursor.expect_words(&["POLICY", "TEST"])?;
    Ok(Command::PolicyTest(PolicyTestCommand::Describe { name: name(cursor)? }))
}

fn name(cursor: &mut Cursor<'_>) -> Result<Name> {
    let position = cursor.position();
    checked(&cursor.identifier()?.value, position)
}

fn expectation(cursor: &mut Cursor<'_>) -> Result<Expectation> {
    if cursor.word("NO") {
        cursor.expect_words(&["ROWS"])?;
        return Ok(Expectation::Rows(0));
    }
    if cursor.word("VALUES") {
        return values(cursor);
    }
    if cursor.word("ERROR") {
        return error(cursor);
    }
    if cursor.is_number(0) {
        let wrong = cursor.expected("a number of rows");
        let Value::Number(text, _) = cursor.value()? else { return Err(wrong) };
        let rows = text.parse().map_err(|_| wrong)?;
        if !cursor.word("ROWS") && !cursor.word("ROW") {
            return Err(cursor.expected("ROWS"));
        }
        return Ok(Expectation::Rows(rows));
    }
    Err(cursor.expected("a number and ROWS, NO ROWS, VALUES or ERROR"))
}

/// Rows of constants, kept as text that reads back the same.
fn values(cursor: &mut Cursor<'_>) -> Result<Expectation> {
    let position = cursor.position();
    let rows = cursor.comma_separated(|cursor| {
        if !cursor.peek_symbol(&Token::LParen) {
            return Err(cursor.expected("a row in brackets"));
        }
        cursor.bracketed(Cursor::expression)
    })?;
    let width = rows.first().map_or(0, Vec::len);
    if width == 0 || rows.iter().any(|row| row.len() != width) {
        let message = "the rows of VALUES have one number of values, one at least";
        return Err(Error::new(Condition::ParseSyntaxError, message).at(position));
    }
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let values: Vec<String> = row.iter().map(ToString::to_string).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    let text = format!("VALUES {}", rows.join(", "));
    parse_query(&text).map_err(|error| error.at(position))?;
    Ok(Expectation::Values(text))
}

fn error(cursor: &mut Cursor<'_>) -> Result<Expectation> {
    match cursor.peek_word(0) {
        Some(word) if word != "COMMENT" && word != "FOR" => {
            if !Condition::ALL.iter().any(|condition| condition.name() == word) {
                let message = format!("`{word}` is no condition that an error can have");
                return Err(Error::new(Condition::InvalidParameterValue, message).at(cursor.position()));
            }
            cursor.take();
            Ok(Expectation::Error(Some(word)))
        }
        _ => Ok(Expectation::Error(None)),
    }
}
