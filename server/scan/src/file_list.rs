//! [`FileList`]: the files of one version, as columns, so that a condition is asked of all of them at once.
//!
//! The list of a later version shares what did not change: parts are added in front, and of the others it is noted which
//! files are gone.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, Int64Array, RecordBatch, StringBuilder, StructArray,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::kernels::numeric::add;
use datafusion::arrow::compute::{cast, is_null, nullif};
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::physical_optimizer::pruning::PruningPredicate;
use deltalake::kernel::{EagerSnapshot, LogicalFileView};

use crate::file_blocks::{BLOCK_FILES, Blocks, Told, blocks_of};
use crate::file_changes::{FileKey, vector_key};
use crate::paths::Paths;

/// A list with so many parts that came one by one is not extended any more.
const PARTS_ADDED_MAX: usize = 32;

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
    parts: Vec<Held>,
    /// How many of the parts came one by one, after the others.
    parts_added: usize,
    blocks: Blocks,
}

/// A part of a list, and which of its files the version still has.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) part: Arc<Part>,
    /// All, where none.
    left: Option<BooleanBuffer>,
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

/// Some files, each a row of every column here.
#[derive(Debug)]
pub(crate) struct Part {
    paths: Paths,
    sizes: Int64Array,
    rows: Option<Int64Array>,
    /// How many rows are marked as deleted, where any is.
    deleted: Option<Int64Array>,
    /// The deletion vectors themselves.
    vectors: Option<StructArray>,
    nulls: Option<StructArray>,
    least: Option<StructArray>,
    greatest: Option<StructArray>,
    partitions: Option<StructArray>,
    /// What is told of each column, once somebody asks for it.
    bounds: Vec<OnceLock<Bounds>>,
    /// The same of blocks of files.
    pub(crate) blocks: Blocks,
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
        let parts = parts.into_iter().map(|part| Held { part: Arc::new(part), left: None }).collect();
        Ok(Self::with(columns, parts, 0))
    }

    fn with(columns: Arc<[FileColumn]>, parts: Vec<Held>, parts_added: usize) -> Self {
        let blocks = Blocks::of(columns.len());
        Self { columns, parts, parts_added, blocks }
    }

    /// A list of no file.
    pub(crate) fn none(&self) -> Self {
        Self::with(Arc::clone(&self.columns), Vec::new(), 0)
    }

    /// The files of `snapshot`, whose columns are those of this list.
    pub(crate) fn of_same_columns(&self, snapshot: &EagerSnapshot) -> Result<Self> {
        Self::of(snapshot, Arc::clone(&self.columns))
    }

    /// This list without the files `replaced`, and with `added` in front. None where a list made anew serves better, or a
    /// path would be that of two files.
    pub(crate) fn followed_by(&self, replaced: &BTreeSet<FileKey>, added: Self) -> Option<Self> {
        let parts_added = self.parts_added + added.parts.len();
        if parts_added > PARTS_ADDED_MAX {
            return None;
        }
        let mut kept = self.parts.clone();
        for held in &mut kept {
            let gone = held.rows_of(replaced)?;
            held.remove(&gone);
        }
        let added = added.parts.into_iter();
        let parts = added.chain(kept).filter(|held| held.count() > 0).collect();
        Some(Self::with(Arc::clone(&self.columns), parts, parts_added))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.parts.iter().map(Held::count).sum()
    }

    /// Size on storage of all of them.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.all().map(Listed::size).sum()
    }

    /// All of them, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Listed<'_>> {
        self.parts.iter().flat_map(|held| held.listed(0..held.part.len(), &self.columns))
    }

    /// The files that may hold a row for which `predicate` is true.
    pub(crate) fn chosen(&self, predicate: Option<&PruningPredicate>) -> Result<Vec<Listed<'_>>> {
        let Some(predicate) = predicate else { return Ok(self.all().collect()) };
        let mut chosen = Vec::new();
        for (held, stretch) in self.stretches(predicate)? {
            let told = Told::of_files(&self.columns, &held.part, stretch.clone());
            let kept = BooleanBuffer::from(predicate.prune(&told)?);
            let listed = held.listed(stretch.clone(), &self.columns);
            chosen.extend(listed.filter(|file| kept.value(file.row - stretch.start)));
        }
        Ok(chosen)
    }

    /// Where files may lie that are to be looked at each: whole blocks are left out together.
    fn stretches(&self, predicate: &PruningPredicate) -> Result<Vec<(&Held, Range<usize>)>> {
        let blocks =
            || self.parts.iter().flat_map(|held| blocks_of(&held.part).map(move |block| (held, block)));
        if self.count() <= BLOCK_FILES {
            return Ok(self.parts.iter().map(|held| (held, 0..held.part.len())).collect());
        }
        let kept = predicate.prune(&Told::of_blocks(&self.columns, &self.blocks, &self.parts))?;
        let mut stretches: Vec<(&Held, Range<usize>)> = Vec::new();
        for ((held, block), _) in blocks().zip(kept).filter(|(_, kept)| *kept) {
            match stretches.last_mut() {
                Some((last, stretch)) if std::ptr::eq(*last, held) && stretch.end == block.start => {
                    stretch.end = block.end;
                }
                _ => stretches.push((held, block)),
            }
        }
        Ok(stretches)
    }
}

impl Held {
    fn count(&self) -> usize {
        self.left.as_ref().map_or(self.part.len(), BooleanBuffer::count_set_bits)
    }

    fn holds(&self, row: usize) -> bool {
        self.left.as_ref().is_none_or(|left| left.value(row))
    }

    fn listed<'a>(
        &'a self,
        rows: Range<usize>,
        columns: &'a [FileColumn],
    ) -> impl Iterator<Item = Listed<'a>> {
        let part = self.part.as_ref();
        rows.filter(|row| self.holds(*row)).map(move |row| Listed { part, row, columns })
    }

    /// Where the files of these keys lie. None where a file would stay that has the path of a key, and another deletion vector.
    fn rows_of(&self, keys: &BTreeSet<FileKey>) -> Option<Vec<usize>> {
        let rows = keys.iter().flat_map(|key| self.part.paths.rows_of(&key.path));
        let rows = rows.filter(|row| self.holds(*row));
        rows.map(|row| keys.contains(&self.part.key(row)).then_some(row)).collect()
    }

    fn remove(&mut self, rows: &[usize]) {
        if rows.is_empty() {
            return;
        }
        let mut left = BooleanBufferBuilder::new(self.part.len());
        match &self.left {
            Some(before) => left.append_buffer(before),
            None => left.append_n(self.part.len(), true),
        }
        for row in rows {
            left.set_bit(*row, false);
        }
        self.left = Some(left.finish());
    }
}

impl<'a> Listed<'a> {
    /// Its path as the log writes it: a relative or absolute URL.
    pub(crate) fn path(self) -> &'a str {
        self.part.paths.get(self.row)
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
        let vectors = structs("deletion_vector");
        let deleted = vectors.as_ref().map(deleted_rows).transpose()?;
        Ok(Self {
            paths: Paths::of(strings("path").ok_or_else(|| missing("path"))?),
            sizes: batch
                .column_by_name("size_bytes")
                .and_then(numbers)
                .ok_or_else(|| missing("size_bytes"))?,
            rows: batch.column_by_name("num_records").and_then(numbers),
            deleted,
            vectors,
            nulls: structs("null_count"),
            least: structs("min"),
            greatest: structs("max"),
            partitions: structs("partition"),
            bounds: unasked(columns),
            blocks: Blocks::of(columns),
        })
    }

    /// What the log knows a file by.
    fn key(&self, row: usize) -> FileKey {
        FileKey { path: self.paths.get(row).to_owned(), vector: self.vector(row) }
    }

    /// What a file's deletion vector is known by; none without one.
    fn vector(&self, row: usize) -> Option<String> {
        let vectors = self.vectors.as_ref().filter(|vectors| vectors.is_valid(row))?;
        let text = |name: &str| {
            let texts = vectors.column_by_name(name)?.as_string_opt::<i32>()?;
            texts.is_valid(row).then(|| texts.value(row))
        };
        let offsets = vectors.column_by_name("offset")?.as_primitive_opt::<Int32Type>()?;
        let offset = offsets.is_valid(row).then(|| i64::from(offsets.value(row)));
        Some(vector_key(text("storageType")?, text("pathOrInlineDv")?, offset))
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
