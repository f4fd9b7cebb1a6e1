//! What is asked of a function before it becomes a policy's, whatever the table and whoever asks later:
//! that its body can be planned in a leaf, and that its parameters mean what they are called.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{Expr as Tree, Ident, Query, VisitMut, VisitorMut};
use weir_catalog::effective::{EffectiveArgument, EffectiveColumn};
use weir_catalog::{Column, Function, FunctionId, ObjectName, SchemaId, Stamps, Table, TableId, TableKind};

use super::{OURS, Policies, PolicyCompiler, Site};
use crate::binder::bind_expression;
use crate::error::{PolicyKind, Refusal};
use crate::governed_table::GovernedTable;
use crate::open_table::OpenedTable;
use crate::permit::{Barrier, Permit};
use crate::resolver::{Access, NoFiles, Scope};

/// The column whose place a function's result takes while it is tried.
const RESULT: &str = "weir_result";

/// How often a parameter may be named in a body's queries: each mention is planned once.
const MENTIONS_MAX: usize = 100;

impl PolicyCompiler<'_> {
    /// Refuses a function that cannot be a policy's. Planned for nobody in particular, so that no part of its
    /// body is left out.
    pub async fn check_function(&self, function: &Function, kind: PolicyKind) -> Result<()> {
        let scope = self.scope.for_anybody()?;
        for called in with_calls(&scope, function) {
            if let Some(parameter) = hidden_parameter(&scope, &called).await? {
                let function = called.name.to_string();
                return Err(Refusal::ParameterHidden { function, parameter, kind }.into());
            }
        }
        PolicyCompiler::new(&scope).try_in_leaf(function, kind).await
    }

    /// Plans a leaf of a table that has one column for each parameter.
    async fn try_in_leaf(&self, function: &Function, kind: PolicyKind) -> Result<()> {
        let (table, opened) = trial(self.scope, function)?;
        let site = Site {
            table: &table,
            function: function.name.to_string(),
            kind,
            relation: format!("{OURS}trial"),
        };
        let arguments = function.parameters.iter().enumerate();
        let arguments: Vec<EffectiveArgument> = arguments
            .map(|(position, _)| {
                let name = column_of(position);
                EffectiveArgument::Column(EffectiveColumn { name, field_id: None, bound_type: None })
            })
            .collect();
        let returns = opened.provider.schema().field_with_name(RESULT)?.data_type().clone();
        let bound = self.bind(&site, function, None, &arguments, &returns, &opened).await?;
        let mut policies = Policies::default();
        match kind {
            PolicyKind::RowFilter if returns == DataType::Boolean => policies.filter = Some(bound),
            _ => drop(policies.masks.insert(RESULT.to_owned(), bound)),
        }
        let permit = Permit {
            name: function.name.to_string(),
            table: None,
            version: None,
            place: String::new(),
            policies: Vec::new(),
            fingerprint: String::new(),
            exempt: false,
            barrier: Barrier::Standard,
        };
        let seal = self.scope.seal().clone();
        let leaf = GovernedTable::new(opened.provider, opened.numbers, policies, permit, seal)?;
        let planned = datafusion::catalog::TableProvider::scan(&leaf, self.scope.state(), None, &[], None);
        match Box::pin(planned).await {
            Ok(_) => Ok(()),
            Err(_) => Err(site
                .refusal(
                    "a query in its body speaks of the row in a way that cannot be planned; EXISTS, IN and \
                     aggregates, tied to the row by equalities, can",
                )
                .into()),
        }
    }
}

fn column_of(position: usize) -> String {
    format!("weir_argument_{position}")
}

/// The function and all that it calls, at any depth.
fn with_calls(scope: &Scope, function: &Function) -> Vec<Function> {
    let (mut seen, mut open) = (BTreeSet::<FunctionId>::new(), function.calls.clone());
    let mut all = vec![function.clone()];
    while let Some(id) = open.pop() {
        let called = scope.snapshot().function_by_id(id).filter(|_| seen.insert(id));
        open.extend(called.into_iter().flat_map(|called| &called.calls));
        all.extend(called.filter(|called| called.returns.scalar().is_some()).cloned());
    }
    all
}

/// A table of no rows with a column for each parameter and one for the result.
fn trial(scope: &Scope, function: &Function) -> Result<(Table, OpenedTable)> {
    let parse = |text: &str| {
        let unknown = || Refusal::FunctionUnfit {
            function: function.name.to_string(),
            reason: format!("type `{text}` is not known"),
        };
        (scope.sources().parse_type)(text).ok_or_else(unknown)
    };
    let mut fields = Vec::new();
    for (position, parameter) in function.parameters.iter().enumerate() {
        fields.push(Field::new(column_of(position), parse(&parameter.type_text)?, true));
    }
    fields.push(Field::new(RESULT, parse(&function.returns.text())?, true));
    let provider = Arc::new(EmptyTable::new(Arc::new(Schema::new(fields))));
    let opened = OpenedTable {
        provider,
        version: None,
        mark: String::new(),
        field_ids: Default::default(),
        inner_ids: Default::default(),
        numbers: Arc::new(NoFiles),
        identified: None,
    };
    Ok((unstored(&function.name, function), opened))
}

/// A table that is in no catalog.
fn unstored(name: &ObjectName, function: &Function) -> Table {
    Table {
        id: TableId::fresh(),
        schema: SchemaId::fresh(),
        name: name.clone(),
        owner: function.owner,
        kind: TableKind::Managed { location: String::new() },
        columns: Vec::<Column>::new(),
        row_filter: None,
        masks: Vec::new(),
        properties: Default::default(),
        comment: None,
        tags: Default::default(),
        stamps: Stamps { ..function.stamps },
    }
}

/// A parameter that some query in the body does not see under its name, since a column there has the
/// same: `m.region = region` would be true of every row of `m`.
///
/// Each mention in a query is tried alone, with the parameter under another name and all other mentions
/// changed to that: what is found then is a column.
async fn hidden_parameter(scope: &Arc<Scope>, function: &Function) -> Result<Option<String>> {
    let sources = scope.sources();
    let body = (sources.parse_expression)(&function.body)?;
    let relation = format!("{OURS}parameters");
    for parameter in &function.parameters {
        let name = parameter.name.to_lowercase();
        let mut mentions = Mentions { name: &name, relation: &relation, spare: None, depth: 0, found: 0 };
        // The visitor never breaks off.
        let _: ControlFlow<()> = VisitMut::visit(&mut body.clone(), &mut mentions);
        if mentions.found > MENTIONS_MAX {
            let reason = format!("its queries name parameter `{name}` more than {MENTIONS_MAX} times");
            return Err(Refusal::FunctionUnfit { function: function.name.to_string(), reason }.into());
        }
        for spared in 0..mentions.found {
            let mut tree = body.clone();
            let mut others =
                Mentions { name: &name, relation: &relation, spare: Some(spared), depth: 0, found: 0 };
            let _: ControlFlow<()> = VisitMut::visit(&mut tree, &mut others);
            let mut fields = Vec::new();
            for other in &function.parameters {
                let data_type = (sources.parse_type)(&other.type_text).unwrap_or(DataType::Null);
                let known = other.name.to_lowercase();
                let known = if known == name { renamed(&name) } else { known };
                let relation = TableReference::bare(relation.clone());
                fields.push((Some(relation), Arc::new(Field::new(known, data_type, true))));
            }
            let schema = DFSchema::new_with_metadata(fields, Default::default())?;
            let planned: Result<_, DataFusionError> =
                bind_expression(scope, &Access::of_policy(function, None), tree, &schema).await;
            if planned.is_ok() {
                return Ok(Some(parameter.name.clone()));
            }
        }
    }
    Ok(None)
}

fn renamed(parameter: &str) -> String {
    format!("{OURS}{parameter}")
}

/// Counts the mentions of a parameter in queries; with one to `spare`, gives all others the parameter's
/// other name.
struct Mentions<'a> {
    name: &'a str,
    relation: &'a str,
    spare: Option<usize>,
    depth: usize,
    found: usize,
}

impl VisitorMut for Mentions<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Tree) -> ControlFlow<()> {
        let Tree::Identifier(ident) = expression else { return ControlFlow::Continue(()) };
        if ident.value.to_lowercase() != self.name {
            return ControlFlow::Continue(());
        }
        let number = self.found;
        self.found += usize::from(self.depth > 0);
        let spared = self.depth > 0 && self.spare == Some(number);
        if self.spare.is_some() && !spared {
            let quoted = |text: String| Ident::with_quote('`', text);
            *expression =
                Tree::CompoundIdentifier(vec![quoted(self.relation.to_owned()), quoted(renamed(self.name))]);
        }
        ControlFlow::Continue(())
    }
}
