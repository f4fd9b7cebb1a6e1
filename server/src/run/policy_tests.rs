//! RUN POLICY TESTS: each test's query as its user, its rows compared as a multiset with what the test
//! expects.
//!
//! What comes back is whether it passed and how many rows came: no value of any row, and of an error its
//! condition alone. Each test is an EXECUTE AS of the caller, with what that needs and the trail it leaves.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use futures::StreamExt;
use weir_catalog::metastore::policy_tests::policy_tests;
use weir_catalog::{
    Expectation, PolicyTest, Privilege, SecurableId, SecurableName, Snapshot, authorize, resolve,
};

use super::Run;
use crate::command::Pattern;
use crate::context::Context;
use crate::error::{Condition, Error, Result};
use crate::query::plan::Planned;
use crate::sql::{TestSelection, parse_query};

/// One row a test.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("as_user", DataType::Utf8, true),
        Field::new("passed", DataType::Boolean, true),
        Field::new("expected", DataType::Utf8, true),
        Field::new("found", DataType::Utf8, true),
        Field::new("duration_ms", DataType::Int64, true),
    ]))
}

/// What came of one test.
struct Verdict {
    passed: bool,
    found: String,
}

impl Run<'_> {
    pub(super) async fn policy_tests(&self, selection: &TestSelection) -> Result<RecordBatch> {
        let snapshot = self.warehouse.snapshot_for(&self.context).await?;
        let by = self.context.identity().principal();
        authorize(&snapshot, by, Privilege::Impersonate, SecurableId::Metastore)
            .require(&snapshot, &SecurableName::Metastore)?;
        let mut rows = Vec::new();
        for test in self.selected(&snapshot, selection)? {
            let user = snapshot.principal(test.as_user).map(|user| user.name.clone()).unwrap_or_default();
            let started = self.context.clock().now();
            let verdict = self.verdict(test, &user).await?;
            let took = (self.context.clock().now() - started).num_milliseconds();
            rows.push((test, user, verdict, took));
        }
        let texts = |text: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
            Arc::new((0..rows.len()).map(text).collect::<StringArray>())
        };
        let columns: Vec<ArrayRef> = vec![
            texts(&|at| rows.get(at).map(|(test, ..)| test.name.to_string())),
            texts(&|at| rows.get(at).map(|(_, user, ..)| user.clone())),
            Arc::new(rows.iter().map(|(_, _, verdict, _)| Some(verdict.passed)).collect::<BooleanArray>()),
            texts(&|at| rows.get(at).map(|(test, ..)| test.expectation.to_string())),
            texts(&|at| rows.get(at).map(|(_, _, verdict, _)| verdict.found.clone())),
            Arc::new(rows.iter().map(|(.., took)| Some(*took)).collect::<Int64Array>()),
        ];
        RecordBatch::try_new(schema(), columns).map_err(Error::internal)
    }

    fn selected<'s>(
        &self,
        snapshot: &'s Arc<Snapshot>,
        selection: &TestSelection,
    ) -> Result<Vec<&'s PolicyTest>> {
        let by = self.context.identity().principal();
        let mut tests = policy_tests(snapshot, by);
        match selection {
            TestSelection::All => {}
            TestSelection::Like(pattern) => {
                let pattern = Pattern::new(Some(pattern));
                tests.retain(|test| pattern.matches(test.name.as_str()));
            }
            TestSelection::OnTable(table) => {
                let name = table.resolve(&self.context.session)?;
                resolve(snapshot, by, &SecurableName::Table(name.clone()))?;
                let mut naming = Vec::new();
                for test in tests {
                    let query = parse_query(&test.query)?;
                    let qualified = self.warehouse.engine.qualified(&self.context, snapshot, &query)?;
                    if qualified.names.contains(&name) {
                        naming.push(test);
                    }
                }
                tests = naming;
            }
        }
        Ok(tests)
    }

    /// What comes of one test. A statement that is stopped or out of time is no verdict.
    async fn verdict(&self, test: &PolicyTest, user: &str) -> Result<Verdict> {
        let compared = async {
            let context = self.warehouse.impersonated(&self.context, user).await?;
            let query = parse_query(&test.query)?;
            let planned = self.warehouse.plan(&context, &query).await?;
            self.compare(&context, &planned, &test.expectation).await
        };
        match compared.await {
            Ok(verdict) => Ok(verdict),
            Err(error) if ends_all(&error) => Err(error),
            Err(error) => {
                let condition = error.condition().name();
                let passed = match &test.expectation {
                    Expectation::Error(None) => true,
                    Expectation::Error(Some(expected)) => expected == condition,
                    Expectation::Rows(_) | Expectation::Values(_) => false,
                };
                Ok(Verdict { passed, found: format!("error {condition}") })
            }
        }
    }

    async fn compare(&self, context: &Context, planned: &Planned, expected: &Expectation) -> Result<Verdict> {
        let mut rows = self.counting().rows(planned).await?;
        let Expectation::Values(values) = expected else {
            let mut count = 0_u64;
            while let Some(batch) = rows.next().await {
                count += batch?.num_rows() as u64;
            }
            let found = Expectation::Rows(count);
            return Ok(Verdict { passed: *expected == found, found: found.to_string() });
        };
        let values = parse_query(values)?;
        let constants = self.warehouse.plan(context, &values).await?;
        let converter = converter(&planned.schema)?;
        let mut open: HashMap<Vec<u8>, u64> = HashMap::new();
        let mut expected = self.counting().rows(&constants).await?;
        while let Some(batch) = expected.next().await {
            let Some(batch) = as_types(&batch?, &planned.schema) else {
                let found = "rows of other columns than the expected ones".to_owned();
                return Ok(Verdict { passed: false, found });
            };
            for row in &converter.convert_columns(batch.columns()).map_err(Error::internal)? {
                *open.entry(row.as_ref().to_vec()).or_default() += 1;
            }
        }
        let (mut count, mut others) = (0_u64, 0_u64);
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            count += batch.num_rows() as u64;
            for row in &converter.convert_columns(batch.columns()).map_err(Error::internal)? {
                match open.get_mut(row.as_ref()).filter(|left| **left > 0) {
                    Some(left) => *left -= 1,
                    None => others += 1,
                }
            }
        }
        let missing: u64 = open.values().sum();
        let found = Expectation::Rows(count);
        Ok(match (others, missing) {
            (0, 0) => Verdict { passed: true, found: found.to_string() },
            _ => Verdict { passed: false, found: format!("{found}: {others} others, {missing} missing") },
        })
    }
}

/// Whether an error is about the whole statement rather than one test.
fn ends_all(error: &Error) -> bool {
    matches!(
        error.condition(),
        Condition::OperationCanceled
            | Condition::StatementTimeout
            | Condition::InternalError
            | Condition::Unavailable
    )
}

fn converter(schema: &SchemaRef) -> Result<RowConverter> {
    let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
    RowConverter::new(fields.collect()).map_err(|cause| {
        Error::new(Condition::DatatypeMismatch, "rows of these types cannot be compared").caused_by(cause)
    })
}

/// The batch in the types of `schema`; `None` where it has other columns, or a value does not fit.
fn as_types(batch: &RecordBatch, schema: &SchemaRef) -> Option<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        return None;
    }
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        let fit = cast(column, field.data_type()).ok()?;
        (fit.null_count() == column.null_count()).then_some(fit)
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Option<_>>()?).ok()
}
