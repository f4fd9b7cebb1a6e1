//! PollFlightInfo: statements that run on while their client looks in from time to time.
//!
//! ```text
//! first poll ──▶ running ──┬─▶ ready    first rows are there, or the change is made: nothing to poll again
//!                          └─▶ failed   its error is the answer, also of whoever was cancelled
//! ```
//!
//! The endpoint is told at once: a ticket that is fetched meanwhile waits for the same run, and CancelFlightInfo stops it. A
//! run that nobody asks for is stopped, and rows that nobody fetches are let go; their ticket then runs the query anew, as
//! any ticket does. It also does where the catalog or what the caller was verified by has changed since: nothing that was
//! found under other rights is given out.
//!
//! Progress is 0 until all is there, and then 1. What a scan has read so far would tell of rows that a policy hides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::{FlightDescriptor, FlightInfo, PollInfo};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use prost::Message;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use weir_catalog::Epoch;

use super::Door;
use super::call::Call;
use super::flights::timestamp;
use super::holdings::{Held, What};
use super::seal::{Purpose, handle_not_found};
use super::statement::Begun;
use super::ticket::{Content, Token, from_ticket, into_ticket};
use crate::error::{Condition, Error, Result};
use crate::identity::Identity;
use crate::run::{Described, RowStream};
use crate::session::SessionSettings;

/// How long a run goes on that nobody asks for.
const LIFE: Duration = Duration::from_secs(60);
/// How long a poll waits for something to tell.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the first poll does: what is there at once needs no second.
const FIRST_PATIENCE: Duration = Duration::from_millis(50);

/// How long a statement that is cancelled has for its end.
const GRACE: Duration = Duration::from_secs(1);

/// How far a statement is.
#[derive(Debug, Clone)]
enum Stage {
    Running,
    /// With the session that it left, where it set one.
    Ready(Option<SessionSettings>),
    Failed(Error),
}

/// What came of a statement.
struct Came {
    rows: Option<Found>,
    session: Option<SessionSettings>,
}

/// Rows, and by whom and under which rights they were found.
struct Found {
    begun: Begun,
    identity: Identity,
    epoch: Epoch,
}

type Work = BoxFuture<'static, Result<Came>>;

/// A statement that a poll began.
struct Poll {
    info: FlightInfo,
    stage: watch::Sender<Stage>,
    /// Counts who asks for it.
    asked: watch::Sender<u64>,
    rows: Mutex<Option<Found>>,
    stop: CancellationToken,
    /// Its place among what is remembered for its user, and that of its descriptor, which may be long.
    _held: [Held; 2],
}

/// The statements that polls of this server began, by the nonce of their tickets.
#[derive(Clone, Default)]
pub(crate) struct Polls {
    known: Arc<Mutex<HashMap<Bytes, Arc<Poll>>>>,
}

impl Poll {
    fn new(info: FlightInfo, held: [Held; 2]) -> Arc<Self> {
        Arc::new(Self {
            info,
            stage: watch::Sender::new(Stage::Running),
            asked: watch::Sender::new(0),
            rows: Mutex::default(),
            stop: CancellationToken::new(),
            _held: held,
        })
    }

    /// How far it is; waits a while for it to be further than running.
    async fn stage(&self, patience: Duration) -> Stage {
        self.asked.send_modify(|count| *count += 1);
        let mut stage = self.stage.subscribe();
        let ended = async { stage.wait_for(|stage| !matches!(stage, Stage::Running)).await.map(drop) };
        // reason: where nothing came in time it is still running, and that is told
        let _in_time = tokio::time::timeout(patience, ended).await;
        self.asked.send_modify(|count| *count += 1);
        self.stage.borrow().clone()
    }

    /// Tells how it ended; a failure is the last word.
    async fn tell(&self, came: Result<Came>) {
        let mut rows = self.rows.lock().await;
        *rows = None;
        let (stage, ready) = match came {
            Ok(came) => (Stage::Ready(came.session), came.rows),
            Err(error) => (Stage::Failed(error), None),
        };
        let told = self.stage.send_if_modified(|now| {
            let open = !matches!(now, Stage::Failed(_));
            if open {
                *now = stage;
            }
            open
        });
        *rows = ready.filter(|_| told);
    }

    /// Resolves when nobody has asked for it for `life`.
    async fn forsaken(&self, life: Duration) {
        let mut asked = self.asked.subscribe();
        while let Ok(Ok(())) = tokio::time::timeout(life, asked.changed()).await {}
    }
}

impl Polls {
    async fn find(&self, nonce: &Bytes) -> Option<Arc<Poll>> {
        self.known.lock().await.get(nonce).cloned()
    }

    /// Runs `work` for `poll` in a task of its own, as long as anybody asks for it.
    async fn begin(&self, nonce: Bytes, poll: Arc<Poll>, mut work: Work, life: Duration) {
        self.known.lock().await.insert(nonce.clone(), Arc::clone(&poll));
        let known = Arc::clone(&self.known);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = poll.stop.cancelled() => {
                    // Told to stop, it enters its end in the books by itself.
                    let _ended = tokio::time::timeout(GRACE, &mut work).await;
                }
                came = &mut work => poll.tell(came).await,
                () = poll.forsaken(life) => poll.tell(Err(stopped_because("nobody asked for the statement"))).await,
            }
            drop(work);
            // What came waits for as long, and so does the news that it was stopped.
            poll.forsaken(life).await;
            known.lock().await.remove(&nonce);
        });
    }

    /// Stops the statement of a ticket. False if no poll of this server began it, or there is nothing left to stop.
    pub(crate) async fn cancel(&self, nonce: &Bytes) -> bool {
        let Some(poll) = self.find(nonce).await else { return false };
        let runs = matches!(*poll.stage.borrow(), Stage::Running);
        let stopped = runs || poll.rows.lock().await.is_some();
        if stopped {
            poll.stop.cancel();
            poll.tell(Err(stopped_because("the statement was cancelled"))).await;
        }
        stopped
    }

    /// The rows of the ticket of `nonce`, where a poll began them under the rights of this call; waits for them.
    pub(crate) async fn rows(&self, call: &Call, nonce: &Bytes) -> Result<Option<Begun>> {
        let Some(poll) = self.find(nonce).await else { return Ok(None) };
        loop {
            match poll.stage(PATIENCE).await {
                Stage::Running => {}
                Stage::Failed(error) => return Err(error),
                Stage::Ready(_) => break,
            }
        }
        let found = poll.rows.lock().await.take();
        let found =
            found.filter(|found| *call.context.identity() == found.identity && call.epoch == found.epoch);
        Ok(found.map(|found| found.begun))
    }
}

impl Door {
    /// Begins what `descriptor` asks for, or tells how far what a poll before began is.
    pub(crate) async fn poll_info(
        self: &Arc<Self>,
        call: &Call,
        descriptor: FlightDescriptor,
    ) -> Result<PollInfo> {
        let ticket = arrow_flight::Ticket { ticket: descriptor.cmd.clone() };
        // reason: what is no handle of a poll is what a first poll asks for
        if let Ok(sealed) = from_ticket(&ticket) {
            return self.poll_again(call, descriptor, &sealed).await;
        }
        let (told, content) = self.told(call, &descriptor).await?;
        let token = self.token(call, content)?;
        let info = self.info(&told, descriptor, &token)?;
        let Some(work) = self.work(call, &told, &token)? else { return Ok(complete(info)) };
        let user = call.context.identity().principal();
        let descriptor_bytes = info.flight_descriptor.as_ref().map_or(0, Message::encoded_len) as u64;
        let held = [
            self.holdings.one(user, What::Poll)?,
            self.holdings.take(user, What::BoundBytes, descriptor_bytes)?,
        ];
        let poll = Poll::new(info, held);
        self.polls.begin(token.nonce().clone(), Arc::clone(&poll), work, LIFE).await;
        self.polled(call, &token, &poll, FIRST_PATIENCE).await
    }

    async fn poll_again(
        &self,
        call: &Call,
        descriptor: FlightDescriptor,
        sealed: &Bytes,
    ) -> Result<PollInfo> {
        let token = self.open(call, Purpose::Poll, sealed)?;
        if let Some(poll) = self.polls.find(token.nonce()).await {
            return self.polled(call, &token, &poll, PATIENCE).await;
        }
        // Another server began it, or this one before it was started anew. A query can be run by any.
        let Content::Rows(statement) = token.content()? else { return Err(handle_not_found()) };
        let (told, content) = self.describe(call, statement.clone()).await?;
        let token = self.token(call, content)?;
        Ok(complete(self.info(&told, descriptor, &token)?))
    }

    /// What there is to do of a token before its rows are there; none where they are when they are fetched, or where
    /// values are to be bound.
    fn work(self: &Arc<Self>, call: &Call, told: &Described, token: &Token) -> Result<Option<Work>> {
        let statement = match token.content()? {
            Content::Rows(statement) => statement,
            Content::Write(write) => &write.statement,
            _ => return Ok(None),
        };
        if !told.parameters.fields().is_empty() && self.values(statement)?.is_none() {
            return Ok(None);
        }
        let (door, token, under_way) = (Arc::clone(self), token.clone(), Arc::clone(&call.under_way));
        let (context, epoch) = (call.context_of(statement), call.epoch);
        let work = async move {
            let _under_way = under_way;
            match token.content()? {
                Content::Write(write) => {
                    let session = door.write_once(context, &token, write).await?.session;
                    Ok(Came { rows: None, session })
                }
                Content::Rows(statement) => {
                    let identity = context.identity().clone();
                    let begun = door.begin_rows(context, token.nonce(), statement).await?;
                    let session = begun.session.clone();
                    let begun = Begun { rows: with_first(begun.rows).await?, ..begun };
                    Ok(Came { rows: Some(Found { begun, identity, epoch }), session })
                }
                _ => Err(handle_not_found()),
            }
        };
        Ok(Some(work.boxed()))
    }

    async fn polled(&self, call: &Call, token: &Token, poll: &Poll, patience: Duration) -> Result<PollInfo> {
        match poll.stage(patience).await {
            Stage::Running => {
                let until = self.clock.now() + LIFE;
                let sealed = token.living_until(until).seal(&self.seal, Purpose::Poll)?;
                Ok(PollInfo {
                    info: Some(poll.info.clone()),
                    flight_descriptor: Some(FlightDescriptor::new_cmd(into_ticket(sealed).ticket)),
                    progress: Some(0.0),
                    expiration_time: Some(timestamp(until)),
                })
            }
            Stage::Ready(session) => {
                session.map(|session| call.keep(session)).transpose()?;
                Ok(complete(poll.info.clone()))
            }
            Stage::Failed(error) => Err(error),
        }
    }
}

/// All that there is to tell, and nothing to poll again.
fn complete(info: FlightInfo) -> PollInfo {
    PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() }
}

fn stopped_because(text: &str) -> Error {
    Error::new(Condition::OperationCanceled, text)
}

/// The same rows, once the first of them have come.
async fn with_first(rows: RowStream) -> Result<RowStream> {
    let RowStream { schema, mut batches } = rows;
    let batches = match batches.next().await.transpose()? {
        Some(first) => futures::stream::iter([Ok(first)]).chain(batches).boxed(),
        None => futures::stream::empty().boxed(),
    };
    Ok(RowStream { schema, batches })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use weir_catalog::PrincipalId;

    use super::super::holdings::{HoldingLimits, Holdings};
    use super::*;

    fn poll() -> Arc<Poll> {
        let limits = HoldingLimits { streams: 0, changes: 0, bound_bytes: 0 };
        let holdings = Holdings::new(limits);
        let held = || holdings.one(PrincipalId::fresh(), What::Poll).unwrap();
        Poll::new(FlightInfo::new(), [held(), held()])
    }

    const LONG: Duration = Duration::from_secs(3600);
    const SOON: Duration = Duration::from_secs(30);

    async fn until_forgotten(polls: &Polls) {
        let forgotten = async {
            while !polls.known.lock().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(SOON, forgotten).await.unwrap();
    }

    fn never(dropped: &CancellationToken) -> Work {
        let guard = dropped.clone().drop_guard();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
        .boxed()
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_stopped_and_forgotten() {
        let (polls, poll, stopped) = (Polls::default(), poll(), CancellationToken::new());
        let nonce = Bytes::from_static(b"n");
        polls.begin(nonce, poll, never(&stopped), Duration::from_millis(1)).await;
        tokio::time::timeout(SOON, stopped.cancelled()).await.unwrap();
        until_forgotten(&polls).await;
    }

    #[tokio::test]
    async fn what_is_done_waits_and_is_forgotten() {
        let (polls, poll) = (Polls::default(), poll());
        let nonce = Bytes::from_static(b"n");
        let done = async { Ok(Came { rows: None, session: Some(SessionSettings::default()) }) }.boxed();
        polls.begin(nonce.clone(), Arc::clone(&poll), done, Duration::from_millis(1)).await;
        assert!(matches!(poll.stage(SOON).await, Stage::Ready(Some(_))));
        until_forgotten(&polls).await;
        assert!(!polls.cancel(&nonce).await);
    }

    #[tokio::test]
    async fn what_is_cancelled_ends_and_stays_cancelled() {
        let (polls, poll, stopped) = (Polls::default(), poll(), CancellationToken::new());
        let nonce = Bytes::from_static(b"n");
        polls.begin(nonce.clone(), Arc::clone(&poll), never(&stopped), LONG).await;
        assert!(matches!(poll.stage(Duration::ZERO).await, Stage::Running));
        assert!(polls.cancel(&nonce).await);
        tokio::time::timeout(SOON, stopped.cancelled()).await.unwrap();
        poll.tell(Ok(Came { rows: None, session: None })).await;
        let Stage::Failed(error) = poll.stage(SOON).await else { unreachable!() };
        assert_eq!(error.condition(), Condition::OperationCanceled);
        assert!(!polls.cancel(&nonce).await, "there is nothing left to stop");
    }
}
