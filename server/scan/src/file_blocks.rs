//! What the log tells of files, for the engine's conditions: of each file, and of blocks of files together.
//!
//! Files that were written one after the other mostly hold what belongs together. So a condition is asked of blocks of 256 files
//! first, and then of the files of those blocks alone that it leaves: a table of 100,000 files costs 400 questions and those.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::compute::{cast, concat, sum};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;

use crate::file_list::{Bounds, FileColumn, Held, Part, unasked};

/// How many files a block has.
pub(crate) const BLOCK_FILES: usize = 256;

/// Lists of at most so many values the engine takes apart into comparisons by itself.
const SHORT_LIST: usize = 20;

/// What is told of the blocks of a part, or of all parts, a column at a time, once somebody asks for it. Files that are gone
/// are told of as well: no more is left out than could be.
#[derive(Debug)]
pub(crate) struct Blocks {
    columns: Vec<OnceLock<Bounds>>,
    rows: OnceLock<Option<ArrayRef>>,
}

/// The blocks of a part in their order.
pub(crate) fn blocks_of(part: &Part) -> impl Iterator<Item = Range<usize>> {
    let begins = (0..part.len()).step_by(BLOCK_FILES);
    begins.map(|begin| begin..part.len().min(begin + BLOCK_FILES))
}

impl Blocks {
    /// Nothing is asked yet, of so many columns.
    pub(crate) fn of(columns: usize) -> Self {
        Self { columns: unasked(columns), rows: OnceLock::new() }
    }

    /// Of all parts, whose own are kept with them.
    fn bounds(&self, parts: &[Held], columns: &[FileColumn], place: usize) -> Option<&Bounds> {
        let of = |told: fn(&Bounds) -> &Option<ArrayRef>| {
            let own = |held: &Held| told(held.part.blocks.of_part(&held.part, columns, place)?).clone();
            together(parts.iter().map(own))
        };
        Some(self.columns.get(place)?.get_or_init(|| Bounds {
            least: of(|told| &told.least),
            greatest: of(|told| &told.greatest),
            nulls: of(|told| &told.nulls),
        }))
    }

    fn of_part(&self, part: &Part, columns: &[FileColumn], place: usize) -> Option<&Bounds> {
        let told = part.bounds(columns, place)?;
        Some(self.columns.get(place)?.get_or_init(|| Bounds {
            least: over_blocks(part, told.least.as_ref(), least),
            greatest: over_blocks(part, told.greatest.as_ref(), greatest),
            nulls: over_blocks(part, told.nulls.as_ref(), total),
        }))
    }

    fn rows(&self, parts: &[Held]) -> Option<ArrayRef> {
        let of_part = |part: &Part| {
            let rows: ArrayRef = Arc::new(part.rows()?.clone());
            over_blocks(part, Some(&rows), total)
        };
        let own = |held: &Held| held.part.blocks.rows.get_or_init(|| of_part(&held.part)).clone();
        self.rows.get_or_init(|| together(parts.iter().map(own))).clone()
    }
}

/// What all parts tell, one after the other; none where one of them tells nothing.
fn together(parts: impl Iterator<Item = Option<ArrayRef>>) -> Option<ArrayRef> {
    let told = parts.collect::<Option<Vec<ArrayRef>>>()?;
    let told: Vec<&dyn Array> = told.iter().map(AsRef::as_ref).collect();
    // reason: what cannot be told leaves nothing out
    concat(&told).ok()
}

/// One value for each block, NULL where one of its files does not tell its own; none where none does.
fn over_blocks(
    part: &Part,
    of_files: Option<&ArrayRef>,
    value: impl Fn(&ArrayRef) -> Option<ScalarValue>,
) -> Option<ArrayRef> {
    let mut values = Vec::new();
    for stretch in blocks_of(part) {
        let block = of_files?.slice(stretch.start, stretch.len());
        let told = if block.null_count() > 0 { None } else { value(&block) };
        values.push(told.or_else(|| ScalarValue::try_from(block.data_type()).ok())?);
    }
    // reason: what cannot be told leaves nothing out
    ScalarValue::iter_to_array(values).ok()
}

fn least(block: &ArrayRef) -> Option<ScalarValue> {
    let mut least = MinAccumulator::try_new(block.data_type()).ok()?;
    least.update_batch(std::slice::from_ref(block)).ok()?;
    least.evaluate().ok()
}

fn greatest(block: &ArrayRef) -> Option<ScalarValue> {
    let mut greatest = MaxAccumulator::try_new(block.data_type()).ok()?;
    greatest.update_batch(std::slice::from_ref(block)).ok()?;
    greatest.evaluate().ok()
}

fn total(block: &ArrayRef) -> Option<ScalarValue> {
    sum(block.as_primitive_opt::<Int64Type>()?).map(|total| ScalarValue::Int64(Some(total)))
}

/// What the log tells of some files or blocks.
pub(crate) struct Told<'a> {
    columns: &'a [FileColumn],
    of: Of<'a>,
}

enum Of<'a> {
    Files(&'a Part, Range<usize>),
    Blocks(&'a Blocks, &'a [Held]),
}

impl<'a> Told<'a> {
    pub(crate) fn of_files(columns: &'a [FileColumn], part: &'a Part, stretch: Range<usize>) -> Self {
        Self { columns, of: Of::Files(part, stretch) }
    }

    pub(crate) fn of_blocks(columns: &'a [FileColumn], blocks: &'a Blocks, parts: &'a [Held]) -> Self {
        Self { columns, of: Of::Blocks(blocks, parts) }
    }

    fn bounds(&self, column: &Column) -> Option<Bounds> {
        let place = self.columns.iter().position(|known| known.name == column.name)?;
        match &self.of {
            Of::Blocks(blocks, parts) => blocks.bounds(parts, self.columns, place).cloned(),
            Of::Files(part, stretch) => {
                let told = part.bounds(self.columns, place)?;
                let cut = |values: &Option<ArrayRef>| {
                    values.as_ref().map(|values| values.slice(stretch.start, stretch.len()))
                };
                Some(Bounds {
                    least: cut(&told.least),
                    greatest: cut(&told.greatest),
                    nulls: cut(&told.nulls),
                })
            }
        }
    }
}

impl PruningStatistics for Told<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column)?.least
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column)?.greatest
    }

    fn num_containers(&self) -> usize {
        match &self.of {
            Of::Files(_, stretch) => stretch.len(),
            Of::Blocks(_, parts) => parts.iter().map(|held| held.part.len().div_ceil(BLOCK_FILES)).sum(),
        }
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column)?.nulls
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        match &self.of {
            Of::Files(part, stretch) => Some(Arc::new(part.rows()?.slice(stretch.start, stretch.len()))),
            Of::Blocks(blocks, parts) => blocks.rows(parts),
        }
    }

    /// False where no value of a long list lies between least and greatest; unknown for others.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if values.len() <= SHORT_LIST {
            return None;
        }
        let Bounds { least, greatest, .. } = self.bounds(column)?;
        none_within(values, &least?, &greatest?)
    }
}

fn none_within(values: &HashSet<ScalarValue>, least: &ArrayRef, greatest: &ArrayRef) -> Option<BooleanArray> {
    let values = values.iter().filter(|value| !value.is_null()).cloned();
    // reason: values that cannot be compared leave nothing out
    let values = ScalarValue::iter_to_array(values).ok()?;
    let data_type = values.data_type();
    if data_type.is_floating() {
        return None;
    }
    let converter = RowConverter::new(vec![SortField::new(data_type.clone())]).ok()?;
    let rows = |array: &ArrayRef| converter.convert_columns(&[cast(array, data_type).ok()?]).ok();
    let (values, lower, upper) = (rows(&values)?, rows(least)?, rows(greatest)?);
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_unstable();
    let told = (0..least.len()).map(|place| {
        if least.is_null(place) || greatest.is_null(place) {
            return None;
        }
        let first = sorted.partition_point(|value| *value < lower.row(place));
        match sorted.get(first) {
            Some(value) if *value <= upper.row(place) => None,
            _ => Some(false),
        }
    });
    Some(told.collect())
}
