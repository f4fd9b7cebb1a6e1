//! DRY RUN of a row filter or a mask: what it would change for whom, in numbers. Nothing is set.
//!
//! It needs what setting needs; for others than the caller also that the caller could lift every policy over the
//! table, since a filter may ask anything of rows that those hide. The counts are made within the enforcer with each principal's identity:
//! its groups of now, no claims of a token. Principals of one effective policy are counted once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use weir_catalog::metastore::impersonation::{may_impersonate, somebody};
use weir_catalog::{Principal, Privilege, SecurableId, Snapshot, Table, authorize, may_count_hidden};
use weir_enforce::Scope;
use weir_enforce::counting::{Count, rows_kept, values_changed};

use super::Run;
use crate::command::{self, Tried};
use crate::error::{Condition, Error, Result};
use crate::sql::DryRun;

/// For how many principals a policy is tried at once.
const PRINCIPALS_MAX: usize = 100;

/// One row a principal.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("principal", DataType::Utf8, true),
        Field::new("rows_before", DataType::Int64, true),
        Field::new("rows_after", DataType::Int64, true),
        Field::new("difference", DataType::Int64, true),
        Field::new("note", DataType::Utf8, true),
    ]))
}

/// What would change for one principal.
#[derive(Default)]
struct Effect {
    before: Option<i64>,
    after: Option<i64>,
    difference: Option<i64>,
    note: Option<String>,
}

/// Counts that were made, by effective policy.
type Known = HashMap<String, i64>;

impl Run<'_> {
    pub(super) async fn dry_run(&self, dry_run: &DryRun) -> Result<RecordBatch> {
        let commands = &self.warehouse.commands;
        let (snapshot, tried) = command::tried(commands, &self.context, &dry_run.change).await?;
        let mut principals = principals(&snapshot, &tried.before, dry_run.users.as_deref())?;
        let asker = self.context.identity().principal();
        if !may_count_hidden(&snapshot, asker, &tried.before) && !may_impersonate(&snapshot, asker) {
            if dry_run.users.is_some() && principals.iter().any(|principal| principal.id != asker) {
                return Err(not_for_others());
            }
            principals.retain(|principal| principal.id == asker);
        }
        let mut known = [Known::new(), Known::new(), Known::new()];
        let mut effects = Vec::new();
        for principal in principals {
            effects.push((principal, self.effect(&snapshot, &tried, principal, &mut known).await?));
        }
        let number = |of: fn(&Effect) -> Option<i64>| -> ArrayRef {
            Arc::new(effects.iter().map(|(_, effect)| of(effect)).collect::<Int64Array>())
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(effects.iter().map(|(who, _)| Some(who.name.as_str())).collect::<StringArray>()),
            number(|effect| effect.before),
            number(|effect| effect.after),
            number(|effect| effect.difference),
            Arc::new(effects.iter().map(|(_, effect)| effect.note.as_deref()).collect::<StringArray>()),
        ];
        RecordBatch::try_new(schema(), columns).map_err(Error::internal)
    }

    async fn effect(
        &self,
        snapshot: &Arc<Snapshot>,
        tried: &Tried,
        principal: &Principal,
        [before, after, changed]: &mut [Known; 3],
    ) -> Result<Effect> {
        if !reads(snapshot, principal, &tried.before) {
            let note = Some("may not read the table".to_owned());
            return Ok(Effect { note, ..Effect::default() });
        }
        let scope = self.warehouse.engine.scope_about(snapshot, principal.id)?;
        let mut effect = Effect::default();
        match rows_kept(&scope, &tried.before).await.map_err(Error::from) {
            Ok(count) => effect.before = Some(self.counted(&scope, &count, before).await?),
            Err(error) => effect.note = Some(format!("cannot read the table today: {}", refusal(error)?)),
        }
        match rows_kept(&scope, &tried.after).await.map_err(Error::from) {
            Ok(count) => effect.after = Some(self.counted(&scope, &count, after).await?),
            Err(error) => {
                effect.note = Some(format!("could not read the table any more: {}", refusal(error)?));
            }
        }
        effect.difference = match (&tried.masked, effect.before, effect.after) {
            (None, Some(before), Some(after)) => Some(after - before),
            (Some(column), Some(_), Some(_)) => {
                let count = values_changed(&scope, &tried.before, &tried.after, column).await?;
                Some(self.counted(&scope, &count, changed).await?)
            }
            _ => None,
        };
        Ok(effect)
    }

    async fn counted(&self, scope: &Arc<Scope>, count: &Count, known: &mut Known) -> Result<i64> {
        if let Some(number) = known.get(&count.fingerprint) {
            return Ok(*number);
        }
        let number = self.counting().number(scope, &count.plan).await?;
        known.insert(count.fingerprint.clone(), number);
        Ok(number)
    }
}

fn not_for_others() -> Error {
    let text = "a dry run for others tells of rows that policies beyond this table may hide from you";
    Error::new(Condition::InsufficientPermissions, text)
        .with_hint("it needs MANAGE wherever a policy over the table stands, or IMPERSONATE on the metastore")
}

/// The condition of a refusal by a policy that does not fit; any other error ends the statement.
fn refusal(error: Error) -> Result<&'static str> {
    match error.condition() {
        Condition::RowFilterIncompatible | Condition::MaskIncompatible | Condition::UnsupportedFeature => {
            Ok(error.condition().name())
        }
        _ => Err(error),
    }
}

/// By the catalog alone, as what is told of the principal is.
fn reads(snapshot: &Snapshot, principal: &Principal, table: &Table) -> bool {
    authorize(snapshot.unclaimed(), principal.id, Privilege::Select, SecurableId::Table(table.id))
        .is_allowed()
}

/// Those named, else all who may read the table and could log in, by name.
fn principals<'s>(
    snapshot: &'s Snapshot,
    table: &Table,
    users: Option<&[String]>,
) -> Result<Vec<&'s Principal>> {
    let mut principals = match users {
        Some(users) => {
            let named = users.iter().map(|user| somebody(snapshot, user));
            named.collect::<std::result::Result<Vec<_>, weir_catalog::Error>>()?
        }
        None => snapshot
            .principals()
            .filter(|principal| !principal.disabled && !principal.is_group())
            .filter(|principal| reads(snapshot, principal, table))
            .collect(),
    };
    principals.sort_by(|left, right| left.name.cmp(&right.name));
    principals.dedup_by_key(|principal| principal.id);
    if principals.len() > PRINCIPALS_MAX {
        let text = format!(
            "a dry run for {} principals is too large; it may be for {PRINCIPALS_MAX}",
            principals.len()
        );
        return Err(
            Error::new(Condition::ResourceExhausted, text).with_hint("name them: FOR USERS (a, b, …)")
        );
    }
    Ok(principals)
}
