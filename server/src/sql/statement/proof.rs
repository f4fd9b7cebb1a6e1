//! Statements that show what policies do: EXPLAIN POLICY, DRY RUN of a policy, RUN POLICY TESTS.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use strum::{IntoStaticStr, VariantNames};

use super::policy::PolicyCommand;
use super::query::begins_query;
use super::{Command, Statement};
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::reference::ObjectReference;

/// A statement that shows what policies do, and changes nothing.
#[derive(Debug, Clone, PartialEq, IntoStaticStr, VariantNames)]
pub enum Proof {
    /// EXPLAIN POLICY FOR.
    ExplainPolicy(ExplainPolicy),
    /// ALTER TABLE … SET ROW FILTER or SET MASK … DRY RUN.
    DryRun(DryRun),
    /// RUN POLICY TESTS.
    RunTests(TestSelection),
}

/// What is to be explained.
#[derive(Debug, Clone, PartialEq)]
pub enum Explained {
    /// The tables of a query.
    Query(Box<ast::Query>),
    /// One table or view.
    Table(ObjectReference),
}

/// `EXPLAIN POLICY FOR query | TABLE t [AS USER u]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainPolicy {
    /// For which tables.
    pub of: Explained,
    /// For whom, exact; the caller where it is left out.
    pub user: Option<String>,
}

/// A policy that is not set, and for whom it is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// SET ROW FILTER or SET MASK.
    pub change: PolicyCommand,
    /// FOR USERS, exact; all who may read the table where it is left out.
    pub users: Option<Vec<String>>,
}

/// Which policy tests are to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestSelection {
    /// All.
    All,
    /// LIKE 'pattern'.
    Like(String),
    /// Those whose query names the table.
    OnTable(ObjectReference),
}

/// After EXPLAIN POLICY; [`put_user_first`] has moved `AS USER u` here from the end.
pub(crate) fn explain_policy(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let user = if cursor.words(&["AS", "USER"]) { Some(super::grant::principal(cursor)?) } else { None };
    cursor.expect_words(&["FOR"])?;
    let of = if begins_query(cursor) {
        Explained::Query(cursor.query()?)
    } else if cursor.word("TABLE") || cursor.word("VIEW") {
        Explained::Table(cursor.object()?)
    } else {
        return Err(cursor.expected("a query, or TABLE and a name"));
    };
    Ok(Statement::Proof(Proof::ExplainPolicy(ExplainPolicy { of, user })))
}

/// `EXPLAIN POLICY FOR query AS USER u`: behind a query, the grammar of queries would take `AS USER` for
/// an alias. No query ends in these three words.
pub(crate) fn put_user_first(tokens: &mut Vec<TokenWithSpan>) {
    let is = |at: usize, word: &str| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(found)) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
        _ => false,
    };
    // Blanks and comments are tokens too.
    let speaks = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let words: Vec<usize> =
        tokens.iter().enumerate().filter(|(_, token)| speaks(token)).map(|(at, _)| at).collect();
    let ends =
        |at: &usize| matches!(tokens.get(*at).map(|token| &token.token), Some(Token::SemiColon | Token::EOF));
    let count = words.iter().rposition(|at| !ends(at)).map_or(0, |last| last + 1);
    let Some(text) = words.get(..count) else { return };
    let ([explain, policy, ..], [.., r#as, user, name]) = (text, text) else { return };
    let named = matches!(tokens.get(*name).map(|token| &token.token), Some(Token::Word(_)));
    let begins = is(*explain, "EXPLAIN") && is(*policy, "POLICY");
    if count < 6 || !begins || !named || !is(*r#as, "AS") || !is(*user, "USER") {
        return;
    }
    let (from, to, after) = (*r#as, *name, *policy + 1);
    let moved: Vec<TokenWithSpan> = tokens.drain(from..=to).collect();
    tokens.splice(after..after, moved);
}

/// After an ALTER that may be a dry run.
pub(crate) fn or_dry_run(cursor: &mut Cursor<'_>, command: Command) -> Result<Statement> {
    let change =
        match command {
            Command::Policy(
                change @ (PolicyCommand::SetRowFilter { .. } | PolicyCommand::SetMask { .. }),
            ) if cursor.words(&["DRY", "RUN"]) => change,
            command if cursor.peek_words(&["DRY", "RUN"]) => {
                drop(command);
                return Err(cursor
                    .unsupported("DRY RUN of this statement")
                    .with_hint("SET ROW FILTER and SET MASK can be tried with DRY RUN"));
            }
            command => return Ok(Statement::Command(command)),
        };
    let users = if cursor.words(&["FOR", "USERS"]) {
        let users = cursor.bracketed(super::grant::principal)?;
        if users.is_empty() {
            return Err(cursor.expected("users before `)`"));
        }
        Some(users)
    } else {
        None
    };
    Ok(Statement::Proof(Proof::DryRun(DryRun { change, users })))
}

/// After RUN.
pub(crate) fn run(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["POLICY", "TESTS"])?;
    let selection = if cursor.word("LIKE") {
        TestSelection::Like(cursor.string()?)
    } else if cursor.words(&["ON", "TABLE"]) || cursor.words(&["ON", "VIEW"]) {
        TestSelection::OnTable(cursor.object()?)
    } else {
        TestSelection::All
    };
    Ok(Statement::Proof(Proof::RunTests(selection)))
}
