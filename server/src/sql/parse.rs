//! Text → [`Statement`]: tokens, their numbering and bounds, then the grammar, then the clauses
//! that are refused. Every error of syntax says where.

use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use super::cursor::{Cursor, position_of};
use super::dialect::WarehouseDialect;
use super::refused_statements::{object_refusal, refusal};
use super::statement::{self, AccessTokenCommand, Command, SecurableReference, Statement};
use super::{nesting, placeholders, refused_clauses, table_versions};
use crate::error::{Condition, Error, Result};
use crate::session::SessionSettings;

#[cfg(test)]
mod tests;

/// The longest text of a statement.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Reads one statement; a semicolon may end it.
pub fn parse(text: &str, session: &SessionSettings) -> Result<Statement> {
    let dialect = WarehouseDialect { double_quoted_identifiers: session.double_quoted_identifiers };
    let mut cursor = cursor_over(&dialect, text)?;
    let statement = read(&mut cursor)?;
    cursor.expect_end()?;
    check_clauses(&statement)?;
    check_placeholders(&statement, cursor.question_marks())?;
    Ok(statement)
}

/// Reads a query, as stored for a view.
pub fn parse_query(text: &str) -> Result<Box<Query>> {
    let dialect = WarehouseDialect { double_quoted_identifiers: false };
    let mut cursor = cursor_over(&dialect, text)?;
    let query = cursor.query()?;
    cursor.expect_end()?;
    refused_clauses::check_query(&query)?;
    Ok(query)
}

/// Reads an expression, as stored for a function's body.
pub fn parse_expression(text: &str) -> Result<Expr> {
    let dialect = WarehouseDialect { double_quoted_identifiers: false };
    let mut cursor = cursor_over(&dialect, text)?;
    let expression = cursor.expression()?;
    cursor.expect_end()?;
    refused_clauses::check_expression(&expression)?;
    Ok(expression)
}

/// A cursor over the text's tokens, bounded and with placeholders numbered.
pub(crate) fn cursor_over<'a>(dialect: &'a WarehouseDialect, text: &str) -> Result<Cursor<'a>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the statement has {} bytes, more than {TEXT_BYTES_MAX}", text.len());
        return Err(Error::new(Condition::ParseSyntaxError, message).with_hint("send values as parameters"));
    }
    let mut tokens = Tokenizer::new(dialect, text).tokenize_with_location().map_err(|error| {
        let message = lower_first(&error.message);
        Error::new(Condition::ParseSyntaxError, message).at(position_of(error.location))
    })?;
    let question_marks = placeholders::number(&mut tokens)?;
    statement::proof::put_user_first(&mut tokens);
    table_versions::spell_one_way(&mut tokens);
    let end = tokens.last().and_then(|token| position_of(token.span.end));
    nesting::check(&tokens)?;
    tokens.iter_mut().for_each(quote_with_backticks);
    let parser =
        Parser::new(dialect).with_recursion_limit(nesting::RECURSION_MAX).with_tokens_with_locations(tokens);
    Ok(Cursor::new(parser, question_marks, end))
}

/// Quoted names are written with backticks from here on, so that a text made from the tree means
/// the same in every session.
fn quote_with_backticks(token: &mut TokenWithSpan) {
    if let Token::Word(Word { quote_style: quote_style @ Some('"'), .. }) = &mut token.token {
        *quote_style = Some('`');
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn read(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if statement::query::begins_query(cursor) {
        return Ok(Statement::Query(cursor.query()?));
    }
    let Some(word) = cursor.peek_word(0) else { return Err(refusal(cursor)) };
    let family: fn(&mut Cursor<'_>) -> Result<Statement> = match word.as_str() {
        "EXPLAIN" => statement::query::explain,
        "INSERT" => statement::query::insert,
        "CACHE" => statement::cache::cache,
        "CLEAR" => statement::cache::clear,
        "UPDATE" => statement::change::update,
        "DELETE" => statement::change::delete,
        "TRUNCATE" => statement::change::truncate,
        "MERGE" => statement::change::merge,
        "CREATE" => create,
        "DROP" => |cursor| drop_(cursor).map(Statement::Command),
        "ALTER" => |cursor| {
            let command = alter(cursor)?;
            statement::proof::or_dry_run(cursor, command)
        },
        "EXECUTE" => |cursor| statement::impersonation::execute_as(cursor, read),
        "RUN" => statement::proof::run,
        "REQUEST" => |cursor| statement::access::request(cursor).map(Statement::Command),
        "COMMENT" => comment,
        "DENY" => |cursor| statement::grant::deny(cursor).map(Statement::Command),
        "GRANT" => |cursor| statement::grant::grant(cursor).map(Statement::Command),
        "REVOKE" => |cursor| statement::grant::revoke(cursor).map(Statement::Command),
        "SHOW" if cursor.peek_nth_word(1, "PARTITIONS") => statement::query::show_partitions,
        "DESCRIBE" | "DESC" if statement::query::describes_query(cursor) => statement::query::describe_query,
        "SHOW" if cursor.peek_nth_word(1, "POLICY") && cursor.peek_nth_word(2, "TESTS") => {
            |cursor| statement::policy_test::show(cursor).map(Statement::Command)
        }
        "SHOW" if cursor.peek_nth_word(1, "ACCESS") && cursor.peek_nth_word(2, "TOKENS") => |cursor| {
            cursor.expect_words(&["ACCESS", "TOKENS"])?;
            Ok(Statement::Command(Command::AccessToken(AccessTokenCommand::Show)))
        },
        "SHOW" if cursor.peek_nth_word(1, "ACCESS") && cursor.peek_nth_word(2, "REQUESTS") => {
            |cursor| statement::access::show(cursor).map(Statement::Command)
        }
        "DESCRIBE" | "DESC" if statement::policy_test::is_ahead(cursor, 1) => {
            |cursor| statement::policy_test::describe(cursor).map(Statement::Command)
        }
        "SHOW" => |cursor| statement::show::show(cursor).map(Statement::Command),
        "DESCRIBE" | "DESC" => |cursor| statement::describe::describe(cursor).map(Statement::Command),
        "USE" => |cursor| statement::session::use_(cursor).map(Statement::Command),
        "SET" if cursor.peek_nth_word(1, "TAG") && cursor.peek_nth_word(2, "ON") => |cursor| {
            cursor.expect_words(&["TAG", "ON"])?;
            statement::tag::set_on(cursor).map(Statement::Command)
        },
        "UNSET" if cursor.peek_nth_word(1, "TAG") && cursor.peek_nth_word(2, "ON") => |cursor| {
            cursor.expect_words(&["TAG", "ON"])?;
            statement::tag::unset_on(cursor).map(Statement::Command)
        },
        "VALIDATE" if cursor.peek_nth_word(1, "POLICY") => |cursor| {
            cursor.expect_words(&["POLICY"])?;
            statement::tag_policy::validate(cursor).map(Statement::Command)
        },
        "SET" => |cursor| statement::session::set(cursor).map(Statement::Command),
        "RESET" => |cursor| statement::session::reset(cursor).map(Statement::Command),
        _ => return Err(refusal(cursor)),
    };
    cursor.take();
    family(cursor)
}

fn create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let or_replace = cursor.peek_words(&["OR", "REPLACE"]);
    if statement::policy_test::is_ahead(cursor, if or_replace { 2 } else { 0 }) {
        cursor.words(&["OR", "REPLACE"]);
        return statement::policy_test::create(cursor, or_replace).map(Statement::Command);
    }
    if or_replace {
        if ["TABLE", "VIEW", "FUNCTION", "POLICY"].iter().any(|kind| cursor.peek_nth_word(2, kind)) {
            cursor.words(&["OR", "REPLACE"]);
        } else {
            let kind = cursor.peek_word(2).unwrap_or_default();
            return Err(cursor.unsupported(&format!("CREATE OR REPLACE {kind}")));
        }
    }
    if cursor.word("TABLE") {
        return statement::table::create(cursor, or_replace);
    }
    let command = if cursor.word("VIEW") {
        statement::view::create(cursor, or_replace)
    } else if cursor.word("FUNCTION") {
        statement::function::create(cursor, or_replace)
    } else if cursor.word("POLICY") {
        statement::tag_policy::create(cursor, or_replace)
    } else if cursor.words(&["ACCESS", "TOKEN"]) {
        statement::access_token::create(cursor)
    } else if cursor.words(&["GOVERNED", "TAG"]) {
        statement::tag::create(cursor)
    } else if cursor.word("CATALOG") {
        statement::catalog::create_catalog(cursor)
    } else if cursor.word("SCHEMA") || cursor.word("DATABASE") {
        statement::catalog::create_schema(cursor)
    } else if cursor.words(&["EXTERNAL", "VOLUME"]) {
        statement::volume::create_external(cursor)
    } else if cursor.word("VOLUME") {
        statement::volume::create(cursor)
    } else if cursor.words(&["EXTERNAL", "LOCATION"]) {
        statement::external_location::create(cursor)
    } else if cursor.words(&["STORAGE", "CREDENTIAL"]) {
        statement::storage_credential::create(cursor)
    } else if let Some(kind) = statement::principal::kind(cursor) {
        statement::principal::create(cursor, kind)
    } else {
        Err(object_refusal(cursor, "CREATE"))
    };
    command.map(Statement::Command)
}

fn drop_(cursor: &mut Cursor<'_>) -> Result<Command> {
    if statement::policy_test::is_ahead(cursor, 0) {
        statement::policy_test::drop(cursor)
    } else if cursor.word("TABLE") {
        statement::table::drop(cursor)
    } else if cursor.words(&["ACCESS", "TOKEN"]) {
        statement::access_token::drop(cursor)
    } else if cursor.word("VIEW") {
        statement::view::drop(cursor)
    } else if cursor.word("FUNCTION") {
        statement::function::drop(cursor)
    } else if cursor.word("POLICY") {
        statement::tag_policy::drop(cursor)
    } else if cursor.words(&["GOVERNED", "TAG"]) {
        statement::tag::drop(cursor)
    } else if cursor.word("CATALOG") {
        statement::catalog::drop_catalog(cursor)
    } else if cursor.word("SCHEMA") || cursor.word("DATABASE") {
        statement::catalog::drop_schema(cursor)
    } else if cursor.word("VOLUME") {
        statement::volume::drop(cursor)
    } else if cursor.words(&["EXTERNAL", "LOCATION"]) {
        statement::external_location::drop(cursor)
    } else if cursor.words(&["STORAGE", "CREDENTIAL"]) {
        statement::storage_credential::drop(cursor)
    } else if let Some(kind) = statement::principal::kind(cursor) {
        statement::principal::drop(cursor, kind)
    } else {
        Err(object_refusal(cursor, "DROP"))
    }
}

fn alter(cursor: &mut Cursor<'_>) -> Result<Command> {
    if cursor.word("TABLE") {
        return statement::table::alter(cursor);
    }
    if let Some(kind) = statement::principal::kind(cursor) {
        return statement::principal::alter(cursor, kind);
    }
    if cursor.words(&["GOVERNED", "TAG"]) {
        return statement::tag::alter(cursor);
    }
    if cursor.word("CATALOG") {
        return statement::catalog::alter_catalog(cursor);
    }
    if cursor.word("SCHEMA") || cursor.word("DATABASE") {
        return statement::catalog::alter_schema(cursor);
    }
    if cursor.word("VIEW") {
        return statement::view::alter(cursor);
    }
    if cursor.word("VOLUME") {
        return statement::volume::alter(cursor);
    }
    if cursor.words(&["EXTERNAL", "LOCATION"]) {
        return statement::external_location::alter(cursor);
    }
    if cursor.words(&["STORAGE", "CREDENTIAL"]) {
        return statement::storage_credential::alter(cursor);
    }
    let on = if cursor.word("METASTORE") {
        SecurableReference::Metastore
    } else if cursor.word("FUNCTION") {
        let name = cursor.object()?;
        if cursor.words(&["RENAME", "TO"]) {
            return statement::function::rename(cursor, name);
        }
        SecurableReference::Function(name)
    } else {
        return Err(object_refusal(cursor, "ALTER"));
    };
    statement::grant::alter(cursor, on)
}

fn comment(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_words(&["ON"])?;
    statement::grant::comment_on(cursor).map(Statement::Command)
}

fn check_placeholders(statement: &Statement, question_marks: usize) -> Result<()> {
    match statement {
        Statement::Query(query) | Statement::Cache(query) => {
            placeholders::check_unmixed(question_marks, query)
        }
        Statement::Explain(explain) => placeholders::check_unmixed(question_marks, &explain.query),
        Statement::DescribeQuery(query) => placeholders::check_unmixed(question_marks, query),
        Statement::ShowPartitions(_) => Ok(()),
        Statement::Insert(insert) => placeholders::check_unmixed(question_marks, &insert.query),
        Statement::Change(change) => {
            let expressions = change.expressions();
            expressions
                .into_iter()
                .try_for_each(|expression| placeholders::check_unmixed(question_marks, expression))?;
            change.source().map_or(Ok(()), |query| placeholders::check_unmixed(question_marks, query))
        }
        Statement::CreateTableAs(create) => placeholders::check_unmixed(question_marks, &create.query),
        Statement::ExecuteAs(execute) => check_placeholders(&execute.statement, question_marks),
        // Stored text has no parameters at all: `qualify` refuses them.
        Statement::Proof(_) => Ok(()),
        Statement::Command(_) => Ok(()),
    }
}

fn check_clauses(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Query(query) | Statement::Cache(query) => refused_clauses::check_query(query),
        Statement::Explain(explain) => refused_clauses::check_query(&explain.query),
        Statement::DescribeQuery(query) => refused_clauses::check_query(query),
        Statement::ShowPartitions(_) => Ok(()),
        Statement::Insert(insert) => refused_clauses::check_query(&insert.query),
        Statement::Change(change) => {
            change.expressions().into_iter().try_for_each(refused_clauses::check_expression)?;
            change.source().map_or(Ok(()), refused_clauses::check_query)
        }
        Statement::CreateTableAs(create) => refused_clauses::check_query(&create.query),
        Statement::ExecuteAs(execute) => check_clauses(&execute.statement),
        Statement::Proof(statement::Proof::ExplainPolicy(explain)) => match &explain.of {
            statement::Explained::Query(query) => refused_clauses::check_query(query),
            statement::Explained::Table(_) => Ok(()),
        },
        Statement::Proof(_) => Ok(()),
        Statement::Command(Command::PolicyTest(statement::PolicyTestCommand::Create(test))) => {
            refused_clauses::check_query(&test.query)
        }
        Statement::Command(Command::View(statement::ViewCommand::Create(create))) => {
            refused_clauses::check_query(&create.query)
        }
        Statement::Command(Command::View(statement::ViewCommand::SetQuery { query, .. })) => {
            refused_clauses::check_query(query)
        }
        Statement::Command(Command::Function(statement::FunctionCommand::Create(create))) => {
            let defaults = create.parameters.iter().filter_map(|parameter| parameter.default.as_ref());
            defaults.into_iter().try_for_each(|default| refused_clauses::check_expression(default))?;
            match &create.body {
                statement::FunctionBody::Value(expression) => refused_clauses::check_expression(expression),
                statement::FunctionBody::Rows(query) => refused_clauses::check_query(query),
            }
        }
        Statement::Command(_) => Ok(()),
    }
}
