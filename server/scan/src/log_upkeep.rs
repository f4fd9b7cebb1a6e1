//! What a log needs from time to time after a commit: a checkpoint, and that old commits go.
//!
//! The commit is made by then. What fails here is told to the log of the server and is done after a later commit; whoever changed
//! rows would only do it again.

use std::error::Error;

use deltalake::checkpoints::{cleanup_metadata, create_checkpoint};
use deltalake::table::config::TablePropertiesExt;

use crate::delta_tables::DeltaTables;
use crate::pinned_table::PinnedTable;

impl DeltaTables {
    /// Looks after the log of a table of which `table` was just committed.
    pub(crate) async fn keep_log(&self, table: &PinnedTable) {
        let between = table.described().table_properties().checkpoint_interval().get();
        if !table.version().saturating_add(1).is_multiple_of(between) {
            return;
        }
        if let Err(failure) = shortened(table).await {
            let (table, version) = (table.location(), table.version());
            tracing::warn!(%table, version, %failure, "a checkpoint could not be written, or old commits not removed");
        }
    }
}

async fn shortened(table: &PinnedTable) -> Result<(), Box<dyn Error + Send + Sync>> {
    let delta = table.log().table().await?;
    create_checkpoint(&delta, None).await?;
    if table.described().table_properties().enable_expired_log_cleanup() {
        cleanup_metadata(&delta, None).await?;
    }
    Ok(())
}
