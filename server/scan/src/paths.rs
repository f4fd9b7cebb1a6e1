//! [`Paths`]: paths of files, found again by what they are.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use datafusion::arrow::array::{Array, StringArray};

/// Paths in their order.
#[derive(Debug)]
pub(crate) struct Paths {
    texts: StringArray,
    /// Made when somebody looks for one.
    index: OnceLock<Index>,
}

/// Hashes of the paths with their places, sorted.
#[derive(Debug)]
struct Index {
    hasher: RandomState,
    places: Vec<(u64, usize)>,
}

impl Paths {
    pub(crate) fn of(texts: StringArray) -> Self {
        Self { texts, index: OnceLock::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn get(&self, place: usize) -> &str {
        self.texts.value(place)
    }

    /// Where `path` lies; more than once where files differ by more than their paths.
    pub(crate) fn rows_of(&self, path: &str) -> impl Iterator<Item = usize> {
        let index = self.index.get_or_init(|| self.indexed());
        let hash = index.hasher.hash_one(path);
        let first = index.places.partition_point(|(known, _)| *known < hash);
        let equal = index.places.iter().skip(first).take_while(move |(known, _)| *known == hash);
        equal.map(|(_, place)| *place).filter(move |place| self.get(*place) == path)
    }

    fn indexed(&self) -> Index {
        let hasher = RandomState::new();
        let places = (0..self.len()).map(|place| (hasher.hash_one(self.get(place)), place));
        let mut places: Vec<(u64, usize)> = places.collect();
        places.sort_unstable();
        Index { hasher, places }
    }
}
