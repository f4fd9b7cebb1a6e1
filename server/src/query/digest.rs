//! The digest of what governs a plan: its tables at their versions, under the effective policies. Equal for two users
//! who see the same.
//!
//! It is keyed with a secret of the catalog: whoever has a digest can compare it with another and can try out no
//! policy by it. What of a plan goes into it, and why the versions of what policies read do not, is told in
//! `docs/caching.md`.

use std::fmt;
use std::hash::Hasher;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use weir_enforce::permit::Barrier;
use weir_enforce::{GovernedPlan, Pinned};

use crate::query::history::{GovernedTable, Protection};
use crate::query::record::GovernedBy;

/// Makes digests that the servers of one catalog alone can make.
#[derive(Clone)]
pub struct Digests {
    key: Key,
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digests")
    }
}

impl Digests {
    /// Digests under the catalog's secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: Key::new(HMAC_SHA256, secret) }
    }

    /// The digest of what [`weir_enforce::governing::canonical`] says of a plan.
    pub fn of(&self, canonical: &str) -> String {
        sign(&self.key, canonical.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the books want to know of the policies of `plan`, which reads the tables `pinned`.
    pub fn governed_by(&self, plan: &GovernedPlan, pinned: &[Pinned]) -> GovernedBy {
        let barriers = || plan.permits().iter().filter(|permit| permit.barrier != Barrier::None);
        let mut tables: Vec<GovernedTable> = barriers()
            .map(|permit| GovernedTable { name: permit.name.clone(), version: permit.version })
            .collect();
        let governed = !tables.is_empty();
        if governed {
            for read in pinned {
                let table = GovernedTable { name: read.name.clone(), version: read.version };
                if !tables.contains(&table) {
                    tables.push(table);
                }
            }
        }
        let strict = plan.permits().iter().any(|permit| permit.barrier == Barrier::Strict);
        GovernedBy {
            policy_digest: governed.then(|| self.of(plan.canonical())),
            tables,
            protection: if strict { Protection::Strict } else { Protection::Standard },
            from_result_cache: false,
        }
    }
}

/// What a plan or a part of it comes to, for comparisons within this process: equal only for what is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; 32]);

/// Makes a [`Mark`] of everything that is written to it.
#[derive(Clone)]
pub struct Marker(Context);

impl Default for Marker {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marker")
    }
}

impl Hasher for Marker {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // reason: the mark is taken in full, by `mark`
        0
    }
}

impl Marker {
    /// The mark of what was written.
    pub fn mark(self) -> Mark {
        let mut mark = [0; 32];
        for (byte, of) in mark.iter_mut().zip(self.0.finish().as_ref()) {
            *byte = *of;
        }
        Mark(mark)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hash;

    use super::*;

    #[test]
    fn a_digest_is_of_its_key() {
        let (one, other) = (Digests::new(&[1; 32]), Digests::new(&[2; 32]));
        assert_eq!(one.of("policies"), one.clone().of("policies"));
        assert_ne!(one.of("policies"), one.of("others"));
        assert_ne!(one.of("policies"), other.of("policies"));
        assert_eq!(one.of("").len(), 64);
    }

    #[test]
    fn marks_tell_apart_what_is_put_together_differently() {
        let mark = |parts: &[&str]| {
            let mut marker = Marker::default();
            parts.iter().for_each(|part| part.hash(&mut marker));
            marker.mark()
        };
        assert_eq!(mark(&["a", "b"]), mark(&["a", "b"]));
        assert_ne!(mark(&["a", "b"]), mark(&["ab"]));
        assert_ne!(mark(&["a", "b"]), mark(&["b", "a"]));
    }
}
