//! Columns added, renamed and dropped: first the catalog, then the table's log; when the log refuses, the catalog takes
//! its part back.
//!
//! A column to be added has its mask in the catalog before the log has the column; a table with a mask on a column that
//! its log lacks is not read, so the column is at no time there without its mask. Where the log knows columns by ids, the column
//! comes under the id that the catalog was told, or not at all: of two that are added at once, one is refused, and so is one
//! beside which another writer adds one. A column to be renamed is bound
//! by its field id before the log has the new name, so its mask and tags hold under both. The catalog takes nothing back unless
//! the log was read again and is without the change: a commit that is made may look like one that failed.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use weir_catalog::metastore::ColumnSpec;
use weir_catalog::securable::{SecurableId, SecurableKind, SecurableName};
use weir_catalog::{Column, ColumnMask, ObjectName, Privilege, Snapshot, Table};
use weir_scan::{NewColumns, PinnedTable, TableLocation};

use crate::command::sight::Sight;
use crate::command::{Call, policy};
use crate::error::{Error, Result};
use crate::query::analysis::{AddedColumns, MaskPlace};
use crate::sql::ColumnDefinition;

pub(super) async fn add(call: Call<'_>, name: &ObjectName, added: &[ColumnDefinition]) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let (table, place) = alterable(call, sight, name)?;
    let fields = added.iter().map(super::field_of);
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let opened = call.environment.tables.open(&place).await?;
    // The catalog may know of columns that are about to come, or that never came.
    let columns = opened.new_columns(&schema, table.highest_field_id())?;
    let field_ids = columns.field_ids();
    let mut specs = Vec::new();
    for column in added {
        let known = Column {
            comment: column.comment.clone(),
            field_id: field_ids.get(&column.name).copied(),
            ..Column::new(&column.name, &column.type_text)
        };
        let added = AddedColumns { schema: &schema, field_ids: &field_ids };
        let mask = mask(call, sight, &snapshot, table, added, column).await?;
        specs.push(ColumnSpec { column: known, mask });
    }
    call.metastore().columns_add(call.by(), call.now(), name, &specs).await?;
    let extended = call.environment.tables.add_new_columns(&opened, &columns, statement(call)).await;
    if let Err(failure) = extended {
        let names: Vec<String> = added.iter().map(|column| column.name.clone()).collect();
        if lacks_all(call, &place, &columns, &names).await {
            call.metastore().columns_withdraw(call.by(), call.now(), name, &names).await?;
        }
        return Err(failure.into());
    }
    Ok(())
}

/// Whether the table has none of the columns that were to come to it, as its log is now. Not where the log cannot be read: the
/// commit may be made, and a column that came must not be without its mask.
async fn lacks_all(call: Call<'_>, place: &TableLocation, columns: &NewColumns, names: &[String]) -> bool {
    let Ok(opened) = call.environment.tables.open(place).await else { return false };
    !names.iter().any(|name| opened.has_new_column(columns, name))
}

async fn mask(
    call: Call<'_>,
    sight: Sight<'_>,
    snapshot: &Arc<Snapshot>,
    table: &Table,
    added: AddedColumns<'_>,
    column: &ColumnDefinition,
) -> Result<Option<ColumnMask>> {
    let Some(clause) = &column.mask else { return Ok(None) };
    let function = policy::mask_function(sight, &clause.function.resolve(&call.context.session)?)?;
    let place = MaskPlace { column: &column.name, path: &[], function };
    let analysis = &call.environment.analysis;
    let mask = analysis.added_mask(call.context, snapshot, table, added, place, &clause.arguments).await?;
    Ok(Some(mask))
}

pub(super) async fn rename(call: Call<'_>, name: &ObjectName, column: &str, to: &str) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let (_, place) = alterable(call, Sight::new(call, &snapshot), name)?;
    let opened = call.environment.tables.open(&place).await?;
    opened.check_rename(column, to)?;
    let (from, id) = spelled(&opened, column)?;
    if from == to {
        return Ok(());
    }
    let metastore = call.metastore();
    metastore.column_rename(call.by(), call.now(), name, (from, to), id).await?;
    let renamed = call.environment.tables.rename_column(&place, from, to, statement(call)).await;
    if let Err(failure) = renamed {
        if !is_unchanged(call, &place, to).await {
            return Err(failure.into());
        }
        metastore.column_rename(call.by(), call.now(), name, (to, from), id).await?;
        return Err(failure.into());
    }
    Ok(())
}

pub(super) async fn drop(
    call: Call<'_>,
    name: &ObjectName,
    columns: &[String],
    if_exists: bool,
) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let (_, place) = alterable(call, Sight::new(call, &snapshot), name)?;
    let opened = call.environment.tables.open(&place).await?;
    let schema = opened.schema();
    let is_there = |name: &&String| {
        schema.fields().iter().any(|field| field.name().to_lowercase() == name.to_lowercase())
    };
    let going: Vec<String> = columns.iter().filter(|name| !if_exists || is_there(name)).cloned().collect();
    if going.is_empty() {
        return Ok(());
    }
    opened.check_drop(&going)?;
    let named = going.iter().map(|column| spelled(&opened, column).map(|(name, id)| (name.to_owned(), id)));
    let named = named.collect::<Result<Vec<_>>>()?;
    let metastore = call.metastore();
    let dropped = metastore.columns_drop(call.by(), call.now(), name, &named).await?;
    let gone = call.environment.tables.drop_columns(&place, &going, statement(call)).await;
    if let Err(failure) = gone {
        let names: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
        if has_all(call, &place, &names).await {
            metastore.columns_restore(call.by(), call.now(), name, &dropped).await?;
        }
        return Err(failure.into());
    }
    Ok(())
}

/// Whether the table has no column of the new name, as its log is now. Not where the log cannot be read: the commit
/// may be made, and what is bound to the column must hold under its new name.
async fn is_unchanged(call: Call<'_>, place: &TableLocation, to: &str) -> bool {
    let Ok(opened) = call.environment.tables.open(place).await else { return false };
    opened.schema().field_with_name(to).is_err()
}

/// Whether the table has all of the columns still that it was to lose. Not where its log cannot be read.
async fn has_all(call: Call<'_>, place: &TableLocation, columns: &[String]) -> bool {
    let Ok(opened) = call.environment.tables.open(place).await else { return false };
    columns.iter().all(|column| opened.schema().field_with_name(column).is_ok())
}

/// A table whose columns the caller may alter, and where it lies.
fn alterable<'s>(call: Call<'_>, sight: Sight<'s>, name: &ObjectName) -> Result<(&'s Table, TableLocation)> {
    let table = sight.table(name)?;
    sight.expect_kind(table, SecurableKind::Table)?;
    sight.require(Privilege::Manage, SecurableId::Table(table.id), &SecurableName::Table(name.clone()))?;
    Ok((table, call.environment.locations.of_stored(table)?))
}

/// The column as the table spells it, and its field id.
fn spelled<'t>(opened: &'t PinnedTable, column: &str) -> Result<(&'t str, i64)> {
    let mut fields = opened.field_ids().iter();
    let found = fields.find(|(name, _)| name.to_lowercase() == column.to_lowercase());
    let (name, id) = found.ok_or_else(|| Error::internal("a mapped column without a field id"))?;
    Ok((name.as_str(), *id))
}

fn statement(call: Call<'_>) -> Vec<(String, String)> {
    vec![("statementId".to_owned(), call.context.statement_id().to_string())]
}
