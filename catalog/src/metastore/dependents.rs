//! What uses a thing that is about to be dropped or renamed.
//!
//! Policies use functions by id; views and functions use tables by id and carry the names of
//! what they use in their text. Calls of functions are known by id and searched for in the text
//! as well; tests of groups and what policy tests query stand in texts alone. There the name is
//! searched for, so that a mention inside a string counts as a use too: it refuses once too often
//! rather than once too seldom. A group whose name a text puts together at run time is not found.
//!
//! A tag policy whose scope is dropped goes with it. One on another scope is a use of what it calls.

use std::collections::{BTreeSet, HashSet};

use super::caller::Caller;
use super::tag_policies::described;
use crate::decision::Reason;
use crate::error::{Dependents, Error};
use crate::id::{CatalogId, FunctionId, SchemaId, TableId, VolumeId};
use crate::policy::PolicyFunction;
use crate::policy_test::PolicyTest;
use crate::privilege::Privilege;
use crate::securable::{SecurableId, Table};
use crate::snapshot::Snapshot;
use crate::store::Change;
use crate::tag::{GovernedTag, TagKey};
use crate::tag_policy::TagPolicy;

/// Tables, views, functions and volumes, with the containers that go with them.
#[derive(Default)]
pub(super) struct Objects {
    tables: HashSet<TableId>,
    functions: HashSet<FunctionId>,
    volumes: HashSet<VolumeId>,
    containers: Vec<SecurableId>,
}

impl Objects {
    pub(super) fn table(id: TableId) -> Self {
        Self { tables: HashSet::from([id]), ..Self::default() }
    }

    pub(super) fn function(id: FunctionId) -> Self {
        Self { functions: HashSet::from([id]), ..Self::default() }
    }

    /// A schema with all that it holds.
    pub(super) fn of_schema(snapshot: &Snapshot, schema: SchemaId) -> Self {
        let mut objects = Self::default();
        objects.add_schema(snapshot, schema);
        objects
    }

    /// A catalog with all that it holds.
    pub(super) fn of_catalog(snapshot: &Snapshot, catalog: CatalogId) -> Self {
        let mut objects = Self { containers: vec![SecurableId::Catalog(catalog)], ..Self::default() };
        for schema in snapshot.schemas(catalog) {
            objects.add_schema(snapshot, schema.id);
        }
        objects
    }

    fn add_schema(&mut self, snapshot: &Snapshot, schema: SchemaId) {
        self.tables.extend(snapshot.tables(schema).map(|table| table.id));
        self.functions.extend(snapshot.functions(schema).map(|function| function.id));
        self.volumes.extend(snapshot.volumes(schema).map(|volume| volume.id));
        self.containers.push(SecurableId::Schema(schema));
    }

    /// Whether there is nothing in the containers.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.functions.is_empty() && self.volumes.is_empty()
    }

    /// The changes that remove what is in the containers, and the tag policies on it and on them.
    pub(super) fn removals(&self, snapshot: &Snapshot) -> Vec<Change> {
        let tables = self.tables.iter().map(|id| SecurableId::Table(*id));
        let scopes = tables.chain(self.containers.iter().copied());
        let policies = scopes.flat_map(|scope| snapshot.tag_policies_on(scope));
        let mut changes: Vec<Change> = policies.map(|policy| Change::TagPolicyRemove(policy.id)).collect();
        changes.extend(self.tables.iter().map(|id| Change::TableRemove(*id)));
        changes.extend(self.functions.iter().map(|id| Change::FunctionRemove(*id)));
        changes.extend(self.volumes.iter().map(|id| Change::VolumeRemove(*id)));
        changes
    }

    /// With the views that read any of it and that the caller sees, at any depth; one that is hidden stays out and
    /// keeps what it reads.
    fn with_readers(mut self, caller: &Caller<'_>) -> Self {
        loop {
            let reads = |table: &&Table| {
                let reads =
                    table.view().is_some_and(|view| view.reads.iter().any(|id| self.tables.contains(id)));
                reads && !self.tables.contains(&table.id) && caller.sees(SecurableId::Table(table.id))
            };
            let more: Vec<TableId> =
                caller.snapshot.all_tables().filter(reads).map(|table| table.id).collect();
            if more.is_empty() {
                return self;
            }
            self.tables.extend(more);
        }
    }

    fn has_scope(&self, scope: SecurableId) -> bool {
        match scope {
            SecurableId::Table(id) => self.tables.contains(&id),
            scope => self.containers.contains(&scope),
        }
    }

    /// The tables and views.
    pub(super) fn tables<'s>(&self, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s Table> {
        self.tables.iter().filter_map(|id| snapshot.table_by_id(*id))
    }

    fn function_names(&self, snapshot: &Snapshot) -> Vec<String> {
        let functions = self.functions.iter().filter_map(|id| snapshot.function_by_id(*id));
        functions.map(|function| function.name.to_string()).collect()
    }

    fn table_names(&self, snapshot: &Snapshot) -> Vec<String> {
        self.tables(snapshot).map(|table| table.name.to_string()).collect()
    }
}

/// Collects descriptions; an object that the caller may not see only counts.
pub(super) struct Found<'c, 's> {
    pub(super) caller: &'c Caller<'s>,
    visible: BTreeSet<String>,
    hidden: HashSet<SecurableId>,
    hidden_policies: usize,
}

impl<'c, 's> Found<'c, 's> {
    pub(super) fn new(caller: &'c Caller<'s>) -> Self {
        Self { caller, visible: BTreeSet::new(), hidden: HashSet::new(), hidden_policies: 0 }
    }

    pub(super) fn add(&mut self, id: SecurableId, description: String) {
        if self.caller.sees(id) {
            self.visible.insert(description);
        } else {
            self.hidden.insert(id);
        }
    }

    pub(super) fn add_policy(&mut self, policy: &TagPolicy) {
        let scope = self.caller.snapshot.name_of(policy.scope);
        match scope.filter(|_| self.caller.reads_policies(policy.scope)) {
            Some(scope) => drop(self.visible.insert(described(&policy.name, &scope))),
            None => self.hidden_policies += 1,
        }
    }

    /// A policy test is for its owner and for account admins.
    pub(super) fn add_policy_test(&mut self, test: &PolicyTest) {
        if self.caller.is(test.owner) || self.caller.is_account_admin() {
            self.visible.insert(format!("policy test `{}`", test.name));
        } else {
            self.hidden_policies += 1;
        }
    }

    pub(super) fn refuse(self, what: impl ToString) -> Result<(), Error> {
        let hidden = self.hidden.len() + self.hidden_policies;
        let dependents = Dependents { visible: self.visible.into_iter().collect(), hidden };
        if dependents.is_empty() {
            return Ok(());
        }
        Err(Error::DependentsExist { what: what.to_string(), dependents })
    }
}

impl Caller<'_> {
    /// A table or view with the views that read it, at any depth. Needs MANAGE on each of these; refused while a
    /// policy stands on one.
    pub(super) fn with_readers(
        &self,
        what: impl ToString,
        table: &Table,
    ) -> Result<(Objects, Vec<Reason>), Error> {
        let going = Objects::table(table.id).with_readers(self);
        let mut because = Vec::new();
        let mut found = Found::new(self);
        for id in going.tables.iter().copied().filter(|id| *id != table.id) {
            let scope = SecurableId::Table(id);
            because.extend(self.require(Privilege::Manage, scope)?);
            self.snapshot.tag_policies_on(scope).for_each(|policy| found.add_policy(policy));
            if let Some(view) = self.snapshot.table_by_id(id).filter(|view| view.has_own_policy()) {
                found.add(scope, format!("the policies of view `{}`", view.name));
            }
        }
        found.refuse(what)?;
        Ok((going, because))
    }

    /// Refuses when anything outside `going` uses any of it.
    pub(super) fn check_droppable(&self, what: impl ToString, going: &Objects) -> Result<(), Error> {
        let mut found = Found::new(self);
        texts_that_use(&mut found, going, going);
        policies_that_call(&mut found, going);
        tests_that_query(&mut found, going);
        found.refuse(what)
    }

    /// Refuses when any text names one of `renamed`. Policies and grants bind to ids and stay.
    pub(super) fn check_renamable(&self, what: impl ToString, renamed: &Objects) -> Result<(), Error> {
        let mut found = Found::new(self);
        texts_that_use(&mut found, renamed, &Objects::default());
        tests_that_query(&mut found, renamed);
        found.refuse(what)
    }

    /// Refuses when a policy calls the function.
    pub(super) fn check_no_policy_calls(
        &self,
        what: impl ToString,
        function: FunctionId,
    ) -> Result<(), Error> {
        let mut found = Found::new(self);
        policies_that_call(&mut found, &Objects::function(function));
        found.refuse(what)
    }

    /// Refuses when something carries the tag or a policy asks for it; given `taken`, only for a value that
    /// it does not take.
    pub(super) fn check_tag_unused(
        &self,
        what: impl ToString,
        key: &TagKey,
        taken: Option<&GovernedTag>,
    ) -> Result<(), Error> {
        let mut found = Found::new(self);
        let counts = |value: Option<&str>| match (taken, value) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(tag), Some(value)) => !tag.takes(value),
        };
        for tagged in self.snapshot.tagged() {
            let value = tagged.tags.get(key).map(String::as_str);
            if value.is_none_or(|value| !counts(Some(value))) {
                continue;
            }
            let name = self.snapshot.name_of(tagged.on).map(|name| name.to_string()).unwrap_or_default();
            let described = match tagged.column {
                Some(column) => format!("the tag of column `{}` of {name}", column.name),
                None => format!("the tag of {name}"),
            };
            found.add(tagged.on, described);
        }
        for policy in self.snapshot.all_tag_policies() {
            if policy.tags().into_iter().any(|(asked, value)| asked == key && counts(value)) {
                found.add_policy(policy);
            }
        }
        found.refuse(what)
    }

    /// Refuses when a view or function tests for membership in the group of that name.
    pub(super) fn check_group_untested(&self, group: &str) -> Result<(), Error> {
        let mut found = Found::new(self);
        for table in self.snapshot.all_tables() {
            if table.view().is_some_and(|view| has_string(&view.text, group)) {
                found.add(SecurableId::Table(table.id), format!("view `{}`", table.name));
            }
        }
        for function in self.snapshot.all_functions() {
            if has_string(&function.body, group) {
                found.add(SecurableId::Function(function.id), format!("function `{}`", function.name));
            }
        }
        found.refuse(format!("group `{group}`"))
    }
}

/// Views and functions outside `except` that read a table or call a function of `used`.
fn texts_that_use(found: &mut Found<'_, '_>, used: &Objects, except: &Objects) {
    let snapshot = found.caller.snapshot;
    let names = used.function_names(snapshot);
    let uses = |reads: &[TableId], calls: &[FunctionId], text: &str| {
        reads.iter().any(|id| used.tables.contains(id))
            || calls.iter().any(|id| used.functions.contains(id))
            || mentions_any(text, &names)
    };
    for table in snapshot.all_tables().filter(|table| !except.tables.contains(&table.id)) {
        if table.view().is_some_and(|view| uses(&view.reads, &view.calls, &view.text)) {
            found.add(SecurableId::Table(table.id), format!("view `{}`", table.name));
        }
    }
    for function in snapshot.all_functions().filter(|function| !except.functions.contains(&function.id)) {
        if uses(&function.reads, &function.calls, &function.body) {
            found.add(SecurableId::Function(function.id), format!("function `{}`", function.name));
        }
    }
}

/// Policy tests whose query names a table or function of `used`.
fn tests_that_query(found: &mut Found<'_, '_>, used: &Objects) {
    let snapshot = found.caller.snapshot;
    let mut tests = snapshot.policy_tests().peekable();
    if tests.peek().is_none() {
        return;
    }
    let mut names = used.function_names(snapshot);
    names.extend(used.table_names(snapshot));
    for test in tests.filter(|test| mentions_any(&test.query, &names)) {
        found.add_policy_test(test);
    }
}

/// Policies that call a function of `going` and stay themselves.
fn policies_that_call(found: &mut Found<'_, '_>, going: &Objects) {
    let calls = |function: PolicyFunction| function.sql().is_some_and(|id| going.functions.contains(&id));
    for table in found.caller.snapshot.all_tables().filter(|table| !going.tables.contains(&table.id)) {
        let id = SecurableId::Table(table.id);
        if table.row_filter.as_ref().is_some_and(|filter| calls(filter.function)) {
            found.add(id, format!("the row filter of table `{}`", table.name));
        }
        for mask in table.masks.iter().filter(|mask| calls(mask.function)) {
            found.add(id, format!("the mask of column `{}` of table `{}`", mask.place(), table.name));
        }
    }
    for policy in found.caller.snapshot.all_tag_policies() {
        if calls(policy.function) && !going.has_scope(policy.scope) {
            found.add_policy(policy);
        }
    }
}

/// Whether `text` has one of the three-part names, quoted or not.
pub(super) fn mentions_any(text: &str, names: &[String]) -> bool {
    if names.is_empty() {
        return false;
    }
    let plain: String =
        text.chars().filter(|c| *c != '`' && !c.is_whitespace()).collect::<String>().to_lowercase();
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    names.iter().any(|name| {
        plain.match_indices(name.as_str()).any(|(at, _)| {
            let after = plain.get(at + name.len()..).and_then(|rest| rest.chars().next());
            !after.is_some_and(in_name)
        })
    })
}

/// Whether `text` has a string literal of exactly that value.
fn has_string(text: &str, value: &str) -> bool {
    let quoted = |quote: char| {
        let doubled = value.replace(quote, &format!("{quote}{quote}"));
        let escaped = value.replace('\\', "\\\\").replace(quote, &format!("\\{quote}"));
        text.contains(&format!("{quote}{doubled}{quote}"))
            || text.contains(&format!("{quote}{escaped}{quote}"))
    };
    quoted('\'') || quoted('"')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::name::ObjectName;

    #[test]
    fn a_name_is_found_quoted_or_not_and_only_whole() {
        let names = [ObjectName::new("main", "hr", "mask").unwrap().to_string()];
        assert!(mentions_any("SELECT main.hr.mask(x)", &names));
        assert!(mentions_any("`Main` . `hr`.`MASK` (x)", &names));
        assert!(!mentions_any("main.hr.mask_all(x)", &names));
        assert!(!mentions_any("main.hr2.mask(x)", &names));
    }

    #[test]
    fn a_group_is_found_as_a_string_of_either_quote() {
        assert!(has_string("is_account_group_member('hr')", "hr"));
        assert!(has_string("is_account_group_member(\"hr\")", "hr"));
        assert!(has_string("is_account_group_member('it''s')", "it's"));
        assert!(!has_string("is_account_group_member('hr_lead')", "hr"));
    }
}
