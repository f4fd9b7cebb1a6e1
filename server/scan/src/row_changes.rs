//! [`RowChanges`]: what is to become of rows of one version, found by a query and kept until the files are written anew.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array, new_null_array,
};
use datafusion::arrow::compute::{filter_record_batch, interleave, is_not_null, take, take_record_batch};
use datafusion::arrow::datatypes::{FieldRef, Int32Type, SchemaRef, UInt64Type};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

use crate::error::{Error, Result};
use crate::identified_table::{FILE, PLACE};
use crate::table_schema;
use crate::text_length::TextLengths;

/// The column that says which clause a row is for: its position among the clauses, from 0.
pub const CLAUSE: &str = "weir:clause";

/// What a kept place costs in memory, beside the values.
const BYTES_PER_ROW: usize = 40;

/// What a clause does with its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// Takes them out.
    Delete,
    /// Gives new values to these columns (positions in the table's schema).
    Update(Vec<usize>),
    /// Puts in rows that were not there.
    Insert,
}

/// Where a row's new values are: the batch and the row in it.
type Spot = (usize, usize);
/// Where they are, and for which columns.
type NewValues<'a> = (Spot, &'a [usize]);

/// Changes of rows, gathered.
pub struct RowChanges {
    /// The table's columns, each of which may be NULL: what may not is the writer's to say.
    schema: SchemaRef,
    clauses: Vec<Clause>,
    /// Which columns of the table have values in the batches, and where.
    given: HashMap<usize, usize>,
    values: Vec<RecordBatch>,
    rows: HashMap<String, HashMap<u64, (usize, Spot)>>,
    inserted: Vec<Spot>,
    updated: u64,
    deleted: u64,
    lengths: TextLengths,
    memory: MemoryReservation,
}

impl fmt::Debug for RowChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowChanges").field("clauses", &self.clauses).finish_non_exhaustive()
    }
}

/// What the changes make of some rows of one version.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The rows that are there afterwards.
    pub(crate) rows: RecordBatch,
    /// Those taken out, as they were.
    pub(crate) deleted: RecordBatch,
    /// Those with new values, as they were.
    pub(crate) before: RecordBatch,
    /// The same, as they are afterwards.
    pub(crate) after: RecordBatch,
    /// Those put in.
    pub(crate) inserted: RecordBatch,
}

impl Changed {
    fn nothing(schema: &SchemaRef) -> Self {
        let none = RecordBatch::new_empty(Arc::clone(schema));
        Self {
            rows: none.clone(),
            deleted: none.clone(),
            before: none.clone(),
            after: none.clone(),
            inserted: none,
        }
    }
}

impl RowChanges {
    /// No changes yet of rows of a table with the columns `schema`. The batches to come have the columns [`CLAUSE`],
    /// [`FILE`] and [`PLACE`], then one for each of the table's columns in `given`, of its type, whose texts are within `lengths`. `pool` bounds their memory.
    pub fn new(
        schema: SchemaRef,
        clauses: Vec<Clause>,
        given: &[usize],
        lengths: TextLengths,
        pool: &Arc<dyn MemoryPool>,
    ) -> Self {
        let given = given.iter().enumerate().map(|(position, column)| (*column, position)).collect();
        let memory = MemoryConsumer::new("rows to change").register(pool);
        Self {
            schema: table_schema::nullable(&schema),
            clauses,
            given,
            values: Vec::new(),
            rows: HashMap::new(),
            inserted: Vec::new(),
            updated: 0,
            deleted: 0,
            lengths,
            memory,
        }
    }

    /// Adds rows, but for those without a clause. A row that two changes are for is refused, but for two that take it
    /// out.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let unfit = |cause: DataFusionError| Error::Input(Box::new(cause));
        let batch = &with_clause(batch).map_err(unfit)?;
        self.lengths.check(batch)?;
        let bytes = batch.get_array_memory_size() + batch.num_rows() * BYTES_PER_ROW;
        self.memory.try_grow(bytes).map_err(unfit)?;
        let column = |name: &str| {
            let missing = || unfit(DataFusionError::Internal(format!("changes without `{name}`")));
            batch.column_by_name(name).ok_or_else(missing)
        };
        let clauses = column(CLAUSE)?.as_primitive::<Int32Type>();
        let files = column(FILE)?.as_string::<i32>();
        let places = column(PLACE)?.as_primitive::<UInt64Type>();
        let own = [CLAUSE, FILE, PLACE];
        let kept: Vec<usize> = (0..batch.num_columns())
            .filter(|position| {
                batch
                    .schema()
                    .fields()
                    .get(*position)
                    .is_some_and(|field| !own.contains(&field.name().as_str()))
            })
            .collect();
        let spot = self.values.len();
        for row in 0..batch.num_rows() {
            let clause = usize::try_from(clauses.value(row)).unwrap_or(usize::MAX);
            let is_known = !files.is_null(row) && !places.is_null(row);
            match self.clauses.get(clause) {
                Some(Clause::Insert) => self.inserted.push((spot, row)),
                Some(Clause::Delete | Clause::Update(_)) if is_known => {
                    self.change(files.value(row), places.value(row), (clause, (spot, row)))?;
                }
                _ => return Err(unfit(DataFusionError::Internal("a change of no row".to_owned()))),
            }
        }
        self.values.push(batch.project(&kept).map_err(|cause| unfit(cause.into()))?);
        Ok(())
    }

    fn change(&mut self, file: &str, place: u64, change: (usize, Spot)) -> Result<()> {
        if !self.rows.contains_key(file) {
            self.rows.insert(file.to_owned(), HashMap::new());
        }
        let Some(rows) = self.rows.get_mut(file) else { return Ok(()) };
        let deletes = |clause: usize| self.clauses.get(clause) == Some(&Clause::Delete);
        match rows.insert(place, change) {
            None if deletes(change.0) => self.deleted += 1,
            None => self.updated += 1,
            Some((before, _)) if deletes(before) && deletes(change.0) => {}
            Some(_) => return Err(Error::ChangedTwice),
        }
        Ok(())
    }

    /// Rows that get new values.
    pub fn updated(&self) -> u64 {
        self.updated
    }

    /// Rows that are taken out.
    pub fn deleted(&self) -> u64 {
        self.deleted
    }

    /// Rows that are put in.
    pub fn inserted(&self) -> u64 {
        self.inserted.len() as u64
    }

    /// The table's columns as rows to check and to write have them: each may be NULL.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.inserted.is_empty()
    }

    /// Whether there are rows afterwards that were not there before in this form.
    pub fn makes_rows(&self) -> bool {
        self.updated > 0 || !self.inserted.is_empty()
    }

    /// The files with rows that change, as [`FILE`] names them.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// What becomes of `batch`: the table's columns, then [`FILE`] and [`PLACE`].
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<Changed, DataFusionError> {
        let width = self.schema.fields().len();
        let own = batch.columns().iter().take(width).cloned().collect();
        let raw = RecordBatch::try_new(Arc::clone(&self.schema), own)?;
        let files = batch.column(width).as_string::<i32>();
        let places = batch.column(width + 1).as_primitive::<UInt64Type>();
        let mut picks = Picks::default();
        let (mut deleted, mut before) = (Vec::new(), Vec::new());
        let mut rows_of = None;
        for row in 0..batch.num_rows() {
            let file = files.value(row);
            let rows = match rows_of {
                Some((known, rows)) if known == file => rows,
                _ => self.rows.get(file),
            };
            rows_of = Some((file, rows));
            match rows.and_then(|rows| rows.get(&places.value(row))) {
                None => picks.keep(row),
                Some((clause, spot)) => match self.clauses.get(*clause) {
                    Some(Clause::Update(columns)) => {
                        before.push(row as u32);
                        picks.change(row, *spot, columns);
                    }
                    _ => deleted.push(row as u32),
                },
            }
        }
        if picks.changed.is_empty() && deleted.is_empty() {
            return Ok(Changed { rows: raw, ..Changed::nothing(&self.schema) });
        }
        let rows = self.pick(&raw, &picks)?;
        let after = take_record_batch(&rows, &UInt64Array::from(picks.changed))?;
        Ok(Changed {
            rows,
            deleted: take_record_batch(&raw, &UInt32Array::from(deleted))?,
            before: take_record_batch(&raw, &UInt32Array::from(before))?,
            after,
            ..Changed::nothing(&self.schema)
        })
    }

    fn pick(&self, raw: &RecordBatch, picks: &Picks<'_>) -> Result<RecordBatch, DataFusionError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(raw.num_columns());
        let kept = picks.kept();
        for (position, own) in raw.columns().iter().enumerate() {
            let Some(given) = self.given.get(&position) else {
                columns.push(take(own, &kept, None)?);
                continue;
            };
            let mut arrays: Vec<&dyn Array> = vec![own.as_ref()];
            arrays.extend(picks.batches.iter().filter_map(|batch| {
                self.values.get(*batch).and_then(|values| values.columns().get(*given)).map(AsRef::as_ref)
            }));
            columns.push(interleave(&arrays, &picks.of(position))?);
        }
        Ok(RecordBatch::try_new(raw.schema(), columns)?)
    }

    /// The rows that are put in, in batches.
    pub(crate) fn inserts(&self) -> Result<Vec<Changed>, DataFusionError> {
        let mut by_batch: Vec<(usize, Vec<u64>)> = Vec::new();
        for (batch, row) in &self.inserted {
            match by_batch.last_mut() {
                Some((last, rows)) if last == batch => rows.push(*row as u64),
                _ => by_batch.push((*batch, vec![*row as u64])),
            }
        }
        by_batch
            .into_iter()
            .filter_map(|(batch, rows)| Some((self.values.get(batch)?, UInt64Array::from(rows))))
            .map(|(values, rows)| {
                let taken = take_record_batch(values, &rows)?;
                let column = |(position, field): (usize, &FieldRef)| {
                    let given = self.given.get(&position).and_then(|given| taken.columns().get(*given));
                    given.map_or_else(|| new_null_array(field.data_type(), rows.len()), Arc::clone)
                };
                let columns = self.schema.fields().iter().enumerate().map(column).collect();
                let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
                let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
                Ok(Changed { inserted: rows.clone(), rows, ..Changed::nothing(&self.schema) })
            })
            .collect()
    }
}

fn with_clause(batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
    match batch.column_by_name(CLAUSE) {
        Some(clauses) if clauses.null_count() > 0 => Ok(filter_record_batch(batch, &is_not_null(clauses)?)?),
        _ => Ok(batch.clone()),
    }
}

/// Which value each row afterwards has in which column.
#[derive(Default)]
struct Picks<'a> {
    /// The row it was, and, where it changes, its new values and the columns that have them.
    rows: Vec<(usize, Option<NewValues<'a>>)>,
    /// The batches of values that are needed, in the order of first need.
    batches: Vec<usize>,
    /// Which of the rows afterwards have new values.
    changed: Vec<u64>,
}

impl<'a> Picks<'a> {
    fn keep(&mut self, row: usize) {
        self.rows.push((row, None));
    }

    fn change(&mut self, row: usize, spot: Spot, columns: &'a [usize]) {
        let known = self.batches.iter().position(|batch| *batch == spot.0);
        let batch = known.unwrap_or_else(|| {
            self.batches.push(spot.0);
            self.batches.len() - 1
        });
        self.changed.push(self.rows.len() as u64);
        self.rows.push((row, Some(((batch, spot.1), columns))));
    }

    /// The rows that there are afterwards, as they were.
    fn kept(&self) -> UInt64Array {
        self.rows.iter().map(|(row, _)| *row as u64).collect()
    }

    fn of(&self, column: usize) -> Vec<(usize, usize)> {
        let place = |(row, change): &(usize, Option<NewValues<'_>>)| match change {
            Some(((batch, at), columns)) if columns.contains(&column) => (batch + 1, *at),
            _ => (0, *row),
        };
        self.rows.iter().map(place).collect()
    }
}
