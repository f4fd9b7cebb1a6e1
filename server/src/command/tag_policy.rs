//! Tag policies: CREATE, DROP, VALIDATE, SHOW and DESCRIBE.
//!
//! Who may read what stands on a scope: whoever has READ METADATA there, which comes with MANAGE and
//! ownership; on the metastore, rank. That is decided before a policy is looked for, so that a refusal
//! does not tell whether there is one.

use weir_catalog::error::{Error as CatalogError, Reserved};
use weir_catalog::metastore::TagPolicySpec;
use weir_catalog::securable::{SecurableId, SecurableName};
use weir_catalog::{
    BuiltinMask, Name, ObjectName, Privilege, Snapshot, TagPolicy, TagPolicyRule, may_read_policies,
};
use weir_enforce::error::PolicyKind;

use super::catalog::on_missing;
use super::sight::Sight;
use super::view::on_existing_definition;
use super::{Call, done};
use crate::error::Result;
use crate::error::convert::not_found;
use crate::run::Outcome;
use crate::sql::{CreateTagPolicy, SecurableReference, TagPolicyCommand, TagRule};

mod fit;
mod listing;
mod validate;

pub(super) use listing::{description, effective, standing};
pub(super) use validate::COLUMNS as VALIDATE_COLUMNS;

pub(super) async fn run(call: Call<'_>, command: &TagPolicyCommand) -> Result<Outcome> {
    match command {
        TagPolicyCommand::Create(policy) => create(call, policy).await?,
        TagPolicyCommand::Drop { name, scope, if_exists } => {
            let snapshot = call.snapshot().await?;
            let scope = Sight::new(call, &snapshot).securable(call, scope)?;
            let on_missing = on_missing(*if_exists);
            call.metastore().tag_policy_drop(call.by(), call.now(), &scope, name, on_missing).await?;
        }
        TagPolicyCommand::Validate { name, scope } => {
            let snapshot = call.snapshot().await?;
            let sight = Sight::new(call, &snapshot);
            return validate::run(sight, found(call, sight, name, scope)?);
        }
    }
    done()
}

async fn create(call: Call<'_>, create: &CreateTagPolicy) -> Result<()> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let scope = sight.securable(call, &create.scope)?;
    let function = create.function.resolve(&call.context.session)?;
    let spec = TagPolicySpec {
        name: create.name.clone(),
        scope: scope.clone(),
        rule: match &create.rule {
            TagRule::RowFilter => TagPolicyRule::RowFilter,
            TagRule::ColumnMask { on } => TagPolicyRule::ColumnMask { on: on.clone() },
        },
        function: function.clone(),
        to: create.to.clone(),
        except: create.except.clone(),
        when: create.when.clone(),
        matches: create.matches.clone(),
        arguments: create.arguments.clone(),
        composition: create.composition,
        on_no_match: create.on_no_match,
        comment: create.comment.clone(),
    };
    require(sight, &scope, &function)?;
    fit::check(sight, &spec)?;
    if BuiltinMask::find(&function).is_none() {
        let kind = match create.rule {
            TagRule::RowFilter => PolicyKind::RowFilter,
            TagRule::ColumnMask { .. } => PolicyKind::ColumnMask,
        };
        let analysis = &call.environment.analysis;
        analysis.policy_function(call.context, &snapshot, sight.function(&function)?, kind).await?;
    }
    let on_existing = on_existing_definition(create.or_replace, create.if_not_exists);
    call.metastore().tag_policy_create(call.by(), call.now(), spec, on_existing).await?;
    Ok(())
}

/// MANAGE on the scope and EXECUTE on the function, before anything of either is looked at.
fn require(sight: Sight<'_>, scope: &SecurableName, function: &ObjectName) -> Result<()> {
    match sight.find(scope)? {
        SecurableId::Metastore => require_rank(sight)?,
        id => sight.require(Privilege::Manage, id, scope)?,
    }
    if BuiltinMask::find(function).is_some() {
        return Ok(());
    }
    let id = SecurableId::Function(sight.function(function)?.id);
    sight.require(Privilege::Execute, id, &SecurableName::Function(function.clone()))
}

fn require_rank(sight: Sight<'_>) -> Result<()> {
    match may_read_policies(sight.snapshot, sight.by, SecurableId::Metastore) {
        true => Ok(()),
        false => Err(CatalogError::Reserved { act: Reserved::SetMetastorePolicy }.into()),
    }
}

/// The scope, for one who may read the policies on it.
fn readable_scope(call: Call<'_>, sight: Sight<'_>, scope: &SecurableReference) -> Result<SecurableId> {
    let name = sight.securable(call, scope)?;
    let id = sight.find(&name)?;
    if may_read_policies(sight.snapshot, sight.by, id) {
        return Ok(id);
    }
    require_rank_or_manage(sight, id, &name)?;
    Err(not_found(&name))
}

fn require_rank_or_manage(sight: Sight<'_>, id: SecurableId, name: &SecurableName) -> Result<()> {
    match id {
        SecurableId::Metastore => require_rank(sight),
        _ => sight.require_any(&[Privilege::Manage, Privilege::ReadMetadata], id, name),
    }
}

/// The policy of that name there, for one who may read it.
fn found<'a>(
    call: Call<'_>,
    sight: Sight<'a>,
    name: &Name,
    scope: &SecurableReference,
) -> Result<&'a TagPolicy> {
    let id = readable_scope(call, sight, scope)?;
    let policy = sight.snapshot.tag_policy(id, name);
    policy.ok_or_else(|| {
        let scope = sight.snapshot.name_of(id).unwrap_or(SecurableName::Metastore);
        CatalogError::TagPolicyNotFound { name: name.clone(), scope }.into()
    })
}

/// Names of the principals, as shown.
fn principals(snapshot: &Snapshot, ids: &[weir_catalog::PrincipalId]) -> String {
    let names = ids.iter().filter_map(|id| snapshot.principal(*id));
    names.map(|principal| principal.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Where a policy stands: the kind and the name.
fn scope_texts(snapshot: &Snapshot, scope: SecurableId) -> [String; 2] {
    let kind = snapshot.kind_of(scope).map(|kind| kind.to_string()).unwrap_or_default();
    [kind, snapshot.display_name(scope)]
}
