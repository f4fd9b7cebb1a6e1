//! Tables named with a version or a moment: taken out of the tree before it is planned, since the planner drops
//! both without a word.
//!
//! Each such table gets a name that no table can have, which the binder resolves as the table at that moment; its own
//! name stays as its alias. The moment is a constant of the statement: no column, no query, nothing that a policy hides.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue, TableReference};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::ast::{
    self, Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, TableVersion, Visit, VisitMut,
    Visitor, VisitorMut,
};

use crate::binder::bind_constant;
use crate::error::Refusal;
use crate::open_table::Moment;
use crate::policy_expression::simplifier;
use crate::resolver::{Access, Scope};

/// What the names that stand for tables of the past mean.
#[derive(Debug, Default)]
pub(crate) struct Travels(HashMap<TableReference, (TableReference, Moment)>);

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

    /// The table that a three-part folded name means, and when.
    pub(crate) fn meaning<'a>(&'a self, name: &'a TableReference) -> (&'a TableReference, Option<Moment>) {
        match self.0.get(name) {
            Some((table, moment)) => (table, Some(*moment)),
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
        let TableFactor::Table { name, alias, args, version, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let Some(written) = version.take() else { return ControlFlow::Continue(()) };
        let put = match args {
            Some(_) => Err(Refusal::Unsupported("time travel of a table function".to_owned()).into()),
            None => self.put(name, alias, written),
        };
        match put {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Walk<'_> {
    fn put(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        written: TableVersion,
    ) -> Result<()> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        let words: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        let (table, own) = match (words.as_slice(), parts.last()) {
            ([table], Some(own)) if self.ctes.contains(&table.to_lowercase()) => {
                let what = format!("time travel of `{table}`, which is also the name of a query in WITH,");
                return Err(Refusal::Unsupported(format!("{what} by that name alone ({own})")).into());
            }
            ([table], Some(own)) => (TableReference::bare(*table), *own),
            ([schema, table], Some(own)) => (TableReference::partial(*schema, *table), *own),
            ([catalog, schema, table], Some(own)) => (TableReference::full(*catalog, *schema, *table), *own),
            _ => return Err(Refusal::NotFound { name: name.to_string() }.into()),
        };
        let table = self.access.full_name(&table);
        let moment = self.moment(written)?;
        // A blank is in no table's name.
        let past = match moment {
            Moment::Version(version) => format!("{} version as of {version}", table.table()),
            Moment::Time(micros) => format!("{} timestamp as of {micros}", table.table()),
        };
        // reason: a name that was completed has all parts; an empty one resolves to nothing
        let (catalog, schema) = (table.catalog().unwrap_or_default(), table.schema().unwrap_or_default());
        let reference = TableReference::full(catalog, schema, past.as_str());
        if alias.is_none() {
            *alias = Some(TableAlias { explicit: true, name: own.clone(), columns: Vec::new(), at: None });
        }
        let quoted = [catalog, schema, past.as_str()].map(|part| Ident::with_quote('`', part));
        *name = ObjectName::from(quoted.to_vec());
        self.found.0.insert(reference, (table, moment));
        Ok(())
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
        // What is wrong with it may be told by a value; the words are ours.
        let unknown = || DataFusionError::from(Refusal::BadMoment("is no constant of type TIMESTAMP"));
        let schema = DFSchema::empty();
        let planned = bind_constant(self.scope, self.access, expression).map_err(|_| unknown())?;
        let simplifier = simplifier(self.scope, &schema);
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
        let Ok(Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), _), _)) =
            simplifier.simplify(time)
        else {
            return Err(unknown());
        };
        let now = self.scope.state().execution_props().query_execution_start_time;
        match now {
            Some(now) if micros > now.timestamp_micros() => Err(Refusal::FutureMoment.into()),
            _ => Ok(Moment::Time(micros)),
        }
    }
}
