//! What policies read.
//!
//! A mapping table that nothing governs is read raw. All else is read in the name of the policy's definer,
//! the owner of its function: in a scope of the definer's own, where the definer's policies hold and
//! identity functions speak of the definer, on the statement's one snapshot of each table. Outside that
//! reading, in the policy's own body, they speak of the session user.
//!
//! Where something may be hidden in what is read, the text that names it must be the definer's: a view or
//! function of somebody else, who reads with rights of their own, is refused. Otherwise its owner, by
//! replacing its text, would be told through the policy's answers what the definer sees and they may not.
//!
//! Whoever sets policies is refused circles. What slipped past, since groups and owners change, is refused
//! here: a table is not read in the name of one for whom its policies are just being planned.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ScalarUDF, TableSource};
use tokio::sync::Mutex;
use weir_catalog::{PrincipalId, Snapshot, Table, TableId};

use super::Scope;
use super::access::{Access, DEPTH_MAX, PolicyReading};
use crate::caller::Caller;
use crate::error::Refusal;
use crate::identity_function::{identity_functions, unanswered_functions};
use crate::open_table::OpenedTable;

/// The scopes of definers within a scope, and the way that led there.
#[derive(Default)]
pub(super) struct Definers {
    /// For whom the policies of which tables are being planned.
    way: Vec<(TableId, PrincipalId)>,
    /// Whether the scope is itself a definer's.
    inside: bool,
    scopes: Mutex<HashMap<PolicyReading, Arc<Scope>>>,
}

impl Scope {
    /// A table or view that a policy's body names and its function's owner may read.
    pub(super) async fn resolve_for_policy(
        self: &Arc<Self>,
        access: &Access,
        reading: PolicyReading,
        table: &Table,
    ) -> Result<Arc<dyn TableSource>> {
        if table.view().is_none() && !self.snapshot.may_restrict(table) {
            let OpenedTable { provider, .. } = self.open_files(table).await?;
            return Ok(provider_as_source(provider));
        }
        if self.snapshot.principal(reading.definer).is_none_or(|definer| definer.is_group()) {
            return Err(Refusal::Unsupported(format!(
                "a policy that reads `{}`, which has policies itself, by a function that a group owns,",
                table.name
            ))
            .into());
        }
        let scope = self.of_definer(reading).await?;
        if scope.definers.way.contains(&(table.id, reading.definer)) {
            return Err(scope.circle(table).into());
        }
        Box::pin(scope.resolve_readable(&access.of_definer(), table)).await
    }

    /// The scope in which the definer reads.
    async fn of_definer(&self, reading: PolicyReading) -> Result<Arc<Self>> {
        let mut scopes = self.definers.scopes.lock().await;
        if let Some(known) = scopes.get(&reading) {
            return Ok(Arc::clone(known));
        }
        let mut way = self.definers.way.clone();
        way.extend(reading.governed.map(|governed| (governed, self.caller.principal())));
        if way.len() > DEPTH_MAX {
            return Err(
                Refusal::Unsupported("a policy that reads through too many policies".to_owned()).into()
            );
        }
        // Of the caller's token nothing counts here, also where the definer is the caller.
        let snapshot = self.snapshot.without_claims();
        let definer = Arc::new(Caller::definer(&snapshot, reading.definer)?);
        let functions = identity_functions(&definer);
        let definers = Definers { way, inside: true, ..Definers::default() };
        let scope = self.beside(snapshot, definer, functions, definers)?;
        scopes.insert(reading, Arc::clone(&scope));
        Ok(scope)
    }

    /// A scope of the same caller whose identity functions have no answer yet: what is planned in it holds
    /// whoever asks.
    pub(crate) fn for_anybody(&self) -> Result<Arc<Self>> {
        let functions = unanswered_functions(&self.caller);
        let Definers { way, inside, .. } = &self.definers;
        let definers = Definers { way: way.clone(), inside: *inside, ..Definers::default() };
        self.beside(Arc::clone(&self.snapshot), Arc::clone(&self.caller), functions, definers)
    }

    /// A scope over the same catalog and tables. What it resolves belongs to no statement's plan but
    /// within a leaf, and is told to no witness: policies are part of their table.
    fn beside(
        &self,
        snapshot: Arc<Snapshot>,
        caller: Arc<Caller>,
        functions: Vec<Arc<ScalarUDF>>,
        definers: Definers,
    ) -> Result<Arc<Self>> {
        let mut state = self.state.clone();
        for function in functions {
            state.register_udf(function)?;
        }
        let sources = super::Sources { witness: Arc::default(), read_at: None, ..self.sources.clone() };
        let scope = Self {
            snapshot,
            caller,
            sources,
            state,
            seal: super::StatementSeal::default(),
            opened: Arc::clone(&self.opened),
            past: Arc::clone(&self.past),
            spelling: Mutex::default(),
            bodies: Mutex::default(),
            hides_expressions: super::AtomicBool::new(false),
            reads_changes: Arc::clone(&self.reads_changes),
            asks_the_time: Arc::clone(&self.asks_the_time),
            leaf_numbers: Arc::clone(&self.leaf_numbers),
            definers,
        };
        Ok(Arc::new(scope))
    }

    /// Refuses to a text of somebody else what may hide something from the definer, in a definer's scope.
    pub(super) fn check_text_of_definer(&self, access: &Access, table: &Table) -> Result<(), Refusal> {
        let of_definer = access.reader == self.caller.principal();
        match self.definers.inside && !of_definer && self.snapshot.may_restrict(table) {
            true => Err(Refusal::Unsupported(format!(
                "a policy that reads `{}`, which has policies itself, through a view or function that another than \
                 the owner of the policy's function owns,",
                table.name
            ))),
            false => Ok(()),
        }
    }

    /// The refusal of a reading that would never end.
    fn circle(&self, table: &Table) -> Refusal {
        let way = &self.definers.way;
        let from = way.iter().position(|(known, _)| *known == table.id).unwrap_or(0);
        let names = way.iter().skip(from).filter_map(|(id, _)| self.snapshot.table_by_id(*id));
        let mut names: Vec<String> = names.map(|table| format!("`{}`", table.name)).collect();
        names.push(format!("`{}`", table.name));
        Refusal::PolicyCircle { way: names.join(" reads ") }
    }
}
