//! [`Plain`]: the engine alone, over tables in memory, without policies, names of a catalog or leaves.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringViewArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionConfig;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::Volatility;
use datafusion::physical_plan::collect;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast;
use weir_generator::{ColumnType, KEYED, Row, Setup, Value};

use super::seen::Seen;
use super::{Told, arrow_type};
use crate::test_world::{Canary, lines_of, parse_query, without};
use crate::{common_type, three_valued};

/// Days from 1970 to the last of December 2023.
const DAYS_BEFORE_2024: i32 = 19_722;

/// The engine and its tables.
pub(super) struct Plain {
    state: SessionState,
}

/// The same tables without policies, with what alice sees as their rows, and what she sees of the view.
pub(super) async fn copy(setup: &Setup, t: &Seen, u: &Seen) -> Result<(Plain, RecordBatch), String> {
    let plain = Plain::new(setup.partitions);
    let half = t.copy.num_rows() / 2;
    plain.table("t", vec![t.copy.slice(0, half), t.copy.slice(half, t.copy.num_rows() - half)]);
    plain.table("u", vec![u.copy.clone()]);
    plain.table("plain", vec![keyed(&setup.plain)]);
    let view = plain.one_batch(&setup.view_inline("t"), t.copy.schema()).await?;
    plain.table("w", vec![view.clone()]);
    Ok((plain, view))
}

/// Rows of a table with the columns [`KEYED`].
pub(super) fn keyed(rows: &[Row]) -> RecordBatch {
    rows_of(&KEYED, rows)
}

/// Rows as a batch.
pub(super) fn rows_of(columns: &[(&str, ColumnType)], rows: &[Row]) -> RecordBatch {
    let columns = columns.iter().enumerate().map(|(at, (name, of))| {
        let values: Vec<&Value> = rows.iter().map(|row| &row[at]).collect();
        ((*name).to_owned(), array(*of, &values))
    });
    crate::test_world::batch(columns.collect())
}

fn array(of: ColumnType, values: &[&Value]) -> ArrayRef {
    macro_rules! collected {
        ($array:ty, $kind:ident, $value:ident => $made:expr) => {
            values
                .iter()
                .map(|value| match value {
                    Value::$kind($value) => Some($made),
                    _ => None,
                })
                .collect::<$array>()
        };
    }
    match of {
        ColumnType::Int => Arc::new(collected!(Int32Array, Int, value => *value)),
        ColumnType::BigInt => Arc::new(collected!(Int64Array, BigInt, value => *value)),
        ColumnType::Text => Arc::new(collected!(StringViewArray, Text, value => value.as_str())),
        ColumnType::Date => {
            Arc::new(collected!(Date32Array, Date, day => DAYS_BEFORE_2024 + i32::from(*day)))
        }
        ColumnType::Decimal => {
            let all = collected!(Decimal128Array, Decimal, value => i128::from(*value));
            Arc::new(all.with_precision_and_scale(10, 2).unwrap())
        }
        ColumnType::Boolean => Arc::new(collected!(BooleanArray, Boolean, value => *value)),
        ColumnType::Double => Arc::new(collected!(Float64Array, Double, value => *value)),
    }
}

/// The schema of columns that may all be NULL.
pub(super) fn schema_of(columns: &[(&str, ColumnType)]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|(name, of)| Field::new(*name, arrow_type(*of), true)).collect();
    Arc::new(Schema::new(fields))
}

impl Plain {
    pub(super) fn new(partitions: usize) -> Self {
        let mut config = SessionConfig::new().with_target_partitions(partitions);
        config.options_mut().sql_parser.map_string_types_to_utf8view = true;
        let mut state = SessionStateBuilder::new().with_config(config).with_default_features().build();
        let (spy, seen) = Canary::new("spy", Volatility::Immutable);
        seen.forget();
        state.register_udf(Arc::new(spy)).unwrap();
        Self { state }
    }

    /// Each batch a partition.
    pub(super) fn table(&self, name: &str, batches: Vec<RecordBatch>) {
        let schema = batches[0].schema();
        let partitions = batches.into_iter().map(|batch| vec![batch]).collect();
        let table = Arc::new(MemTable::try_new(schema, partitions).unwrap());
        let options = &self.state.config_options().catalog;
        let catalog = self.state.catalog_list().catalog(&options.default_catalog).unwrap();
        catalog.schema(&options.default_schema).unwrap().register_table(name.to_owned(), table).unwrap();
    }

    /// The same tables, asked without a rule of the optimiser.
    pub(super) fn without(&self, rule: &str) -> Self {
        Self { state: without(self.state.clone(), rule) }
    }

    pub(super) async fn batches(&self, sql: &str) -> Result<Vec<RecordBatch>, String> {
        let told = async {
            let statement = ast::Statement::Query(Box::new(parse_query(sql)?));
            let plan = self.state.statement_to_plan(Parsed::Statement(Box::new(statement))).await?;
            let plan = three_valued::in_plan(common_type::in_plan(plan)?)?;
            let plan = self.state.create_physical_plan(&plan).await?;
            #[expect(
                clippy::disallowed_methods,
                reason = "the engine without policies is what is compared with"
            )]
            let batches = collect(plan, self.state.task_ctx()).await;
            batches
        };
        told.await.map_err(|error| error.strip_backtrace())
    }

    pub(super) async fn lines(&self, sql: &str) -> Told {
        Ok(self.batches(sql).await?.iter().flat_map(lines_of).collect())
    }

    /// The answer as one batch, of which every value may be NULL.
    pub(super) async fn one_batch(&self, sql: &str, schema: SchemaRef) -> Result<RecordBatch, String> {
        let batches = self.batches(sql).await.map_err(|why| format!("{why}\n{sql}"))?;
        let named =
            batches.iter().map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()));
        let named = named.collect::<Result<Vec<_>, _>>().map_err(|why| format!("{why}\n{sql}"))?;
        concat_batches(&schema, &named).map_err(|why| why.to_string())
    }
}
