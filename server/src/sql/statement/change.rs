//! UPDATE, DELETE, TRUNCATE and MERGE.

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query};
use datafusion::sql::sqlparser::tokenizer::Token;
use strum::{IntoStaticStr, VariantNames};

use super::Statement;
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::reference::ObjectReference;
use crate::sql::types::quoted_path;

/// A statement that changes rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The table.
    pub table: ObjectReference,
    /// What its columns are called by in the statement, where that is not its name.
    pub alias: Option<Ident>,
    /// What is done with its rows.
    pub what: ChangeKind,
}

/// What is done with rows.
#[derive(Debug, Clone, PartialEq, IntoStaticStr, VariantNames)]
pub enum ChangeKind {
    /// UPDATE: new values for rows that the condition holds for; for all without one.
    Update {
        /// Columns and values.
        set: Vec<Assignment>,
        /// Which rows.
        condition: Option<Expr>,
    },
    /// DELETE.
    Delete {
        /// Which rows; all without one.
        condition: Option<Expr>,
    },
    /// TRUNCATE TABLE: every row.
    Truncate,
    /// MERGE INTO.
    Merge(Merge),
}

/// A column and its new value.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The column as written: its name, before it what it is a column of.
    pub column: Vec<Ident>,
    /// The value.
    pub value: Expr,
}

/// What MERGE INTO joins its table with, and what it does with what it finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// The rows to join with.
    pub source: Box<Query>,
    /// What they are called: an alias, or the parts of a table's name.
    pub source_name: Vec<Ident>,
    /// What their columns are called, where an alias says so.
    pub source_columns: Vec<Ident>,
    /// When a row of the source and one of the table belong together.
    pub on: Expr,
    /// The first that holds for a row is done.
    pub clauses: Vec<MergeClause>,
}

/// WHEN … THEN.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeClause {
    /// For which rows.
    pub when: MergeRows,
    /// Which of those.
    pub condition: Option<Expr>,
    /// What is done.
    pub action: MergeAction,
}

/// The rows that a clause of MERGE is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRows {
    /// WHEN MATCHED.
    Matched,
    /// WHEN NOT MATCHED [BY TARGET]: rows of the source.
    NotMatched,
    /// WHEN NOT MATCHED BY SOURCE: rows of the table.
    NotMatchedBySource,
}

/// What a clause of MERGE does.
#[derive(Debug, Clone, PartialEq, IntoStaticStr, VariantNames)]
pub enum MergeAction {
    /// DELETE.
    Delete,
    /// UPDATE SET.
    Update(Vec<Assignment>),
    /// UPDATE SET *: every column from the source's column of its name.
    UpdateAll,
    /// INSERT (columns) VALUES (values).
    Insert(Vec<Assignment>),
    /// INSERT *.
    InsertAll,
}

impl Change {
    /// Every expression in it.
    pub fn expressions(&self) -> Vec<&Expr> {
        match &self.what {
            ChangeKind::Update { set, condition } => {
                set.iter().map(|one| &one.value).chain(condition.as_ref()).collect()
            }
            ChangeKind::Delete { condition } => condition.iter().collect(),
            ChangeKind::Truncate => Vec::new(),
            ChangeKind::Merge(merge) => {
                let mut found = vec![&merge.on];
                for clause in &merge.clauses {
                    found.extend(clause.condition.as_ref());
                    if let MergeAction::Update(set) | MergeAction::Insert(set) = &clause.action {
                        found.extend(set.iter().map(|one| &one.value));
                    }
                }
                found
            }
        }
    }

    /// The source of a MERGE.
    pub fn source(&self) -> Option<&Query> {
        match &self.what {
            ChangeKind::Merge(merge) => Some(&merge.source),
            _ => None,
        }
    }
}

/// After UPDATE.
pub(crate) fn update(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let table = cursor.object()?;
    let alias = alias(cursor, &["SET"])?;
    cursor.expect_words(&["SET"])?;
    let set = cursor.comma_separated(assignment)?;
    if cursor.peek_words(&["FROM"]) {
        return Err(cursor.unsupported("UPDATE … FROM").with_hint("MERGE takes values from other tables"));
    }
    let condition = condition(cursor)?;
    Ok(changed(table, alias, ChangeKind::Update { set, condition }))
}

/// After DELETE.
pub(crate) fn delete(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["FROM"])?;
    let table = cursor.object()?;
    let alias = alias(cursor, &["WHERE", "USING"])?;
    if cursor.peek_words(&["USING"]) {
        return Err(cursor
            .unsupported("DELETE … USING")
            .with_hint("WHERE EXISTS and MERGE look at other tables"));
    }
    let condition = condition(cursor)?;
    Ok(changed(table, alias, ChangeKind::Delete { condition }))
}

/// After TRUNCATE.
pub(crate) fn truncate(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["TABLE"])?;
    let table = cursor.object()?;
    if cursor.peek_words(&["PARTITION"]) {
        return Err(cursor.unsupported("TRUNCATE … PARTITION").with_hint("DELETE … WHERE takes out rows"));
    }
    Ok(changed(table, None, ChangeKind::Truncate))
}

/// After MERGE.
pub(crate) fn merge(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.peek_words(&["WITH", "SCHEMA", "EVOLUTION"]) {
        return Err(cursor.unsupported("MERGE WITH SCHEMA EVOLUTION"));
    }
    cursor.expect_words(&["INTO"])?;
    let table = cursor.object()?;
    let target_alias = alias(cursor, &["USING"])?;
    cursor.expect_words(&["USING"])?;
    let (source, named) = source(cursor)?;
    let source_alias = alias(cursor, &["ON"])?;
    let source_columns = match &source_alias {
        Some(_) if cursor.peek_symbol(&Token::LParen) => cursor.bracketed(Cursor::identifier)?,
        _ => Vec::new(),
    };
    let source_name = match (source_alias, named) {
        (Some(alias), _) => vec![alias],
        (None, Some(name)) => name,
        (None, None) => return Err(cursor.expected("a name for the query after USING")),
    };
    cursor.expect_words(&["ON"])?;
    let on = cursor.expression()?;
    let mut clauses = Vec::new();
    while cursor.word("WHEN") {
        clauses.push(clause(cursor)?);
    }
    if clauses.is_empty() {
        return Err(cursor.expected("WHEN"));
    }
    let merge = Merge { source, source_name, source_columns, on, clauses };
    Ok(changed(table, target_alias, ChangeKind::Merge(merge)))
}

fn changed(table: ObjectReference, alias: Option<Ident>, what: ChangeKind) -> Statement {
    Statement::Change(Box::new(Change { table, alias, what }))
}

/// `[AS] name`, unless what follows is one of `next`.
fn alias(cursor: &mut Cursor<'_>, next: &[&str]) -> Result<Option<Ident>> {
    if cursor.word("AS") {
        return cursor.identifier().map(Some);
    }
    let ends = cursor.at_end() || next.iter().any(|word| cursor.peek_words(&[word]));
    if ends || !matches!(cursor.peek(), Token::Word(_)) { Ok(None) } else { cursor.identifier().map(Some) }
}

fn condition(cursor: &mut Cursor<'_>) -> Result<Option<Expr>> {
    if cursor.word("WHERE") { cursor.expression().map(Some) } else { Ok(None) }
}

fn assignment(cursor: &mut Cursor<'_>) -> Result<Assignment> {
    let column = column(cursor)?;
    cursor.expect_symbol(&Token::Eq)?;
    Ok(Assignment { column, value: value(cursor)? })
}

fn column(cursor: &mut Cursor<'_>) -> Result<Vec<Ident>> {
    let mut parts = vec![cursor.identifier()?];
    while cursor.symbol(&Token::Period) {
        parts.push(cursor.identifier()?);
    }
    Ok(parts)
}

fn value(cursor: &mut Cursor<'_>) -> Result<Expr> {
    if cursor.peek_words(&["DEFAULT"]) {
        return Err(cursor
            .unsupported("DEFAULT as a value")
            .with_hint("no column has one; NULL is written out"));
    }
    cursor.expression()
}

/// The source of a MERGE: a query in brackets, or a table with the parts of its name.
fn source(cursor: &mut Cursor<'_>) -> Result<(Box<Query>, Option<Vec<Ident>>)> {
    if cursor.symbol(&Token::LParen) {
        let query = cursor.query()?;
        cursor.expect_symbol(&Token::RParen)?;
        return Ok((query, None));
    }
    let (parts, position) = cursor.parts()?;
    ObjectReference::from_parts(&parts, position)?;
    if cursor.peek_symbol(&Token::LParen) {
        return Err(cursor
            .unsupported("MERGE with a table function as its source")
            .with_hint("USING (SELECT …)"));
    }
    let name = quoted_path(parts.iter().map(String::as_str));
    let query = crate::sql::parse_query(&format!("SELECT * FROM {name}"))?;
    Ok((query, Some(parts.into_iter().map(|part| Ident::with_quote('`', part)).collect())))
}

/// After WHEN.
fn clause(cursor: &mut Cursor<'_>) -> Result<MergeClause> {
    let when = if cursor.word("MATCHED") {
        MergeRows::Matched
    } else {
        cursor.expect_words(&["NOT", "MATCHED"])?;
        match cursor.words(&["BY", "SOURCE"]) {
            true => MergeRows::NotMatchedBySource,
            false => {
                cursor.words(&["BY", "TARGET"]);
                MergeRows::NotMatched
            }
        }
    };
    let condition = if cursor.word("AND") { Some(cursor.expression()?) } else { None };
    cursor.expect_words(&["THEN"])?;
    let position = cursor.position();
    let action = action(cursor)?;
    let inserts = matches!(action, MergeAction::Insert(_) | MergeAction::InsertAll);
    if inserts != (when == MergeRows::NotMatched) {
        let text = "WHEN NOT MATCHED takes INSERT, and nothing else does";
        return Err(Error::new(Condition::ParseSyntaxError, text).at(position));
    }
    if when == MergeRows::NotMatchedBySource && action == MergeAction::UpdateAll {
        let text = "UPDATE SET * takes values from the source, and these rows have none";
        return Err(Error::new(Condition::ParseSyntaxError, text).at(position));
    }
    Ok(MergeClause { when, condition, action })
}

fn action(cursor: &mut Cursor<'_>) -> Result<MergeAction> {
    if cursor.word("DELETE") {
        return Ok(MergeAction::Delete);
    }
    if cursor.word("UPDATE") {
        cursor.expect_words(&["SET"])?;
        if cursor.symbol(&Token::Mul) {
            return Ok(MergeAction::UpdateAll);
        }
        return cursor.comma_separated(assignment).map(MergeAction::Update);
    }
    cursor.expect_words(&["INSERT"])?;
    if cursor.symbol(&Token::Mul) {
        return Ok(MergeAction::InsertAll);
    }
    let columns = cursor.bracketed(column)?;
    cursor.expect_words(&["VALUES"])?;
    let position = cursor.position();
    let values = cursor.bracketed(value)?;
    if columns.len() != values.len() || columns.is_empty() {
        let text = format!("INSERT names {} columns and gives {} values", columns.len(), values.len());
        return Err(Error::new(Condition::ParseSyntaxError, text).at(position));
    }
    let set = columns.into_iter().zip(values).map(|(column, value)| Assignment { column, value });
    Ok(MergeAction::Insert(set.collect()))
}
