//! SHOW PARTITIONS: the partition values of the rows that the caller sees. They are data: so they are asked for as a
//! query of the caller's own, and what policies hide or mask is hidden and masked here.

use weir_catalog::TableKind;

use super::Warehouse;
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::sql::types::{quoted, quoted_path};
use crate::sql::{self, ObjectReference, ast};

impl Warehouse {
    /// The query that answers SHOW PARTITIONS.
    pub(super) async fn partitions_query(
        &self,
        context: &Context,
        table: &ObjectReference,
    ) -> Result<Box<ast::Query>> {
        let name = table.resolve(&context.session)?;
        let full = quoted_path([&name.catalog, &name.schema, &name.object].map(|part| part.as_str()));
        // Decides, as for any reader, before anything of the table is looked at.
        self.plan(context, &*sql::parse_query(&format!("SELECT * FROM {full}"))?).await?;
        let snapshot = self.snapshot_for(context).await?;
        let without =
            || Error::new(Condition::PartitionSchemaEmpty, format!("table `{name}` has no partitions"));
        let table = snapshot.table(&name).ok_or_else(without)?;
        if let TableKind::View(_) = table.kind {
            let message = format!("`{name}` is a view, and SHOW PARTITIONS is about tables");
            return Err(Error::new(Condition::WrongCommandForObjectType, message));
        }
        let place = self.commands.locations.of(table)?.ok_or_else(without)?;
        let opened = self.commands.tables.open(&place).await?;
        let columns: Vec<String> = opened.partition_columns().iter().map(|column| quoted(column)).collect();
        if columns.is_empty() {
            return Err(without());
        }
        let columns = columns.join(", ");
        sql::parse_query(&format!("SELECT DISTINCT {columns} FROM {full} ORDER BY {columns}"))
    }
}
