//! [`ChangeData`]: the files in which a table with a change data feed tells what a commit did to rows. A table without
//! one gets none.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use deltalake::kernel::{Action, AddCDCFile};
use deltalake::operations::write::writer::{DeltaWriter, WriterConfig};
use deltalake::table::config::TablePropertiesExt;
use object_store::ObjectStore;
use object_store::prefix::PrefixStore;

use crate::change_range::CHANGE_TYPE;
use crate::error::{self, Error, Result};
use crate::file_layout::writer_properties;
use crate::null_twins::{Twins, told_apart};
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
    partitions: Vec<String>,
    store: Arc<dyn ObjectStore>,
    config: WriterConfig,
    /// A writer puts into one file what comes into one folder.
    writers: BTreeMap<Twins, DeltaWriter>,
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
        let partitions = table.partition_columns().to_vec();
        let config = WriterConfig::new(
            Arc::clone(&schema),
            partitions.clone(),
            Some(writer_properties()),
            None,
            None,
            properties.num_indexed_cols(),
            None,
        );
        let store = Arc::new(PrefixStore::new(table.log_store().object_store(None), FOLDER));
        Ok(Some(Self { schema, partitions, store, config, writers: BTreeMap::new() }))
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
        let Self { schema, partitions, store, config, writers } = self;
        let rows = RecordBatch::try_new(Arc::clone(schema), columns)?;
        for (twins, rows) in told_apart(&rows, partitions)? {
            let writer =
                writers.entry(twins).or_insert_with(|| DeltaWriter::new(Arc::clone(store), config.clone()));
            let written = writer.write(&rows).await;
            written.map_err(|cause| DataFusionError::External(Box::new(cause)))?;
        }
        Ok(())
    }

    /// The files, as the commit names them.
    pub(crate) async fn close(self, table: &PinnedTable) -> Result<Vec<Action>> {
        let mut written = Vec::new();
        for writer in self.writers.into_values() {
            let files = writer.close().await;
            written.extend(files.map_err(|cause| error::commit_failure(table.location(), cause))?);
        }
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
