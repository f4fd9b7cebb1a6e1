//! `[cache]`: results and plans that are kept and serve again.

use super::quantity::Size;
use super::refused;
use super::section::section;
use crate::error::Result;

section! {
    /// Results that are kept and given again to whoever would get the same rows, and plans of queries that are asked again.
    Cache {
        /// Memory for kept results. 0 keeps none.
        result_cache_bytes: Size = Size::mebibytes(64),
        /// The largest result that is kept, as Arrow.
        result_bytes_max: Size = Size::mebibytes(1),
        /// Plans that are kept, of each of two kinds: of a query for one user, and for all under the same policies. 0 keeps none.
        plans: u64 = 512,
    }
}

impl Cache {
    pub(super) fn check(&self) -> Result<()> {
        let (all, each) = (self.result_cache_bytes, self.result_bytes_max);
        if all > Size::new(0) && each > all {
            return Err(refused(format!(
                "`cache.result_bytes_max` is {each}, more than `cache.result_cache_bytes`, {all}"
            )));
        }
        Ok(())
    }
}
