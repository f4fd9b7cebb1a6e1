//! Tables named with a version or a moment: taken out of the tree before it is planned, since the planner drops
//! both without a word.
//!
//! Each such table gets a name that no table can have, which the binder resolves as the table at that moment; its own
//! name stays as its alias. The moment is a constant of the statement: no column, no query, nothing that a policy hides.
//! `table_changes(…)` names a table and a stretch of its history, and is taken out in the same way.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue, TableReference};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::ast::{
    self, Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, TableVersion, UnaryOperator,
    Visit, VisitMut, Visitor, VisitorMut,
};

use crate::binder::bind_constant;
use crate::change_call::ChangeCall;
use crate::error::Refusal;
use crate::open_table::{Moment, Stretch};
use crate::policy_expression::simplifier;
use crate::resolver::{Access, Scope};

/// What of a table's history is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Past {
    /// The rows of then.
    At(Moment),
    /// What happened to rows.
    Changes(Stretch),
}

impl Past {
    /// What it is, for people.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Past::At(_) => "time travel",
            Past::Changes(_) => "change data",
        }
    }
}

/// What the names that stand for tables of the past mean.
#[derive(Debug, Default)]
pub(crate) struct Travels(HashMap<TableReference, (TableReference, Past)>);

/// The moment that a constant of type TIMESTAMP means, in microseconds since 1970. It may not lie in the future.
pub fn moment_of(scope: &Scope, access: &Access, expression: ast::Expr) -> Result<i64> {
    // What is wrong with it may be told by a value; the words are ours.
    let unknown = || DataFusionError::from(Refusal::BadMoment("is no constant of type TIMESTAMP"));
    let schema = DFSchema::empty();
    let planned = bind_constant(scope, access, expression).map_err(|_| unknown())?;
    let simplifier = simplifier(scope, &schema);
    let coerced = simplifier.coerce(planned, &schema).map_err(|_| unknown())?;
    match coerced.get_type(&schema).map_err(|_| unknown())? {
        DataType::Utf8
        | DataType::Utf8View
        | DataType::LargeUtf8
        | DataType::Date32
        | DataType::Timestamp(..) => {}
        _ => return Err(unknown()),
    }
    let time = cast(coerced, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let Ok(Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), _), _)) = simplifier.simplify(time)
    else {
        return Err(unknown());
    };
    let now = scope.state().execution_props().query_execution_start_time;
    match now {
        Some(now) if micros > now.timestamp_micros() => Err(Refusal::FutureMoment.into()),
        _ => Ok(micros),
    }
}

impl Travels {
    /// Takes the versions out of `tree` and leaves names in their places.
    pub(crate) fn take(scope: &Scope, access: &Access, tree: &mut (impl Visit + VisitMut)) -> Result<Self> {
        let mut ctes = CteNames::default();
        let _: ControlFlow<()> = Visit::visit(tree, &mut ctes);
        let mut walk = Walk { scope, access, ctes: ctes.0, found: Self::default() };
        match VisitMut::visit(tree, &mut walk) {
            ControlFlow::Continue(()) => Ok(walk.found),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// The table that a three-part folded name means, and what of its history.
    pub(crate) fn meaning<'a>(&'a self, name: &'a TableReference) -> (&'a TableReference, Option<Past>) {
        match self.0.get(name) {
            Some((table, past)) => (table, Some(*past)),
            None => (name, None),
        }
    }
}

/// The names of all CTEs, folded.
#[derive(Default)]
struct CteNames(HashSet<String>);

impl Visitor for CteNames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(ctes.map(|cte| cte.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }
}

struct Walk<'a> {
    scope: &'a Scope,
    access: &'a Access,
    ctes: HashSet<String>,
    found: Travels,
}

impl VisitorMut for Walk<'_> {
    type Break = DataFusionError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<DataFusionError> {
        let put = match ChangeCall::take(factor) {
            Some(call) => self.changes(call).map(|table| *factor = table),
            None => self.version(factor),
        };
        match put {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Walk<'_> {
    /// The table whose changes a call tells, under a name that stands for them.
    fn changes(&mut self, call: ChangeCall) -> Result<TableFactor> {
        let (parts, from, to) = call.arguments(self.scope.sources().parse_expression)?;
        let from = self.end(from)?;
        let to = to.map(|to| self.end(to)).transpose()?;
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let table = self.named(&words, || words.join("."))?;
        let name = self.stand_in(table, Past::Changes(Stretch { from, to }));
        Ok(call.instead(name))
    }

    /// One end of a stretch: a whole number is a version.
    fn end(&self, written: ast::Expr) -> Result<Moment> {
        let minus = |operator| matches!(operator, UnaryOperator::Minus | UnaryOperator::Plus);
        match written {
            ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(..), .. }) => {
                self.moment(TableVersion::VersionAsOf(written))
            }
            ast::Expr::UnaryOp { op, .. } if minus(op) => {
                Err(Refusal::BadMoment("is no whole number").into())
            }
            other => self.time(other),
        }
    }

    fn version(&mut self, factor: &mut TableFactor) -> Result<()> {
        let TableFactor::Table { name, alias, args, version, .. } = factor else { return Ok(()) };
        let Some(written) = version.take() else { return Ok(()) };
        if args.is_some() {
            return Err(Refusal::Unsupported("time travel of a table function".to_owned()).into());
        }
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        let words: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        if let ([table], Some(own)) = (words.as_slice(), parts.last())
            && self.ctes.contains(&table.to_lowercase())
        {
            let what = format!("time travel of `{table}`, which is also the name of a query in WITH,");
            return Err(Refusal::Unsupported(format!("{what} by that name alone ({own})")).into());
        }
        let table = self.named(&words, || name.to_string())?;
        let moment = self.moment(written)?;
        if let (None, Some(own)) = (&alias, parts.last()) {
            *alias = Some(TableAlias { explicit: true, name: (*own).clone(), columns: Vec::new(), at: None });
        }
        *name = self.stand_in(table, Past::At(moment));
        Ok(())
    }

    /// The table of a name as written.
    fn named(&self, words: &[&str], written: impl Fn() -> String) -> Result<TableReference> {
        let table = match words {
            [table] => TableReference::bare(*table),
            [schema, table] => TableReference::partial(*schema, *table),
            [catalog, schema, table] => TableReference::full(*catalog, *schema, *table),
            _ => return Err(Refusal::NotFound { name: written() }.into()),
        };
        Ok(self.access.full_name(&table))
    }

    /// The name that stands for what of the table's history is read. A blank is in no table's name.
    fn stand_in(&mut self, table: TableReference, past: Past) -> ObjectName {
        let text = |moment: Moment| match moment {
            Moment::Version(version) => format!("version {version}"),
            Moment::Time(micros) => format!("timestamp {micros}"),
        };
        let what = match past {
            Past::At(moment) => format!("as of {}", text(moment)),
            Past::Changes(Stretch { from, to: None }) => format!("changes from {}", text(from)),
            Past::Changes(Stretch { from, to: Some(to) }) => {
                format!("changes from {} to {}", text(from), text(to))
            }
        };
        let name = format!("{} {what}", table.table());
        // reason: a name that was completed has all parts; an empty one resolves to nothing
        let (catalog, schema) = (table.catalog().unwrap_or_default(), table.schema().unwrap_or_default());
        let reference = TableReference::full(catalog, schema, name.as_str());
        let quoted = [catalog, schema, name.as_str()].map(|part| Ident::with_quote('`', part));
        let stands = ObjectName::from(quoted.to_vec());
        self.found.0.insert(reference, (table, past));
        stands
    }

    fn moment(&self, written: TableVersion) -> Result<Moment> {
        match written {
            TableVersion::VersionAsOf(ast::Expr::Value(value)) => match &value.value {
                ast::Value::Number(number, _) => number
                    .to_string()
                    .parse()
                    .map(Moment::Version)
                    .map_err(|_| Refusal::BadMoment("is no whole number").into()),
                _ => Err(Refusal::BadMoment("is no whole number").into()),
            },
            TableVersion::TimestampAsOf(expression) | TableVersion::ForSystemTimeAsOf(expression) => {
                self.time(expression)
            }
            _ => Err(Refusal::Unsupported("this clause of time travel".to_owned()).into()),
        }
    }

    fn time(&self, expression: ast::Expr) -> Result<Moment> {
        moment_of(self.scope, self.access, expression).map(Moment::Time)
    }
}
