//! Tag policies: CREATE, DROP, VALIDATE, and how SHOW and DESCRIBE name one.
//!
//! The clauses are the reference's, with ours: `AS PERMISSIVE | RESTRICTIVE`, `ON NO MATCH SKIP | DENY`,
//! `tag_value('key')` as an argument. They may stand in any order, each once.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::{ColumnMatch, Composition, Name, OnNoMatch, TagCondition, TagPolicyArgument};

use super::{Command, SecurableReference};
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::dialect::WarehouseDialect;
use crate::sql::parse::cursor_over;
use crate::sql::reference::{CatalogReference, ObjectReference, SchemaReference, checked};

mod condition;

/// What the policy does, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagRule {
    /// ROW FILTER.
    RowFilter,
    /// COLUMN MASK … ON COLUMN.
    ColumnMask {
        /// An alias of MATCH COLUMNS, folded.
        on: String,
    },
}

/// CREATE POLICY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTagPolicy {
    /// Its name.
    pub name: Name,
    /// Whether one of the name is replaced.
    pub or_replace: bool,
    /// Whether one of the name is left as it is.
    pub if_not_exists: bool,
    /// Where it holds.
    pub scope: SecurableReference,
    /// A remark for people.
    pub comment: Option<String>,
    /// Together with others.
    pub composition: Composition,
    /// Filter or mask.
    pub rule: TagRule,
    /// What it calls.
    pub function: ObjectReference,
    /// For whom, exact.
    pub to: Vec<String>,
    /// For whom not, exact.
    pub except: Vec<String>,
    /// For which tables.
    pub when: TagCondition,
    /// Which columns it needs.
    pub matches: Vec<ColumnMatch>,
    /// The function's arguments; of a mask those after the masked value.
    pub arguments: Vec<TagPolicyArgument>,
    /// Where columns are missing.
    pub on_no_match: OnNoMatch,
}

/// A statement about a tag policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagPolicyCommand {
    /// CREATE POLICY.
    Create(Box<CreateTagPolicy>),
    /// DROP POLICY.
    Drop {
        /// Its name.
        name: Name,
        /// Where it stands.
        scope: SecurableReference,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// VALIDATE POLICY.
    Validate {
        /// Its name.
        name: Name,
        /// Where it stands.
        scope: SecurableReference,
    },
}

/// After CREATE [OR REPLACE] POLICY.
pub(crate) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Command> {
    let if_not_exists = cursor.if_not_exists();
    if or_replace && if_not_exists {
        return Err(cursor.expected("OR REPLACE or IF NOT EXISTS, not both"));
    }
    let (name, scope) = named(cursor)?;
    let mut clauses = Clauses::default();
    while clauses.take(cursor)? {}
    let create = clauses.finish(cursor, name, scope)?;
    let create = CreateTagPolicy { or_replace, if_not_exists, ..create };
    Ok(Command::TagPolicy(TagPolicyCommand::Create(Box::new(create))))
}

/// After DROP POLICY.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let (name, scope) = named(cursor)?;
    Ok(Command::TagPolicy(TagPolicyCommand::Drop { name, scope, if_exists }))
}

/// After VALIDATE POLICY.
pub(crate) fn validate(cursor: &mut Cursor<'_>) -> Result<Command> {
    let (name, scope) = named(cursor)?;
    Ok(Command::TagPolicy(TagPolicyCommand::Validate { name, scope }))
}

/// `name ON scope`.
pub(crate) fn named(cursor: &mut Cursor<'_>) -> Result<(Name, SecurableReference)> {
    let position = cursor.position();
    let name = checked(&cursor.identifier()?.value, position)?;
    cursor.expect_words(&["ON"])?;
    Ok((name, scope(cursor)?))
}

/// Where a policy stands: its kind and its name, which `IDENTIFIER('…')` may give as a string.
pub(crate) fn scope(cursor: &mut Cursor<'_>) -> Result<SecurableReference> {
    if cursor.word("METASTORE") {
        return Ok(SecurableReference::Metastore);
    }
    let Some(kind) = cursor.peek_word(0) else {
        return Err(cursor.expected("METASTORE, CATALOG, SCHEMA or TABLE"));
    };
    if !matches!(kind.as_str(), "CATALOG" | "SCHEMA" | "DATABASE" | "TABLE" | "VIEW") {
        let message = format!("a policy on {kind} is not supported");
        return Err(Error::new(Condition::PolicyOnSecurableTypeNotSupported, message)
            .with_hint("policies stand on METASTORE, CATALOG, SCHEMA or TABLE")
            .at(cursor.position()));
    }
    cursor.take();
    let (parts, position) = scope_parts(cursor)?;
    Ok(match kind.as_str() {
        "CATALOG" => SecurableReference::Catalog(CatalogReference::from_parts(&parts, position)?),
        "SCHEMA" | "DATABASE" => SecurableReference::Schema(SchemaReference::from_parts(&parts, position)?),
        "VIEW" => SecurableReference::View(ObjectReference::from_parts(&parts, position)?),
        _ => SecurableReference::Table(ObjectReference::from_parts(&parts, position)?),
    })
}

fn scope_parts(cursor: &mut Cursor<'_>) -> Result<(Vec<String>, Option<crate::error::Position>)> {
    if !cursor.peek_words(&["IDENTIFIER"]) || !cursor.peek_nth_symbol(1, &Token::LParen) {
        return cursor.parts();
    }
    cursor.take();
    cursor.take();
    let position = cursor.position();
    let text = cursor.string()?;
    cursor.expect_symbol(&Token::RParen)?;
    let dialect = WarehouseDialect { double_quoted_identifiers: false };
    let mut inner = cursor_over(&dialect, &text).map_err(|error| error.at(position))?;
    let (parts, _) = inner.parts().map_err(|error| error.at(position))?;
    inner.expect_end().map_err(|error| error.at(position))?;
    Ok((parts, position))
}

/// The clauses after the scope, as far as they were read.
#[derive(Default)]
struct Clauses {
    comment: Option<String>,
    composition: Option<Composition>,
    rule: Option<(Kind, ObjectReference)>,
    to: Vec<String>,
    except: Vec<String>,
    for_tables: bool,
    when: Option<TagCondition>,
    matches: Vec<ColumnMatch>,
    on_column: Option<String>,
    arguments: Option<Vec<TagPolicyArgument>>,
    on_no_match: Option<OnNoMatch>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RowFilter,
    ColumnMask,
}

impl Clauses {
    /// Reads one clause; false at the end of the statement.
    fn take(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if cursor.at_end() {
            return Ok(false);
        }
        if self.comment.is_none() && cursor.word("COMMENT") {
            self.comment = Some(cursor.string()?);
        } else if self.composition.is_none() && cursor.word("AS") {
            self.composition = Some(composition(cursor)?);
        } else if self.rule.is_none() && cursor.words(&["ROW", "FILTER"]) {
            self.rule = Some((Kind::RowFilter, cursor.object()?));
        } else if self.rule.is_none() && cursor.words(&["COLUMN", "MASK"]) {
            self.rule = Some((Kind::ColumnMask, cursor.object()?));
        } else if self.to.is_empty() && cursor.word("TO") {
            self.to = cursor.comma_separated(super::grant::principal)?;
        } else if self.except.is_empty() && cursor.word("EXCEPT") {
            self.except = cursor.comma_separated(super::grant::principal)?;
        } else if !self.for_tables && cursor.words(&["FOR", "TABLES"]) {
            self.for_tables = true;
        } else if self.when.is_none() && cursor.word("WHEN") {
            self.when = Some(condition::read(cursor)?);
        } else if self.matches.is_empty() && cursor.words(&["MATCH", "COLUMNS"]) {
            self.matches = cursor.comma_separated(column_match)?;
        } else if self.on_column.is_none() && cursor.words(&["ON", "COLUMN"]) {
            self.on_column = Some(cursor.identifier()?.value.to_lowercase());
        } else if self.arguments.is_none() && cursor.words(&["USING", "COLUMNS"]) {
            self.arguments = Some(cursor.bracketed(argument)?);
        } else if self.on_no_match.is_none() && cursor.words(&["ON", "NO", "MATCH"]) {
            self.on_no_match = Some(on_no_match(cursor)?);
        } else {
            return Err(cursor.unknown_clause(
                "a clause of CREATE POLICY",
                &[&["GRANT"], &["DENY"], &["FOR", "MODELS"], &["FOR", "VIEWS"], &["FOR"]],
            ));
        }
        Ok(true)
    }

    fn finish(self, cursor: &Cursor<'_>, name: Name, scope: SecurableReference) -> Result<CreateTagPolicy> {
        let Some((kind, function)) = self.rule else {
            return Err(cursor.expected("ROW FILTER or COLUMN MASK and a function"));
        };
        if self.to.is_empty() {
            return Err(cursor.expected("TO and principals"));
        }
        if !self.for_tables {
            return Err(cursor.expected("FOR TABLES"));
        }
        let rule = match (kind, self.on_column) {
            (Kind::RowFilter, None) => TagRule::RowFilter,
            (Kind::ColumnMask, Some(on)) => TagRule::ColumnMask { on },
            (Kind::ColumnMask, None) => return Err(cursor.expected("ON COLUMN and an alias")),
            (Kind::RowFilter, Some(_)) => {
                return Err(cursor.expected("no ON COLUMN: a row filter is on rows"));
            }
        };
        // Rows that a filter cannot judge stay hidden; a mask is about columns that are there.
        let on_no_match = self.on_no_match.unwrap_or(match kind {
            Kind::RowFilter => OnNoMatch::Deny,
            Kind::ColumnMask => OnNoMatch::Skip,
        });
        Ok(CreateTagPolicy {
            name,
            or_replace: false,
            if_not_exists: false,
            scope,
            comment: self.comment,
            composition: self.composition.unwrap_or(Composition::Restrictive),
            rule,
            function,
            to: self.to,
            except: self.except,
            when: self.when.unwrap_or(TagCondition::True),
            matches: self.matches,
            arguments: self.arguments.unwrap_or_default(),
            on_no_match,
        })
    }
}

fn composition(cursor: &mut Cursor<'_>) -> Result<Composition> {
    if cursor.word("PERMISSIVE") {
        return Ok(Composition::Permissive);
    }
    if cursor.word("RESTRICTIVE") {
        return Ok(Composition::Restrictive);
    }
    Err(cursor.expected("PERMISSIVE or RESTRICTIVE"))
}

fn on_no_match(cursor: &mut Cursor<'_>) -> Result<OnNoMatch> {
    if cursor.word("SKIP") {
        return Ok(OnNoMatch::Skip);
    }
    if cursor.word("DENY") {
        return Ok(OnNoMatch::Deny);
    }
    Err(cursor.expected("SKIP or DENY"))
}

/// `condition [[AS] alias]`.
fn column_match(cursor: &mut Cursor<'_>) -> Result<ColumnMatch> {
    let condition = condition::read(cursor)?;
    let written = cursor.word("AS");
    let begins_clause = matches!(
        cursor.peek_word(0).as_deref(),
        Some("ON" | "USING" | "WHEN" | "MATCH" | "TO" | "EXCEPT" | "FOR" | "COMMENT" | "ROW" | "COLUMN")
    );
    let alias = if written || (matches!(cursor.peek(), Token::Word(_)) && !begins_clause) {
        Some(cursor.identifier()?.value.to_lowercase())
    } else {
        None
    };
    Ok(ColumnMatch { condition, alias })
}

fn argument(cursor: &mut Cursor<'_>) -> Result<TagPolicyArgument> {
    if let Some(literal) = super::policy::literal(cursor)? {
        return Ok(TagPolicyArgument::Literal(literal));
    }
    if cursor.peek_nth_symbol(1, &Token::LParen) {
        if !cursor.word("TAG_VALUE") {
            return Err(cursor.expected("an alias, a literal or tag_value('key')"));
        }
        cursor.expect_symbol(&Token::LParen)?;
        let key = super::tag::key(cursor)?;
        cursor.expect_symbol(&Token::RParen)?;
        return Ok(TagPolicyArgument::TagValue(key));
    }
    Ok(TagPolicyArgument::Alias(cursor.identifier()?.value.to_lowercase()))
}
