//! [`Seen`]: what alice sees of a table, as the plain engine computes it from the policies written out; and the twin of a
//! table, of which she sees the same.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Int32Type, SchemaRef};
use datafusion::common::ScalarValue;
use weir_generator::{COLUMNS, Clause, ColumnType, Governed, Row, Setup, Value};

use super::names;
use super::plain::{Plain, keyed, rows_of, schema_of};
use crate::test_world::lines_of;

/// What alice sees of some rows.
pub(super) struct Seen {
    /// The rows that she sees, in the order of the rows there are.
    pub(super) copy: RecordBatch,
    /// Whether a policy failed on a row: that row is left out, or shows NULL where its mask failed.
    pub(super) fails: bool,
    /// For each row there is the line of what she sees of it.
    lines: Vec<Option<String>>,
}

fn numbered() -> Vec<(&'static str, ColumnType)> {
    [("rn", ColumnType::Int)].into_iter().chain(COLUMNS).collect()
}

fn shown() -> SchemaRef {
    schema_of(&COLUMNS)
}

/// The rows with their numbers, as alice sees them.
async fn computed(setup: &Setup, governed: &Governed, rows: &[Row]) -> Result<RecordBatch, String> {
    computed_by(Plain::new(1), setup, governed, rows).await
}

async fn computed_by(
    plain: Plain,
    setup: &Setup,
    governed: &Governed,
    rows: &[Row],
) -> Result<RecordBatch, String> {
    let raw: Vec<Row> = (0..)
        .zip(rows)
        .map(|(number, row)| [Value::Int(number)].into_iter().chain(row.iter().cloned()).collect())
        .collect();
    plain.table("raw", vec![rows_of(&numbered(), &raw)]);
    plain.table("mapping", vec![keyed(&setup.mapping)]);
    let sql = setup.visible(governed, "raw", "mapping", &["rn"]);
    plain.one_batch(&format!("{sql} ORDER BY rn"), schema_of(&numbered())).await
}

impl Seen {
    pub(super) async fn of(setup: &Setup, governed: &Governed, rows: &[Row]) -> Result<Self, String> {
        match computed(setup, governed, rows).await {
            Ok(batch) => Ok(Self::read(&batch, rows.len())),
            Err(_) if governed.may_fail() => Self::row_by_row(setup, governed, rows).await,
            Err(why) => Err(format!("a policy that cannot fail did: {why}")),
        }
    }

    /// The same as the engine computes it without a rule of the optimiser.
    pub(super) async fn without(
        rule: &str,
        setup: &Setup,
        governed: &Governed,
        rows: &[Row],
    ) -> Result<Self, String> {
        let batch = computed_by(Plain::new(1).without(rule), setup, governed, rows).await?;
        Ok(Self::read(&batch, rows.len()))
    }

    fn read(batch: &RecordBatch, rows: usize) -> Self {
        let copy = RecordBatch::try_new(shown(), batch.columns()[1..].to_vec()).unwrap();
        let mut lines = vec![None; rows];
        let numbers = batch.column(0).as_primitive::<Int32Type>();
        for (number, line) in numbers.values().iter().zip(lines_of(&copy)) {
            lines[usize::try_from(*number).unwrap()] = Some(line);
        }
        Self { copy, fails: false, lines }
    }

    async fn row_by_row(setup: &Setup, governed: &Governed, rows: &[Row]) -> Result<Self, String> {
        let mut all = Self { copy: RecordBatch::new_empty(shown()), fails: false, lines: Vec::new() };
        for row in rows {
            let row = std::slice::from_ref(row);
            let (seen, failed) = match computed(setup, governed, row).await {
                Ok(batch) => (Self::read(&batch, 1), false),
                Err(_) => (Self::of_failing(setup, governed, row).await?, true),
            };
            all.copy = concat_batches(&shown(), [&all.copy, &seen.copy]).unwrap();
            all.fails |= failed;
            all.lines.extend(seen.lines);
        }
        Ok(all)
    }

    /// Of a row on which the filter or some mask fails.
    async fn of_failing(setup: &Setup, governed: &Governed, row: &[Row]) -> Result<Self, String> {
        let filtered = Governed { masks: Vec::new(), ..governed.clone() };
        if computed(setup, &filtered, row).await.is_err() {
            return Ok(Self { copy: RecordBatch::new_empty(shown()), fails: true, lines: vec![None] });
        }
        let mut lenient = governed.clone();
        for (at, mask) in governed.masks.iter().enumerate() {
            let alone = Governed { masks: vec![mask.clone()], filter: None, ..governed.clone() };
            if computed(setup, &alone, row).await.is_err() {
                lenient.masks[at].clause = Clause::new("NULL");
            }
        }
        Ok(Self::read(&computed(setup, &lenient, row).await?, 1))
    }
}

/// The values of a column as the function that remembers writes them.
pub(super) fn rendered(batch: &RecordBatch, column: &str) -> Vec<String> {
    let values = batch.column_by_name(column).unwrap();
    (0..values.len()).map(|row| ScalarValue::try_from_array(values, row).unwrap().to_string()).collect()
}

/// Other rows of which alice sees the same: hidden ones exchanged or left out, and others below what is masked.
pub(super) async fn twin(setup: &Setup, governed: &Governed, seen: &Seen) -> Result<Vec<Row>, String> {
    let spares = Seen::of(setup, governed, &setup.spares).await?;
    if spares.fails {
        return Ok(governed.rows.clone());
    }
    let hidden: Vec<&Row> = setup
        .spares
        .iter()
        .zip(&spares.lines)
        .filter(|(_, line)| line.is_none())
        .map(|(row, _)| row)
        .collect();
    let mut exchanged = hidden.iter().cycle();
    let visible = below_masks(setup, governed, &seen.lines).await?;
    let mut twin = Vec::new();
    for ((row, line), other) in governed.rows.iter().zip(&seen.lines).zip(visible) {
        match (line, setup.fewer) {
            (Some(_), _) => twin.push(other),
            (None, true) => {}
            (None, false) => twin.push(exchanged.next().map_or(row, |spare| *spare).clone()),
        }
    }
    Ok(twin)
}

/// The rows with other values in masked columns, where that changes nothing of what alice sees.
async fn below_masks(
    setup: &Setup,
    governed: &Governed,
    lines: &[Option<String>],
) -> Result<Vec<Row>, String> {
    let is_masked = |name: &str| governed.masks.iter().any(|mask| mask.column == name);
    let masked: Vec<usize> =
        names().enumerate().filter(|(_, name)| is_masked(name)).map(|(at, _)| at).collect();
    let mut candidates = Vec::new();
    for (number, row) in governed.rows.iter().enumerate().filter(|(number, _)| lines[*number].is_some()) {
        // All masked values of some spares, and one masked value of others.
        for (at, spare) in setup.spares.iter().enumerate() {
            let mut other = row.clone();
            let exchanged = masked.iter().filter(|column| at < 3 || **column == masked[at % masked.len()]);
            exchanged.for_each(|column| other[*column] = spare[*column].clone());
            candidates.push((number, other));
        }
    }
    let mut twin = governed.rows.clone();
    if masked.is_empty() || candidates.is_empty() || governed.may_fail() {
        return Ok(twin);
    }
    let others: Vec<Row> = candidates.iter().map(|(_, other)| other.clone()).collect();
    let seen = Seen::of(setup, governed, &others).await?;
    for ((number, other), line) in candidates.into_iter().zip(seen.lines) {
        if line == lines[number] {
            twin[number] = other;
        }
    }
    Ok(twin)
}
