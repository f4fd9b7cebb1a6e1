//! ALTER TABLE … ADD COLUMNS: first the catalog, masks included, then the table's log; when the log refuses,
//! the catalog takes the columns back. So a column is at no time readable without its mask.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use weir_catalog::metastore::ColumnSpec;
use weir_catalog::securable::{SecurableId, SecurableKind, SecurableName};
use weir_catalog::{Column, ObjectName, Privilege};

use crate::command::Call;
use crate::command::sight::Sight;
use crate::error::{Error, Result};
use crate::sql::ColumnDefinition;
use crate::sql::cursor::unsupported;

pub(super) async fn add(call: Call<'_>, name: &ObjectName, added: &[ColumnDefinition]) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let table = sight.table(name)?;
    sight.expect_kind(table, SecurableKind::Table)?;
    sight.require(Privilege::Manage, SecurableId::Table(table.id), &SecurableName::Table(name.clone()))?;
    if added.iter().any(|column| column.mask.is_some()) {
        return Err(unsupported("ADD COLUMN … MASK")
            .with_hint("add the column, which holds NULL in every row, and then set its mask"));
    }
    let place = call.environment.locations.of(table)?;
    let place = place.ok_or_else(|| Error::internal("a table without a place"))?;
    let specs: Vec<ColumnSpec> = added
        .iter()
        .map(|column| ColumnSpec {
            column: Column {
                comment: column.comment.clone(),
                ..Column::new(&column.name, &column.type_text)
            },
            mask: None,
        })
        .collect();
    call.metastore().columns_add(call.by(), call.now(), name, &specs).await?;
    let fields = added.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let statement = ("statementId".to_owned(), call.context.statement_id().to_string());
    let extended = call.environment.tables.add_columns(&place, schema, vec![statement]).await;
    if let Err(failure) = extended {
        let names: Vec<String> = added.iter().map(|column| column.name.clone()).collect();
        call.metastore().columns_withdraw(call.by(), call.now(), name, &names).await?;
        return Err(failure.into());
    }
    Ok(())
}
