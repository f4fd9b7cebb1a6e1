//! USE, SET and RESET: what the session remembers. The settings are an allow-list.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token;
use strum::{IntoStaticStr, VariantNames};
use weir_catalog::{Literal, Name};

use super::Command;
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::{Cursor, unsupported};
use crate::sql::reference::SchemaReference;

/// A setting that users have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// `"x"` quotes an identifier rather than a string.
    DoubleQuotedIdentifiers,
    /// Accepted and unnecessary: a statement reads one snapshot of each table, so a self-join
    /// is always right.
    BlockSelfJoins,
    /// The moment at which tables are read.
    ReadAtSnapshot,
    /// Results that are kept may answer statements.
    UseCachedResult,
}

impl Setting {
    /// Every setting.
    pub const ALL: [Setting; 4] = [
        Setting::DoubleQuotedIdentifiers,
        Setting::ReadAtSnapshot,
        Setting::BlockSelfJoins,
        Setting::UseCachedResult,
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Setting::DoubleQuotedIdentifiers => "double_quoted_identifiers",
            Setting::ReadAtSnapshot => "read_at_snapshot",
            Setting::BlockSelfJoins => "spark.databricks.remoteFiltering.blockSelfJoins",
            Setting::UseCachedResult => "use_cached_result",
        }
    }

    /// The setting of that name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name().eq_ignore_ascii_case(name))
    }
}

/// A statement about the session.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr, VariantNames)]
pub enum SessionCommand {
    /// USE CATALOG.
    UseCatalog(Name),
    /// USE [SCHEMA].
    UseSchema(SchemaReference),
    /// SET key = value.
    Set {
        /// Which setting.
        setting: Setting,
        /// Its value.
        on: bool,
    },
    /// SET read_at_snapshot = moment.
    ReadAt(Box<Expr>),
    /// SET, SET key.
    ShowSetting {
        /// Which setting; all when left out.
        setting: Option<Setting>,
    },
    /// RESET, RESET key.
    Reset {
        /// Which setting; all when left out.
        setting: Option<Setting>,
    },
}

/// After USE.
pub(crate) fn use_(cursor: &mut Cursor<'_>) -> Result<Command> {
    let named = !cursor.is_end_after(1);
    if named && cursor.word("CATALOG") {
        return Ok(Command::Session(SessionCommand::UseCatalog(cursor.catalog()?.name)));
    }
    if named && !cursor.word("SCHEMA") {
        cursor.word("DATABASE");
    }
    Ok(Command::Session(SessionCommand::UseSchema(cursor.schema()?)))
}

/// After SET.
pub(crate) fn set(cursor: &mut Cursor<'_>) -> Result<Command> {
    if cursor.at_end() {
        return Ok(Command::Session(SessionCommand::ShowSetting { setting: None }));
    }
    for (words, what) in [
        (&["CATALOG"][..], "SET CATALOG"),
        (&["TIME", "ZONE"], "SET TIME ZONE"),
        (&["VAR"], "SET VAR"),
        (&["VARIABLE"], "SET VARIABLE"),
        (&["ROLE"], "SET ROLE"),
        (&["RECIPIENT"], "SET RECIPIENT"),
    ] {
        if cursor.peek_words(words)
            && matches!(cursor.peek_nth(words.len()), Token::Word(_) | Token::SingleQuotedString(_))
        {
            return Err(cursor.unsupported(what));
        }
    }
    let setting = setting(cursor)?;
    if cursor.at_end() {
        return Ok(Command::Session(SessionCommand::ShowSetting { setting: Some(setting) }));
    }
    cursor.expect_symbol(&Token::Eq)?;
    if setting == Setting::ReadAtSnapshot {
        return Ok(Command::Session(SessionCommand::ReadAt(Box::new(cursor.expression()?))));
    }
    let on = switch(cursor, setting)?;
    Ok(Command::Session(SessionCommand::Set { setting, on }))
}

/// After RESET.
pub(crate) fn reset(cursor: &mut Cursor<'_>) -> Result<Command> {
    let setting = if cursor.at_end() { None } else { Some(setting(cursor)?) };
    Ok(Command::Session(SessionCommand::Reset { setting }))
}

fn setting(cursor: &mut Cursor<'_>) -> Result<Setting> {
    let (parts, position) = cursor.parts()?;
    let key = parts.join(".");
    Setting::parse(&key).ok_or_else(|| {
        let known: Vec<&str> = Setting::ALL.into_iter().map(Setting::name).collect();
        unsupported(&format!("setting {key}"))
            .with_hint(format!("settings are {}", known.join(", ")))
            .at(position)
    })
}

fn switch(cursor: &mut Cursor<'_>, setting: Setting) -> Result<bool> {
    let position = cursor.position();
    let text = match super::policy::literal(cursor)? {
        Some(Literal::Boolean(on)) => return Ok(on),
        Some(Literal::String(text)) => text,
        Some(Literal::Number(_) | Literal::Interval(_) | Literal::Null) | None => String::new(),
    };
    match text.to_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::new(
            Condition::InvalidParameterValue,
            format!("setting {} is true or false", setting.name()),
        )
        .at(position)),
    }
}
