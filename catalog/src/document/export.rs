//! A snapshot as a document.

use std::collections::BTreeMap;

use super::name::key_of;
use super::{
    ContainerEntry, CredentialEntry, Document, FunctionEntry, LocationEntry, PrincipalEntry, Privileges,
    TableEntry, TagEntry, TagPolicyEntry, TestEntry, Texts, VERSION, VolumeEntry,
};
use crate::function::{Function, Returns};
use crate::grant::Effect;
use crate::id::{FunctionId, PrincipalId, TableId};
use crate::policy::PolicyFunction;
use crate::principal::{Principal, PrincipalKind};
use crate::securable::{Table, TableKind, VolumeKind};
use crate::snapshot::Snapshot;
use crate::store::rows::nested::{ColumnJson, ExpectationJson, FilterJson, MaskJson, ParameterJson};
use crate::store::rows::tag_policy::TagPolicyJson;
use crate::tag::Tags;
use crate::tag_policy::TagPolicy;

impl Document {
    /// The whole catalog as of the snapshot. Whom it is shown to sees all of the catalog.
    pub fn of(snapshot: &Snapshot) -> Self {
        let tables =
            snapshot.all_tables().map(|table| (table.name.to_string(), table_entry(snapshot, table)));
        let functions = snapshot
            .all_functions()
            .map(|function| (function.name.to_string(), function_entry(snapshot, function)));
        let mut document = Self {
            weir_catalog: VERSION,
            metastore_admin: snapshot.metastore_owner().map(|owner| who(snapshot, owner)),
            principals: snapshot
                .principals()
                .map(|one| (one.name.clone(), principal(snapshot, one)))
                .collect(),
            tables: tables.collect(),
            functions: functions.collect(),
            grants: privileges(snapshot, Effect::Allow),
            denials: privileges(snapshot, Effect::Deny),
            ..Self::default()
        };
        document.add_containers(snapshot);
        document.add_storage(snapshot);
        document.add_governance(snapshot);
        document
    }

    fn add_containers(&mut self, snapshot: &Snapshot) {
        for catalog in snapshot.catalogs() {
            let entry = ContainerEntry {
                owner: who(snapshot, catalog.owner),
                comment: catalog.comment.clone(),
                properties: catalog.properties.clone(),
                tags: texts(&catalog.tags),
            };
            self.catalogs.insert(catalog.name.to_string(), entry);
            for schema in snapshot.schemas(catalog.id) {
                let entry = ContainerEntry {
                    owner: who(snapshot, schema.owner),
                    comment: schema.comment.clone(),
                    properties: schema.properties.clone(),
                    tags: texts(&schema.tags),
                };
                self.schemas.insert(schema.name.to_string(), entry);
            }
        }
    }

    fn add_storage(&mut self, snapshot: &Snapshot) {
        for credential in snapshot.storage_credentials() {
            let owner = who(snapshot, credential.owner);
            let entry = CredentialEntry { owner, comment: credential.comment.clone() };
            self.storage_credentials.insert(credential.name.to_string(), entry);
        }
        for location in snapshot.external_locations() {
            let credential = location.credential.map(|id| {
                let found = snapshot.storage_credential_by_id(id);
                found.map_or_else(|| id.to_string(), |credential| credential.name.to_string())
            });
            let entry = LocationEntry {
                url: location.url.clone(),
                credential,
                owner: who(snapshot, location.owner),
                comment: location.comment.clone(),
            };
            self.external_locations.insert(location.name.to_string(), entry);
        }
        for volume in snapshot.all_volumes() {
            let (kind, location) = match &volume.kind {
                VolumeKind::Managed { location } => ("managed", location),
                VolumeKind::External { location } => ("external", location),
            };
            let entry = VolumeEntry {
                kind: kind.to_owned(),
                location: location.clone(),
                owner: who(snapshot, volume.owner),
                comment: volume.comment.clone(),
                tags: texts(&volume.tags),
            };
            self.volumes.insert(volume.name.to_string(), entry);
        }
    }

    fn add_governance(&mut self, snapshot: &Snapshot) {
        for tag in snapshot.governed_tags() {
            let entry = TagEntry {
                owner: who(snapshot, tag.owner),
                comment: tag.comment.clone(),
                values: tag.values.clone(),
            };
            self.governed_tags.insert(tag.key.to_string(), entry);
        }
        for policy in snapshot.all_tag_policies() {
            let scope = self.tag_policies.entry(key_of(snapshot, policy.scope)).or_default();
            scope.insert(policy.name.to_string(), tag_policy(snapshot, policy));
        }
        for test in snapshot.policy_tests() {
            let entry = TestEntry {
                owner: who(snapshot, test.owner),
                comment: test.comment.clone(),
                as_user: who(snapshot, test.as_user),
                query: test.query.clone(),
                expectation: ExpectationJson::of(&test.expectation),
            };
            self.policy_tests.insert(test.name.to_string(), entry);
        }
    }
}

/// The principal's name; of one that is not there, its id, which no import takes.
fn who(snapshot: &Snapshot, id: PrincipalId) -> String {
    snapshot.principal(id).map_or_else(|| id.to_string(), |principal| principal.name.clone())
}

fn texts(tags: &Tags) -> Texts {
    tags.iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
}

fn names_of(snapshot: &Snapshot, principals: &[PrincipalId]) -> Vec<String> {
    let mut names: Vec<_> = principals.iter().map(|id| who(snapshot, *id)).collect();
    names.sort();
    names
}

fn tables(snapshot: &Snapshot, ids: &[TableId]) -> Vec<String> {
    let name =
        |id: &TableId| snapshot.table_by_id(*id).map_or(id.to_string(), |table| table.name.to_string());
    let mut names: Vec<_> = ids.iter().map(name).collect();
    names.sort();
    names
}

fn functions(snapshot: &Snapshot, ids: &[FunctionId]) -> Vec<String> {
    let name = |id: &FunctionId| {
        snapshot.function_by_id(*id).map_or(id.to_string(), |function| function.name.to_string())
    };
    let mut names: Vec<_> = ids.iter().map(name).collect();
    names.sort();
    names
}

/// The full name of what a policy calls.
fn called(snapshot: &Snapshot, function: PolicyFunction) -> String {
    match function {
        PolicyFunction::Builtin(mask) => mask.to_string(),
        PolicyFunction::Sql(id) => {
            snapshot.function_by_id(id).map_or(id.to_string(), |function| function.name.to_string())
        }
    }
}

fn principal(snapshot: &Snapshot, principal: &Principal) -> PrincipalEntry {
    PrincipalEntry {
        kind: match principal.kind {
            PrincipalKind::User => "user",
            PrincipalKind::ServicePrincipal => "service principal",
            PrincipalKind::Group => "group",
        }
        .to_owned(),
        disabled: principal.disabled,
        account_admin: principal.account_admin,
        may_act_for_users: principal.may_act_for_users,
        members: names_of(snapshot, &snapshot.members_of(principal.id)),
    }
}

fn function_entry(snapshot: &Snapshot, function: &Function) -> FunctionEntry {
    let (returns, returns_table) = match &function.returns {
        Returns::Scalar(text) => (Some(text.clone()), None),
        Returns::Table(columns) => (None, Some(columns.iter().map(ParameterJson::of).collect())),
    };
    FunctionEntry {
        owner: who(snapshot, function.owner),
        comment: function.comment.clone(),
        parameters: function.parameters.iter().map(ParameterJson::of).collect(),
        returns,
        returns_table,
        body: function.body.clone(),
        reads: tables(snapshot, &function.reads),
        calls: functions(snapshot, &function.calls),
    }
}

fn table_entry(snapshot: &Snapshot, table: &Table) -> TableEntry {
    let mut entry = TableEntry {
        kind: "view".to_owned(),
        owner: who(snapshot, table.owner),
        comment: table.comment.clone(),
        location: None,
        text: None,
        tests_identity: false,
        reads: Vec::new(),
        calls: Vec::new(),
        columns: table.columns.iter().map(ColumnJson::of).collect(),
        row_filter: table.row_filter.as_ref().map(|filter| {
            let mut json = FilterJson::of(filter);
            json.function = called(snapshot, filter.function);
            json
        }),
        masks: table
            .masks
            .iter()
            .map(|mask| {
                let mut json = MaskJson::of(mask);
                json.function = called(snapshot, mask.function);
                json
            })
            .collect(),
        properties: table.properties.clone(),
        tags: texts(&table.tags),
    };
    match &table.kind {
        TableKind::Managed { location } => {
            entry.kind = "managed".to_owned();
            entry.location = Some(location.clone());
        }
        TableKind::External { location } => {
            entry.kind = "external".to_owned();
            entry.location = Some(location.clone());
        }
        TableKind::View(view) => {
            entry.text = Some(view.text.clone());
            entry.tests_identity = view.tests_identity;
            entry.reads = tables(snapshot, &view.reads);
            entry.calls = functions(snapshot, &view.calls);
        }
    }
    entry
}

fn tag_policy(snapshot: &Snapshot, policy: &TagPolicy) -> TagPolicyEntry {
    let mut definition = TagPolicyJson::of(policy);
    definition.function = called(snapshot, policy.function);
    definition.to = names_of(snapshot, &policy.audience.to);
    definition.except = names_of(snapshot, &policy.audience.except);
    TagPolicyEntry { comment: policy.comment.clone(), definition }
}

fn privileges(snapshot: &Snapshot, effect: Effect) -> Privileges {
    let mut found = Privileges::new();
    for grant in snapshot.grants().filter(|grant| grant.effect == effect) {
        let on: &mut BTreeMap<_, Vec<_>> = found.entry(key_of(snapshot, grant.securable)).or_default();
        on.entry(who(snapshot, grant.principal)).or_default().push(grant.privilege.name().to_owned());
    }
    for privileges in found.values_mut().flat_map(BTreeMap::values_mut) {
        privileges.sort();
    }
    found
}
