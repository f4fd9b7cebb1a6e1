//! [`Permit`]: why one leaf may be in a plan.

use weir_catalog::{Table, TableId, TableKind};

/// One leaf's permission: which securable, at which version, under which policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The full name, for people.
    pub name: String,
    /// The table or view; `None` for tables of the `system` catalog.
    pub table: Option<TableId>,
    /// The pinned Delta version, where there is one.
    pub version: Option<u64>,
    /// Where its files lie: a table that is replaced keeps its id and begins its versions anew. Never shown.
    pub(crate) place: String,
    /// The policy functions in force for the caller, by full name; empty for a leaf without
    /// barrier.
    pub policies: Vec<String>,
    /// The effective policy for the caller after identity functions were folded, as text for a
    /// digest only. Never shown.
    pub(crate) fingerprint: String,
    /// Whether its own policies, if it has any, take nothing from the caller.
    pub exempt: bool,
    /// Whether the caller sees less than everything through this leaf.
    pub barrier: Barrier,
}

impl Permit {
    /// A line that is the same for the same table, version and effective policy.
    pub fn canonical(&self) -> String {
        let table = self.table.map_or_else(|| self.name.clone(), |id| id.to_string());
        let version = self.version.map_or_else(|| "-".to_owned(), |version| version.to_string());
        format!("{table}@{version} {} {:?} {}", self.place, self.barrier, self.fingerprint)
    }

    /// The same whatever the version.
    pub(crate) fn without_version(&self) -> String {
        Self { version: None, place: String::new(), ..self.clone() }.canonical()
    }
}

/// Where the files of a table lie; of a view, nowhere.
pub(crate) fn place_of(table: &Table) -> String {
    match &table.kind {
        TableKind::Managed { location } | TableKind::External { location } => location.clone(),
        TableKind::View(_) => String::new(),
    }
}

/// How closed a leaf is, from open to closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Barrier {
    /// Nothing is hidden from this caller: predicates and limits go in freely.
    None,
    /// Policies apply: leakproof predicates on unmasked columns may go in.
    Standard,
    /// Nothing of the user's goes in, and no sizes come out.
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_its_version_a_permit_is_the_same_wherever_and_whichever_the_files_are() {
        let permit = |version, place: &str, fingerprint: &str| Permit {
            name: "main.hr.t".to_owned(),
            table: None,
            version: Some(version),
            place: place.to_owned(),
            policies: Vec::new(),
            fingerprint: fingerprint.to_owned(),
            exempt: false,
            barrier: Barrier::Standard,
        };
        let (one, moved) = (permit(1, "a", "x = 1"), permit(0, "b", "x = 1"));
        assert_ne!(one.canonical(), moved.canonical());
        assert_ne!(one.canonical(), permit(1, "b", "x = 1").canonical());
        assert_eq!(one.without_version(), moved.without_version());
        assert_ne!(one.without_version(), permit(1, "a", "x = 2").without_version());
    }
}
