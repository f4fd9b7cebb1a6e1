//! Row filters and column masks: `ROW FILTER f ON (…)`, `MASK f [USING COLUMNS (…)]`.

use datafusion::sql::sqlparser::ast::Value;
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::Literal;

use super::{Command, SecurableReference};
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::reference::ObjectReference;

/// What one parameter of a policy function receives, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyArgument {
    /// A column of the table.
    Column(String),
    /// The same value for each row.
    Literal(Literal),
}

/// `ROW FILTER function ON (arguments)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilterClause {
    /// The function.
    pub function: ObjectReference,
    /// Its arguments.
    pub arguments: Vec<PolicyArgument>,
}

/// `MASK function [USING COLUMNS (arguments)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskClause {
    /// The function.
    pub function: ObjectReference,
    /// Its arguments after the masked column.
    pub arguments: Vec<PolicyArgument>,
}

/// A change to the policies of a table or view. What is written as a view's must be one; a view may be
/// written as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyCommand {
    /// ALTER … SET ROW FILTER.
    SetRowFilter {
        /// The table or view.
        on: SecurableReference,
        /// The filter.
        filter: RowFilterClause,
    },
    /// ALTER … DROP ROW FILTER.
    DropRowFilter {
        /// The table or view.
        on: SecurableReference,
    },
    /// ALTER … ALTER COLUMN … SET MASK.
    SetMask {
        /// The table or view.
        on: SecurableReference,
        /// The masked column.
        column: String,
        /// The fields down to the masked one; none where the whole column is masked.
        path: Vec<String>,
        /// The mask.
        mask: MaskClause,
    },
    /// ALTER … ALTER COLUMN … DROP MASK.
    DropMask {
        /// The table or view.
        on: SecurableReference,
        /// The masked column.
        column: String,
        /// The fields down to the masked one.
        path: Vec<String>,
    },
}

/// SET or DROP ROW FILTER after ALTER and the table or view; `None` when neither is ahead.
pub(crate) fn alteration(cursor: &mut Cursor<'_>, on: &SecurableReference) -> Result<Option<Command>> {
    if cursor.words(&["SET", "ROW", "FILTER"]) {
        let filter = row_filter(cursor)?;
        return Ok(Some(Command::Policy(PolicyCommand::SetRowFilter { on: on.clone(), filter })));
    }
    if cursor.words(&["DROP", "ROW", "FILTER"]) {
        return Ok(Some(Command::Policy(PolicyCommand::DropRowFilter { on: on.clone() })));
    }
    Ok(None)
}

/// SET or DROP MASK after ALTER COLUMN and the column; `None` when neither is ahead.
pub(crate) fn column_alteration(
    cursor: &mut Cursor<'_>,
    on: &SecurableReference,
    column: &str,
    path: &[String],
) -> Result<Option<Command>> {
    let (on, column, path) = (on.clone(), column.to_owned(), path.to_vec());
    if cursor.words(&["SET", "MASK"]) {
        let mask = mask(cursor)?;
        return Ok(Some(Command::Policy(PolicyCommand::SetMask { on, column, path, mask })));
    }
    if cursor.words(&["DROP", "MASK"]) {
        return Ok(Some(Command::Policy(PolicyCommand::DropMask { on, column, path })));
    }
    Ok(None)
}

/// After ROW FILTER.
pub(crate) fn row_filter(cursor: &mut Cursor<'_>) -> Result<RowFilterClause> {
    let function = cursor.object()?;
    cursor.expect_words(&["ON"])?;
    let arguments = cursor.bracketed(argument)?;
    Ok(RowFilterClause { function, arguments })
}

/// After MASK.
pub(crate) fn mask(cursor: &mut Cursor<'_>) -> Result<MaskClause> {
    let function = cursor.object()?;
    let arguments =
        if cursor.words(&["USING", "COLUMNS"]) { cursor.bracketed(argument)? } else { Vec::new() };
    Ok(MaskClause { function, arguments })
}

fn argument(cursor: &mut Cursor<'_>) -> Result<PolicyArgument> {
    if let Some(literal) = literal(cursor)? {
        return Ok(PolicyArgument::Literal(literal));
    }
    let column = cursor.identifier()?.value;
    if cursor.peek_symbol(&Token::Period) {
        return Err(cursor.unsupported("a field of a column as a policy argument"));
    }
    if cursor.peek_symbol(&Token::LParen) {
        return Err(cursor.expected("a column name or a literal"));
    }
    Ok(PolicyArgument::Column(column))
}

/// `INTERVAL '3' DAY` or `INTERVAL 3 DAYS`: a number and a unit.
fn interval(cursor: &mut Cursor<'_>) -> Result<Literal> {
    cursor.take();
    let number = match cursor.peek() {
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => cursor.string()?,
        _ => match cursor.value()? {
            Value::Number(text, _) => text,
            _ => return Err(cursor.expected("a number")),
        },
    };
    let unit = cursor.peek_word(0).unwrap_or_default();
    let known = ["YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];
    if !known.contains(&unit.trim_end_matches('S')) || number.parse::<f64>().is_err() {
        return Err(cursor.expected("a number and a unit, e.g. INTERVAL '3' DAY"));
    }
    cursor.take();
    if cursor.peek_words(&["TO"]) {
        return Err(cursor.unsupported("an INTERVAL of several units as a policy argument"));
    }
    Ok(Literal::Interval(format!("'{number}' {}", unit.trim_end_matches('S'))))
}

/// A literal, if one is ahead.
pub(crate) fn literal(cursor: &mut Cursor<'_>) -> Result<Option<Literal>> {
    let begins_interval = cursor.peek_word(0).as_deref() == Some("INTERVAL")
        && (cursor.is_number(1)
            || matches!(cursor.peek_nth(1), Token::SingleQuotedString(_) | Token::DoubleQuotedString(_)));
    if begins_interval {
        return Ok(Some(interval(cursor)?));
    }
    let sign = match cursor.peek() {
        Token::Minus if cursor.is_number(1) => {
            cursor.take();
            "-"
        }
        Token::Plus if cursor.is_number(1) => {
            cursor.take();
            ""
        }
        _ => "",
    };
    let literal = match cursor.peek() {
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => Literal::String(cursor.string()?),
        Token::Number(..) => match cursor.value()? {
            Value::Number(text, _) => Literal::Number(format!("{sign}{text}")),
            _ => return Err(cursor.expected("a number")),
        },
        Token::Word(word) if word.quote_style.is_none() => match word.value.to_uppercase().as_str() {
            "TRUE" => keyword(cursor, Literal::Boolean(true)),
            "FALSE" => keyword(cursor, Literal::Boolean(false)),
            "NULL" => keyword(cursor, Literal::Null),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(literal))
}

fn keyword(cursor: &mut Cursor<'_>, literal: Literal) -> Literal {
    cursor.take();
    literal
}
