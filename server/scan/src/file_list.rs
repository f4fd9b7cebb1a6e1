//! [`FileList`]: the files of one version, as columns, so that a condition is asked of all of them at once.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StringBuilder, StructArray,
};
use datafusion::arrow::compute::kernels::numeric::add;
use datafusion::arrow::compute::{cast, is_null, nullif, sum};
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::physical_optimizer::pruning::PruningPredicate;
use deltalake::kernel::{EagerSnapshot, LogicalFileView};

use crate::file_blocks::{BLOCK_FILES, Blocks, Told, blocks_of};

/// Statistics tell times in whole milliseconds, cut off: a file may hold later ones, by less than this many microseconds.
const CUT_OFF_MICROSECONDS: i64 = 999;

/// A column of the table, as its files and its log know it.
#[derive(Debug, Clone)]
pub(crate) struct FileColumn {
    /// Its name in the table.
    pub(crate) name: String,
    /// Its name in files and their statistics.
    pub(crate) in_files: String,
    /// Whether it partitions the table: files do not hold it.
    pub(crate) partitions: bool,
}

/// The files of one version.
#[derive(Debug)]
pub(crate) struct FileList {
    columns: Arc<[FileColumn]>,
    parts: Vec<Part>,
    blocks: Blocks,
}

/// Least and greatest values of a column, and how many are NULL, of one file or block after the other; none where nothing is
/// told.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) least: Option<ArrayRef>,
    pub(crate) greatest: Option<ArrayRef>,
    pub(crate) nulls: Option<ArrayRef>,
}

/// One file of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    part: &'a Part,
    row: usize,
    columns: &'a [FileColumn],
}

/// Some of the files, each a row of every column here.
#[derive(Debug)]
pub(crate) struct Part {
    paths: StringArray,
    sizes: Int64Array,
    rows: Option<Int64Array>,
    /// How many rows are marked as deleted, where any is.
    deleted: Option<Int64Array>,
    nulls: Option<StructArray>,
    least: Option<StructArray>,
    greatest: Option<StructArray>,
    partitions: Option<StructArray>,
    /// What is told of each column, once somebody asks for it.
    bounds: Vec<OnceLock<Bounds>>,
}

impl FileList {
    /// The files of `snapshot`, newest first.
    pub(crate) fn of(snapshot: &EagerSnapshot, columns: Arc<[FileColumn]>) -> Result<Self> {
        let batches = snapshot.add_actions_batches(false)?;
        let mut parts =
            batches.iter().map(|batch| Part::of(batch, columns.len())).collect::<Result<Vec<_>>>()?;
        let is_text = |values: &StructArray, column: &FileColumn| {
            values.column_by_name(&column.name).is_some_and(|values| values.data_type() == &DataType::Utf8)
        };
        let texts = |part: &Part| {
            let values = part.partitions.as_ref()?;
            let texts = columns.iter().filter(|column| column.partitions && is_text(values, column));
            Some(texts.cloned().collect::<Vec<_>>())
        };
        let texts = parts.first().and_then(texts).unwrap_or_default();
        if !texts.is_empty() {
            let log = snapshot.try_log_data()?;
            let mut written = log.iter();
            for part in &mut parts {
                part.take_written(&texts, &mut written)?;
            }
        }
        let blocks = Blocks::of(columns.len());
        Ok(Self { columns, parts, blocks })
    }

    /// Size on storage of all of them.
    pub(crate) fn total_bytes(&self) -> u64 {
        let sizes = self.parts.iter().filter_map(|part| sum(&part.sizes));
        sizes.filter_map(|size| u64::try_from(size).ok()).sum()
    }

    /// The files that may hold a row for which `predicate` is true.
    pub(crate) fn chosen(&self, predicate: Option<&PruningPredicate>) -> Result<Vec<Listed<'_>>> {
        let mut chosen = Vec::new();
        for (part, stretch) in self.stretches(predicate)? {
            let listed = |row| Listed { part, row, columns: &self.columns };
            match predicate {
                None => chosen.extend(stretch.map(listed)),
                Some(predicate) => {
                    let told = Told::of_files(&self.columns, part, stretch.clone());
                    let kept = stretch.zip(predicate.prune(&told)?).filter(|(_, kept)| *kept);
                    chosen.extend(kept.map(|(row, _)| listed(row)));
                }
            }
        }
        Ok(chosen)
    }

    /// Where files may lie that are to be looked at each: whole blocks are left out together.
    fn stretches(&self, predicate: Option<&PruningPredicate>) -> Result<Vec<(&Part, Range<usize>)>> {
        let count: usize = self.parts.iter().map(Part::len).sum();
        let predicate = match predicate {
            Some(predicate) if count > BLOCK_FILES => predicate,
            _ => return Ok(self.parts.iter().map(|part| (part, 0..part.len())).collect()),
        };
        let kept = predicate.prune(&Told::of_blocks(&self.columns, &self.blocks, &self.parts))?;
        let mut stretches: Vec<(&Part, Range<usize>)> = Vec::new();
        for ((part, block), _) in blocks_of(&self.parts).zip(kept).filter(|(_, kept)| *kept) {
            match stretches.last_mut() {
                Some((last, stretch)) if std::ptr::eq(*last, part) && stretch.end == block.start => {
                    stretch.end = block.end;
                }
                _ => stretches.push((part, block)),
            }
        }
        Ok(stretches)
    }
}

impl<'a> Listed<'a> {
    /// Its path as the log writes it: a relative or absolute URL.
    pub(crate) fn path(self) -> &'a str {
        self.part.paths.value(self.row)
    }

    /// Its size in bytes.
    pub(crate) fn size(self) -> u64 {
        // reason: a size below zero is not one, and nothing is there to be read
        u64::try_from(self.part.sizes.value(self.row)).unwrap_or(0)
    }

    /// How many rows it holds, the deleted ones among them, where the log tells.
    pub(crate) fn rows(self) -> Option<usize> {
        number(self.part.rows.as_ref()?, self.row)
    }

    /// How many of its rows are marked as deleted, where a deletion vector marks any.
    pub(crate) fn deleted(self) -> Option<usize> {
        number(self.part.deleted.as_ref()?, self.row)
    }

    /// The value that all its rows have of a column that partitions the table.
    pub(crate) fn partition_value(self, column: &str) -> Result<ScalarValue> {
        let values = self.part.partitions.as_ref().and_then(|values| values.column_by_name(column));
        let values =
            values.ok_or_else(|| internal_datafusion_err!("a column of partitions is not in the log"))?;
        ScalarValue::try_from_array(values, self.row)
    }

    /// The least and the greatest value of a column, and how many are NULL, as far as the log tells.
    pub(crate) fn told(
        self,
        column: usize,
    ) -> Result<(Option<ScalarValue>, Option<ScalarValue>, Option<usize>)> {
        let Some(told) = self.part.bounds(self.columns, column) else { return Ok((None, None, None)) };
        let value =
            |values: &Option<ArrayRef>| match values.as_ref().filter(|values| values.is_valid(self.row)) {
                Some(values) => ScalarValue::try_from_array(values, self.row).map(Some),
                None => Ok(None),
            };
        let nulls = told.nulls.as_ref();
        let nulls = nulls.and_then(|nulls| number(nulls.as_primitive_opt::<Int64Type>()?, self.row));
        Ok((value(&told.least)?, value(&told.greatest)?, nulls))
    }
}

impl Part {
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// What is told of the column at this place of `columns`.
    pub(crate) fn bounds(&self, columns: &[FileColumn], place: usize) -> Option<&Bounds> {
        let (column, told) = (columns.get(place)?, self.bounds.get(place)?);
        Some(told.get_or_init(|| Bounds {
            least: self.least_of(column),
            greatest: self.greatest_of(column),
            nulls: self.nulls_of(column),
        }))
    }

    /// How many rows each file holds.
    pub(crate) fn rows(&self) -> Option<&Int64Array> {
        self.rows.as_ref()
    }

    fn of(batch: &RecordBatch, columns: usize) -> Result<Self> {
        let missing = |name| internal_datafusion_err!("the list of files has no {name}");
        let strings =
            |name| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>().cloned());
        let structs = |name| batch.column_by_name(name).and_then(|column| column.as_struct_opt().cloned());
        let numbers = |column: &ArrayRef| column.as_primitive_opt::<Int64Type>().cloned();
        let deleted = structs("deletion_vector").map(|vector| deleted_rows(&vector)).transpose()?;
        Ok(Self {
            paths: strings("path").ok_or_else(|| missing("path"))?,
            sizes: batch
                .column_by_name("size_bytes")
                .and_then(numbers)
                .ok_or_else(|| missing("size_bytes"))?,
            rows: batch.column_by_name("num_records").and_then(numbers),
            deleted,
            nulls: structs("null_count"),
            least: structs("min"),
            greatest: structs("max"),
            partitions: structs("partition"),
            bounds: unasked(columns),
        })
    }

    /// Takes the texts of partitions as they are written. In the list an empty text is NULL; in a scan it is not.
    fn take_written(
        &mut self,
        texts: &[FileColumn],
        written: &mut impl Iterator<Item = LogicalFileView>,
    ) -> Result<()> {
        let own = |failed| internal_datafusion_err!("the list of files is not the log's: {failed}");
        let mut values = texts.iter().map(|_| StringBuilder::new()).collect::<Vec<_>>();
        for size in self.sizes.values() {
            let file = written.next().filter(|file| file.size() == *size).ok_or_else(|| own("a file"))?;
            let mut raw = file.partition_values_map();
            for (column, values) in texts.iter().zip(&mut values) {
                values.append_option(raw.remove(&column.in_files).flatten());
            }
        }
        let Some(partitions) = self.partitions.take() else { return Err(own("partitions")) };
        let (fields, mut columns, nulls) = partitions.into_parts();
        for (column, mut values) in texts.iter().zip(values) {
            let place = fields.iter().position(|field| *field.name() == column.name);
            let place = place.and_then(|place| columns.get_mut(place)).ok_or_else(|| own("a column"))?;
            *place = Arc::new(values.finish());
        }
        let fields = fields.iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
        self.partitions = Some(StructArray::try_new(fields.collect(), columns, nulls)?);
        Ok(())
    }

    fn least_of(&self, column: &FileColumn) -> Option<ArrayRef> {
        self.value_of(column, self.least.as_ref())
    }

    fn greatest_of(&self, column: &FileColumn) -> Option<ArrayRef> {
        let values = self.value_of(column, self.greatest.as_ref())?;
        match values.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) if !column.partitions => {
                let times = cast(&values, &DataType::Int64).ok()?;
                // reason: the latest time there is has none after it; nothing is told then
                let later = add(&times, &Int64Array::new_scalar(CUT_OFF_MICROSECONDS)).ok()?;
                cast(&later, values.data_type()).ok()
            }
            _ => Some(values),
        }
    }

    fn nulls_of(&self, column: &FileColumn) -> Option<ArrayRef> {
        if !column.partitions {
            return values_in(self.nulls.as_ref()?, &column.in_files);
        }
        let values = self.value_of(column, None)?;
        let rows = self.rows.as_ref()?;
        let nulls = rows.iter().enumerate();
        let nulls: Int64Array =
            nulls.map(|(row, rows)| if values.is_null(row) { rows } else { Some(0) }).collect();
        Some(Arc::new(nulls))
    }

    fn value_of(&self, column: &FileColumn, of_files: Option<&StructArray>) -> Option<ArrayRef> {
        match column.partitions {
            true => values_in(self.partitions.as_ref()?, &column.name),
            false => values_in(of_files?, &column.in_files),
        }
    }
}

/// Nothing is told yet, of so many columns.
pub(crate) fn unasked(columns: usize) -> Vec<OnceLock<Bounds>> {
    (0..columns).map(|_| OnceLock::new()).collect()
}

/// A field of each value, NULL where the value is.
fn values_in(values: &StructArray, field: &str) -> Option<ArrayRef> {
    let fields = values.column_by_name(field)?;
    match values.null_count() {
        0 => Some(Arc::clone(fields)),
        // reason: what cannot be told leaves nothing out
        _ => nullif(fields, &is_null(values).ok()?).ok(),
    }
}

/// How many rows each deletion vector marks; NULL for a file without one.
fn deleted_rows(vectors: &StructArray) -> Result<Int64Array> {
    let missing = || internal_datafusion_err!("deletion vectors without their number of rows");
    let marked = vectors.column_by_name("cardinality").and_then(|rows| rows.as_primitive_opt::<Int64Type>());
    let marked = marked.ok_or_else(missing)?;
    let kinds = vectors.column_by_name("storageType").ok_or_else(missing)?;
    let has_one = |row: usize| vectors.is_valid(row) && kinds.is_valid(row);
    Ok(marked.iter().enumerate().map(|(row, rows)| has_one(row).then_some(rows.unwrap_or(0))).collect())
}

fn number(numbers: &Int64Array, row: usize) -> Option<usize> {
    let number = numbers.is_valid(row).then(|| numbers.value(row))?;
    usize::try_from(number).ok()
}
