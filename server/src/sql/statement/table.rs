//! Tables: CREATE (with and without a query), DROP, RENAME, properties.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::policy::{self, MaskClause, RowFilterClause};
use super::primary_key::{self, PrimaryKeyClause};
use super::{Command, DropBehaviour, PropertiesChange, SecurableReference, Statement, TaggedReference};
use crate::error::{Condition, Error, Result};
use crate::sql::cursor::Cursor;
use crate::sql::reference::ObjectReference;
use crate::sql::types;

/// A column of a table to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// As spelled.
    pub name: String,
    /// Its type's one spelling.
    pub type_text: String,
    /// Its type in Arrow.
    pub data_type: DataType,
    /// The most characters of its texts, where it bounds them.
    pub length: Option<u32>,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// A remark for people.
    pub comment: Option<String>,
    /// Its mask.
    pub mask: Option<MaskClause>,
}

/// CREATE TABLE without a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectReference,
    /// Whether an existing one is left as it is.
    pub if_not_exists: bool,
    /// Whether an existing one gets this definition.
    pub or_replace: bool,
    /// Its columns; none for a table whose Delta log at `location` tells them.
    pub columns: Vec<ColumnDefinition>,
    /// Its primary key; none of the key's columns is nullable.
    pub primary_key: Option<PrimaryKeyClause>,
    /// Where an external table lies.
    pub location: Option<String>,
    /// Names of partition columns.
    pub partitioned_by: Vec<String>,
    /// A remark for people.
    pub comment: Option<String>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
    /// Its row filter.
    pub row_filter: Option<RowFilterClause>,
}

/// CREATE TABLE … AS query.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTableAs {
    /// Its name.
    pub name: ObjectReference,
    /// Whether an existing one is left as it is.
    pub if_not_exists: bool,
    /// Whether an existing one gets these rows and columns.
    pub or_replace: bool,
    /// Where an external table lies.
    pub location: Option<String>,
    /// Names of partition columns.
    pub partitioned_by: Vec<String>,
    /// A remark for people.
    pub comment: Option<String>,
    /// Properties.
    pub properties: BTreeMap<String, String>,
    /// The rows and columns.
    pub query: Box<ast::Query>,
}

/// A statement about a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableCommand {
    /// CREATE TABLE.
    Create(CreateTable),
    /// DROP TABLE.
    Drop {
        /// Its name.
        name: ObjectReference,
        /// Whether a missing one is no error.
        if_exists: bool,
        /// What becomes of the views that read it.
        behaviour: DropBehaviour,
    },
    /// ALTER TABLE … RENAME TO.
    Rename {
        /// Its name.
        name: ObjectReference,
        /// Its name afterwards.
        to: ObjectReference,
    },
    /// ALTER TABLE … SET or UNSET TBLPROPERTIES.
    Properties {
        /// Its name.
        name: ObjectReference,
        /// What is set or goes.
        change: PropertiesChange,
    },
    /// ALTER TABLE … ADD COLUMNS.
    AddColumns {
        /// Its name.
        name: ObjectReference,
        /// The columns, all nullable.
        columns: Vec<ColumnDefinition>,
    },
    /// ALTER TABLE … RENAME COLUMN.
    RenameColumn {
        /// Its name.
        name: ObjectReference,
        /// The column.
        column: String,
        /// Its name afterwards.
        to: String,
    },
    /// ALTER TABLE … DROP COLUMN[S].
    DropColumns {
        /// Its name.
        name: ObjectReference,
        /// The columns.
        columns: Vec<String>,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// ALTER TABLE … ALTER COLUMN … COMMENT.
    CommentColumn {
        /// Its name.
        name: ObjectReference,
        /// The column.
        column: String,
        /// The remark.
        comment: String,
    },
}

/// What stands after the columns.
#[derive(Default)]
struct Clauses {
    using: bool,
    location: Option<String>,
    partitioned_by: Vec<String>,
    comment: Option<String>,
    properties: BTreeMap<String, String>,
    row_filter: Option<RowFilterClause>,
}

const REFUSED: &[&[&str]] = &[
    &["CLUSTER", "BY"],
    &["CLUSTERED", "BY"],
    &["OPTIONS"],
    &["DEFAULT", "COLLATION"],
    &["WITH", "TAGS"],
    &["STORED", "AS"],
    &["ROW", "FORMAT"],
    &["LIKE"],
    &["SHALLOW", "CLONE"],
    &["DEEP", "CLONE"],
    &["CLONE"],
];

const REFUSED_COLUMN: &[&[&str]] = &[
    &["GENERATED"],
    &["DEFAULT"],
    &["CONSTRAINT"],
    &["REFERENCES"],
    &["FOREIGN", "KEY"],
    &["CHECK"],
    &["COLLATE"],
    &["UNIQUE"],
];

/// After CREATE TABLE.
pub(crate) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    let position = cursor.position();
    let if_not_exists = cursor.if_not_exists();
    if or_replace && if_not_exists {
        return Err(super::view::replace_and_if_not_exists().at(position));
    }
    let name = cursor.object()?;
    if cursor.peek_symbol(&Token::LParen) && cursor.peek_nth_word(1, "SELECT") {
        return Err(cursor.expected("columns, or AS before a query"));
    }
    let columns_position = cursor.position();
    let (mut columns, keys) = columns_and_keys(cursor)?;
    let clauses = clauses(cursor)?;
    if or_replace && clauses.location.is_some() {
        return Err(cursor.unsupported("CREATE OR REPLACE TABLE with LOCATION"));
    }
    if cursor.word("AS") || cursor.peek_words(&["SELECT"]) || cursor.peek_words(&["WITH"]) {
        if !columns.is_empty() || !keys.is_empty() {
            return Err(super::super::cursor::unsupported("CREATE TABLE with columns and a query")
                .at(columns_position));
        }
        if clauses.row_filter.is_some() {
            return Err(cursor.unsupported("CREATE TABLE … AS with a row filter"));
        }
        let Clauses { location, partitioned_by, comment, properties, .. } = clauses;
        let query = cursor.query()?;
        return Ok(Statement::CreateTableAs(Box::new(CreateTableAs {
            name,
            if_not_exists,
            or_replace,
            location,
            partitioned_by,
            comment,
            properties,
            query,
        })));
    }
    let primary_key = primary_key::checked(&mut columns, keys)?;
    if columns.is_empty() && clauses.location.is_none() {
        return Err(cursor.expected("columns, a query or LOCATION"));
    }
    check_columns(&columns, &clauses.partitioned_by)?;
    let Clauses { location, partitioned_by, comment, properties, row_filter, .. } = clauses;
    Ok(Statement::Command(Command::Table(TableCommand::Create(CreateTable {
        name,
        if_not_exists,
        or_replace,
        columns,
        primary_key,
        location,
        partitioned_by,
        comment,
        properties,
        row_filter,
    }))))
}

/// After DROP TABLE.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let name = cursor.object()?;
    if cursor.peek_words(&["PURGE"]) {
        return Err(cursor.unsupported("DROP TABLE … PURGE"));
    }
    let behaviour = super::catalog::behaviour(cursor);
    Ok(Command::Table(TableCommand::Drop { name, if_exists, behaviour }))
}

/// After ALTER TABLE.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Command> {
    let table = cursor.object()?;
    if let Some(command) = policy::alteration(cursor, &SecurableReference::Table(table.clone()))? {
        return Ok(command);
    }
    if cursor.words(&["ALTER", "COLUMN"]) || cursor.words(&["CHANGE", "COLUMN"]) {
        let command = alter_column(cursor, table)?;
        if cursor.peek_symbol(&Token::Comma) {
            return Err(cursor.unsupported("ALTER COLUMN of several columns"));
        }
        return Ok(command);
    }
    if cursor.words(&["RENAME", "TO"]) {
        let to = cursor.object()?;
        return Ok(Command::Table(TableCommand::Rename { name: table, to }));
    }
    if let Some(change) = super::catalog::properties_change(cursor, &["TBLPROPERTIES"])? {
        return Ok(Command::Table(TableCommand::Properties { name: table, change }));
    }
    if cursor.words(&["ADD", "COLUMNS"]) || cursor.words(&["ADD", "COLUMN"]) {
        let columns = added_columns(cursor)?;
        return Ok(Command::Table(TableCommand::AddColumns { name: table, columns }));
    }
    if cursor.words(&["RENAME", "COLUMN"]) {
        let column = top_level(cursor, "RENAME COLUMN")?;
        cursor.expect_words(&["TO"])?;
        let to = top_level(cursor, "RENAME COLUMN")?;
        return Ok(Command::Table(TableCommand::RenameColumn { name: table, column, to }));
    }
    if cursor.words(&["DROP", "COLUMNS"]) || cursor.words(&["DROP", "COLUMN"]) {
        return dropped_columns(cursor, table);
    }
    if let Some(command) = super::tag::alteration(cursor, &TaggedReference::Table(table.clone()))? {
        return Ok(command);
    }
    if super::grant::owner_to(cursor) {
        return super::grant::owner(cursor, SecurableReference::Table(table));
    }
    Err(unknown_alteration(cursor))
}

/// `[IF EXISTS] (column, …)`, or columns without brackets.
fn dropped_columns(cursor: &mut Cursor<'_>, table: ObjectReference) -> Result<Command> {
    let if_exists = cursor.if_exists();
    let position = cursor.position();
    let column = |cursor: &mut Cursor<'_>| top_level(cursor, "DROP COLUMN");
    let columns = match cursor.peek_symbol(&Token::LParen) {
        true => cursor.bracketed(column)?,
        false => cursor.comma_separated(column)?,
    };
    if columns.is_empty() {
        return Err(cursor.expected("a column before `)`"));
    }
    let mut folded: Vec<String> = columns.iter().map(|column| column.to_lowercase()).collect();
    folded.sort();
    folded.dedup();
    if folded.len() < columns.len() {
        return Err(Error::new(Condition::ColumnAlreadyExists, "a column stands twice").at(position));
    }
    Ok(Command::Table(TableCommand::DropColumns { name: table, columns, if_exists }))
}

/// A column's name; a field of a column is refused by `statement`'s name.
fn top_level(cursor: &mut Cursor<'_>, statement: &str) -> Result<String> {
    let name = cursor.identifier()?.value;
    if cursor.peek_symbol(&Token::Period) {
        return Err(cursor.unsupported(&format!("{statement} of a field of a column")));
    }
    Ok(name)
}

/// `(column, …)`, or one column without brackets.
fn added_columns(cursor: &mut Cursor<'_>) -> Result<Vec<ColumnDefinition>> {
    let position = cursor.position();
    let items = match cursor.peek_symbol(&Token::LParen) {
        true => cursor.bracketed(column)?,
        false => vec![column(cursor)?],
    };
    if items.is_empty() {
        return Err(cursor.expected("a column before `)`"));
    }
    if items.iter().any(|(_, key)| key.is_some()) {
        return Err(crate::sql::cursor::unsupported("ADD COLUMN … PRIMARY KEY")
            .with_hint("a key is given when the table is made")
            .at(position));
    }
    let columns: Vec<ColumnDefinition> = items.into_iter().map(|(column, _)| column).collect();
    if columns.iter().any(|column| !column.nullable) {
        return Err(crate::sql::cursor::unsupported("ADD COLUMN … NOT NULL")
            .with_hint("rows that are there have NULL in it")
            .at(position));
    }
    check_columns(&columns, &[])?;
    Ok(columns)
}

fn unknown_alteration(cursor: &Cursor<'_>) -> Error {
    let words: Vec<String> = (0..2).map_while(|ahead| cursor.peek_word(ahead)).collect();
    match words.first().map(String::as_str) {
        Some(
            "ADD" | "DROP" | "SET" | "UNSET" | "RENAME" | "CLUSTER" | "RECOVER" | "REPLACE" | "ALTER"
            | "CHANGE" | "PARTITION" | "ENABLE" | "DISABLE" | "INHERIT" | "DEFAULT" | "SYNC" | "EVOLVE"
            | "COMPACT",
        ) => cursor.unsupported(&format!("ALTER TABLE … {}", words.join(" "))),
        _ => cursor.expected("SET, DROP, ALTER COLUMN, RENAME TO or OWNER TO"),
    }
}

fn alter_column(cursor: &mut Cursor<'_>, table: ObjectReference) -> Result<Command> {
    let column = cursor.identifier()?.value;
    let mut path = Vec::new();
    while cursor.symbol(&Token::Period) {
        path.push(cursor.identifier()?.value);
    }
    if cursor.word("COMMENT") {
        let comment = cursor.string()?;
        return Ok(Command::Table(TableCommand::CommentColumn { name: table, column, comment }));
    }
    let on = SecurableReference::Table(table.clone());
    if let Some(command) = policy::column_alteration(cursor, &on, &column, &path)? {
        return Ok(command);
    }
    if !path.is_empty() {
        return Err(cursor.unsupported("ALTER COLUMN of a field of a column, but for its mask,"));
    }
    let tagged = TaggedReference::Column { table, column };
    if let Some(command) = super::tag::alteration(cursor, &tagged)? {
        return Ok(command);
    }
    let words: Vec<String> = (0..2).map_while(|ahead| cursor.peek_word(ahead)).collect();
    if words.is_empty() {
        return Err(cursor.expected("SET MASK or DROP MASK"));
    }
    Err(cursor.unsupported(&format!("ALTER COLUMN … {}", words.join(" "))))
}

/// `(column | key, …)`, if it is there.
fn columns_and_keys(cursor: &mut Cursor<'_>) -> Result<(Vec<ColumnDefinition>, Vec<PrimaryKeyClause>)> {
    let (mut columns, mut keys) = (Vec::new(), Vec::new());
    if !cursor.peek_symbol(&Token::LParen) {
        return Ok((columns, keys));
    }
    cursor.bracketed(|cursor| {
        if primary_key::is_ahead(cursor) {
            keys.push(primary_key::of_table(cursor)?);
            return Ok(());
        }
        let (column, key) = column(cursor)?;
        columns.push(column);
        keys.extend(key);
        Ok(())
    })?;
    Ok((columns, keys))
}

/// A column, and the key that it is alone.
fn column(cursor: &mut Cursor<'_>) -> Result<(ColumnDefinition, Option<PrimaryKeyClause>)> {
    for refused in [&["CONSTRAINT"][..], &["PRIMARY", "KEY"], &["FOREIGN", "KEY"]] {
        if cursor.peek_words(refused) {
            return Err(cursor.unsupported(&refused.join(" ")));
        }
    }
    for refused in ["UNIQUE", "CHECK"] {
        if cursor.peek_nth_word(0, refused) && cursor.peek_nth_symbol(1, &Token::LParen) {
            return Err(cursor.unsupported(refused));
        }
    }
    let name = cursor.identifier()?.value;
    let position = cursor.position();
    let sql_type = types::read_of_column(cursor)?;
    if matches!(sql_type.arrow, DataType::Interval(_)) {
        return Err(crate::sql::cursor::unsupported("type INTERVAL").at(position));
    }
    let mut column = ColumnDefinition {
        name,
        type_text: sql_type.text,
        data_type: sql_type.arrow,
        length: sql_type.length,
        nullable: true,
        comment: None,
        mask: None,
    };
    let mut key = None;
    loop {
        if column.nullable && cursor.words(&["NOT", "NULL"]) {
            column.nullable = false;
        } else if column.comment.is_none() && cursor.word("COMMENT") {
            column.comment = Some(cursor.string()?);
        } else if column.mask.is_none() && cursor.word("MASK") {
            column.mask = Some(policy::mask(cursor)?);
        } else if key.is_none() && primary_key::is_ahead(cursor) {
            key = Some(primary_key::of_column(cursor, &column.name)?);
        } else if cursor.peek_symbol(&Token::Comma) || cursor.peek_symbol(&Token::RParen) || cursor.at_end() {
            return Ok((column, key));
        } else if cursor.peek_words(&["FIRST"]) || cursor.peek_words(&["AFTER"]) {
            return Err(cursor.unsupported("the place of a column (FIRST, AFTER)"));
        } else {
            return Err(
                cursor.unknown_clause("NOT NULL, PRIMARY KEY, COMMENT, MASK, `,` or `)`", REFUSED_COLUMN)
            );
        }
    }
}

fn clauses(cursor: &mut Cursor<'_>) -> Result<Clauses> {
    let mut clauses = Clauses::default();
    loop {
        if !clauses.using && cursor.word("USING") {
            using_delta(cursor)?;
            clauses.using = true;
        } else if clauses.location.is_none() && cursor.word("LOCATION") {
            clauses.location = Some(cursor.string()?);
        } else if clauses.partitioned_by.is_empty() && cursor.words(&["PARTITIONED", "BY"]) {
            clauses.partitioned_by = partition_columns(cursor)?;
        } else if clauses.comment.is_none() && cursor.word("COMMENT") {
            clauses.comment = Some(cursor.string()?);
        } else if clauses.properties.is_empty() && cursor.word("TBLPROPERTIES") {
            clauses.properties = properties(cursor)?;
        } else if clauses.row_filter.is_none() && cursor.words(&["WITH", "ROW", "FILTER"]) {
            clauses.row_filter = Some(policy::row_filter(cursor)?);
        } else if ends_clauses(cursor) {
            return Ok(clauses);
        } else {
            return Err(cursor.unknown_clause("a clause of CREATE TABLE", REFUSED));
        }
    }
}

fn ends_clauses(cursor: &Cursor<'_>) -> bool {
    cursor.at_end()
        || cursor.peek_words(&["AS"])
        || cursor.peek_words(&["SELECT"])
        || (cursor.peek_words(&["WITH"]) && !cursor.peek_words(&["WITH", "TAGS"]))
}

fn using_delta(cursor: &mut Cursor<'_>) -> Result<()> {
    match cursor.peek_word(0) {
        Some(format) if format == "DELTA" => {
            cursor.take();
            Ok(())
        }
        Some(format) => {
            Err(cursor.unsupported(&format!("USING {format}")).with_hint("tables are Delta tables"))
        }
        None => Err(cursor.expected("DELTA")),
    }
}

fn partition_columns(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let columns = cursor.bracketed(|cursor| {
        let name = cursor.identifier()?.value;
        if cursor.peek_symbol(&Token::Comma) || cursor.peek_symbol(&Token::RParen) {
            return Ok(name);
        }
        Err(cursor.unsupported("PARTITIONED BY with types or expressions"))
    })?;
    if columns.is_empty() { Err(cursor.expected("a column before `)`")) } else { Ok(columns) }
}

/// After TBLPROPERTIES: `('key' = 'value', key.part = value)`.
pub(crate) fn properties(cursor: &mut Cursor<'_>) -> Result<BTreeMap<String, String>> {
    let position = cursor.position();
    let pairs = cursor.bracketed(|cursor| {
        let key = super::catalog::key(cursor)?;
        cursor.symbol(&Token::Eq);
        Ok((key, property_value(cursor)?))
    })?;
    let count = pairs.len();
    let properties: BTreeMap<String, String> = pairs.into_iter().collect();
    if properties.len() < count {
        return Err(Error::new(Condition::ParseSyntaxError, "a property stands twice").at(position));
    }
    Ok(properties)
}

fn property_value(cursor: &mut Cursor<'_>) -> Result<String> {
    match policy::literal(cursor)? {
        Some(weir_catalog::Literal::String(text) | weir_catalog::Literal::Number(text)) => Ok(text),
        Some(weir_catalog::Literal::Boolean(value)) => Ok(value.to_string()),
        Some(weir_catalog::Literal::Interval(_) | weir_catalog::Literal::Null) | None => {
            Err(cursor.expected("a value"))
        }
    }
}

/// Names must differ without case, and partition columns must be columns.
fn check_columns(columns: &[ColumnDefinition], partitioned_by: &[String]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for column in columns {
        if !seen.insert(column.name.to_lowercase()) {
            return Err(Error::new(
                Condition::ColumnAlreadyExists,
                format!("column `{}` stands twice", column.name),
            ));
        }
    }
    let missing =
        partitioned_by.iter().find(|name| !columns.is_empty() && !seen.contains(&name.to_lowercase()));
    match missing {
        Some(name) => Err(Error::new(
            Condition::UnresolvedColumn,
            format!("partition column `{name}` is not a column of the table"),
        )),
        None => Ok(()),
    }
}
