//! GetSqlInfo: what drivers and tools ask about the server's SQL.
//!
//! Drivers cast each value to the type that the first servers sent, which differs from the
//! protocol's text in places (503, 505, 507 and 562 are 64-bit), and older ones fail on an id
//! that is missing or that they do not know. So: every id, of that type, and in answer to
//! "all" none that is newer than those drivers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{CommandGetSqlInfo, SqlSupportsConvert};

use super::ticket::PREPARED_LIFE;
use crate::error::{Error, Result};

/// Newer than some drivers' lists of ids: told only when asked for.
const WHEN_ASKED: [u32; 2] = [10, 11];

/// Names of catalogs, schemas, tables and columns: bytes at most.
const NAME_BYTES_MAX: i64 = 255;
/// No limit, or none known.
const UNLIMITED: i64 = 0;

/// A value: one variant for each member of the protocol's union.
#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Bool(bool),
    Number(i64),
    Bits(i32),
    Texts(Vec<String>),
    Conversions(BTreeMap<i32, Vec<i32>>),
}

/// The schema of the answer.
pub(super) fn schema() -> SchemaRef {
    Arc::new(SqlInfoDataBuilder::schema().clone())
}

/// The ids asked for; all of them when none is named. Unknown ids are passed over.
pub(super) fn answer(all: &SqlInfoData, command: CommandGetSqlInfo) -> Result<RecordBatch> {
    let known = known().into_iter().map(|(id, _)| id);
    let asked: Vec<u32> = match command.info.as_slice() {
        [] => known.filter(|id| !WHEN_ASKED.contains(id)).collect(),
        asked => {
            // Each once: what is answered costs the same however often it is asked for.
            let asked: BTreeSet<&u32> = asked.iter().collect();
            known.filter(|id| asked.contains(id)).collect()
        }
    };
    if asked.is_empty() {
        return Ok(RecordBatch::new_empty(schema()));
    }
    all.record_batch(asked).map_err(Error::internal)
}

/// Every id with its value.
pub(super) fn build() -> Result<SqlInfoData> {
    let mut builder = SqlInfoDataBuilder::new();
    for (id, value) in known() {
        match value {
            Value::Text(text) => builder.append(id, text.as_str()),
            Value::Bool(yes) => builder.append(id, yes),
            Value::Number(number) => builder.append(id, number),
            Value::Bits(bits) => builder.append(id, bits),
            Value::Texts(texts) => builder.append(id, texts),
            Value::Conversions(map) => builder.append(id, map),
        }
    }
    builder.build().map_err(Error::internal)
}

fn known() -> Vec<(u32, Value)> {
    [server(), names(), words(), grammar(), structure(), limits(), transactions(), results()].concat()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn yes(yes: bool) -> Value {
    Value::Bool(yes)
}

fn bits(bits: i32) -> Value {
    Value::Bits(bits)
}

fn number(number: i64) -> Value {
    Value::Number(number)
}

fn list(words: &str) -> Value {
    Value::Texts(words.split_whitespace().map(str::to_owned).collect())
}

fn server() -> Vec<(u32, Value)> {
    let prepared_life_ms = i32::try_from(PREPARED_LIFE.num_milliseconds()).unwrap_or(i32::MAX);
    vec![
        (0, text("Weir")),
        (1, text(env!("CARGO_PKG_VERSION"))),
        (2, text("1.5")), // the version of the Arrow columnar format
        (3, yes(false)),  // not read-only
        (4, yes(true)),   // SQL
        (5, yes(false)),  // Substrait, and its lowest and highest version
        (6, text("")),
        (7, text("")),
        (8, bits(0)),    // transactions: none
        (9, yes(true)),  // CancelQuery
        (10, yes(true)), // bulk ingestion, and in transactions
        (11, yes(false)),
        (100, bits(prepared_life_ms)),
        (101, bits(0)),
    ]
}

fn names() -> Vec<(u32, Value)> {
    // identifiers are compared without case and stored in lower case, quoted or not
    const LOWER_CASE: i64 = 3;
    vec![
        (500, yes(true)), // CREATE and DROP of catalogs, schemas, tables
        (501, yes(true)),
        (502, yes(true)),
        (503, number(LOWER_CASE)),
        (504, text("`")),
        (505, number(LOWER_CASE)),
        (506, yes(false)), // a table may be listed for one who may not read it
        (507, number(1)),  // NULL sorts low: first ascending, last descending
        (513, text("\\")),
        (514, text("")),
        (529, text("schema")),
        (530, text("procedure")),
        (531, text("catalog")),
        (532, yes(true)), // the catalog stands first in a name
    ]
}

fn words() -> Vec<(u32, Value)> {
    vec![
        (
            508,
            list(
                "CATALOG CATALOGS EXPLAIN FILTER GRANTS ILIKE LATERAL LIMIT MASK OFFSET OWNER QUALIFY RLIKE SCHEMAS SHOW TABLES USE",
            ),
        ),
        (
            509,
            list(
                "ABS ACOS ASIN ATAN ATAN2 CEILING COS COT DEGREES EXP FLOOR LOG10 PI POWER RADIANS ROUND SIGN SIN SQRT TAN",
            ),
        ),
        (
            510,
            list(
                "ASCII CHAR_LENGTH CHARACTER_LENGTH CONCAT LEFT LENGTH LOWER LTRIM REPEAT REPLACE RIGHT RTRIM SUBSTRING TRIM UPPER",
            ),
        ),
        (511, list("COALESCE CURRENT_USER IFNULL NULLIF")),
        (512, list("CURRENT_DATE CURRENT_TIMESTAMP EXTRACT NOW")),
        (517, Value::Conversions(conversions())),
    ]
}

fn grammar() -> Vec<(u32, Value)> {
    vec![
        (515, yes(true)), // column aliases
        (516, yes(true)), // NULL and something is NULL
        (518, yes(true)), // table aliases
        (519, yes(false)),
        (520, yes(true)), // ORDER BY expressions, and columns that are not selected
        (521, yes(true)),
        (522, bits(0b11)),  // GROUP BY of every kind
        (523, yes(true)),   // LIKE … ESCAPE
        (524, yes(true)),   // NOT NULL columns
        (525, bits(0b011)), // minimum and core grammar
        (526, bits(0b001)), // SQL-92 entry level
        (527, yes(false)),
        (528, bits(0b110)), // outer joins: limited and full
    ]
}

fn structure() -> Vec<(u32, Value)> {
    const IN_PRIVILEGES: i32 = 0b100;
    vec![
        (533, bits(IN_PRIVILEGES)), // where schemas and catalogs may be named beside queries
        (534, bits(IN_PRIVILEGES)),
        (535, bits(0)),      // positioned updates
        (536, yes(false)),   // SELECT … FOR UPDATE
        (537, yes(false)),   // stored procedures
        (538, bits(0b0111)), // subqueries in comparisons, EXISTS, IN
        (539, yes(true)),
        (540, bits(0b11)), // UNION and UNION ALL
    ]
}

fn limits() -> Vec<(u32, Value)> {
    const NAMES: [u32; 6] = [543, 550, 552, 554, 559, 561];
    let limit = |id: u32| if NAMES.contains(&id) { NAME_BYTES_MAX } else { UNLIMITED };
    let numbers = (541..=555).chain(557..=561).map(|id| (id, number(limit(id))));
    numbers.chain([(556, yes(false))]).collect()
}

fn transactions() -> Vec<(u32, Value)> {
    vec![
        (562, number(0)), // the default isolation level: none
        (563, yes(false)),
        (564, bits(0b1)), // the only level: none
        (565, yes(false)),
        (566, yes(false)),
        (573, yes(false)),
    ]
}

fn results() -> Vec<(u32, Value)> {
    const FORWARD_ONLY: i32 = 0b10;
    const READ_ONLY: i32 = 0b10;
    vec![
        (567, bits(FORWARD_ONLY)),
        (568, bits(0)),
        (569, bits(READ_ONLY)),
        (570, bits(0)),
        (571, bits(0)),
        (572, yes(true)), // batches of updates
        (574, yes(false)),
        (575, yes(false)),
        (576, yes(false)),
    ]
}

/// Which types CAST turns into which.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    use SqlSupportsConvert as T;
    let numbers = [
        T::SqlConvertTinyint,
        T::SqlConvertSmallint,
        T::SqlConvertInteger,
        T::SqlConvertBigint,
        T::SqlConvertReal,
        T::SqlConvertFloat,
        T::SqlConvertDecimal,
        T::SqlConvertNumeric,
    ];
    let texts = [T::SqlConvertChar, T::SqlConvertVarchar, T::SqlConvertLongvarchar];
    let times = [T::SqlConvertDate, T::SqlConvertTimestamp];
    let codes = |groups: &[&[T]]| groups.concat().into_iter().map(|t| t as i32).collect::<Vec<_>>();
    let mut map = BTreeMap::new();
    for from in numbers {
        map.insert(from as i32, codes(&[&numbers, &texts, &[T::SqlConvertBit]]));
    }
    for from in texts {
        map.insert(from as i32, codes(&[&numbers, &texts, &times, &[T::SqlConvertBit]]));
    }
    for from in times {
        map.insert(from as i32, codes(&[&times, &texts]));
    }
    map.insert(T::SqlConvertBit as i32, codes(&[&[T::SqlConvertBit], &texts]));
    map
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::AsArray;
    use arrow::datatypes::UInt32Type;

    use super::*;

    /// The ids of each member of the union, as JDBC 18.3 and the ODBC driver cast them.
    fn expected() -> Vec<(i8, Vec<u32>)> {
        let strings = vec![0, 1, 2, 6, 7, 504, 513, 514, 529, 530, 531];
        let mut bools =
            vec![3, 4, 5, 9, 10, 11, 500, 501, 502, 506, 515, 516, 523, 524, 527, 532, 536, 537, 539];
        bools.extend([518, 519, 520, 521, 556, 563, 565, 566]);
        bools.extend(572..=576);
        let mut bigints = vec![503, 505, 507, 562];
        bigints.extend((541..=555).chain(557..=561));
        let mut masks = vec![8, 100, 101, 522, 525, 526, 528, 533, 534, 535, 538, 540, 564];
        masks.extend(567..=571);
        vec![(0, strings), (1, bools), (2, bigints), (3, masks), (4, (508..=512).collect()), (5, vec![517])]
    }

    fn ask(info: Vec<u32>) -> Vec<(u32, i8)> {
        let batch = answer(&build().unwrap(), CommandGetSqlInfo { info }).unwrap();
        assert_eq!(batch.schema(), schema());
        let ids = batch.column(0).as_primitive::<UInt32Type>();
        let union = batch.column(1).as_union();
        (0..batch.num_rows()).map(|row| (ids.value(row), union.type_id(row))).collect()
    }

    #[test]
    fn every_id_has_the_type_that_drivers_cast_it_to() {
        for (member, ids) in expected() {
            for id in ids {
                assert_eq!(ask(vec![id]), [(id, member)], "id {id}");
            }
        }
    }

    #[test]
    fn all_is_every_id_that_older_drivers_know() {
        let all: Vec<u32> = ask(vec![]).into_iter().map(|(id, _)| id).collect();
        let mut wanted: Vec<u32> = expected().into_iter().flat_map(|(_, ids)| ids).collect();
        wanted.retain(|id| !WHEN_ASKED.contains(id));
        wanted.sort_unstable();
        assert_eq!(all, wanted);
        assert!(all.iter().all(|id| *id < 10_000));
    }

    #[test]
    fn a_subset_is_that_subset() {
        let ids: Vec<u32> = ask(vec![504, 0, 12_345]).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [0, 504]);
        assert!(ask(vec![12_345]).is_empty());
    }

    #[test]
    fn transactions_are_none_and_backticks_quote() {
        let batch = answer(&build().unwrap(), CommandGetSqlInfo { info: vec![8, 504] }).unwrap();
        let union = batch.column(1).as_union();
        assert_eq!(union.value(0).as_primitive::<arrow::datatypes::Int32Type>().value(0), 0);
        assert_eq!(union.value(1).as_string::<i32>().value(0), "`");
    }
}
