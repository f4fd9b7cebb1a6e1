//! [`StatementMemory`]: the share of the memory of all statements that one may have.
//!
//! Operators ask their statement's pool, which asks the shared one: what the shared one refuses is refused, and what goes
//! beyond the statement's own bound as well. Sorts and aggregations spill upon a refusal, other operators fail.

use std::fmt;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// The memory of one statement.
#[derive(Debug)]
pub struct StatementMemory {
    shared: Arc<dyn MemoryPool>,
    /// Divides the statement's share among those of its operators that can spill, so that no one of them starves another.
    own: FairSpillPool,
    bytes_max: usize,
}

impl StatementMemory {
    /// A pool of at most `bytes_max` within `shared`.
    pub fn new(shared: Arc<dyn MemoryPool>, bytes_max: usize) -> Self {
        Self { shared, own: FairSpillPool::new(bytes_max), bytes_max }
    }
}

impl MemoryPool for StatementMemory {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
        self.shared.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
        self.shared.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.shared.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, bytes: usize) {
        self.own.shrink(reservation, bytes);
        self.shared.shrink(reservation, bytes);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.own.try_grow(reservation, additional)?;
        let granted = self.shared.try_grow(reservation, additional);
        granted.inspect_err(|_| self.own.shrink(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes_max)
    }
}

impl fmt::Display for StatementMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement({} of {} bytes)", self.reserved(), self.bytes_max)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    fn shared(bytes: usize) -> Arc<dyn MemoryPool> {
        Arc::new(GreedyMemoryPool::new(bytes))
    }

    #[test]
    fn a_statement_has_its_share_and_no_more() {
        let all = shared(1000);
        let own = Arc::new(StatementMemory::new(Arc::clone(&all), 300));
        let pool: Arc<dyn MemoryPool> = Arc::clone(&own) as _;
        let reservation = MemoryConsumer::new("sort").register(&pool);
        reservation.try_grow(300).unwrap();
        assert_eq!((own.reserved(), all.reserved()), (300, 300));
        assert!(reservation.try_grow(1).is_err());
        assert_eq!((own.reserved(), all.reserved()), (300, 300));
        reservation.shrink(200);
        assert_eq!((own.reserved(), all.reserved()), (100, 100));
        drop(reservation);
        assert_eq!((own.reserved(), all.reserved()), (0, 0));
    }

    #[test]
    fn operators_that_can_spill_have_equal_parts_of_it() {
        let pool: Arc<dyn MemoryPool> = Arc::new(StatementMemory::new(shared(1000), 300));
        let sort = || MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        let (first, second) = (sort(), sort());
        first.try_grow(150).unwrap();
        assert!(first.try_grow(1).is_err(), "the rest is the other's");
        second.try_grow(150).unwrap();
    }

    #[test]
    fn what_others_have_is_not_there() {
        let all = shared(1000);
        let pool = |bytes| -> Arc<dyn MemoryPool> { Arc::new(StatementMemory::new(Arc::clone(&all), bytes)) };
        let (one, two) = (pool(800), pool(800));
        let first = MemoryConsumer::new("join").register(&one);
        let second = MemoryConsumer::new("join").register(&two);
        first.try_grow(800).unwrap();
        assert!(second.try_grow(300).is_err());
        assert_eq!((two.reserved(), all.reserved()), (0, 800));
        second.try_grow(200).unwrap();
    }
}
