//! Whether policies read in a circle: [`PolicyCycle`].
//!
//! What a policy reads is read with the rights of its function's owner, the *definer*, and under the policies
//! that hold for the definer. So a reading is a table and a definer; it leads on to what the table's
//! policies for that definer read, with their own definers, and through a view to what the view reads. A
//! reading that leads back to itself would never end. A definer whom a tag policy excepts is not led on by it.
//!
//! A pure function of a snapshot; columns are those that the catalog knows. The enforcer keeps a guard of its
//! own for what changes without a look in here, such as the members of a group.

use std::collections::{BTreeMap, BTreeSet};

use crate::authorize::{may_read_policies, may_see};
use crate::error::Error;
use crate::id::{FunctionId, PrincipalId, TableId};
use crate::securable::{SecurableId, Table};
use crate::snapshot::Snapshot;
use crate::tag_policy::TagPolicy;

/// Readings of which each leads to the next and the last to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyCycle {
    /// At least one.
    pub steps: Vec<Step>,
}

/// From one reading to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The table or view whose reading leads on.
    pub from: TableId,
    /// What leads on.
    pub by: Means,
    /// The table or view that is read.
    pub to: TableId,
}

/// What leads from one reading to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// The view's own query.
    Query,
    /// A policy set on the table itself calls the function.
    Own(FunctionId),
    /// The tag policy calls the function.
    Tag(Box<TagPolicy>, FunctionId),
}

/// A table or view, and the definer in whose name it is read.
type Reading = (TableId, PrincipalId);

impl PolicyCycle {
    /// A circle in which policies of the catalog read, where there is one.
    pub fn find(snapshot: &Snapshot) -> Option<Self> {
        let snapshot = snapshot.unclaimed();
        let own = snapshot.all_tables().flat_map(Table::policy_functions);
        let tagged = snapshot.all_tag_policies().filter_map(|policy| policy.function.sql());
        let functions: BTreeSet<FunctionId> = own.chain(tagged).collect();
        let mut search = Search { snapshot, way: Vec::new(), done: BTreeSet::new(), reads: BTreeMap::new() };
        for function in functions {
            let Some(definer) = snapshot.function_by_id(function).map(|function| function.owner) else {
                continue;
            };
            for table in search.reads_of(function) {
                if let Some(cycle) = search.follow((table, definer)) {
                    return Some(cycle);
                }
            }
        }
        None
    }
}

/// Refuses `by` a change from one catalog to the other that closes a circle; one that was closed before, by
/// what is not looked at when it changes, does not stand in the way of others.
pub fn check_closed(before: &Snapshot, after: &Snapshot, by: PrincipalId) -> Result<(), Error> {
    let Some(cycle) = PolicyCycle::find(after) else { return Ok(()) };
    if PolicyCycle::find(before).as_ref() == Some(&cycle) {
        return Ok(());
    }
    // What is being made is not in the catalog yet.
    let sees = |id| may_see(before, by, id) || before.name_of(id).is_none();
    let reads_policies = |scope| may_read_policies(before, by, scope);
    let steps = cycle.steps.iter().map(|step| step.told(after, &sees, &reads_policies));
    Err(Error::PolicyReadsItself { path: steps.collect::<Vec<_>>().join("; ") })
}

/// A search in depth. The way is a list of its own: how long it gets is the catalog's doing.
struct Search<'a> {
    snapshot: &'a Snapshot,
    way: Vec<Place>,
    done: BTreeSet<Reading>,
    reads: BTreeMap<FunctionId, BTreeSet<TableId>>,
}

/// A reading on the way.
struct Place {
    reading: Reading,
    /// Where it leads that was not tried yet.
    ahead: Vec<(Means, Reading)>,
    /// The step that is being tried.
    taken: Option<Step>,
}

impl Search<'_> {
    fn follow(&mut self, start: Reading) -> Option<PolicyCycle> {
        self.enter(start);
        while let Some(place) = self.way.last_mut() {
            let Some((by, next)) = place.ahead.pop() else {
                self.done.insert(place.reading);
                self.way.pop();
                continue;
            };
            place.taken = Some(Step { from: place.reading.0, by, to: next.0 });
            if let Some(at) = self.way.iter().position(|place| place.reading == next) {
                let round = self.way.drain(..).skip(at);
                let mut steps: Vec<Step> = round.filter_map(|place| place.taken).collect();
                // A circle has a policy in it; told from there it is understood best.
                let first = steps.iter().position(|step| step.by != Means::Query).unwrap_or(0);
                steps.rotate_left(first);
                return Some(PolicyCycle { steps });
            }
            self.enter(next);
        }
        None
    }

    fn enter(&mut self, reading: Reading) {
        if !self.done.contains(&reading) {
            let ahead = self.ahead(reading);
            self.way.push(Place { reading, ahead, taken: None });
        }
    }

    /// Where a reading leads.
    fn ahead(&mut self, (table, definer): Reading) -> Vec<(Means, Reading)> {
        let snapshot = self.snapshot;
        let Some(table) = snapshot.table_by_id(table) else { return Vec::new() };
        let mut ahead = Vec::new();
        if let Some(view) = table.view() {
            let mut reads: BTreeSet<TableId> = view.reads.iter().copied().collect();
            for function in &view.calls {
                reads.extend(self.reads_of(*function));
            }
            ahead.extend(reads.into_iter().map(|read| (Means::Query, (read, definer))));
        }
        let own = table.policy_functions().map(|function| (Means::Own(function), function));
        let policies = snapshot.tag_policies_over(table).into_iter();
        let tagged = policies.filter(|policy| holds_for(snapshot, policy, table, definer));
        let tagged = tagged.filter_map(|policy| {
            let function = policy.function.sql()?;
            Some((Means::Tag(Box::new(policy.clone()), function), function))
        });
        for (by, function) in own.chain(tagged).collect::<Vec<_>>() {
            let Some(owner) = snapshot.function_by_id(function).map(|function| function.owner) else {
                continue;
            };
            ahead.extend(self.reads_of(function).into_iter().map(|read| (by.clone(), (read, owner))));
        }
        ahead
    }

    /// The tables and views that a function's body names, and those that it calls.
    fn reads_of(&mut self, function: FunctionId) -> BTreeSet<TableId> {
        if let Some(known) = self.reads.get(&function) {
            return known.clone();
        }
        let (mut seen, mut reads, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![function]);
        while let Some(id) = open.pop() {
            let Some(called) = self.snapshot.function_by_id(id).filter(|_| seen.insert(id)) else { continue };
            reads.extend(&called.reads);
            open.extend(&called.calls);
        }
        self.reads.insert(function, reads.clone());
        reads
    }
}

/// Whether the policy takes part when the definer reads the table.
fn holds_for(snapshot: &Snapshot, policy: &TagPolicy, table: &Table, definer: PrincipalId) -> bool {
    let identities = snapshot.identities_of(definer);
    let names = |principals: &[PrincipalId]| principals.iter().any(|named| identities.contains(named));
    names(&policy.audience.to)
        && !names(&policy.audience.except)
        && snapshot.covered(policy, table).is_some_and(|covered| covered.missing(policy).is_empty())
}

impl Step {
    /// The step in words, for one who may know what `sees` holds for, and the tag policies on what
    /// `reads_policies` holds for.
    pub fn told(
        &self,
        snapshot: &Snapshot,
        sees: &dyn Fn(SecurableId) -> bool,
        reads_policies: &dyn Fn(SecurableId) -> bool,
    ) -> String {
        let called = |id: SecurableId| match snapshot.kind_of(id).filter(|_| sees(id)) {
            Some(kind) => format!("{} `{}`", kind.noun(), snapshot.display_name(id)),
            None => "what you may not see".to_owned(),
        };
        let (from, to) = (called(SecurableId::Table(self.from)), called(SecurableId::Table(self.to)));
        match &self.by {
            Means::Query => format!("{from} reads {to}"),
            Means::Own(function) => {
                let function = called(SecurableId::Function(*function));
                format!("the policy of {from} calls {function}, which reads {to}")
            }
            Means::Tag(policy, function) => {
                let function = called(SecurableId::Function(*function));
                let policy = match (reads_policies(policy.scope), policy.scope) {
                    (false, _) => "a tag policy".to_owned(),
                    (true, SecurableId::Metastore) => format!("policy `{}` on the metastore", policy.name),
                    (true, scope) => format!("policy `{}` on {}", policy.name, called(scope)),
                };
                format!("{policy} calls {function} for {from}, which reads {to}")
            }
        }
    }
}
