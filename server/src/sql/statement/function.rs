//! SQL functions: CREATE and DROP. A body is one scalar expression.

use datafusion::sql::sqlparser::ast::{self, Expr};
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::Literal;

use super::Command;
use super::view::replace_and_if_not_exists;
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::reference::ObjectReference;
use crate::sql::types::{self, SqlType};

/// A parameter of a function to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionParameter {
    /// As spelled.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// A constant SQL expression, where the parameter may be left out.
    pub default: Option<String>,
}

/// CREATE FUNCTION.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateFunction {
    /// Its name.
    pub name: ObjectReference,
    /// Whether an existing function is replaced.
    pub or_replace: bool,
    /// Whether an existing one is left as it is.
    pub if_not_exists: bool,
    /// Its parameters in order.
    pub parameters: Vec<FunctionParameter>,
    /// The type of its result; the body's where it is left out.
    pub returns: Option<SqlType>,
    /// A remark for people.
    pub comment: Option<String>,
    /// The expression.
    pub body: Box<Expr>,
}

/// A function's making and end.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionCommand {
    /// CREATE FUNCTION.
    Create(CreateFunction),
    /// DROP FUNCTION.
    Drop {
        /// Its name.
        name: ObjectReference,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
}

const REFUSED: &[&[&str]] = &[
    &["NOT", "DETERMINISTIC"],
    &["READS", "SQL", "DATA"],
    &["MODIFIES", "SQL", "DATA"],
    &["CONTAINS", "SQL"],
    &["SQL", "SECURITY"],
    &["HANDLER"],
    &["ENVIRONMENT"],
    &["PARAMETER", "STYLE"],
    &["DEFAULT", "COLLATION"],
    &["AS"],
    &["USING"],
];

/// After CREATE [OR REPLACE] FUNCTION.
pub(crate) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Command> {
    let position = cursor.position();
    let if_not_exists = cursor.if_not_exists();
    if or_replace && if_not_exists {
        return Err(replace_and_if_not_exists().at(position));
    }
    let name = cursor.object()?;
    let position = cursor.position();
    let parameters = cursor.bracketed(parameter)?;
    check_parameters(&parameters).map_err(|error| error.at(position))?;
    let (returns, comment) = characteristics(cursor)?;
    if cursor.peek_words(&["SELECT"]) || cursor.peek_words(&["WITH"]) {
        return Err(cursor
            .unsupported("RETURN of a query")
            .with_hint("put the query in brackets to return its one value"));
    }
    let body = Box::new(cursor.expression()?);
    Ok(Command::Function(FunctionCommand::Create(CreateFunction {
        name,
        or_replace,
        if_not_exists,
        parameters,
        returns,
        comment,
        body,
    })))
}

/// After DROP FUNCTION.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.object()?;
    Ok(Command::Function(FunctionCommand::Drop { name, if_exists }))
}

/// Everything up to and including RETURN.
fn characteristics(cursor: &mut Cursor<'_>) -> Result<(Option<SqlType>, Option<String>)> {
    let mut returns = None;
    let mut comment = None;
    loop {
        if returns.is_none() && cursor.peek_words(&["RETURNS", "TABLE"]) {
            return Err(cursor.unsupported("RETURNS TABLE"));
        } else if returns.is_none() && cursor.word("RETURNS") {
            returns = Some(types::read(cursor)?);
        } else if cursor.word("LANGUAGE") {
            language(cursor)?;
        } else if comment.is_none() && cursor.word("COMMENT") {
            comment = Some(cursor.string()?);
        } else if cursor.word("DETERMINISTIC") {
            // Every body here is: functions that are not deterministic are not on the list of
            // functions a body may call.
        } else if cursor.word("RETURN") {
            return Ok((returns, comment));
        } else {
            return Err(cursor.unknown_clause("RETURNS, LANGUAGE, COMMENT, DETERMINISTIC or RETURN", REFUSED));
        }
    }
}

fn language(cursor: &mut Cursor<'_>) -> Result<()> {
    match cursor.peek_word(0) {
        Some(language) if language == "SQL" => {
            cursor.take();
            Ok(())
        }
        Some(language) => {
            Err(cursor.unsupported(&format!("LANGUAGE {language}")).with_hint("functions are written in SQL"))
        }
        None => Err(cursor.expected("SQL")),
    }
}

fn parameter(cursor: &mut Cursor<'_>) -> Result<FunctionParameter> {
    let name = cursor.identifier()?.value;
    let sql_type = types::read(cursor)?;
    let default = if cursor.word("DEFAULT") { Some(constant(cursor)?) } else { None };
    if cursor.peek_words(&["COMMENT"]) {
        return Err(cursor.unsupported("COMMENT on a parameter"));
    }
    Ok(FunctionParameter { name, sql_type, default })
}

/// A literal as SQL text.
fn constant(cursor: &mut Cursor<'_>) -> Result<String> {
    let literal = super::policy::literal(cursor)?;
    Ok(match literal {
        Some(Literal::String(text)) => ast::Value::SingleQuotedString(text).to_string(),
        Some(Literal::Number(text)) => text,
        Some(Literal::Boolean(value)) => value.to_string().to_uppercase(),
        Some(Literal::Interval(text)) => format!("INTERVAL {text}"),
        Some(Literal::Null) => "NULL".to_owned(),
        None if matches!(cursor.peek(), Token::EOF) => return Err(cursor.expected("a constant")),
        None => return Err(cursor.unsupported("a DEFAULT that is no literal")),
    })
}

/// Names must differ, and after a parameter with a default come only such.
fn check_parameters(parameters: &[FunctionParameter]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    let mut defaults = false;
    for parameter in parameters {
        if !seen.insert(parameter.name.to_lowercase()) {
            let message = format!("parameter `{}` stands twice", parameter.name);
            return Err(Error::new(Condition::InvalidStatement, message));
        }
        if defaults && parameter.default.is_none() {
            let message =
                format!("parameter `{}` needs a default, since one before it has one", parameter.name);
            return Err(Error::new(Condition::InvalidStatement, message));
        }
        defaults |= parameter.default.is_some();
    }
    Ok(())
}
