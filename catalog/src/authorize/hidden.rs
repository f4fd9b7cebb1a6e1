//! Who may be told how many rows policies hide from others.

use std::collections::BTreeMap;

use super::{authorize, is_account_admin, is_metastore_admin};
use crate::id::PrincipalId;
use crate::privilege::Privilege;
use crate::securable::{POLICY_DEFAULT_PROPERTY, SecurableId, Table};
use crate::snapshot::Snapshot;

/// Whether `principal` may learn numbers of rows of the table that policies hide, be it from itself: somebody
/// of rank, or who has MANAGE on the table and wherever a policy over it stands, and so could lift it. Who
/// manages the table alone could ask, one predicate after the other, for what a policy of a wider scope hides.
/// Of a view it is asked of all that it reads; of one that calls functions rank alone may.
pub fn may_count_hidden(snapshot: &Snapshot, principal: PrincipalId, table: &Table) -> bool {
    if is_account_admin(snapshot, principal) || is_metastore_admin(snapshot, principal) {
        return true;
    }
    let manages = |on| authorize(snapshot, principal, Privilege::Manage, on).is_allowed();
    let itself = SecurableId::Table(table.id);
    let bare = Table { properties: BTreeMap::new(), ..table.clone() };
    let inherits_default = snapshot.governing_property(&bare, POLICY_DEFAULT_PROPERTY).is_some();
    let containers = snapshot.containers_of(itself).filter(|_| inherits_default);
    let scopes = snapshot.tag_policies_over(table).into_iter().map(|policy| policy.scope);
    let lifts_all = std::iter::once(itself).chain(containers).chain(scopes).all(manages);
    let read = table.view().map(|view| {
        view.calls.is_empty()
            && view.reads.iter().all(|id| {
                snapshot.table_by_id(*id).is_some_and(|read| may_count_hidden(snapshot, principal, read))
            })
    });
    lifts_all && read.unwrap_or(true)
}
