//! Who may bring it about that a policy reads what has policies itself.
//!
//! A policy reads in the name of its function's owner, the *definer*, and its answers go to whoever reads the
//! table that it stands on. So whoever sets it on a table of their own, with arguments of their own, would be
//! told what the definer sees and they may not: EXECUTE on the function is not enough for that. Such a
//! reading comes about by the definer or by somebody of rank alone, whatever brings it about: a policy set, a
//! function or view replaced or given away, a tag or a policy that comes over what is read. A policy that
//! stood there before, without such a reading, may be anybody's: for it the definer's will is not enough unless
//! the table is the definer's too, or the policy reads such a thing already.
//!
//! A group is no definer of such readings: it is named by no policy that names its members, and each of them
//! writes its functions' texts.

use std::collections::{BTreeMap, BTreeSet};

use crate::authorize::{is_account_admin, is_metastore_admin, may_see};
use crate::error::Error;
use crate::id::{FunctionId, PrincipalId, TableId};
use crate::policy::PolicyFunction;
use crate::securable::SecurableId;
use crate::snapshot::Snapshot;

/// A policy as it stands: where, with everything that it gets, and its function.
type Standing = (String, FunctionId);

/// Policies that read what may be hidden.
#[derive(Default)]
struct Readings {
    /// Every policy.
    standing: BTreeSet<Standing>,
    /// Those that read such things: the definer, what is read, and whether the definer set it or owns the
    /// table.
    readings: BTreeMap<(Standing, PrincipalId), (BTreeSet<TableId>, bool)>,
}

/// Refuses `by` a change from one catalog to the other through which a policy comes to read what may be
/// hidden from its reader, where `by` is neither the definer nor of rank.
pub fn check_readings(before: &Snapshot, after: &Snapshot, by: PrincipalId) -> Result<(), Error> {
    let after_it = Readings::of(after);
    if after_it.readings.is_empty() {
        return Ok(());
    }
    let known = Readings::of(before);
    let rank = is_account_admin(before, by) || is_metastore_admin(before, by);
    for (key, (reads, own)) in &after_it.readings {
        let ((standing, definer), vouched) = (key, known.readings.get(key));
        let Some(read) = reads.iter().find(|read| vouched.is_none_or(|(before, _)| !before.contains(read)))
        else {
            continue;
        };
        let is_group = after.principal(*definer).is_none_or(|definer| definer.is_group());
        let is_set_now = !known.standing.contains(standing);
        let by_definer = before.acts_as(by, *definer) && (is_set_now || vouched.is_some() || *own);
        if !is_group && (rank || by_definer) {
            continue;
        }
        let told = |id: SecurableId| match may_see(before, by, id) || before.name_of(id).is_none() {
            true => format!("`{}`", after.display_name(id)),
            false => "what you may not see".to_owned(),
        };
        let function = told(SecurableId::Function(standing.1));
        return Err(Error::PolicyReadsGoverned { function, read: told(SecurableId::Table(*read)), is_group });
    }
    Ok(())
}

impl Readings {
    fn of(snapshot: &Snapshot) -> Self {
        let mut restricted: BTreeMap<FunctionId, BTreeSet<TableId>> = BTreeMap::new();
        let mut all = Self::default();
        let mut note = |place: String, function: PolicyFunction, set_by: PrincipalId| {
            let PolicyFunction::Sql(id) = function else { return };
            let Some(definer) = snapshot.function_by_id(id).map(|function| function.owner) else { return };
            all.standing.insert((place.clone(), id));
            let reads = restricted.entry(id).or_insert_with(|| restricted_reads(snapshot, id));
            if !reads.is_empty() {
                let own = snapshot.acts_as(set_by, definer);
                all.readings.insert(((place, id), definer), (reads.clone(), own));
            }
        };
        for table in snapshot.all_tables() {
            if let Some(filter) = &table.row_filter {
                note(format!("{:?} filter {:?}", table.id, filter.arguments), filter.function, table.owner);
            }
            for mask in &table.masks {
                let gets = (&mask.column, &mask.path, &mask.arguments);
                note(format!("{:?} mask {gets:?}", table.id), mask.function, table.owner);
            }
        }
        for policy in snapshot.all_tag_policies() {
            let gets = (&policy.rule, &policy.when, &policy.matches, &policy.arguments, &policy.audience);
            let place = format!("{:?} on {:?}: {gets:?}", policy.id, policy.scope);
            note(place, policy.function, policy.stamps.altered_by);
        }
        all
    }
}

/// What the function and all that it calls read, through views too, and may be hidden from somebody.
fn restricted_reads(snapshot: &Snapshot, function: FunctionId) -> BTreeSet<TableId> {
    let (mut functions, mut tables) = (vec![function], Vec::<TableId>::new());
    let (mut called, mut read) = (BTreeSet::new(), BTreeSet::new());
    loop {
        if let Some(id) = functions.pop() {
            if let Some(function) = snapshot.function_by_id(id).filter(|_| called.insert(id)) {
                functions.extend(&function.calls);
                tables.extend(&function.reads);
            }
        } else if let Some(id) = tables.pop() {
            if read.insert(id)
                && let Some(view) = snapshot.table_by_id(id).and_then(|table| table.view())
            {
                functions.extend(&view.calls);
                tables.extend(&view.reads);
            }
        } else {
            break;
        }
    }
    read.retain(|id| snapshot.table_by_id(*id).is_some_and(|table| snapshot.may_restrict(table)));
    read
}
