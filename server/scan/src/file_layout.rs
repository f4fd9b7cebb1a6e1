//! How the rows of a file that Weir writes lie in it.

use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;

/// Rows of one row group; a multiple of a batch.
///
/// Several readers share a file by row groups, statistics and filters at run time leave them out one by one, and a reader holds a
/// row group's columns whole. The writer's own 1,048,576 make most files one row group.
pub(crate) const ROW_GROUP_ROWS: usize = 131_072;

/// Bytes of a row group at most: rows whose values are long are not held back until there are so many.
const ROW_GROUP_BYTES: usize = 128 << 20;

/// Where a column gives its dictionary up, in bytes.
///
/// A reader decompresses the dictionary of each column before it has a first row. Columns of few values stay far below this; of a
/// column of many the dictionary earns nothing, and the writer's own 1 MiB of it was half of the time of a query for ten rows.
const DICTIONARY_BYTES: usize = 128 << 10;

/// What files are written with.
pub(crate) fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(concat!("weir version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .build()
}
