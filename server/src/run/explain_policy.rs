//! EXPLAIN POLICY: which policies hold for the tables of a query, why, and what each leaves.
//!
//! * Oneself: for tables one may read; of others one may know of, which rights are missing.
//! * AS USER: MANAGE on each table, or IMPERSONATE. The user's groups of now count, no claims of a token.
//! * Tables behind views and functions are listed for those who may look into them.
//! * Numbers of rows are for those who have MANAGE on the table.
//! * No policy's body, no value of a row, and no name of a table that the asker may not see.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use weir_catalog::effective::{EffectiveArgument, EffectivePolicies, PolicyOrigin};
use weir_catalog::metastore::impersonation::{may_impersonate, somebody};
use weir_catalog::{
    Composition, Decision, Lack, ObjectName, PolicyFunction, PrincipalId, Privilege, SecurableId,
    SecurableName, Snapshot, Table, authorize, may_count_hidden, resolve,
};
use weir_enforce::counting::rows_kept_by;
use weir_enforce::explain::{self, Outcome};
use weir_enforce::{Policies, Scope};

mod beneath;

use super::Run;
use crate::error::{Condition, Error, Result};
use crate::sql::{ExplainPolicy, Explained, ast, expression, parse_query};

const TEXTS: [&str; 8] = [
    "table_name",
    "policy_name",
    "policy_kind",
    "scope",
    "function_name",
    "applies",
    "identity_facts",
    "effect",
];

/// One row for each table and policy.
pub(super) fn schema() -> SchemaRef {
    let texts = TEXTS.iter().map(|name| Field::new(*name, DataType::Utf8, true));
    let numbers = ["rows_in", "rows_kept"].iter().map(|name| Field::new(*name, DataType::Int64, true));
    let missing = Field::new("missing_rights", DataType::Utf8, true);
    Arc::new(Schema::new(texts.chain(numbers).chain([missing]).collect::<Vec<_>>()))
}

/// One row.
#[derive(Debug, Default, Clone)]
struct Account {
    table: Option<String>,
    policy: Option<String>,
    kind: Option<String>,
    scope: Option<String>,
    function: Option<String>,
    applies: Option<String>,
    facts: Option<String>,
    effect: Option<String>,
    rows_in: Option<i64>,
    rows_kept: Option<i64>,
    missing: Option<String>,
}

impl Account {
    fn of(table: &Table) -> Self {
        Self { table: Some(table.name.to_string()), ..Self::default() }
    }
}

/// Who asks about whom.
struct Question<'a> {
    snapshot: &'a Arc<Snapshot>,
    asker: PrincipalId,
    subject: PrincipalId,
    scope: Arc<Scope>,
}

/// One policy of a table, and the policies as if there were no other.
struct Single {
    place: Place,
    kind: &'static str,
    function: PolicyFunction,
    arguments: Vec<EffectiveArgument>,
    column: Option<String>,
    alone: EffectivePolicies,
}

impl Run<'_> {
    pub(super) async fn explain_policy(&self, explain: &ExplainPolicy) -> Result<RecordBatch> {
        let snapshot = self.warehouse.snapshot_for(&self.context).await?;
        let asker = self.context.identity().principal();
        let (names, calls) = self.names_of(explain, &snapshot)?;
        for name in names.iter().filter(|name| name.catalog.as_str() != "system") {
            let id = resolve(&snapshot, asker, &SecurableName::Table(name.clone()))?;
            if explain.user.is_some() && !may_impersonate(&snapshot, asker) {
                let named = SecurableName::Table(name.clone());
                authorize(&snapshot, asker, Privilege::Manage, id).require(&snapshot, &named)?;
            }
        }
        let subject = match &explain.user {
            Some(user) => somebody(&snapshot, user)?.id,
            None => asker,
        };
        let scope = match subject == asker {
            true => self.warehouse.engine.scope(&self.context, &snapshot)?,
            false => self.warehouse.engine.scope_about(&snapshot, subject)?,
        };
        let question = Question { snapshot: &snapshot, asker, subject, scope };
        let mut accounts = Vec::new();
        for name in &names {
            if name.catalog.as_str() == "system" {
                accounts.push(self.system_table(name).await?);
            } else if let Some(table) = snapshot.table(name) {
                self.named(&question, table, &mut accounts).await?;
            }
        }
        self.beneath_calls(&question, &names, &calls, &mut accounts).await?;
        batch(&accounts)
    }

    /// The tables that are named, and the functions that are called.
    fn names_of(
        &self,
        explain: &ExplainPolicy,
        snapshot: &Arc<Snapshot>,
    ) -> Result<(Vec<ObjectName>, Vec<ObjectName>)> {
        match &explain.of {
            Explained::Table(name) => Ok((vec![name.resolve(&self.context.session)?], Vec::new())),
            Explained::Query(query) => {
                let query: &ast::Query = query;
                if !expression::placeholders(query).is_empty() {
                    let text = "EXPLAIN POLICY takes no parameters: policies do not depend on them";
                    return Err(Error::new(Condition::InvalidStatement, text));
                }
                let qualified = self.warehouse.engine.qualified(&self.context, snapshot, query)?;
                Ok((qualified.names, qualified.calls))
            }
        }
    }

    async fn system_table(&self, name: &ObjectName) -> Result<Account> {
        let text = format!("SELECT * FROM `{}`.`{}`.`{}`", name.catalog, name.schema, name.object);
        let query = parse_query(&text)?;
        self.warehouse.plan(&self.context, &query).await?;
        Ok(Account {
            table: Some(name.to_string()),
            kind: Some("SYSTEM".to_owned()),
            scope: Some("system".to_owned()),
            applies: Some("yes".to_owned()),
            effect: Some("shows what belongs to the reader or what the reader may know of".to_owned()),
            ..Account::default()
        })
    }

    /// A table or view that the query names.
    async fn named(&self, question: &Question<'_>, table: &Table, accounts: &mut Vec<Account>) -> Result<()> {
        let right =
            authorize(question.snapshot, question.subject, Privilege::Select, SecurableId::Table(table.id));
        if let Decision::Refused { missing, .. } = right {
            let missing: Vec<String> = missing.iter().map(|lack| lacked(question.snapshot, lack)).collect();
            accounts.push(Account {
                applies: Some("no".to_owned()),
                effect: Some("cannot be read".to_owned()),
                missing: Some(missing.join(", ")),
                ..Account::of(table)
            });
            return Ok(());
        }
        self.readable(question, table, accounts).await?;
        self.beneath_view(question, table, accounts).await
    }

    /// The policies of one table.
    async fn readable(
        &self,
        question: &Question<'_>,
        table: &Table,
        accounts: &mut Vec<Account>,
    ) -> Result<()> {
        if table.view().is_some() {
            let owner = question.snapshot.principal(table.owner).map_or("?", |owner| owner.name.as_str());
            accounts.push(Account {
                kind: Some("VIEW".to_owned()),
                scope: Some("view".to_owned()),
                applies: Some("yes".to_owned()),
                effect: Some(format!(
                    "reads with the rights of `{owner}`, under the policies for the reader"
                )),
                ..Account::of(table)
            });
            if !question.snapshot.is_governed(table) {
                return Ok(());
            }
        }
        let rows_in = match may_count_hidden(question.snapshot, question.asker, table) {
            true => {
                let all = rows_kept_by(&question.scope, table, Policies::default()).await?;
                Some(self.counting().number(&question.scope, &all.plan).await?)
            }
            false => None,
        };
        let effective = match explain::effective(&question.scope, table).await? {
            Ok(effective) => effective,
            Err(refusal) => {
                let refusal = refusal.told_to(question.asker, table, question.snapshot);
                accounts.push(Account {
                    applies: Some("cannot be evaluated".to_owned()),
                    effect: Some(format!("the table cannot be read: {refusal}")),
                    rows_in,
                    ..Account::of(table)
                });
                return Ok(());
            }
        };
        if effective.is_empty() {
            accounts.push(Account {
                applies: Some("no".to_owned()),
                effect: Some("no policy: all rows and values".to_owned()),
                rows_in,
                rows_kept: rows_in,
                ..Account::of(table)
            });
        }
        if effective.denied_by_default {
            accounts.push(Account {
                kind: Some("DEFAULT".to_owned()),
                applies: Some("yes".to_owned()),
                effect: Some("hides everything: no row filter speaks of the reader".to_owned()),
                rows_in,
                rows_kept: rows_in.map(|_| 0),
                ..Account::of(table)
            });
        }
        for single in singles(question.snapshot, table, &effective) {
            accounts.push(self.account(question, table, &single, rows_in).await?);
        }
        accounts.extend(others(question, table, &effective, rows_in.is_some()));
        Ok(())
    }

    async fn account(
        &self,
        question: &Question<'_>,
        table: &Table,
        single: &Single,
        rows_in: Option<i64>,
    ) -> Result<Account> {
        let mut account = Account {
            policy: single.place.name.clone(),
            kind: Some(single.kind.to_owned()),
            scope: Some(single.place.scope.clone()),
            function: Some(question.snapshot.policy_function_name(single.function)),
            rows_in,
            ..Account::of(table)
        };
        let (outcome, policies) = match explain::outcome(&question.scope, table, &single.alone).await {
            Ok(compiled) => compiled,
            Err(error) => {
                let condition = Error::from(error).condition().name();
                account.applies = Some("cannot be evaluated".to_owned());
                account.effect = Some(format!("the table cannot be read: {condition}"));
                return Ok(account);
            }
        };
        let function = single.function.sql().and_then(|id| question.snapshot.function_by_id(id));
        if let Some(function) = function {
            let facts = explain::facts(&question.scope, function, &single.arguments).await?;
            account.facts = (!facts.is_empty()).then(|| facts.join("; "));
        }
        let (applies, effect) = words(outcome, single.column.as_deref());
        account.applies = Some(applies.to_owned());
        account.effect = Some(effect);
        if rows_in.is_some() {
            let kept = rows_kept_by(&question.scope, table, policies).await?;
            account.rows_kept = Some(self.counting().number(&question.scope, &kept.plan).await?);
        }
        Ok(account)
    }
}

impl Question<'_> {
    /// Whether the asker may hear of the policies of a table that stands behind a view or a call: what they come to for somebody else
    /// is for whom the same would be told of the table itself.
    fn may_look_into(&self, table: &Table) -> bool {
        let has = |privilege| {
            authorize(self.snapshot, self.asker, privilege, SecurableId::Table(table.id)).is_allowed()
        };
        match self.subject == self.asker {
            true => has(Privilege::Select) || has(Privilege::Manage),
            false => has(Privilege::Manage) || may_impersonate(self.snapshot, self.asker),
        }
    }
}

fn words(outcome: Outcome, column: Option<&str>) -> (&'static str, String) {
    match (outcome, column) {
        (Outcome::FoldsAway, None) => ("folds away", "keeps all rows".to_owned()),
        (Outcome::FoldsAway, Some(column)) => ("folds away", format!("leaves column `{column}` as it is")),
        (Outcome::HidesAll, _) => ("yes", "hides everything".to_owned()),
        (Outcome::Holds, None) => ("yes", "keeps rows where the function gives TRUE".to_owned()),
        (Outcome::Holds, Some(column)) => ("yes", format!("masks column `{column}`")),
    }
}

/// Each policy that holds, as if it were the only one.
fn singles(snapshot: &Snapshot, table: &Table, effective: &EffectivePolicies) -> Vec<Single> {
    let own = table.securable_kind().noun();
    let filters = effective.filters.iter().map(|filter| Single {
        place: Place::of(snapshot, own, &filter.origins),
        kind: match filter.composition {
            Composition::Restrictive => "ROW FILTER",
            Composition::Permissive => "ROW FILTER (PERMISSIVE)",
        },
        function: filter.function,
        arguments: filter.arguments.clone(),
        column: None,
        alone: EffectivePolicies { filters: vec![filter.clone()], ..EffectivePolicies::default() },
    });
    let masks = effective.masks.iter().map(|mask| {
        let first = EffectiveArgument::Column(mask.column.clone());
        let mut column = vec![mask.column.name.clone()];
        column.extend(mask.path.iter().cloned());
        Single {
            place: Place::of(snapshot, own, &mask.origins),
            kind: "COLUMN MASK",
            function: mask.function,
            arguments: std::iter::once(first).chain(mask.arguments.iter().cloned()).collect(),
            column: Some(column.join(".")),
            alone: EffectivePolicies { masks: vec![mask.clone()], ..EffectivePolicies::default() },
        }
    });
    filters.chain(masks).collect()
}

/// Where a policy stands, for people.
#[derive(Debug, Default, Clone)]
struct Place {
    name: Option<String>,
    scope: String,
}

impl Place {
    /// `own` is what a policy set on the table or view itself stands on.
    fn of(snapshot: &Snapshot, own: &str, origins: &[PolicyOrigin]) -> Self {
        let names: Vec<String> = origins
            .iter()
            .filter_map(|origin| match origin {
                PolicyOrigin::Table => None,
                PolicyOrigin::Tag(tag) => Some(tag.name.to_string()),
            })
            .collect();
        let scopes: Vec<String> = origins
            .iter()
            .map(|origin| match origin {
                PolicyOrigin::Table => own.to_owned(),
                PolicyOrigin::Tag(tag) => format!("tag policy on {}", scope_of(snapshot, tag.scope)),
            })
            .collect();
        Self { name: (!names.is_empty()).then(|| names.join(", ")), scope: scopes.join(", ") }
    }
}

fn scope_of(snapshot: &Snapshot, scope: SecurableId) -> String {
    snapshot.name_of(scope).map_or_else(|| "?".to_owned(), |name| name.to_string())
}

/// Tag policies over the table that do not hold for the subject, and why.
fn others(question: &Question<'_>, table: &Table, effective: &EffectivePolicies, all: bool) -> Vec<Account> {
    let snapshot = question.snapshot;
    let mut accounts = Vec::new();
    for origin in &effective.excepted {
        let place = Place::of(snapshot, table.securable_kind().noun(), std::slice::from_ref(origin));
        accounts.push(Account {
            policy: place.name,
            scope: Some(place.scope),
            applies: Some("exempt by EXCEPT".to_owned()),
            effect: Some("takes nothing away".to_owned()),
            ..Account::of(table)
        });
    }
    if !all {
        return accounts;
    }
    let origins = effective.filters.iter().flat_map(|filter| &filter.origins);
    let origins =
        origins.chain(effective.masks.iter().flat_map(|mask| &mask.origins)).chain(&effective.excepted);
    let told: std::collections::BTreeSet<_> = origins
        .filter_map(|origin| match origin {
            PolicyOrigin::Table => None,
            PolicyOrigin::Tag(tag) => Some(tag.id),
        })
        .collect();
    for policy in snapshot.tag_policies_over(table).into_iter().filter(|policy| !told.contains(&policy.id)) {
        let named = policy.audience.to.iter().any(|to| snapshot.acts_as(question.subject, *to));
        accounts.push(Account {
            policy: Some(policy.name.to_string()),
            scope: Some(format!("tag policy on {}", scope_of(snapshot, policy.scope))),
            function: Some(snapshot.policy_function_name(policy.function)),
            applies: Some(if named { "no matching table or column" } else { "not in audience" }.to_owned()),
            effect: Some("takes nothing away".to_owned()),
            ..Account::of(table)
        });
    }
    accounts
}

fn lacked(snapshot: &Snapshot, lack: &Lack) -> String {
    let on = snapshot.name_of(lack.on).map_or_else(|| "?".to_owned(), |name| name.to_string());
    let denied = if lack.denied.is_some() { " (denied)" } else { "" };
    format!("{} on {on}{denied}", lack.privilege)
}

fn batch(accounts: &[Account]) -> Result<RecordBatch> {
    let texts = |text: fn(&Account) -> Option<&String>| -> ArrayRef {
        Arc::new(accounts.iter().map(text).collect::<StringArray>())
    };
    let numbers = |number: fn(&Account) -> Option<i64>| -> ArrayRef {
        Arc::new(accounts.iter().map(number).collect::<Int64Array>())
    };
    let columns = vec![
        texts(|account| account.table.as_ref()),
        texts(|account| account.policy.as_ref()),
        texts(|account| account.kind.as_ref()),
        texts(|account| account.scope.as_ref()),
        texts(|account| account.function.as_ref()),
        texts(|account| account.applies.as_ref()),
        texts(|account| account.facts.as_ref()),
        texts(|account| account.effect.as_ref()),
        numbers(|account| account.rows_in),
        numbers(|account| account.rows_kept),
        texts(|account| account.missing.as_ref()),
    ];
    RecordBatch::try_new(schema(), columns).map_err(Error::internal)
}
