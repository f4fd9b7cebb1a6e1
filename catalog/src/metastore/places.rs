//! Where files lie: what a location looks like, that no two securables share files, and who may lay
//! files where no managed ones lie.
//!
//! Locations are compared as text, segment by segment. For overlaps case does not matter, since some
//! file systems do not tell `A` from `a`; for what an external location covers it does: each errs on
//! the side of refusing.

use super::caller::Caller;
use crate::authorize::{authorize, is_account_admin, is_metastore_admin, may_see};
use crate::decision::Reason;
use crate::error::{Dependents, Error, Reserved};
use crate::id::{ExternalLocationId, PrincipalId};
use crate::privilege::Privilege;
use crate::securable::{SecurableId, SecurableName, TableKind, VolumeKind};
use crate::snapshot::Snapshot;

/// Where a table's or volume's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Under the data root.
    Managed {
        /// Relative to the data root, e.g. `tables/0192…`.
        location: String,
    },
    /// Elsewhere.
    External {
        /// An absolute URL, canonical, ending in `/`.
        location: String,
    },
}

/// Against what a location is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    DataRoot,
    Absolute,
}

/// What a table or volume may be laid on an external location for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExternalUse {
    Table,
    Volume,
}

impl ExternalUse {
    fn privilege(self) -> Privilege {
        match self {
            ExternalUse::Table => Privilege::CreateExternalTable,
            ExternalUse::Volume => Privilege::CreateExternalVolume,
        }
    }

    fn act(self) -> Reserved {
        match self {
            ExternalUse::Table => Reserved::CreateExternalTable,
            ExternalUse::Volume => Reserved::CreateExternalVolume,
        }
    }
}

/// Whether `principal` may lay files of that use at `location`: by rank, or by the privilege on the external
/// location that covers it. One who may not see that is told what one is told where there is none.
pub fn require_external(
    snapshot: &Snapshot,
    principal: PrincipalId,
    external: ExternalUse,
    location: &str,
) -> Result<Vec<Reason>, Error> {
    if is_account_admin(snapshot, principal) {
        return Ok(vec![Reason::AccountAdmin]);
    }
    if is_metastore_admin(snapshot, principal) {
        return Ok(vec![Reason::MetastoreAdmin]);
    }
    let covering = snapshot.external_locations().find(|covering| covers(&covering.url, location));
    let refused = Error::Reserved { act: external.act() };
    let Some(covering) = covering else { return Err(refused) };
    let id = SecurableId::ExternalLocation(covering.id);
    if !may_see(snapshot, principal, id) {
        return Err(refused);
    }
    let name = SecurableName::ExternalLocation(covering.name.clone());
    authorize(snapshot, principal, external.privilege(), id).require(snapshot, &name)
}

/// INVARIANT: no file belongs to two tables or volumes; policies on the one would not hold for the other.
pub(super) fn check_place(caller: &Caller<'_>, storage: &Storage) -> Result<(), Error> {
    let (base, location) = match storage {
        Storage::Managed { location } => {
            check_managed(location)?;
            (Base::DataRoot, location)
        }
        Storage::External { location } => {
            check_external(location)?;
            (Base::Absolute, location)
        }
    };
    let mut others = occupied(caller.snapshot);
    match others.find(|(other_base, other, _)| *other_base == base && overlaps(location, other)) {
        None => Ok(()),
        Some((_, _, other)) => Err(overlap(caller, location, other)),
    }
}

/// A location's URL: canonical, apart from every other location, and not inside a table or volume. It may
/// contain tables and volumes; that is what it is for.
pub(super) fn check_location_url(
    caller: &Caller<'_>,
    url: &str,
    itself: Option<ExternalLocationId>,
) -> Result<(), Error> {
    check_external(url)?;
    let mut others = caller.snapshot.external_locations().filter(|other| Some(other.id) != itself);
    if let Some(other) = others.find(|other| overlaps(url, &other.url)) {
        return Err(overlap(caller, url, SecurableId::ExternalLocation(other.id)));
    }
    let within = |place: &str| overlaps(url, place) && place.len() < url.len();
    let mut places = occupied(caller.snapshot).filter(|(base, _, _)| *base == Base::Absolute);
    match places.find(|(_, place, _)| within(place)) {
        None => Ok(()),
        Some((_, _, other)) => Err(overlap(caller, url, other)),
    }
}

/// The tables and volumes under `url` that are not under `still` either.
pub(super) fn uncovered(caller: &Caller<'_>, url: &str, still: Option<&str>) -> Dependents {
    let mut dependents = Dependents::default();
    for (base, place, id) in occupied(caller.snapshot) {
        let leaves = base == Base::Absolute
            && overlaps(url, place)
            && !still.is_some_and(|still| covers(still, place));
        match caller.snapshot.name_of(id).filter(|_| caller.sees(id)) {
            _ if !leaves => {}
            Some(name) => dependents.visible.push(name.to_string()),
            None => dependents.hidden += 1,
        }
    }
    dependents.visible.sort();
    dependents
}

fn overlap(caller: &Caller<'_>, location: &str, other: SecurableId) -> Error {
    let other = caller.snapshot.name_of(other).filter(|_| caller.sees(other));
    Error::LocationOverlap { location: location.to_owned(), other }
}

/// Every table's and volume's place.
fn occupied(snapshot: &Snapshot) -> impl Iterator<Item = (Base, &str, SecurableId)> {
    let tables = snapshot.all_tables().filter_map(|table| {
        let id = SecurableId::Table(table.id);
        match &table.kind {
            TableKind::Managed { location } => Some((Base::DataRoot, location.as_str(), id)),
            TableKind::External { location } => Some((Base::Absolute, location.as_str(), id)),
            TableKind::View(_) => None,
        }
    });
    let volumes = snapshot.all_volumes().map(|volume| {
        let id = SecurableId::Volume(volume.id);
        match &volume.kind {
            VolumeKind::Managed { location } => (Base::DataRoot, location.as_str(), id),
            VolumeKind::External { location } => (Base::Absolute, location.as_str(), id),
        }
    });
    tables.chain(volumes)
}

fn covers(url: &str, location: &str) -> bool {
    url.ends_with('/') && location.starts_with(url)
}

/// Whether a location is what its kind of table takes.
pub(crate) fn check_location(kind: &TableKind) -> Result<(), Error> {
    match kind {
        TableKind::Managed { location } => check_managed(location),
        TableKind::External { location } => check_external(location),
        TableKind::View(_) => Ok(()),
    }
}

fn check_managed(location: &str) -> Result<(), Error> {
    let segments_fit = location.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if segments_fit && !location.contains(['\\', ':']) {
        return Ok(());
    }
    Err(Error::InvalidLocation {
        location: location.to_owned(),
        reason: "a path relative to the data root is needed",
    })
}

fn check_external(location: &str) -> Result<(), Error> {
    let refuse = |reason| Err(Error::InvalidLocation { location: location.to_owned(), reason });
    let Some((scheme, rest)) = location.split_once("://") else {
        return refuse("an absolute URL is needed");
    };
    let Some(path) = rest.strip_suffix('/') else {
        return refuse("it must end in `/`");
    };
    // `file:///a` has an empty authority, which is its first segment.
    let mut segments = path.split('/');
    let authority = segments.next().unwrap_or_default();
    if scheme.is_empty() || (authority.is_empty() && scheme != "file") {
        return refuse("an absolute URL is needed");
    }
    if segments.any(|segment| matches!(segment, "" | "." | "..")) || location.contains(['?', '#', '\\']) {
        return refuse("it is not in canonical form");
    }
    Ok(())
}

/// Whether one is the other or lies within it, segment by segment.
fn overlaps(left: &str, right: &str) -> bool {
    let (left, right) = (left.to_lowercase(), right.to_lowercase());
    let (left, right) = (left.trim_end_matches('/'), right.trim_end_matches('/'));
    left.split('/').zip(right.split('/')).all(|(left, right)| left == right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_overlap_by_segments_only() {
        assert!(overlaps("s3://b/a/", "s3://b/a/"));
        assert!(overlaps("s3://b/a/", "s3://b/a/c/"));
        assert!(overlaps("s3://b/a/c/", "s3://b/a/"));
        assert!(overlaps("file:///D/A/", "file:///d/a/b/"));
        assert!(!overlaps("s3://b/a/", "s3://b/ab/"));
        assert!(!overlaps("s3://b/a/", "gs://b/a/"));
        assert!(!overlaps("tables/1", "tables/12"));
    }

    #[test]
    fn a_location_covers_what_is_in_it_to_the_letter() {
        assert!(covers("file:///d/a/", "file:///d/a/"));
        assert!(covers("file:///d/a/", "file:///d/a/b/"));
        assert!(!covers("file:///d/a/", "file:///d/A/b/"));
        assert!(!covers("file:///d/a/", "file:///d/ab/"));
        assert!(!covers("file:///d/a/", "file:///d/"));
    }

    #[test]
    fn only_canonical_locations_pass() {
        assert!(check_external("file:///data/people/").is_ok());
        assert!(check_external("s3://bucket/").is_ok());
        for wrong in [
            "/data/",
            "file:///data",
            "file:///a/../b/",
            "s3:///a/",
            "file:///a//b/",
            "s3://b/a?x=/",
            "://b/",
        ] {
            assert!(check_external(wrong).is_err(), "{wrong}");
        }
        assert!(check_managed("tables/1").is_ok());
        for wrong in ["", "/tables", "tables/", "a/../b", "file:///a", "a//b"] {
            assert!(check_managed(wrong).is_err(), "{wrong}");
        }
    }
}
