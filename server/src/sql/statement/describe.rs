//! DESCRIBE: what one thing is.

use datafusion::sql::sqlparser::ast::Value;
use datafusion::sql::sqlparser::tokenizer::Token;
use strum::{IntoStaticStr, VariantNames};

use super::Command;
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::reference::{CatalogReference, ObjectReference, SchemaReference};

/// A DESCRIBE statement.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr, VariantNames)]
pub enum Describe {
    /// DESCRIBE [TABLE] [EXTENDED].
    Table {
        /// The table or view.
        name: ObjectReference,
        /// Adds the detailed section.
        extended: bool,
    },
    /// DESCRIBE [TABLE] EXTENDED … AS JSON.
    Json(ObjectReference),
    /// DESCRIBE [TABLE] [EXTENDED] table column.
    Column {
        /// The table or view.
        table: ObjectReference,
        /// The column.
        column: String,
    },
    /// DESCRIBE HISTORY … [LIMIT].
    History {
        /// The table.
        name: ObjectReference,
        /// The most commits, the newest ones; all when left out.
        limit: Option<usize>,
    },
    /// DESCRIBE DETAIL.
    Detail(ObjectReference),
    /// DESCRIBE CATALOG [EXTENDED].
    Catalog {
        /// The catalog.
        name: CatalogReference,
        /// Adds the owner.
        extended: bool,
    },
    /// DESCRIBE SCHEMA [EXTENDED].
    Schema {
        /// The schema.
        name: SchemaReference,
        /// Adds the owner.
        extended: bool,
    },
    /// DESCRIBE FUNCTION [EXTENDED].
    Function {
        /// The function.
        name: ObjectReference,
        /// Adds the owner and the body.
        extended: bool,
    },
    /// DESCRIBE POLICY … ON.
    Policy {
        /// The policy.
        name: weir_catalog::Name,
        /// Where it stands.
        scope: super::SecurableReference,
    },
    /// DESCRIBE GOVERNED TAG.
    GovernedTag(weir_catalog::TagKey),
    /// DESCRIBE VOLUME.
    Volume(ObjectReference),
    /// DESCRIBE EXTERNAL LOCATION.
    ExternalLocation(weir_catalog::Name),
    /// DESCRIBE STORAGE CREDENTIAL.
    StorageCredential(weir_catalog::Name),
    /// DESCRIBE METASTORE.
    Metastore,
}

/// What the reference describes and is not there.
const REFUSED: &[&str] = &[
    "SHARE",
    "RECIPIENT",
    "PROVIDER",
    "CONNECTION",
    "CREDENTIAL",
    "SERVICE",
    "CLEAN",
    "PROCEDURE",
    "INPUT",
    "OUTPUT",
];

/// After DESCRIBE.
pub(crate) fn describe(cursor: &mut Cursor<'_>) -> Result<Command> {
    if let Some(word) = cursor.peek_word(0)
        && REFUSED.contains(&word.as_str())
        && !cursor.is_end_after(1)
        && !cursor.peek_nth_symbol(1, &Token::Period)
    {
        return Err(cursor.unsupported(&format!("DESCRIBE {word}")));
    }
    let kind = cursor.peek_word(0).unwrap_or_default();
    let named = !cursor.is_end_after(1);
    let of_log = named && !cursor.peek_nth_symbol(1, &Token::Period);
    let describe = match kind.as_str() {
        "CATALOG" if named => {
            cursor.take();
            let extended = cursor.word("EXTENDED");
            Describe::Catalog { name: cursor.catalog()?, extended }
        }
        "SCHEMA" | "DATABASE" if named => {
            cursor.take();
            let extended = cursor.word("EXTENDED");
            Describe::Schema { name: cursor.schema()?, extended }
        }
        "FUNCTION" if named => {
            cursor.take();
            let extended = cursor.word("EXTENDED");
            Describe::Function { name: cursor.object()?, extended }
        }
        "POLICY" if named && cursor.peek_nth_word(2, "ON") => {
            cursor.take();
            let (name, scope) = super::tag_policy::named(cursor)?;
            Describe::Policy { name, scope }
        }
        "GOVERNED" if cursor.peek_nth_word(1, "TAG") && !cursor.is_end_after(2) => {
            cursor.expect_words(&["GOVERNED", "TAG"])?;
            Describe::GovernedTag(super::tag::key(cursor)?)
        }
        "VOLUME" if named => {
            cursor.take();
            Describe::Volume(cursor.object()?)
        }
        "EXTERNAL" if cursor.peek_nth_word(1, "LOCATION") && !cursor.is_end_after(2) => {
            cursor.expect_words(&["EXTERNAL", "LOCATION"])?;
            Describe::ExternalLocation(cursor.name()?)
        }
        "STORAGE" if cursor.peek_nth_word(1, "CREDENTIAL") && !cursor.is_end_after(2) => {
            cursor.expect_words(&["STORAGE", "CREDENTIAL"])?;
            Describe::StorageCredential(cursor.name()?)
        }
        "HISTORY" if of_log => {
            cursor.take();
            Describe::History { name: cursor.object()?, limit: limit(cursor)? }
        }
        "DETAIL" if of_log => {
            cursor.take();
            Describe::Detail(cursor.object()?)
        }
        "METASTORE" if !named => {
            cursor.take();
            Describe::Metastore
        }
        _ => table(cursor)?,
    };
    Ok(Command::Describe(describe))
}

/// LIMIT and a whole number, where they stand.
fn limit(cursor: &mut Cursor<'_>) -> Result<Option<usize>> {
    if !cursor.word("LIMIT") {
        return Ok(None);
    }
    let position = cursor.position();
    let number = match cursor.value()? {
        Value::Number(number, _) => number.to_string().parse().ok(),
        _ => None,
    };
    let refusal = || Error::new(Condition::ParseSyntaxError, "LIMIT takes a whole number").at(position);
    number.map(Some).ok_or_else(refusal)
}

fn table(cursor: &mut Cursor<'_>) -> Result<Describe> {
    for word in ["TABLE", "VIEW"] {
        if cursor.peek_words(&[word]) && !cursor.is_end_after(1) {
            cursor.take();
        }
    }
    let extended = (cursor.peek_words(&["EXTENDED"]) || cursor.peek_words(&["FORMATTED"]))
        && !cursor.is_end_after(1)
        && !cursor.peek_nth_symbol(1, &Token::Period);
    if extended {
        cursor.take();
    }
    let name = cursor.object()?;
    if cursor.words(&["AS", "JSON"]) {
        return match extended {
            true => Ok(Describe::Json(name)),
            false => Err(cursor
                .unsupported("AS JSON without EXTENDED")
                .with_hint("say DESCRIBE TABLE EXTENDED … AS JSON")),
        };
    }
    for (words, what) in [
        (&["PARTITION"][..], "DESCRIBE … PARTITION"),
        (&["VERSION", "AS", "OF"], "time travel (VERSION AS OF)"),
        (&["TIMESTAMP", "AS", "OF"], "time travel (TIMESTAMP AS OF)"),
    ] {
        if cursor.peek_words(words) {
            return Err(cursor.unsupported(what));
        }
    }
    if !matches!(cursor.peek(), Token::Word(_)) {
        return Ok(Describe::Table { name, extended });
    }
    let column = cursor.identifier()?.value;
    if cursor.peek_symbol(&Token::Period) {
        return Err(cursor.unsupported("DESCRIBE of a field of a column"));
    }
    if cursor.peek_words(&["AS", "JSON"]) {
        return Err(cursor.unsupported("DESCRIBE of one column AS JSON"));
    }
    Ok(Describe::Column { table: name, column })
}
