//! How the rows of a file that Weir writes lie in it.

use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;

/// Rows of one row group; a multiple of a batch.
///
/// A reader fetches a row group's columns whole and takes its dictionaries apart before it has a first row, several readers
/// share a file by row groups, and statistics leave them out one by one. The writer's own 1,048,576 make most files one row group.
pub(crate) const ROW_GROUP_ROWS: usize = 131_072;

/// What files are written with.
pub(crate) fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build()
}
