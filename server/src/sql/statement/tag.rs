//! Governed tags, and tags on securables and columns, in the reference's older and newer form.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::{TagKey, Tags};

use super::{Command, OwnerCommand, SecurableReference};
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::reference::{CatalogReference, ObjectReference, SchemaReference};

/// What a statement changes of the values that a governed tag takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagValuesClause {
    /// SET VALUES.
    Set(Vec<String>),
    /// ADD VALUES.
    Add(Vec<String>),
    /// DROP VALUES.
    Drop(Vec<String>),
}

/// A governed tag's making, change and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GovernedTagCommand {
    /// CREATE GOVERNED TAG.
    Create {
        /// Its key.
        key: TagKey,
        /// Whether an existing one is left as it is.
        if_not_exists: bool,
        /// The values it takes; any where there are none.
        values: Vec<String>,
        /// A remark for people.
        comment: Option<String>,
    },
    /// ALTER GOVERNED TAG … VALUES.
    SetValues {
        /// Its key.
        key: TagKey,
        /// What changes.
        values: TagValuesClause,
    },
    /// DROP GOVERNED TAG.
    Drop {
        /// Its key.
        key: TagKey,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
}

/// What carries tags, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaggedReference {
    /// A catalog.
    Catalog(CatalogReference),
    /// A schema.
    Schema(SchemaReference),
    /// A table or view.
    Table(ObjectReference),
    /// A view.
    View(ObjectReference),
    /// A volume.
    Volume(ObjectReference),
    /// A column of a table or view.
    Column {
        /// The table or view.
        table: ObjectReference,
        /// The column.
        column: String,
    },
}

/// Tags set and removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagCommand {
    /// SET TAGS, SET TAG ON.
    Set {
        /// On what.
        on: TaggedReference,
        /// The tags.
        tags: Tags,
    },
    /// UNSET TAGS, UNSET TAG ON.
    Unset {
        /// On what.
        on: TaggedReference,
        /// The keys.
        keys: BTreeSet<TagKey>,
    },
}

/// After CREATE GOVERNED TAG.
pub(crate) fn create(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_not_exists = cursor.if_not_exists();
    let key = key(cursor)?;
    let (mut values, mut comment) = (None, None);
    loop {
        if values.is_none() && cursor.word("VALUES") {
            values = Some(cursor.bracketed(Cursor::string)?);
        } else if comment.is_none() && (cursor.word("COMMENT") || cursor.word("DESCRIPTION")) {
            comment = Some(cursor.string()?);
        } else if cursor.at_end() {
            break;
        } else {
            return Err(cursor.expected("VALUES, COMMENT or the end of the statement"));
        }
    }
    let values = values.unwrap_or_default();
    Ok(Command::GovernedTag(GovernedTagCommand::Create { key, if_not_exists, values, comment }))
}

/// After ALTER GOVERNED TAG.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Command> {
    let key = key(cursor)?;
    if super::grant::owner_to(cursor) {
        return super::grant::owner(cursor, SecurableReference::GovernedTag(key));
    }
    if cursor.words(&["SET", "DESCRIPTION"]) || cursor.words(&["SET", "COMMENT"]) {
        let on = super::CommentTarget::Securable(SecurableReference::GovernedTag(key));
        return Ok(Command::Owner(OwnerCommand::Comment { on, text: Some(cursor.string()?) }));
    }
    let clause: fn(Vec<String>) -> TagValuesClause = if cursor.words(&["SET", "VALUES"]) {
        TagValuesClause::Set
    } else if cursor.words(&["ADD", "VALUES"]) {
        TagValuesClause::Add
    } else if cursor.words(&["DROP", "VALUES"]) {
        TagValuesClause::Drop
    } else {
        let expected = "SET VALUES, ADD VALUES, DROP VALUES or OWNER TO";
        return Err(cursor.unknown_alteration("GOVERNED TAG", expected));
    };
    let values = clause(cursor.bracketed(Cursor::string)?);
    Ok(Command::GovernedTag(GovernedTagCommand::SetValues { key, values }))
}

/// After DROP GOVERNED TAG.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    Ok(Command::GovernedTag(GovernedTagCommand::Drop { key: key(cursor)?, if_exists }))
}

/// SET TAGS or UNSET TAGS after ALTER and the thing; `None` when neither is ahead.
pub(crate) fn alteration(cursor: &mut Cursor<'_>, on: &TaggedReference) -> Result<Option<Command>> {
    let on = || on.clone();
    if cursor.words(&["SET", "TAGS"]) {
        return Ok(Some(Command::Tag(TagCommand::Set { on: on(), tags: tags(cursor)? })));
    }
    if cursor.words(&["UNSET", "TAGS"]) {
        return Ok(Some(Command::Tag(TagCommand::Unset { on: on(), keys: keys(cursor)? })));
    }
    Ok(None)
}

/// After SET TAG ON.
pub(crate) fn set_on(cursor: &mut Cursor<'_>) -> Result<Command> {
    let on = tagged(cursor)?;
    let key = key(cursor)?;
    let value = if cursor.symbol(&Token::Eq) { text(cursor)? } else { String::new() };
    Ok(Command::Tag(TagCommand::Set { on, tags: Tags::from([(key, value)]) }))
}

/// After UNSET TAG ON.
pub(crate) fn unset_on(cursor: &mut Cursor<'_>) -> Result<Command> {
    let on = tagged(cursor)?;
    Ok(Command::Tag(TagCommand::Unset { on, keys: BTreeSet::from([key(cursor)?]) }))
}

fn tagged(cursor: &mut Cursor<'_>) -> Result<TaggedReference> {
    let Some(kind) = cursor.peek_word(0) else { return Err(cursor.expected("what is tagged")) };
    let position = cursor.position();
    cursor.take();
    Ok(match kind.as_str() {
        "CATALOG" => TaggedReference::Catalog(cursor.catalog()?),
        "SCHEMA" | "DATABASE" => TaggedReference::Schema(cursor.schema()?),
        "TABLE" => TaggedReference::Table(cursor.object()?),
        "VIEW" => TaggedReference::View(cursor.object()?),
        "VOLUME" => TaggedReference::Volume(cursor.object()?),
        "COLUMN" => {
            let (mut parts, position) = cursor.parts()?;
            let column = parts.pop().unwrap_or_default();
            if parts.is_empty() {
                let message = "a column's name begins with its table's";
                return Err(Error::new(Condition::ParseSyntaxError, message).at(position));
            }
            TaggedReference::Column { table: ObjectReference::from_parts(&parts, position)?, column }
        }
        other => {
            return Err(crate::sql::cursor::unsupported(&format!("SET TAG ON {other}")).at(position));
        }
    })
}

/// A tag's key: a string, or a name that may have dots.
pub(crate) fn key(cursor: &mut Cursor<'_>) -> Result<TagKey> {
    let position = cursor.position();
    let text = text(cursor)?;
    TagKey::new(&text).map_err(|error| Error::from(error).at(position))
}

fn text(cursor: &mut Cursor<'_>) -> Result<String> {
    match cursor.peek() {
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => cursor.string(),
        _ => Ok(cursor.parts()?.0.join(".")),
    }
}

/// `('key' = 'value', 'key')`.
fn tags(cursor: &mut Cursor<'_>) -> Result<Tags> {
    let position = cursor.position();
    let pairs = cursor.bracketed(|cursor| {
        let key = key(cursor)?;
        let value = if cursor.symbol(&Token::Eq) { cursor.string()? } else { String::new() };
        Ok((key, value))
    })?;
    let count = pairs.len();
    let tags: Tags = pairs.into_iter().collect();
    if tags.is_empty() || tags.len() < count {
        let message = if tags.is_empty() { "no tag is named" } else { "a tag stands twice" };
        return Err(Error::new(Condition::ParseSyntaxError, message).at(position));
    }
    Ok(tags)
}

fn keys(cursor: &mut Cursor<'_>) -> Result<BTreeSet<TagKey>> {
    let position = cursor.position();
    let keys: BTreeSet<TagKey> = cursor.bracketed(key)?.into_iter().collect();
    if keys.is_empty() {
        return Err(Error::new(Condition::ParseSyntaxError, "no tag is named").at(position));
    }
    Ok(keys)
}
