//! Whether a catalog holds together: [`findings`].
//!
//! Operations keep the invariants one by one; this looks at the whole at once, as `weir catalog check`
//! and an import need it. A finding is a sentence with names; whoever reads it sees all of the catalog.

use std::collections::{BTreeMap, BTreeSet};

use crate::function::{Function, Returns};
use crate::id::{FunctionId, PrincipalId, TableId};
use crate::metastore::{INFORMATION_SCHEMA, SYSTEM_CATALOG};
use crate::policy::{ColumnBinding, PolicyArgument, PolicyFunction};
use crate::policy_cycle::PolicyCycle;
use crate::principal::{ACCOUNT_USERS, PrincipalKind};
use crate::securable::{SecurableKind, Table, TableKind, VolumeKind};
use crate::snapshot::Snapshot;
use crate::tag::Tags;
use crate::tag_policy::{TagPolicy, TagPolicyArgument, TagPolicyRule};

/// Everything about the catalog that does not hold together, sorted; nothing where it does.
pub fn findings(snapshot: &Snapshot) -> Vec<String> {
    let mut check = Check { snapshot, found: BTreeSet::new() };
    check.principals();
    check.owners();
    check.tables();
    check.functions();
    check.sources();
    check.tags();
    check.tag_policies();
    check.policy_tests();
    check.grants();
    check.locations();
    check.found.into_iter().collect()
}

struct Check<'a> {
    snapshot: &'a Snapshot,
    found: BTreeSet<String>,
}

impl Check<'_> {
    fn say(&mut self, sentence: impl Into<String>) {
        self.found.insert(sentence.into());
    }

    fn principal(&mut self, what: &str, id: PrincipalId) {
        if self.snapshot.principal(id).is_none() {
            self.say(format!("{what} is the principal {id}, which is not there"));
        }
    }

    fn principals(&mut self) {
        let snapshot = self.snapshot;
        let administers = |kind| matches!(kind, PrincipalKind::User | PrincipalKind::ServicePrincipal);
        if !snapshot.principals().any(|one| one.account_admin && !one.disabled && administers(one.kind)) {
            self.say("no account admin is left who can log in");
        }
        if snapshot.principal_by_name(ACCOUNT_USERS).is_none_or(|group| !group.is_group()) {
            self.say(format!("the group `{ACCOUNT_USERS}` is not there"));
        }
        if let Some(owner) = snapshot.metastore_owner() {
            self.principal("the metastore admin", owner);
        }
        for group in snapshot.principals() {
            let members = snapshot.members_of(group.id);
            if !group.is_group() && !members.is_empty() {
                self.say(format!("`{}` has members and is no group", group.name));
            }
            if group.name == ACCOUNT_USERS && !members.is_empty() {
                self.say(format!("the group `{ACCOUNT_USERS}` has members that were set"));
            }
            for member in &members {
                self.principal(&format!("a member of `{}`", group.name), *member);
                if *member == group.id || snapshot.groups_of(group.id).contains(member) {
                    self.say(format!("group `{}` contains itself", group.name));
                }
            }
        }
    }

    fn owners(&mut self) {
        let snapshot = self.snapshot;
        if snapshot.catalogs().any(|catalog| catalog.name.as_str() == SYSTEM_CATALOG) {
            self.say(format!("a catalog has the reserved name `{SYSTEM_CATALOG}`"));
        }
        let mut schemas = snapshot.catalogs().flat_map(|catalog| snapshot.schemas(catalog.id));
        if schemas.any(|schema| schema.name.schema.as_str() == INFORMATION_SCHEMA) {
            self.say(format!("a schema has the reserved name `{INFORMATION_SCHEMA}`"));
        }
        let mut owned: Vec<(String, PrincipalId)> = Vec::new();
        for catalog in snapshot.catalogs() {
            owned.push((format!("catalog `{}`", catalog.name), catalog.owner));
            let schemas = snapshot.schemas(catalog.id);
            owned.extend(schemas.map(|schema| (format!("schema `{}`", schema.name), schema.owner)));
        }
        owned.extend(snapshot.all_tables().map(|x| (described(x), x.owner)));
        owned.extend(snapshot.all_functions().map(|x| (format!("function `{}`", x.name), x.owner)));
        owned.extend(snapshot.all_volumes().map(|x| (format!("volume `{}`", x.name), x.owner)));
        let locations = snapshot.external_locations();
        owned.extend(locations.map(|x| (format!("external location `{}`", x.name), x.owner)));
        let credentials = snapshot.storage_credentials();
        owned.extend(credentials.map(|x| (format!("storage credential `{}`", x.name), x.owner)));
        owned.extend(snapshot.governed_tags().map(|x| (format!("governed tag `{}`", x.key), x.owner)));
        owned.extend(snapshot.policy_tests().map(|x| (format!("policy test `{}`", x.name), x.owner)));
        for (what, owner) in owned {
            self.principal(&format!("the owner of {what}"), owner);
        }
    }

    fn tables(&mut self) {
        let snapshot = self.snapshot;
        for table in snapshot.all_tables() {
            let what = described(table);
            if let Some(view) = table.view() {
                self.reads(&what, &view.reads, &view.calls);
                if self.reads_itself(table) {
                    self.say(format!("{what} reads itself"));
                }
            }
            if let Some(broken) = table.broken_key() {
                self.say(format!("{what}: {broken}"));
            }
            if let Some(filter) = &table.row_filter {
                let name = format!("the row filter of {what}");
                let returns = self.call(&name, filter.function, filter.arguments.len());
                if returns.is_some_and(|returns| !returns.eq_ignore_ascii_case("BOOLEAN")) {
                    self.say(format!("{name} calls a function that does not return BOOLEAN"));
                }
                self.arguments(&name, table, &filter.arguments);
            }
            for mask in &table.masks {
                let name = format!("the mask of column `{}` of {what}", mask.place());
                self.call(&name, mask.function, mask.arguments.len() + 1);
                self.column(&name, table, &mask.column);
                self.arguments(&name, table, &mask.arguments);
            }
        }
    }

    fn reads_itself(&self, view: &Table) -> bool {
        let mut open: Vec<TableId> = view.view().map(|view| view.reads.clone()).unwrap_or_default();
        let mut read = BTreeSet::new();
        while let Some(id) = open.pop() {
            if id == view.id {
                return true;
            }
            if read.insert(id) {
                let inner = self.snapshot.table_by_id(id).and_then(Table::view);
                open.extend(inner.into_iter().flat_map(|view| &view.reads));
            }
        }
        false
    }

    fn reads(&mut self, what: &str, reads: &[TableId], calls: &[FunctionId]) {
        for id in
            reads.iter().filter(|id| self.snapshot.table_by_id(**id).is_none()).copied().collect::<Vec<_>>()
        {
            self.say(format!("{what} reads the table {id}, which is not there"));
        }
        for id in calls
            .iter()
            .filter(|id| self.snapshot.function_by_id(**id).is_none())
            .copied()
            .collect::<Vec<_>>()
        {
            self.say(format!("{what} calls the function {id}, which is not there"));
        }
    }

    /// Whether the function is there and takes that many arguments; the type it returns, where it says one.
    fn call(&mut self, what: &str, function: PolicyFunction, arguments: usize) -> Option<String> {
        let (name, least, most, returns) = match function {
            PolicyFunction::Builtin(mask) => (mask.to_string(), mask.arity(), mask.arity(), None),
            PolicyFunction::Sql(id) => {
                let Some(function) = self.snapshot.function_by_id(id) else {
                    self.say(format!("{what} calls the function {id}, which is not there"));
                    return None;
                };
                let optional = function.parameters.iter().filter(|x| x.default.is_some()).count();
                let most = function.parameters.len();
                let returns = match &function.returns {
                    Returns::Scalar(text) => Some(text.clone()),
                    Returns::Table(_) => {
                        self.say(format!("{what} calls the table function `{}`", function.name));
                        None
                    }
                };
                (function.name.to_string(), most - optional, most, returns)
            }
        };
        if !(least..=most).contains(&arguments) {
            self.say(format!("{what} gives `{name}` {arguments} arguments, and it takes {least} to {most}"));
        }
        returns
    }

    fn arguments(&mut self, what: &str, table: &Table, arguments: &[PolicyArgument]) {
        for argument in arguments {
            if let PolicyArgument::Column(binding) = argument {
                self.column(what, table, binding);
            }
        }
    }

    fn column(&mut self, what: &str, table: &Table, binding: &ColumnBinding) {
        let by_id = binding.field_id.and_then(|id| table.columns.iter().find(|x| x.field_id == Some(id)));
        match by_id.or_else(|| table.column(&binding.name)) {
            None => self.say(format!("{what} names the column `{}`, which is not there", binding.name)),
            Some(column) if !column.value_type().eq_ignore_ascii_case(&binding.type_text) => {
                self.say(format!(
                    "{what} was set on column `{}` of type {}, which is {} now",
                    binding.name, binding.type_text, column.type_text
                ));
            }
            Some(_) => {}
        }
    }

    fn functions(&mut self) {
        for function in self.snapshot.all_functions() {
            let what = format!("function `{}`", function.name);
            self.reads(&what, &function.reads, &function.calls);
            if self.called_by(function).contains(&function.id) {
                self.say(format!("{what} calls itself"));
            }
        }
    }

    /// All functions that a function calls, at any depth; with itself where it comes back to itself.
    fn called_by(&self, function: &Function) -> BTreeSet<FunctionId> {
        let mut open = function.calls.clone();
        let mut called = BTreeSet::new();
        while let Some(id) = open.pop() {
            if called.insert(id) {
                open.extend(self.snapshot.function_by_id(id).into_iter().flat_map(|inner| &inner.calls));
            }
        }
        called
    }

    /// No policies read in a circle, directly, through views or through functions.
    fn sources(&mut self) {
        let snapshot = self.snapshot;
        if let Some(cycle) = PolicyCycle::find(snapshot) {
            let steps = cycle.steps.iter().map(|step| step.told(snapshot, &|_| true, &|_| true));
            let steps: Vec<String> = steps.collect();
            self.say(format!("policies read in a circle: {}", steps.join("; ")));
        }
    }

    /// Governed tags have values they take.
    fn tags(&mut self) {
        let snapshot = self.snapshot;
        let mut tagged: Vec<(String, &Tags)> = Vec::new();
        for catalog in snapshot.catalogs() {
            tagged.push((format!("catalog `{}`", catalog.name), &catalog.tags));
            let schemas = snapshot.schemas(catalog.id);
            tagged.extend(schemas.map(|schema| (format!("schema `{}`", schema.name), &schema.tags)));
        }
        for table in snapshot.all_tables() {
            tagged.push((described(table), &table.tags));
            let column = |name: &str| format!("column `{name}` of {}", described(table));
            tagged.extend(table.columns.iter().map(|one| (column(&one.name), &one.tags)));
        }
        tagged.extend(snapshot.all_volumes().map(|x| (format!("volume `{}`", x.name), &x.tags)));
        for (what, tags) in tagged {
            for (key, value) in tags {
                if snapshot.governed_tag(key).is_some_and(|tag| !tag.takes(value)) {
                    self.say(format!(
                        "{what} has the tag `{key}` with the value `{value}`, which it does not take"
                    ));
                }
            }
        }
    }

    fn tag_policies(&mut self) {
        for policy in self.snapshot.all_tag_policies() {
            let what =
                format!("tag policy `{}` on {}", policy.name, self.snapshot.display_name(policy.scope));
            if self.snapshot.name_of(policy.scope).is_none() {
                self.say(format!("{what} stands on a securable that is not there"));
            }
            for id in policy.audience.to.iter().chain(&policy.audience.except) {
                self.principal(&format!("one whom {what} names"), *id);
            }
            let given = match policy.rule {
                TagPolicyRule::RowFilter => policy.arguments.len(),
                TagPolicyRule::ColumnMask { .. } => policy.arguments.len() + 1,
            };
            self.call(&what, policy.function, given);
            self.aliases(&what, policy);
        }
    }

    fn aliases(&mut self, what: &str, policy: &TagPolicy) {
        let known: BTreeSet<&str> = policy.matches.iter().filter_map(|one| one.alias.as_deref()).collect();
        let mut used: Vec<&str> = Vec::new();
        if let TagPolicyRule::ColumnMask { on } = &policy.rule {
            used.push(on);
        }
        used.extend(policy.arguments.iter().filter_map(|argument| match argument {
            TagPolicyArgument::Alias(alias) => Some(alias.as_str()),
            TagPolicyArgument::Literal(_) | TagPolicyArgument::TagValue(_) => None,
        }));
        for alias in used.into_iter().filter(|alias| !known.contains(alias)) {
            self.say(format!("{what} speaks of `{alias}`, which none of its MATCH COLUMNS is called"));
        }
    }

    fn policy_tests(&mut self) {
        for test in self.snapshot.policy_tests() {
            self.principal(&format!("the user of policy test `{}`", test.name), test.as_user);
        }
    }

    fn grants(&mut self) {
        let snapshot = self.snapshot;
        for grant in snapshot.grants() {
            let on = snapshot.display_name(grant.securable);
            self.principal(&format!("a holder of {} on {on}", grant.privilege), grant.principal);
            match snapshot.kind_of(grant.securable) {
                None => self.say(format!("{} is granted or denied on what is not there", grant.privilege)),
                // A denial stands for whatever it may name.
                Some(kind) if !grant.privilege.applies_to(kind) && kind != SecurableKind::View => {
                    self.say(format!("{} does not apply to {on}", grant.privilege));
                }
                Some(_) => {}
            }
        }
    }

    /// No files belong to two things, and no two external locations overlap.
    fn locations(&mut self) {
        let snapshot = self.snapshot;
        let (mut managed, mut external, mut roots) =
            (Places::default(), Places::default(), Places::default());
        for table in snapshot.all_tables() {
            match &table.kind {
                TableKind::Managed { location } => managed.add(location, described(table)),
                TableKind::External { location } => external.add(location, described(table)),
                TableKind::View(_) => {}
            }
        }
        for volume in snapshot.all_volumes() {
            let what = format!("volume `{}`", volume.name);
            match &volume.kind {
                VolumeKind::Managed { location } => managed.add(location, what),
                VolumeKind::External { location } => external.add(location, what),
            }
        }
        for location in snapshot.external_locations() {
            roots.add(&location.url, format!("external location `{}`", location.name));
            if let Some(id) = location.credential
                && snapshot.storage_credential_by_id(id).is_none()
            {
                let name = &location.name;
                self.say(format!("external location `{name}` uses the credential {id}, which is not there"));
            }
        }
        for place in [managed, external, roots] {
            self.found.extend(place.overlaps());
        }
    }
}

/// Things by where they lie, folded: some stores do not tell cases apart.
#[derive(Default)]
struct Places(BTreeMap<String, Vec<String>>);

impl Places {
    fn add(&mut self, location: &str, what: String) {
        let location = format!("{}/", location.trim_end_matches('/').to_lowercase());
        self.0.entry(location).or_default().push(what);
    }

    /// What lies within a place follows it closely in their order: all that begins with it.
    fn overlaps(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (place, things) in &self.0 {
            if let [first, second, ..] = things.as_slice() {
                found.push(format!("{first} and {second} lie at one place"));
            }
            let within =
                self.0.range(place.clone()..).skip(1).take_while(|(other, _)| other.starts_with(place));
            for (_, inner) in within {
                found.extend(
                    things.iter().zip(inner).map(|(outer, inner)| format!("{inner} lies within {outer}")),
                );
            }
        }
        found
    }
}

fn described(table: &Table) -> String {
    format!("{} `{}`", table.securable_kind().noun(), table.name)
}
