//! [`Receipts`]: the rows of statements that change something and tell of it, such as the token that CREATE ACCESS TOKEN
//! made. The change is made when its ticket is given out; its rows wait here for the ticket.
//!
//! They may hold a secret: they are given once, to whoever holds the ticket, and after a minute nobody gets them. A ticket
//! that comes again is refused, and changes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::holdings::Held;
use crate::error::{Condition, Error, Result};

/// How long rows wait for their ticket: clients fetch at once.
const LIFE: Duration = Duration::from_secs(60);

/// Rows that wait, by the nonce of their tickets.
#[derive(Clone)]
pub(crate) struct Receipts {
    waiting: Arc<Mutex<HashMap<Bytes, (RecordBatch, Held)>>>,
    life: Duration,
}

impl Receipts {
    /// None wait.
    pub(crate) fn new() -> Self {
        Self::living(LIFE)
    }

    fn living(life: Duration) -> Self {
        Self { waiting: Arc::default(), life }
    }

    /// Keeps `rows` for the ticket of `nonce`, for a while; they count among what their user holds.
    pub(crate) async fn keep(&self, nonce: Bytes, rows: RecordBatch, held: Held) {
        self.waiting.lock().await.insert(nonce.clone(), (rows, held));
        let (waiting, life) = (Arc::clone(&self.waiting), self.life);
        tokio::spawn(async move {
            tokio::time::sleep(life).await;
            waiting.lock().await.remove(&nonce);
        });
    }

    /// The rows of the ticket of `nonce`; they are not here after that.
    pub(crate) async fn take(&self, nonce: &Bytes) -> Result<RecordBatch> {
        let kept = self.waiting.lock().await.remove(nonce);
        kept.map(|(rows, _)| rows).ok_or_else(already_given)
    }
}

fn already_given() -> Error {
    let text = "the rows of this statement are given once, within a minute; what it did is done";
    Error::new(Condition::AnswerAlreadyGiven, text)
        .with_hint("SHOW ACCESS TOKENS and SHOW ACCESS REQUESTS tell what is there")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::{ArrayRef, StringArray};
    use weir_catalog::PrincipalId;

    use super::super::holdings::{HoldingLimits, Holdings, What};
    use super::*;

    fn held() -> Held {
        let limits = HoldingLimits { streams: 0, changes: 1, bound_bytes: 0 };
        Holdings::new(limits).one(PrincipalId::fresh(), What::Change).unwrap()
    }

    fn rows() -> RecordBatch {
        let secret: ArrayRef = Arc::new(StringArray::from(vec!["secret"]));
        RecordBatch::try_from_iter([("token", secret)]).unwrap()
    }

    #[tokio::test]
    async fn rows_are_given_once() {
        let receipts = Receipts::new();
        let nonce = Bytes::from_static(b"one");
        assert!(receipts.take(&nonce).await.is_err());
        receipts.keep(nonce.clone(), rows(), held()).await;
        assert_eq!(receipts.take(&nonce).await.unwrap(), rows());
        let again = receipts.take(&nonce).await.unwrap_err();
        assert_eq!(again.condition(), Condition::AnswerAlreadyGiven);
    }

    #[tokio::test]
    async fn rows_that_nobody_fetches_are_let_go() {
        let receipts = Receipts::living(Duration::from_millis(1));
        receipts.keep(Bytes::from_static(b"one"), rows(), held()).await;
        let gone = async {
            while !receipts.waiting.lock().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    }
}
