//! The calls of a syntax tree: found, resolved, and put so that the planner takes them.
//!
//! A call of a catalog function gets the function's full name as its one name, its arguments by
//! position, and defaults in the places of those left out. A call in FROM gets a name that stands for
//! its rows. Names of built-in functions stay as they are.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{ScalarUDF, TableSource};
use datafusion::sql::sqlparser::ast::{
    Expr, Function as Call, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArguments, Ident,
    ObjectName as SqlName, TableAlias, TableFactor, TableFunctionArgs, Visit, VisitMut, Visitor, VisitorMut,
};
use weir_catalog::{Function, ObjectName, Privilege, Reason, Returns, SecurableId, SecurableName};

use super::body::{Body, Uses, broken};
use super::inline::{self, Place};
use super::table;
use crate::binder::bind_expression_with_uses;
use crate::change_call::TABLE_CHANGES;
use crate::error::Refusal;
use crate::identity_function::is_identity_function;
use crate::resolver::{Access, Scope};

/// How the name that stands for a call's rows begins, in no table's name that a call could meet: such a
/// name is looked up among calls alone.
const ROWS: &str = "weir:rows_";

/// Functions that the planner knows without a list.
const SPECIAL: [&str; 5] = ["make_map", "map", TABLE_CHANGES, "unnest", "unnest_outer"];

/// Whether a name of one part means a function of the server.
pub fn is_builtin(state: &SessionState, name: &str) -> bool {
    let name = name.to_lowercase();
    state.scalar_functions().contains_key(&name)
        || state.aggregate_functions().contains_key(&name)
        || state.window_functions().contains_key(&name)
        || state.higher_order_functions().contains_key(&name)
        || SPECIAL.contains(&name.as_str())
        || is_identity_function(&name)
}

/// Whether a tree calls a function that speaks of the session user by its one name.
pub(super) fn tests_identity(tree: &impl Visit) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Function(call)
                    if part_of(&call.name).is_some_and(|name| is_identity_function(&name)) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    tree.visit(&mut Search).is_break()
}

/// What the calls of one tree resolved to.
#[derive(Default)]
pub(crate) struct Calls {
    scalar: HashMap<String, Arc<ScalarUDF>>,
    rows: HashMap<String, Arc<dyn TableSource>>,
    /// What the called functions touch.
    pub(crate) uses: Uses,
}

impl Calls {
    /// Resolves the calls of `tree` with the rights of `access` and puts them for the planner.
    pub(crate) async fn resolve(
        scope: &Arc<Scope>,
        access: &Access,
        tree: &mut (impl Visit + VisitMut),
    ) -> Result<Self> {
        let numbers = scope.leaf_numbers();
        let mut search = Search { state: scope.state(), numbers, names: Vec::new(), rows: Vec::new() };
        if let ControlFlow::Break(refusal) = VisitMut::visit(tree, &mut search) {
            return Err(refusal.into());
        }
        let Search { names, rows, .. } = search;
        let mut calls = Self::default();
        let mut known = HashMap::new();
        for name in names {
            let function = callable(scope, access, &name).await?;
            let body = calls.body(scope, access, function).await?;
            let place = match access.is_policy() || body.uses.is_readable(scope, access) {
                true => Place::Open,
                false => Place::Sealed(access.seal(scope), scope.leaf_numbers()),
            };
            let udf = ScalarUDF::new_from_impl(inline::Call::new(body, place));
            calls.scalar.insert(function.name.to_string(), Arc::new(udf));
            known.insert(name.to_string(), Known::new(scope, function)?);
        }
        let mut put = Put { known: &known };
        if let ControlFlow::Break(refusal) = VisitMut::visit(tree, &mut put) {
            return Err(refusal.into());
        }
        for call in rows {
            let source = calls.rows_of(scope, access, &call).await?;
            calls.rows.insert(call.key, source);
        }
        Ok(calls)
    }

    /// Whether no function of the catalog is called for a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.scalar.is_empty()
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<&Arc<ScalarUDF>> {
        self.scalar.get(name)
    }

    pub(crate) fn rows(&self, name: &str) -> Option<&Arc<dyn TableSource>> {
        self.rows.get(name)
    }

    async fn body(&mut self, scope: &Arc<Scope>, access: &Access, function: &Function) -> Result<Arc<Body>> {
        let body = Box::pin(scope.body(access, function)).await.map_err(|error| broken(function, error))?;
        self.uses.extend(&body.uses);
        // What stands deeper is in these uses, or behind a barrier of its own.
        if access.is_callers() && !body.uses.is_knowable(scope, &Access::of_caller(scope.caller(), "", "")) {
            scope.hide_expressions();
        }
        Ok(body)
    }

    /// The rows of a call in FROM. Its arguments see no table.
    async fn rows_of(
        &mut self,
        scope: &Arc<Scope>,
        access: &Access,
        call: &RowsCall,
    ) -> Result<Arc<dyn TableSource>> {
        let function = callable(scope, access, &call.name).await?;
        let known = Known::new(scope, function)?;
        let body = self.body(scope, access, function).await?;
        let mut arguments = Vec::new();
        for argument in known.positional(&call.arguments)? {
            if holds_names(&argument) {
                let what = format!("a column or query as an argument of table function `{}`", function.name);
                return Err(Refusal::Unsupported(what).into());
            }
            let bound =
                Box::pin(bind_expression_with_uses(scope, access, argument, &DFSchema::empty())).await?;
            self.uses.extend(&bound.1);
            arguments.push(bound.0);
        }
        let place = match access.is_policy() {
            true => Place::Open,
            false => Place::Sealed(access.seal(scope), scope.leaf_numbers()),
        };
        table::rows(&body, arguments, &place)
    }
}

/// The function that `name` means to the reader. What one may not see is missing. The books are told what
/// was asked for.
async fn callable<'s>(scope: &'s Scope, access: &Access, name: &SqlName) -> Result<&'s Function, Refusal> {
    let written = display(name);
    let parts: Vec<&str> =
        name.0.iter().filter_map(|part| part.as_ident().map(|ident| ident.value.as_str())).collect();
    let full = access.function_name(&parts);
    let asked = full.as_ref().map_or_else(|| written.clone(), ToString::to_string);
    let decided = decide_call(scope, access, full, written);
    let told = decided.as_ref().map(|(_, because)| because.as_slice());
    scope.tell_witness(access, asked, Privilege::Execute, told).await;
    decided.map(|(function, _)| function)
}

fn decide_call<'s>(
    scope: &'s Scope,
    access: &Access,
    full: Option<ObjectName>,
    written: String,
) -> Result<(&'s Function, Vec<Reason>), Refusal> {
    let missing = || Refusal::FunctionNotFound { name: written.clone() };
    let full = full.ok_or_else(missing)?;
    let function = scope.snapshot().function(&full).ok_or_else(missing)?;
    let decision = access.decide(scope, Privilege::Execute, SecurableId::Function(function.id));
    match decision.require(access.snapshot(scope), &SecurableName::Function(full)) {
        Ok(because) => Ok((function, because)),
        Err(weir_catalog::Error::NotFound { .. }) => Err(missing()),
        Err(denied) => Err(Refusal::Denied(denied)),
    }
}

fn display(name: &SqlName) -> String {
    let parts = name.0.iter().filter_map(|part| part.as_ident().map(|ident| ident.value.to_lowercase()));
    parts.collect::<Vec<_>>().join(".")
}

/// The one part of a name that has one.
fn part_of(name: &SqlName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(|ident| ident.value.to_lowercase()),
        _ => None,
    }
}

/// What a call's arguments must be.
struct Known {
    name: ObjectName,
    parameters: Vec<(String, Option<Expr>)>,
    gives_rows: bool,
}

impl Known {
    fn new(scope: &Scope, function: &Function) -> Result<Self> {
        let mut parameters = Vec::new();
        for parameter in &function.parameters {
            let default = parameter.default.as_deref().map(scope.sources().parse_expression).transpose();
            let default = default.map_err(|error| broken(function, error))?;
            parameters.push((parameter.name.clone(), default));
        }
        let gives_rows = matches!(function.returns, Returns::Table(_));
        Ok(Self { name: function.name.clone(), parameters, gives_rows })
    }

    fn bad(&self, reason: String) -> Refusal {
        Refusal::BadCall { function: self.name.to_string(), reason }
    }

    /// One expression for each parameter.
    fn positional(&self, arguments: &[FunctionArg]) -> Result<Vec<Expr>, Refusal> {
        let mut given: Vec<Option<Expr>> = vec![None; self.parameters.len()];
        let mut named = false;
        for (position, argument) in arguments.iter().enumerate() {
            let (place, value) = match argument {
                FunctionArg::Unnamed(_) if named => {
                    return Err(self.bad("an argument by position stands after one by name".to_owned()));
                }
                FunctionArg::Unnamed(value) => (position, value),
                FunctionArg::Named { name, arg, operator } => {
                    named = true;
                    (self.named(name, operator)?, arg)
                }
                FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, operator } => {
                    named = true;
                    (self.named(name, operator)?, arg)
                }
                FunctionArg::ExprNamed { .. } => {
                    return Err(self.bad("an argument's name is no name".to_owned()));
                }
            };
            let FunctionArgExpr::Expr(value) = value else {
                return Err(self.bad("`*` is no argument".to_owned()));
            };
            match given.get_mut(place) {
                None => return Err(self.wrong_number(arguments.len())),
                Some(Some(_)) => {
                    let name = self.parameters.get(place).map_or("", |(name, _)| name.as_str());
                    return Err(self.bad(format!("argument `{name}` is given twice")));
                }
                Some(empty) => *empty = Some(value.clone()),
            }
        }
        let complete = given.into_iter().zip(&self.parameters);
        complete
            .map(|(given, (_, default))| given.or_else(|| default.clone()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| self.wrong_number(arguments.len()))
    }

    fn named(&self, name: &Ident, operator: &FunctionArgOperator) -> Result<usize, Refusal> {
        if *operator != FunctionArgOperator::RightArrow {
            return Err(Refusal::Unsupported(format!("`{operator}` between an argument's name and value")));
        }
        let wanted = name.value.to_lowercase();
        let place = self.parameters.iter().position(|(known, _)| *known == wanted);
        place.ok_or_else(|| self.bad(format!("it has no parameter `{wanted}`")))
    }

    fn wrong_number(&self, found: usize) -> Refusal {
        Refusal::WrongArgumentCount {
            function: self.name.to_string(),
            least: self.parameters.iter().filter(|(_, default)| default.is_none()).count(),
            most: self.parameters.len(),
            found,
        }
    }
}

/// A call in FROM.
struct RowsCall {
    key: String,
    name: SqlName,
    arguments: Vec<FunctionArg>,
}

/// Finds calls; those in FROM are taken out.
struct Search<'a> {
    state: &'a SessionState,
    numbers: Arc<AtomicUsize>,
    names: Vec<SqlName>,
    rows: Vec<RowsCall>,
}

impl VisitorMut for Search<'_> {
    type Break = Refusal;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Refusal> {
        let (name, arguments, alias) = match factor {
            TableFactor::Table { name, args: Some(args), alias, .. } => {
                (name.clone(), std::mem::take(&mut args.args), alias.take())
            }
            TableFactor::Function { name, args, alias, .. } => {
                (name.clone(), std::mem::take(args), alias.take())
            }
            TableFactor::TableFunction { expr: Expr::Function(call), alias } => {
                (call.name.clone(), arguments_of(call), alias.take())
            }
            TableFactor::TableFunction { .. } => {
                return ControlFlow::Break(Refusal::Unsupported(
                    "TABLE (…) of anything but a call".to_owned(),
                ));
            }
            _ => return ControlFlow::Continue(()),
        };
        if part_of(&name).is_some_and(|name| is_builtin(self.state, &name)) {
            let refusal = Refusal::Unsupported(format!("table function `{}`", display(&name)));
            return ControlFlow::Break(refusal);
        }
        let key = format!("{ROWS}{}", self.numbers.fetch_add(1, Ordering::Relaxed));
        let own = name.0.last().and_then(|part| part.as_ident()).cloned();
        let alias = alias.or_else(|| own.map(alias_of));
        *factor = TableFactor::Table {
            name: SqlName::from(vec![Ident::new(key.clone())]),
            alias,
            args: Some(TableFunctionArgs { args: Vec::new(), settings: None }),
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        self.rows.push(RowsCall { key, name, arguments });
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Refusal> {
        let Expr::Function(call) = expression else { return ControlFlow::Continue(()) };
        let builtin = part_of(&call.name).is_some_and(|name| is_builtin(self.state, &name));
        if !builtin && !self.names.contains(&call.name) {
            self.names.push(call.name.clone());
        }
        ControlFlow::Continue(())
    }
}

fn alias_of(name: Ident) -> TableAlias {
    TableAlias {
        explicit: true,
        name: Ident::with_quote('`', name.value.to_lowercase()),
        columns: Vec::new(),
        at: None,
    }
}

fn arguments_of(call: &Call) -> Vec<FunctionArg> {
    match &call.args {
        FunctionArguments::List(list) => list.args.clone(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}

/// Puts the calls that were found for the planner.
struct Put<'a> {
    known: &'a HashMap<String, Known>,
}

impl VisitorMut for Put<'_> {
    type Break = Refusal;

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Refusal> {
        let Expr::Function(call) = expression else { return ControlFlow::Continue(()) };
        let Some(known) = self.known.get(&call.name.to_string()) else { return ControlFlow::Continue(()) };
        match put(call, known) {
            Ok(()) => ControlFlow::Continue(()),
            Err(refusal) => ControlFlow::Break(refusal),
        }
    }
}

fn put(call: &mut Call, known: &Known) -> Result<(), Refusal> {
    if known.gives_rows {
        return Err(known.bad("it gives rows: call it in FROM".to_owned()));
    }
    let FunctionArguments::List(list) = &mut call.args else {
        return Err(known.bad("it is called without brackets".to_owned()));
    };
    let plain = call.over.is_none()
        && call.filter.is_none()
        && call.null_treatment.is_none()
        && call.within_group.is_empty()
        && list.duplicate_treatment.is_none()
        && list.clauses.is_empty();
    if !plain {
        return Err(known.bad("it takes arguments and no clauses".to_owned()));
    }
    let arguments = known.positional(&list.args)?;
    list.args =
        arguments.into_iter().map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value))).collect();
    call.name = SqlName::from(vec![Ident::with_quote('`', known.name.to_string())]);
    Ok(())
}

/// Whether an expression speaks of a column or of a query.
fn holds_names(expression: &Expr) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Identifier(_)
                | Expr::CompoundIdentifier(_)
                | Expr::Subquery(_)
                | Expr::Exists { .. }
                | Expr::InSubquery { .. } => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(expression, &mut Search).is_break()
}
