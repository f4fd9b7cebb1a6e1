//! [`StatementMark`]: what a query comes to for its caller, by value.
//!
//! In it is all that its rows depend on: the statement's tree, its logical plan with the values of its parameters, the
//! effective policies with all that they read, every table at its version, the session, the schema on the wire. Who asks is not
//! in it but where the plan says so: two users with the same effective policies have the same mark, with different ones never.
//!
//! A query that asks for the time or for chance, or that reads what has no versions, has none.

use std::hash::Hash;

use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use weir_enforce::Repeatable;
use weir_enforce::governing::mark_plan;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::query::digest::{Mark, Marker};
use crate::query::plan::Planned;
use crate::query::session_functions::is_session_function;
use crate::run::Parameters;
use crate::sql::ast;

/// The mark of a query with its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementMark {
    /// Equal only for what is the same.
    pub mark: Mark,
    /// Whether it reads a table at all.
    pub reads_tables: bool,
}

impl StatementMark {
    /// The mark of a query that was planned as `planned`, and whose parameters have their values in `plan`.
    pub async fn of(
        context: &Context,
        planned: &Planned,
        plan: &LogicalPlan,
        (query, parameters): (&ast::Query, &Parameters),
    ) -> Result<Option<Self>> {
        let mut marker = Marker::default();
        let repeatable = mark_plan(plan, &is_session_function, &mut marker)?;
        if repeatable == Repeatable::No || planned.scope.reads_changes() {
            return Ok(None);
        }
        let pinned = planned.scope.pinned().await;
        for table in &pinned {
            let Some(version) = table.version else { return Ok(None) };
            (table.table.to_string(), &table.name, &table.place, &table.mark, &table.moment, version)
                .hash(&mut marker);
        }
        query.hash(&mut marker);
        planned.schema.fields().hash(&mut marker);
        let session = &context.session;
        (&session.catalog, &session.schema, session.double_quoted_identifiers, &session.accepted)
            .hash(&mut marker);
        if let Some(values) = parameters {
            bytes_of(values)?.hash(&mut marker);
        }
        Ok(Some(Self { mark: marker.mark(), reads_tables: !pinned.is_empty() }))
    }
}

/// Values to the last bit: hashes of nested ones are alike for what is not, an empty list and none at all.
fn bytes_of(values: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::new(), &values.schema()).map_err(Error::internal)?;
    writer.write(values).map_err(Error::internal)?;
    writer.into_inner().map_err(Error::internal)
}
