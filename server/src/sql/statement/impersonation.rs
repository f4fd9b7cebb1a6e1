//! `EXECUTE AS USER u [FOR] statement`: a query, EXPLAIN, SHOW or DESCRIBE as another user. Whatever
//! changes something is refused by its name, here, before anybody's rights are looked at.

use super::{Command, Statement};
use crate::error::Result;
use crate::sql::cursor::{Cursor, unsupported};

/// A statement as another user.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecuteAs {
    /// The user, exact.
    pub user: String,
    /// What runs; it reads and nothing else.
    pub statement: Box<Statement>,
}

/// After EXECUTE. `read` reads the statement that follows.
pub(crate) fn execute_as(
    cursor: &mut Cursor<'_>,
    read: fn(&mut Cursor<'_>) -> Result<Statement>,
) -> Result<Statement> {
    if !cursor.peek_words(&["AS"]) {
        let hint = "prepare statements through the driver; EXECUTE AS USER runs a query as another user";
        return Err(cursor.unsupported("EXECUTE of a prepared statement").with_hint(hint));
    }
    cursor.expect_words(&["AS", "USER"])?;
    let user = super::grant::principal(cursor)?;
    cursor.word("FOR");
    let position = cursor.position();
    let first = cursor.peek_word(0).unwrap_or_default();
    let statement = read(cursor)?;
    let refused = match &statement {
        Statement::Query(_)
        | Statement::Explain(_)
        | Statement::DescribeQuery(_)
        | Statement::ShowPartitions(_)
        | Statement::Command(Command::Show(_) | Command::Describe(_)) => {
            return Ok(Statement::ExecuteAs(ExecuteAs { user, statement: Box::new(statement) }));
        }
        Statement::ExecuteAs(_) => "EXECUTE AS within EXECUTE AS".to_owned(),
        Statement::Proof(_) => format!("{first} of policies within EXECUTE AS"),
        Statement::Insert(_)
        | Statement::Cache(_)
        | Statement::Change(_)
        | Statement::CreateTableAs(_)
        | Statement::Command(_) => {
            format!("{first} within EXECUTE AS")
        }
    };
    Err(unsupported(&refused)
        .with_hint(
            "a query, EXPLAIN, SHOW or DESCRIBE runs as another user; nothing that changes anything does",
        )
        .at(position))
}
