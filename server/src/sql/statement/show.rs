//! SHOW: lists of what the caller may see.

use datafusion::sql::sqlparser::tokenizer::Token;
use strum::{IntoStaticStr, VariantNames};

use super::Command;
use super::grant::{SecurableReference, principal, securable};
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::reference::{CatalogReference, ObjectReference, SchemaReference};

/// Where functions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionOrigin {
    /// USER: those of the catalog.
    User,
    /// SYSTEM: those that are built in.
    System,
    /// ALL, or nothing said.
    All,
}

/// What a SHOW lists.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr, VariantNames)]
pub enum ShowKind {
    /// SHOW CATALOGS.
    Catalogs,
    /// SHOW METASTORES.
    Metastores,
    /// SHOW SCHEMAS [IN catalog].
    Schemas(Option<CatalogReference>),
    /// SHOW TABLES [IN schema].
    Tables(Option<SchemaReference>),
    /// SHOW TABLE EXTENDED [IN schema] LIKE 'pattern'.
    TableExtended(Option<SchemaReference>),
    /// SHOW VIEWS [IN schema].
    Views(Option<SchemaReference>),
    /// SHOW COLUMNS IN table.
    Columns(ObjectReference),
    /// SHOW [USER | SYSTEM | ALL] FUNCTIONS [IN schema].
    Functions {
        /// Whose.
        origin: FunctionOrigin,
        /// Where those of the catalog are.
        schema: Option<SchemaReference>,
    },
    /// SHOW USERS.
    Users,
    /// SHOW SERVICE PRINCIPALS.
    ServicePrincipals,
    /// SHOW GROUPS.
    Groups,
    /// SHOW GRANTS [principal] ON securable.
    Grants {
        /// Whose, exact; everybody's when left out.
        principal: Option<String>,
        /// On what.
        on: SecurableReference,
    },
    /// SHOW GRANTS [TO] principal: all of that principal's, wherever they are.
    GrantsTo(String),
    /// SHOW VOLUMES [IN schema].
    Volumes(Option<SchemaReference>),
    /// SHOW EXTERNAL LOCATIONS.
    ExternalLocations,
    /// SHOW STORAGE CREDENTIALS.
    StorageCredentials,
    /// SHOW CREATE TABLE.
    CreateTable(ObjectReference),
    /// SHOW TBLPROPERTIES [(key)].
    Properties {
        /// The table or view.
        table: ObjectReference,
        /// The only one asked for.
        key: Option<String>,
    },
    /// SHOW GOVERNED TAGS.
    GovernedTags,
    /// SHOW POLICIES ON scope.
    Policies(SecurableReference),
    /// SHOW EFFECTIVE POLICIES ON securable.
    EffectivePolicies(SecurableReference),
}

/// A SHOW statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// What it lists.
    pub kind: ShowKind,
    /// `LIKE 'pattern'`: `*` stands for any text, `|` separates alternatives, case is ignored.
    pub pattern: Option<String>,
}

/// After SHOW.
pub(crate) fn show(cursor: &mut Cursor<'_>) -> Result<Command> {
    let kind = kind(cursor)?;
    if let ShowKind::TableExtended(_) = kind {
        cursor.expect_words(&["LIKE"])?;
        let pattern = Some(cursor.string()?);
        if cursor.peek_words(&["PARTITION"]) {
            return Err(cursor.unsupported("SHOW TABLE EXTENDED … PARTITION"));
        }
        return Ok(Command::Show(Show { kind, pattern }));
    }
    if takes_pattern(&kind) && cursor.peek_words(&["DROPPED"]) {
        return Err(cursor.unsupported("SHOW … DROPPED"));
    }
    let pattern = if takes_pattern(&kind) { pattern(cursor)? } else { None };
    Ok(Command::Show(Show { kind, pattern }))
}

fn takes_pattern(kind: &ShowKind) -> bool {
    match kind {
        ShowKind::Catalogs
        | ShowKind::Schemas(_)
        | ShowKind::Tables(_)
        | ShowKind::Views(_)
        | ShowKind::Functions { .. }
        | ShowKind::Users
        | ShowKind::ServicePrincipals
        | ShowKind::Columns(_)
        | ShowKind::GovernedTags
        | ShowKind::Volumes(_)
        | ShowKind::ExternalLocations
        | ShowKind::StorageCredentials
        | ShowKind::TableExtended(_)
        | ShowKind::Groups => true,
        ShowKind::Grants { .. }
        | ShowKind::GrantsTo(_)
        | ShowKind::CreateTable(_)
        | ShowKind::Policies(_)
        | ShowKind::EffectivePolicies(_)
        | ShowKind::Metastores
        | ShowKind::Properties { .. } => false,
    }
}

fn kind(cursor: &mut Cursor<'_>) -> Result<ShowKind> {
    let Some(word) = cursor.peek_word(0) else { return Err(cursor.expected("what to show")) };
    let position = cursor.position();
    cursor.take();
    Ok(match word.as_str() {
        "CATALOGS" => ShowKind::Catalogs,
        "METASTORES" => ShowKind::Metastores,
        "TABLE" if cursor.word("EXTENDED") => ShowKind::TableExtended(within(cursor, Cursor::schema)?),
        "SCHEMAS" | "DATABASES" => ShowKind::Schemas(within(cursor, Cursor::catalog)?),
        "TABLES" => ShowKind::Tables(within(cursor, Cursor::schema)?),
        "VIEWS" => ShowKind::Views(within(cursor, Cursor::schema)?),
        "COLUMNS" => columns(cursor)?,
        "FUNCTIONS" => functions(cursor, FunctionOrigin::All)?,
        "ALL" if cursor.word("FUNCTIONS") => functions(cursor, FunctionOrigin::All)?,
        "USER" if cursor.word("FUNCTIONS") => functions(cursor, FunctionOrigin::User)?,
        "SYSTEM" if cursor.word("FUNCTIONS") => functions(cursor, FunctionOrigin::System)?,
        "USERS" => ShowKind::Users,
        "SERVICE" if cursor.word("PRINCIPALS") => ShowKind::ServicePrincipals,
        "GROUPS" => ShowKind::Groups,
        "VOLUMES" => ShowKind::Volumes(within(cursor, Cursor::schema)?),
        "EXTERNAL" if cursor.word("LOCATIONS") => ShowKind::ExternalLocations,
        "STORAGE" if cursor.word("CREDENTIALS") => ShowKind::StorageCredentials,
        "GRANTS" | "GRANT" => grants(cursor)?,
        "CREATE" if cursor.word("TABLE") || cursor.word("VIEW") => ShowKind::CreateTable(cursor.object()?),
        "GOVERNED" if cursor.word("TAGS") => ShowKind::GovernedTags,
        "POLICIES" if cursor.word("ON") => ShowKind::Policies(super::tag_policy::scope(cursor)?),
        "EFFECTIVE" if cursor.words(&["POLICIES", "ON"]) => {
            ShowKind::EffectivePolicies(super::tag_policy::scope(cursor)?)
        }
        "TBLPROPERTIES" => properties(cursor)?,
        other => {
            // Of two words where the second is one of a name's.
            let second = cursor.peek_word(0).filter(|second| {
                matches!(other, "CREATE" | "EXTERNAL" | "SERVICE" | "STORAGE" | "GOVERNED" | "EFFECTIVE")
                    || matches!(
                        second.as_str(),
                        "CREDENTIALS" | "ROOMS" | "EXTENDED" | "KEYS" | "WITH" | "FUNCTION"
                    )
            });
            let named = [Some(other.to_owned()), second].into_iter().flatten().collect::<Vec<_>>().join(" ");
            return Err(crate::sql::cursor::unsupported(&format!("SHOW {named}")).at(position));
        }
    })
}

/// `table [(key)]`.
fn properties(cursor: &mut Cursor<'_>) -> Result<ShowKind> {
    let table = cursor.object()?;
    if !cursor.symbol(&Token::LParen) {
        return Ok(ShowKind::Properties { table, key: None });
    }
    let key = super::catalog::key(cursor)?;
    cursor.expect_symbol(&Token::RParen)?;
    Ok(ShowKind::Properties { table, key: Some(key) })
}

fn functions(cursor: &mut Cursor<'_>, origin: FunctionOrigin) -> Result<ShowKind> {
    Ok(ShowKind::Functions { origin, schema: within(cursor, Cursor::schema)? })
}

fn grants(cursor: &mut Cursor<'_>) -> Result<ShowKind> {
    if cursor.word("TO") {
        return Ok(ShowKind::GrantsTo(principal(cursor)?));
    }
    let principal = if cursor.peek_words(&["ON"]) { None } else { Some(principal(cursor)?) };
    if let Some(principal) = &principal
        && cursor.at_end()
    {
        return Ok(ShowKind::GrantsTo(principal.clone()));
    }
    cursor.expect_words(&["ON"])?;
    Ok(ShowKind::Grants { principal, on: securable(cursor)? })
}

fn columns(cursor: &mut Cursor<'_>) -> Result<ShowKind> {
    if !cursor.word("IN") && !cursor.word("FROM") {
        return Err(cursor.expected("IN and a table"));
    }
    let mut table = cursor.object()?;
    if cursor.word("IN") || cursor.word("FROM") {
        let schema = cursor.schema()?;
        if table.schema.is_some() {
            return Err(cursor.expected("the schema once"));
        }
        table.catalog = schema.catalog;
        table.schema = Some(schema.schema);
    }
    Ok(ShowKind::Columns(table))
}

fn within<'a, T>(cursor: &mut Cursor<'a>, name: fn(&mut Cursor<'a>) -> Result<T>) -> Result<Option<T>> {
    if cursor.word("IN") || cursor.word("FROM") { name(cursor).map(Some) } else { Ok(None) }
}

/// `[LIKE] 'pattern'`.
fn pattern(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    let like = cursor.word("LIKE");
    if like || !cursor.at_end() { cursor.string().map(Some) } else { Ok(None) }
}
