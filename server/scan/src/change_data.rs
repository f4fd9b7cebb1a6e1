//! [`ChangeData`]: the files in which a table with a change data feed tells what a commit did to rows. A table without
//! one gets none.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use deltalake::kernel::{Action, AddCDCFile};
use deltalake::operations::write::writer::{DeltaWriter, WriterConfig};
use deltalake::table::config::TablePropertiesExt;
use object_store::prefix::PrefixStore;

use crate::change_range::CHANGE_TYPE;
use crate::error::{self, Error, Result};
use crate::file_layout::writer_properties;
use crate::pinned_table::PinnedTable;

const FOLDER: &str = "_change_data";

/// What happened to rows, as the feed calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeType {
    Insert,
    Delete,
    Before,
    After,
}

impl ChangeType {
    fn name(self) -> &'static str {
        match self {
            ChangeType::Insert => "insert",
            ChangeType::Delete => "delete",
            ChangeType::Before => "update_preimage",
            ChangeType::After => "update_postimage",
        }
    }
}

/// Writes the changes of one commit.
pub(crate) struct ChangeData {
    schema: SchemaRef,
    writer: DeltaWriter,
}

impl ChangeData {
    /// For changes of `table` in rows of `columns`, if it keeps a feed.
    pub(crate) fn of(table: &PinnedTable, columns: &Schema) -> Result<Option<Self>> {
        let properties = table.described().table_configuration().table_properties();
        if !properties.enable_change_data_feed() {
            return Ok(None);
        }
        if table.has_column_mapping() {
            let features = vec!["changeDataFeed together with columnMapping".to_owned()];
            return Err(Error::UnsupportedWrite { table: table.location().clone(), features });
        }
        let change_type = Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, true));
        let fields = columns.fields().iter().cloned().chain([change_type]);
        let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
        let config = WriterConfig::new(
            Arc::clone(&schema),
            table.partition_columns().to_vec(),
            Some(writer_properties()),
            None,
            None,
            properties.num_indexed_cols(),
            None,
        );
        let store = PrefixStore::new(table.log_store().object_store(None), FOLDER);
        Ok(Some(Self { schema, writer: DeltaWriter::new(Arc::new(store), config) }))
    }

    /// Adds rows, in the table's columns.
    pub(crate) async fn write(
        &mut self,
        change: ChangeType,
        rows: &RecordBatch,
    ) -> Result<(), DataFusionError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let names: ArrayRef = Arc::new(StringArray::from(vec![change.name(); rows.num_rows()]));
        let columns = rows.columns().iter().cloned().chain([names]).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.writer.write(&rows).await.map_err(|cause| DataFusionError::External(Box::new(cause)))
    }

    /// The files, as the commit names them.
    pub(crate) async fn close(self, table: &PinnedTable) -> Result<Vec<Action>> {
        let written = self.writer.close().await;
        let written = written.map_err(|cause| error::commit_failure(table.location(), cause))?;
        let file = |add: deltalake::kernel::Add| {
            Action::Cdc(AddCDCFile {
                path: format!("{FOLDER}/{}", add.path),
                size: add.size,
                partition_values: add.partition_values,
                data_change: false,
                tags: add.tags,
            })
        };
        Ok(written.into_iter().map(file).collect())
    }
}
