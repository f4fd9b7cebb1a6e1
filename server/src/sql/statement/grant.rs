//! GRANT and REVOKE, ownership and remarks: what is said of any securable.

use std::fmt;

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::{Name, Privilege};

use super::{Command, TaggedReference};
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::reference::{CatalogReference, ObjectReference, SchemaReference};

/// A securable as written: its kind and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurableReference {
    /// The metastore; it has no name.
    Metastore,
    /// A catalog.
    Catalog(CatalogReference),
    /// A schema.
    Schema(SchemaReference),
    /// A table; GRANT and REVOKE take a view here too.
    Table(ObjectReference),
    /// A view.
    View(ObjectReference),
    /// A function.
    Function(ObjectReference),
    /// A governed tag.
    GovernedTag(weir_catalog::TagKey),
    /// A volume.
    Volume(ObjectReference),
    /// An external location.
    ExternalLocation(Name),
    /// A storage credential.
    StorageCredential(Name),
}

/// GRANT or REVOKE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantCommand {
    /// GRANT.
    Grant {
        /// What may be done.
        privileges: Vec<Privilege>,
        /// On what.
        on: SecurableReference,
        /// By whom, exact.
        principal: String,
    },
    /// REVOKE.
    Revoke {
        /// What may be done.
        privileges: Vec<Privilege>,
        /// On what.
        on: SecurableReference,
        /// By whom, exact.
        principal: String,
    },
    /// DENY.
    Deny {
        /// What may not be done.
        privileges: Vec<Privilege>,
        /// On what.
        on: SecurableReference,
        /// By whom, exact.
        principal: String,
    },
    /// REVOKE DENY.
    RevokeDenial {
        /// What is denied.
        privileges: Vec<Privilege>,
        /// On what.
        on: SecurableReference,
        /// To whom, exact.
        principal: String,
    },
}

/// What COMMENT ON speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentTarget {
    /// A securable.
    Securable(SecurableReference),
    /// A column of a table.
    Column {
        /// The table.
        table: ObjectReference,
        /// The column.
        column: String,
    },
}

/// Ownership and remarks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerCommand {
    /// ALTER … [SET] OWNER TO.
    SetOwner {
        /// What changes hands.
        on: SecurableReference,
        /// The owner afterwards, exact.
        principal: String,
    },
    /// COMMENT ON … IS.
    Comment {
        /// What is remarked on.
        on: CommentTarget,
        /// The remark; none takes it away.
        text: Option<String>,
    },
}

impl fmt::Display for SecurableReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecurableReference::Metastore => f.write_str("METASTORE"),
            SecurableReference::Catalog(name) => write!(f, "CATALOG {name}"),
            SecurableReference::Schema(name) => write!(f, "SCHEMA {name}"),
            SecurableReference::Table(name) => write!(f, "TABLE {name}"),
            SecurableReference::View(name) => write!(f, "VIEW {name}"),
            SecurableReference::Function(name) => write!(f, "FUNCTION {name}"),
            SecurableReference::GovernedTag(key) => write!(f, "GOVERNED TAG {key}"),
            SecurableReference::Volume(name) => write!(f, "VOLUME {name}"),
            SecurableReference::ExternalLocation(name) => write!(f, "EXTERNAL LOCATION {name}"),
            SecurableReference::StorageCredential(name) => write!(f, "STORAGE CREDENTIAL {name}"),
        }
    }
}

/// After GRANT.
pub(crate) fn grant(cursor: &mut Cursor<'_>) -> Result<Command> {
    let privileges = privileges(cursor)?;
    cursor.expect_words(&["ON"])?;
    let on = securable(cursor)?;
    cursor.expect_words(&["TO"])?;
    let principal = principal(cursor)?;
    if cursor.peek_words(&["WITH", "GRANT", "OPTION"]) {
        return Err(cursor.unsupported("WITH GRANT OPTION").with_hint("grant MANAGE instead"));
    }
    Ok(Command::Grant(GrantCommand::Grant { privileges, on, principal }))
}

/// After REVOKE.
pub(crate) fn revoke(cursor: &mut Cursor<'_>) -> Result<Command> {
    if cursor.peek_words(&["GRANT", "OPTION", "FOR"]) {
        return Err(cursor.unsupported("GRANT OPTION FOR"));
    }
    let denial = cursor.word("DENY");
    let privileges = privileges(cursor)?;
    cursor.expect_words(&["ON"])?;
    let on = securable(cursor)?;
    cursor.expect_words(&["FROM"])?;
    let principal = principal(cursor)?;
    Ok(Command::Grant(match denial {
        true => GrantCommand::RevokeDenial { privileges, on, principal },
        false => GrantCommand::Revoke { privileges, on, principal },
    }))
}

/// After DENY.
pub(crate) fn deny(cursor: &mut Cursor<'_>) -> Result<Command> {
    let privileges = privileges(cursor)?;
    cursor.expect_words(&["ON"])?;
    let on = securable(cursor)?;
    cursor.expect_words(&["TO"])?;
    Ok(Command::Grant(GrantCommand::Deny { privileges, on, principal: principal(cursor)? }))
}

/// Whether OWNER TO or SET OWNER TO is ahead; consumed.
pub(crate) fn owner_to(cursor: &mut Cursor<'_>) -> bool {
    cursor.words(&["OWNER", "TO"]) || cursor.words(&["SET", "OWNER", "TO"])
}

/// After OWNER TO.
pub(crate) fn owner(cursor: &mut Cursor<'_>, on: SecurableReference) -> Result<Command> {
    let principal = principal(cursor)?;
    Ok(Command::Owner(OwnerCommand::SetOwner { on, principal }))
}

/// After ALTER CATALOG, SCHEMA, VIEW or FUNCTION and the name.
pub(crate) fn alter(cursor: &mut Cursor<'_>, on: SecurableReference) -> Result<Command> {
    if owner_to(cursor) {
        return owner(cursor, on);
    }
    if let Some(tagged) = tagged(&on)
        && let Some(command) = super::tag::alteration(cursor, &tagged)?
    {
        return Ok(command);
    }
    let kind = on.to_string();
    let kind = kind.split(' ').next().unwrap_or_default();
    match cursor.peek_word(0) {
        Some(word) => Err(cursor.unsupported(&format!("ALTER {kind} … {word}"))),
        None => Err(cursor.expected("OWNER TO")),
    }
}

/// The securable as one that carries tags, where it does.
fn tagged(on: &SecurableReference) -> Option<TaggedReference> {
    match on {
        SecurableReference::Catalog(name) => Some(TaggedReference::Catalog(name.clone())),
        SecurableReference::Schema(name) => Some(TaggedReference::Schema(name.clone())),
        SecurableReference::Table(name) => Some(TaggedReference::Table(name.clone())),
        SecurableReference::View(name) => Some(TaggedReference::View(name.clone())),
        SecurableReference::Metastore
        | SecurableReference::Function(_)
        | SecurableReference::Volume(_)
        | SecurableReference::ExternalLocation(_)
        | SecurableReference::StorageCredential(_)
        | SecurableReference::GovernedTag(_) => None,
    }
}

/// After COMMENT ON.
pub(crate) fn comment_on(cursor: &mut Cursor<'_>) -> Result<Command> {
    let on = if cursor.word("COLUMN") {
        let (mut parts, position) = cursor.parts()?;
        let column = parts.pop().unwrap_or_default();
        if parts.is_empty() {
            return Err(Error::new(Condition::ParseSyntaxError, "a column's name begins with its table's")
                .at(position));
        }
        CommentTarget::Column { table: ObjectReference::from_parts(&parts, position)?, column }
    } else {
        let position = cursor.position();
        match securable(cursor)? {
            SecurableReference::Metastore => {
                return Err(crate::sql::cursor::unsupported("COMMENT ON METASTORE").at(position));
            }
            on => CommentTarget::Securable(on),
        }
    };
    cursor.expect_words(&["IS"])?;
    let text = if cursor.word("NULL") { None } else { Some(cursor.string()?) };
    Ok(Command::Owner(OwnerCommand::Comment { on, text }))
}

/// A securable: its kind, TABLE where it is left out, and its name.
pub(crate) fn securable(cursor: &mut Cursor<'_>) -> Result<SecurableReference> {
    let kind = cursor.peek_word(0).unwrap_or_default();
    // A kind's word is a name when nothing that could be a name follows it.
    let named = matches!(cursor.peek_nth(1), Token::Word(_)) && !cursor.peek_nth_is_clause(1);
    match kind.as_str() {
        "METASTORE" => {
            cursor.take();
            return Ok(SecurableReference::Metastore);
        }
        "CATALOG" if named => {
            cursor.take();
            return Ok(SecurableReference::Catalog(cursor.catalog()?));
        }
        "SCHEMA" | "DATABASE" if named => {
            cursor.take();
            return Ok(SecurableReference::Schema(cursor.schema()?));
        }
        "VIEW" if named => {
            cursor.take();
            return Ok(SecurableReference::View(cursor.object()?));
        }
        "FUNCTION" if named => {
            cursor.take();
            return Ok(SecurableReference::Function(cursor.object()?));
        }
        "GOVERNED" if cursor.peek_nth_word(1, "TAG") => {
            cursor.expect_words(&["GOVERNED", "TAG"])?;
            return Ok(SecurableReference::GovernedTag(super::tag::key(cursor)?));
        }
        "VOLUME" if named => {
            cursor.take();
            return Ok(SecurableReference::Volume(cursor.object()?));
        }
        "EXTERNAL" if cursor.peek_nth_word(1, "LOCATION") && !cursor.is_end_after(2) => {
            cursor.expect_words(&["EXTERNAL", "LOCATION"])?;
            return Ok(SecurableReference::ExternalLocation(cursor.name()?));
        }
        "STORAGE" if cursor.peek_nth_word(1, "CREDENTIAL") && !cursor.is_end_after(2) => {
            cursor.expect_words(&["STORAGE", "CREDENTIAL"])?;
            return Ok(SecurableReference::StorageCredential(cursor.name()?));
        }
        "TABLE" if named => {
            cursor.take();
        }
        "MODEL" | "CONNECTION" | "SHARE" | "RECIPIENT" | "PROVIDER" | "CREDENTIAL" if named => {
            return Err(cursor.unsupported(&kind));
        }
        "EXTERNAL" | "STORAGE" | "SERVICE" | "MATERIALIZED" | "STREAMING" | "ANY" | "ANONYMOUS" | "CLEAN"
        | "ALL"
            if named =>
        {
            let second = cursor.peek_word(1).unwrap_or_default();
            return Err(cursor.unsupported(&format!("{kind} {second}")));
        }
        _ => {}
    }
    Ok(SecurableReference::Table(cursor.object()?))
}

/// A principal's name, exact; usually in backticks.
pub(crate) fn principal(cursor: &mut Cursor<'_>) -> Result<String> {
    Ok(cursor.identifier()?.value)
}

fn privileges(cursor: &mut Cursor<'_>) -> Result<Vec<Privilege>> {
    cursor.comma_separated(privilege)
}

/// A privilege: its words, up to ON, a comma or a bracket.
pub(crate) fn privilege(cursor: &mut Cursor<'_>) -> Result<Privilege> {
    let position = cursor.position();
    let mut words = Vec::new();
    while let Some(word) = cursor.peek_word(0)
        && word != "ON"
    {
        words.push(word);
        cursor.take();
    }
    if words.is_empty() {
        return Err(cursor.expected("a privilege"));
    }
    let name = words.join(" ");
    let name = if name == "ALL" { "ALL PRIVILEGES" } else { &name };
    Privilege::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Privilege::ALL.iter().map(|privilege| privilege.name()).collect();
        Error::new(Condition::UnsupportedFeature, format!("privilege {name} is not supported"))
            .with_hint(format!("privileges are {}", known.join(", ")))
            .at(position)
    })
}
