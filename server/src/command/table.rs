//! Tables: a Delta log and a row in the catalog.
//!
//! A managed table's folder is named by a fresh id and made before the catalog knows of it; when
//! the catalog then refuses, an empty folder that nothing names is left. An external table's log
//! is read for its columns. Its policies are checked on the table as it will be, and it has them from its first moment on. DROP
//! takes the table out of the catalog; files stay on storage.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use weir_catalog::metastore::{ExternalUse, OnMissing, Storage, TableSpec, require_external};
use weir_catalog::securable::{SecurableId, SecurableKind, SecurableName};
use weir_catalog::{Column, KeyPart, ObjectName, Privilege, Table, TableKind, Tags};
use weir_scan::{DeclaredText, NewTable, PinnedTable, bounded};

use super::catalog::{on_existing, on_missing, property_change};
use super::sight::Sight;
use super::{Call, done, policy};
use crate::error::{Condition, Error, Result};
use crate::query::staleness::check_own;
use crate::query::write::delta_properties;
use crate::run::Outcome;
use crate::sql::cursor::unsupported;
use crate::sql::{
    ColumnDefinition, CreateTable, DropBehaviour, ObjectReference, PropertiesChange, TableCommand, types,
};

mod columns;

pub(super) async fn run(call: Call<'_>, command: &TableCommand) -> Result<Outcome> {
    let session = &call.context.session;
    match command {
        TableCommand::Create(create) => self::create(call, create).await?,
        TableCommand::Drop { name, if_exists, behaviour } => {
            drop_table(call, &name.resolve(session)?, *behaviour, on_missing(*if_exists)).await?;
        }
        TableCommand::Rename { name, to } => rename(call, &name.resolve(session)?, to).await?,
        TableCommand::Properties { name, change } => {
            let name = name.resolve(session)?;
            check_of_catalog(change)?;
            let change = property_change(change);
            call.metastore().table_set_properties(call.by(), call.now(), &name, change).await?;
        }
        TableCommand::AddColumns { name, columns } => {
            columns::add(call, &name.resolve(session)?, columns).await?;
        }
        TableCommand::RenameColumn { name, column, to } => {
            columns::rename(call, &name.resolve(session)?, column, to).await?;
        }
        TableCommand::DropColumns { name, columns, if_exists } => {
            columns::drop(call, &name.resolve(session)?, columns, *if_exists).await?;
        }
        TableCommand::CommentColumn { name, column, comment } => {
            let (name, comment) = (name.resolve(session)?, Some(comment.clone()));
            call.metastore().column_set_comment(call.by(), call.now(), &name, column, comment).await?;
        }
    }
    done()
}

/// Properties of the table's log are given when it is made: set in the catalog alone they would mean nothing.
fn check_of_catalog(change: &PropertiesChange) -> Result<()> {
    let names: Vec<&String> = match change {
        PropertiesChange::Set(set) => set.keys().collect(),
        PropertiesChange::Unset { keys, .. } => keys.iter().collect(),
    };
    if let PropertiesChange::Set(set) = change {
        check_own(set)?;
    }
    match names.into_iter().find(|name| name.starts_with("delta.")) {
        Some(name) => Err(unsupported(&format!("ALTER TABLE … TBLPROPERTIES of `{name}`"))
            .with_hint("properties of the table's log are given when the table is made")),
        None => Ok(()),
    }
}

async fn create(call: Call<'_>, create: &CreateTable) -> Result<()> {
    let name = create.name.resolve(&call.context.session)?;
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let schema = SecurableName::Schema(name.schema_name());
    sight.require(Privilege::CreateTable, sight.find(&schema)?, &schema)?;
    if create.if_not_exists && snapshot.table(&name).is_some_and(|table| !is_view(table)) {
        return Ok(());
    }
    check_own(&create.properties)?;
    if create.or_replace && snapshot.table(&name).is_some() {
        return replace(call, sight, &name, create).await;
    }
    let (storage, columns) = match &create.location {
        Some(location) => external(call, sight, create, location).await?,
        None => {
            check_absent(&snapshot, &name)?;
            managed(call, &name, create).await?
        }
    };
    let kind = match &storage {
        Storage::Managed { location } => TableKind::Managed { location: location.clone() },
        Storage::External { location } => TableKind::External { location: location.clone() },
    };
    let trial = policy::unmade(call, &snapshot, &name, kind, &columns)?;
    let masks =
        create.columns.iter().filter_map(|column| Some((column.name.as_str(), column.mask.as_ref()?)));
    let (row_filter, masks) =
        policy::of_new(call, &snapshot, &trial, create.row_filter.as_ref(), masks).await?;
    let spec = TableSpec {
        name,
        storage,
        columns,
        properties: create.properties.clone(),
        comment: create.comment.clone(),
        tags: Tags::new(),
        row_filter,
        masks,
    };
    call.metastore().table_create(call.by(), call.now(), spec, on_existing(create.if_not_exists)).await?;
    Ok(())
}

fn check_absent(snapshot: &weir_catalog::Snapshot, name: &ObjectName) -> Result<()> {
    let Some(existing) = snapshot.table(name) else { return Ok(()) };
    let kind = existing.securable_kind();
    Err(weir_catalog::Error::AlreadyExists { kind, name: name.to_string() }.into())
}

/// OR REPLACE of a table that is there: a new log in a new folder, which the catalog then takes for the old
/// one at once. Policies in the statement would take the place of the table's own, so there are none.
async fn replace(call: Call<'_>, sight: Sight<'_>, name: &ObjectName, create: &CreateTable) -> Result<()> {
    let table = sight.table(name)?;
    let named = SecurableName::Table(name.clone());
    sight.require(Privilege::Manage, SecurableId::Table(table.id), &named)?;
    if create.row_filter.is_some() || create.columns.iter().any(|column| column.mask.is_some()) {
        return Err(unsupported("CREATE OR REPLACE TABLE with policies, of a table that is there")
            .with_hint("the table keeps its policies; alter them by ALTER TABLE"));
    }
    sight.expect_kind(table, SecurableKind::Table)?;
    let before = call.environment.locations.of(table)?;
    let (storage, columns) = managed(call, name, create).await?;
    let spec = TableSpec {
        name: name.clone(),
        storage,
        columns,
        properties: create.properties.clone(),
        comment: create.comment.clone(),
        tags: Tags::new(),
        row_filter: None,
        masks: Vec::new(),
    };
    call.metastore().table_replace(call.by(), call.now(), spec).await?;
    if let Some(place) = before {
        call.environment.tables.forget(&place);
    }
    Ok(())
}

fn is_view(table: &Table) -> bool {
    table.securable_kind() == SecurableKind::View
}

/// Makes the Delta log of a new table under the data root.
async fn managed(call: Call<'_>, name: &ObjectName, create: &CreateTable) -> Result<(Storage, Vec<Column>)> {
    let locations = &call.environment.locations;
    let location = locations.new_managed();
    let place = locations.managed(&location)?;
    let fields = create.columns.iter().map(field_of);
    let definition = NewTable {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        partition_columns: partition_columns(create),
        properties: delta_properties(&create.properties),
        comment: create.comment.clone(),
    };
    let statement = ("statementId".to_owned(), call.context.statement_id().to_string());
    let made = call
        .environment
        .tables
        .create_as(&place, definition, vec![statement])
        .await
        .map_err(|error| told(error, name))?;
    let columns = create.columns.iter().map(|column| Column {
        nullable: column.nullable,
        comment: column.comment.clone(),
        field_id: made.field_ids().get(&column.name).copied(),
        primary_key: key_part(create, name, column),
        ..Column::new(&column.name, &column.type_text)
    });
    Ok((Storage::Managed { location }, columns.collect()))
}

/// Reads the Delta log of a table that is there already.
async fn external(
    call: Call<'_>,
    sight: Sight<'_>,
    create: &CreateTable,
    location: &str,
) -> Result<(Storage, Vec<Column>)> {
    let locations = &call.environment.locations;
    // Before storage is looked at: a refusal must not tell what lies there.
    let allowed = |url: &str| require_external(sight.snapshot, sight.by, ExternalUse::Table, url).map(drop);
    allowed(&locations.written_external(location)?)?;
    if !create.columns.is_empty() {
        return Err(unsupported("CREATE TABLE with columns and LOCATION")
            .with_hint("leave the columns out: the table's log tells them"));
    }
    if !create.partitioned_by.is_empty() {
        return Err(unsupported("PARTITIONED BY with LOCATION").with_hint("the table's log tells it"));
    }
    let canonical = locations.canonical_external(location)?;
    // A link may lead out of what the caller may use; that it is there is not told.
    allowed(&canonical).map_err(|_| locations.not_allowed(location))?;
    let name = create.name.resolve(&call.context.session)?;
    let place = locations.external(&canonical)?;
    let table = call.environment.tables.open(&place).await.map_err(|error| told(error, &name))?;
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| Column {
        nullable: field.is_nullable(),
        field_id: table.field_ids().get(field.name()).copied(),
        ..Column::new(field.name(), type_text(&table, field))
    });
    Ok((Storage::External { location: canonical }, columns.collect::<Vec<_>>()))
}

/// The column's part in the primary key of the table `name`.
fn key_part(create: &CreateTable, name: &ObjectName, column: &ColumnDefinition) -> Option<KeyPart> {
    let key = create.primary_key.as_ref()?;
    let place = (1..).zip(&key.columns).find(|(_, named)| **named == column.name).map(|(place, _)| place)?;
    let constraint = key.name.clone().unwrap_or_else(|| format!("{}_pk", name.object));
    Some(KeyPart { constraint, place })
}

/// The column as the table's log has it.
fn field_of(column: &ColumnDefinition) -> Field {
    let field = Field::new(&column.name, column.data_type.clone(), column.nullable);
    match column.length {
        Some(length) => bounded(field, length),
        None => field,
    }
}

/// The type of a column of a log, with the length that bounds its texts.
fn type_text(table: &PinnedTable, field: &Field) -> String {
    match table.declared_texts().get(field.name()) {
        Some(DeclaredText::Varchar(length)) => format!("VARCHAR({length})"),
        Some(DeclaredText::Char(length)) => format!("CHAR({length})"),
        Some(DeclaredText::Inside(_)) | None => types::text_of(field.data_type()),
    }
}

/// Partition columns as the columns are spelled.
fn partition_columns(create: &CreateTable) -> Vec<String> {
    let spelled = |name: &String| {
        let same = create.columns.iter().find(|column| column.name.to_lowercase() == name.to_lowercase());
        same.map_or_else(|| name.clone(), |column| column.name.clone())
    };
    create.partitioned_by.iter().map(spelled).collect()
}

/// Storage's error, about the table by its name.
fn told(error: weir_scan::Error, name: &ObjectName) -> Error {
    let told = Error::from(error);
    match told.condition() {
        Condition::InternalError => told,
        condition => Error::new(condition, format!("table `{name}` cannot be created: {}", told.message())),
    }
}

async fn drop_table(
    call: Call<'_>,
    name: &ObjectName,
    behaviour: DropBehaviour,
    on_missing: OnMissing,
) -> Result<()> {
    let metastore = call.metastore();
    let dropped = match behaviour {
        DropBehaviour::Restrict => metastore.table_drop(call.by(), call.now(), name, on_missing).await?,
        DropBehaviour::Cascade => {
            let kind = SecurableKind::Table;
            metastore.drop_with_readers(call.by(), call.now(), name, kind, on_missing).await?
        }
    };
    if let Some(table) = dropped
        && let Some(place) = call.environment.locations.of(&table)?
    {
        call.environment.tables.forget(&place);
    }
    Ok(())
}

async fn rename(call: Call<'_>, name: &ObjectName, to: &ObjectReference) -> Result<()> {
    in_place(call, name, to)?;
    call.metastore().table_rename(call.by(), call.now(), name, &to.object).await?;
    Ok(())
}

/// Refuses a new name in another schema.
pub(super) fn in_place(call: Call<'_>, name: &ObjectName, to: &ObjectReference) -> Result<()> {
    // A name of one part stays in the table's schema, whatever the session's is.
    let catalog = to.catalog.as_ref().unwrap_or(&name.catalog);
    let schema = to.schema.as_ref().unwrap_or(&name.schema);
    let in_place = if to.schema.is_some() && to.catalog.is_none() {
        call.context.session.catalog.eq_ignore_ascii_case(name.catalog.as_str())
    } else {
        *catalog == name.catalog
    };
    if !in_place || *schema != name.schema {
        return Err(unsupported("RENAME TO another schema").at(to.position));
    }
    Ok(())
}
