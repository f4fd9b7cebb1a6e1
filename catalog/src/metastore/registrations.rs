//! External tables that are to go from the catalog: their files stay, and whoever may register them again has them without what
//! was tied to the table.
//!
//! So dropping one needs what it would take to take that off: ASSIGN on each governed tag of the table, of its columns and of what
//! contains it, for it may be registered elsewhere; and rank, where its rows are denied to the caller. The table's own policies are for
//! whoever manages it to lift, by DROP as by ALTER. A managed table goes with its rows, and a view has none.

use std::collections::BTreeSet;

use super::caller::Caller;
use super::dependents::Objects;
use super::tags::require_assign_on;
use crate::decision::Reason;
use crate::error::{Error, Reserved};
use crate::grant::{Effect, Grant};
use crate::privilege::Privilege;
use crate::securable::{SecurableId, TableKind};

/// The privileges by which rows are read and changed.
const OF_ROWS: [Privilege; 6] = [
    Privilege::AllPrivileges,
    Privilege::Select,
    Privilege::Modify,
    Privilege::Insert,
    Privilege::Update,
    Privilege::Delete,
];

impl Caller<'_> {
    /// What it takes, beside MANAGE, to let go of the external tables among them.
    pub(super) fn require_releasable(&self, going: &Objects) -> Result<Vec<Reason>, Error> {
        let snapshot = self.snapshot;
        let (mut keys, mut is_denied) = (BTreeSet::new(), false);
        for table in going.tables(snapshot).filter(|table| matches!(table.kind, TableKind::External { .. })) {
            let id = SecurableId::Table(table.id);
            keys.extend(snapshot.tags_of(id).into_keys());
            keys.extend(table.columns.iter().flat_map(|column| column.tags.keys().cloned()));
            is_denied |= self.is_denied_on(id);
        }
        let mut because = require_assign_on(self, &keys)?;
        if is_denied {
            because.extend(self.require_rank(Reserved::LiftOwnDenial)?);
        }
        Ok(because)
    }

    /// Whether reading or changing its rows is denied to the caller, on the table or on what contains it.
    fn is_denied_on(&self, table: SecurableId) -> bool {
        let holds = |grant: Grant| {
            grant.effect == Effect::Deny && OF_ROWS.contains(&grant.privilege) && self.is(grant.principal)
        };
        let mut places = std::iter::once(table).chain(self.snapshot.containers_of(table));
        places.any(|on| self.snapshot.grants_on(on).any(holds))
    }
}
