//! SQL functions: CREATE, DROP and RENAME. A body is one scalar expression, or a query that gives rows.

use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::Name;

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
    /// A constant expression, where the parameter may be left out.
    pub default: Option<Box<Expr>>,
    /// A remark for people.
    pub comment: Option<String>,
}

/// A column of the rows that a function gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionColumn {
    /// As spelled.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// A remark for people.
    pub comment: Option<String>,
}

/// RETURNS.
#[derive(Debug, Clone, PartialEq)]
pub enum DeclaredReturns {
    /// One value of this type; the body's own where it is left out.
    Value(Option<SqlType>),
    /// Rows of these columns; the query's own where they are left out.
    Rows(Option<Vec<FunctionColumn>>),
}

/// What follows RETURN.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionBody {
    /// One value.
    Value(Box<Expr>),
    /// Rows.
    Rows(Box<Query>),
}

/// What a function says it does with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataAccess {
    /// CONTAINS SQL: it reads no table.
    ContainsSql,
    /// READS SQL DATA: it reads tables.
    ReadsSqlData,
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
    /// What it gives.
    pub returns: DeclaredReturns,
    /// What it says of data, where it says so.
    pub data_access: Option<DataAccess>,
    /// A remark for people.
    pub comment: Option<String>,
    /// What it says.
    pub body: FunctionBody,
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
    /// ALTER FUNCTION … RENAME TO.
    Rename {
        /// Its name.
        name: ObjectReference,
        /// Its name from now on, in the same schema.
        to: Name,
    },
}

const REFUSED: &[&[&str]] = &[
    &["NOT", "DETERMINISTIC"],
    &["MODIFIES", "SQL", "DATA"],
    &["SQL", "SECURITY"],
    &["HANDLER"],
    &["ENVIRONMENT"],
    &["PARAMETER", "STYLE"],
    &["DEFAULT", "COLLATION"],
    &["AS"],
    &["USING"],
    &["BEGIN"],
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
    let said = characteristics(cursor)?;
    let body = match said.returns {
        DeclaredReturns::Rows(_) => FunctionBody::Rows(cursor.query()?),
        DeclaredReturns::Value(_) if cursor.peek_words(&["SELECT"]) || cursor.peek_words(&["WITH"]) => {
            return Err(cursor.unsupported("RETURN of a query").with_hint(
                "put the query in brackets to return its one value, or say RETURNS TABLE to return rows",
            ));
        }
        DeclaredReturns::Value(_) => FunctionBody::Value(Box::new(cursor.expression()?)),
    };
    Ok(Command::Function(FunctionCommand::Create(CreateFunction {
        name,
        or_replace,
        if_not_exists,
        parameters,
        returns: said.returns,
        data_access: said.data_access,
        comment: said.comment,
        body,
    })))
}

/// After ALTER FUNCTION and the name: RENAME TO a name, of the same schema where it has more parts.
pub(crate) fn rename(cursor: &mut Cursor<'_>, name: ObjectReference) -> Result<Command> {
    let position = cursor.position();
    let to = cursor.object()?;
    let elsewhere = |there: &Option<_>, here: &Option<_>| there.is_some() && there != here;
    if elsewhere(&to.schema, &name.schema) || elsewhere(&to.catalog, &name.catalog) {
        return Err(crate::sql::cursor::unsupported("moving a function to another schema").at(position));
    }
    Ok(Command::Function(FunctionCommand::Rename { name, to: to.object }))
}

/// After DROP FUNCTION.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.object()?;
    if cursor.peek_words(&["CASCADE"]) {
        let hint =
            "what uses a function are policies, views and functions: without CASCADE the refusal names them";
        return Err(cursor.unsupported("DROP FUNCTION … CASCADE").with_hint(hint));
    }
    cursor.word("RESTRICT");
    Ok(Command::Function(FunctionCommand::Drop { name, if_exists }))
}

/// What stands between the parameters and RETURN.
struct Characteristics {
    returns: DeclaredReturns,
    data_access: Option<DataAccess>,
    comment: Option<String>,
}

/// Everything up to and including RETURN.
fn characteristics(cursor: &mut Cursor<'_>) -> Result<Characteristics> {
    let mut returns = None;
    let mut data_access = None;
    let mut comment = None;
    loop {
        if returns.is_none() && cursor.words(&["RETURNS", "TABLE"]) {
            returns = Some(DeclaredReturns::Rows(columns(cursor)?));
        } else if returns.is_none() && cursor.word("RETURNS") {
            returns = Some(DeclaredReturns::Value(Some(types::read(cursor)?)));
        } else if cursor.word("LANGUAGE") {
            language(cursor)?;
        } else if comment.is_none() && cursor.word("COMMENT") {
            comment = Some(cursor.string()?);
        } else if cursor.word("DETERMINISTIC") {
            // Every body here is: one that calls a function whose result varies is refused.
        } else if data_access.is_none() && cursor.words(&["CONTAINS", "SQL"]) {
            data_access = Some(DataAccess::ContainsSql);
        } else if data_access.is_none() && cursor.words(&["READS", "SQL", "DATA"]) {
            data_access = Some(DataAccess::ReadsSqlData);
        } else if cursor.word("RETURN") {
            let returns = returns.unwrap_or(DeclaredReturns::Value(None));
            return Ok(Characteristics { returns, data_access, comment });
        } else {
            return Err(cursor.unknown_clause("RETURNS, LANGUAGE, COMMENT, DETERMINISTIC or RETURN", REFUSED));
        }
    }
}

/// The columns of RETURNS TABLE.
fn columns(cursor: &mut Cursor<'_>) -> Result<Option<Vec<FunctionColumn>>> {
    if !cursor.peek_symbol(&Token::LParen) {
        return Ok(None);
    }
    let position = cursor.position();
    let columns = cursor.bracketed(|cursor| {
        let name = cursor.identifier()?.value;
        let sql_type = types::read(cursor)?;
        let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
        Ok(FunctionColumn { name, sql_type, comment })
    })?;
    let mut seen = std::collections::BTreeSet::new();
    for column in &columns {
        if !seen.insert(column.name.to_lowercase()) {
            let message = format!("column `{}` stands twice", column.name);
            return Err(Error::new(Condition::ColumnAlreadyExists, message).at(position));
        }
    }
    if columns.is_empty() { Err(cursor.expected("a column")) } else { Ok(Some(columns)) }
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
    let default = if cursor.word("DEFAULT") { Some(Box::new(cursor.expression()?)) } else { None };
    let comment = if cursor.word("COMMENT") { Some(cursor.string()?) } else { None };
    Ok(FunctionParameter { name, sql_type, default, comment })
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
