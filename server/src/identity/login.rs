//! [`Login`]: a local user's name and password become a short-lived token of the local issuer.
//!
//! Wrong passwords cost their user a growing wait, and only a few are hashed at one time, so
//! guessing neither gets far nor starves the server. An address at which the user's password was right counts for itself, so
//! that nobody keeps a user out by guessing elsewhere.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use weir_catalog::{Metastore, Origin};

use super::credential::{Credential, Credentials};
use super::local_issuer::{LocalIssuer, SignedToken};
use super::rejection::Rejection;
use super::throttle::{PerMinute, Throttle};
use crate::error::{Condition, Error, Result};

/// How long a login lasts.
const TTL: Duration = Duration::from_secs(3600);

/// Passwords hashed at one time; each takes a core and tens of megabytes.
const HASHED_AT_ONCE: usize = 2;

/// Logins under way at one time; more are turned away.
const UNDER_WAY_MAX: usize = 64;

/// How long an address is known at which a user's password was right, and how many are.
const TRUSTED_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
const TRUSTED_MAX: u64 = 10_000;

/// Refusals of names that nobody has of which the catalog's trail is told in a minute. Anybody can cause any number of them, and the
/// log has the others; of a user's own there are only as many as waiting leaves.
const REFUSALS_TOLD: u32 = 120;

/// The longest user name that is looked up.
const USER_BYTES_MAX: usize = 255;

/// Logs local users in.
pub struct Login {
    metastore: Arc<Metastore>,
    issuer: Option<Arc<LocalIssuer>>,
    /// By user.
    throttle: Throttle,
    /// By address and user, where the user's password was right before.
    throttle_there: Throttle,
    /// Those addresses and users.
    trusted: Cache<String, ()>,
    refusals: PerMinute,
    places: Semaphore,
    turns: Semaphore,
}

impl Login {
    /// Logins of the catalog's users; refused as a whole without a local issuer.
    pub fn new(metastore: Arc<Metastore>, issuer: Option<Arc<LocalIssuer>>) -> Self {
        Self {
            metastore,
            issuer,
            throttle: Throttle::new(),
            throttle_there: Throttle::new(),
            trusted: Cache::builder().max_capacity(TRUSTED_MAX).time_to_live(TRUSTED_LIFE).build(),
            refusals: PerMinute::new(REFUSALS_TOLD),
            places: Semaphore::new(UNDER_WAY_MAX),
            turns: Semaphore::new(HASHED_AT_ONCE),
        }
    }

    /// The token for a user whose password is right. One text for unknown users, disabled ones
    /// and wrong passwords. Each login of a user leaves an event in the catalog's trail, without which nobody is let in, and so do
    /// so many a minute of names that nobody has.
    pub async fn exchange(
        &self,
        credentials: Credentials,
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Result<SignedToken> {
        let Some(Credential::Basic { user, password }) = credentials.own else {
            return Err(Rejection::Missing.into());
        };
        let Some(issuer) = &self.issuer else {
            return Err(Error::new(Condition::Unauthenticated, "this server takes no passwords").with_hint(
                "get a token from its identity provider, and give `token` as the user and it as the password",
            ));
        };
        if user.len() > USER_BYTES_MAX {
            return Err(Rejection::WrongPassword.into());
        }
        let _place = self.places.try_acquire().map_err(|_| {
            Error::new(Condition::ResourceExhausted, "too many logins at one time").with_hint("try again")
        })?;
        let turn = self.turns.acquire().await.map_err(Error::internal)?;
        let here = origin.source_address.as_ref().map(|address| format!("{address} {user}"));
        let (throttle, counted) = match &here {
            Some(here) if self.trusted.contains_key(here) => (&self.throttle_there, here),
            _ => (&self.throttle, &user),
        };
        // asked when it is this login's turn, so that many at once are counted one by one
        throttle.admit(counted, now)?;
        let holds = self.metastore.password_check(&user, password.reveal()).await.map_err(Error::internal)?;
        drop(turn);
        if !holds {
            throttle.failed(counted, now);
        }
        let snapshot = self.metastore.snapshot().await.map_err(Error::internal)?;
        let is_known = snapshot.principal_by_name(&user).is_some();
        match is_known || self.refusals.admit(now) {
            true => {
                self.metastore.login_note(&user, holds, now, origin).await.map_err(Error::internal)?;
            }
            false => {
                let address = origin.source_address;
                tracing::warn!(address, "a login of nobody was refused, and the trail is not told");
            }
        }
        if !holds {
            return Err(Rejection::WrongPassword.into());
        }
        throttle.succeeded(counted);
        if let Some(here) = here {
            self.trusted.insert(here, ());
        }
        issuer.sign(&user, TTL, now)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;
    use crate::config::{self, Secret};
    use crate::identity::Verifier;

    fn basic(user: &str, password: &str) -> Credentials {
        let own = Credential::Basic { user: user.to_owned(), password: Secret::new(password) };
        Credentials { own: Some(own), ..Credentials::default() }
    }

    #[tokio::test]
    async fn a_password_becomes_a_token_and_guessing_becomes_slow() {
        let directory = std::env::temp_dir().join(format!("weir-login-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&directory).unwrap();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let metastore = Arc::new(Metastore::open_sqlite(&directory.join("catalog.sqlite")).await.unwrap());
        let admin = metastore.bootstrap_admin("admin", now).await.unwrap();
        metastore.password_set(admin.id, now, "admin", "correct horse: battery").await.unwrap();
        let issuer = Arc::new(LocalIssuer::open_or_create(&directory.join("keys")).unwrap());
        let login = Login::new(Arc::clone(&metastore), Some(Arc::clone(&issuer)));
        let signed = login
            .exchange(basic("admin", "correct horse: battery"), Origin::default(), now)
            .await
            .ok()
            .unwrap();
        let verifier = Verifier::from_config(&config::Identity::default(), Some(&issuer)).unwrap();
        let snapshot = metastore.snapshot().await.unwrap();
        let identity = verifier.verify(Credentials::bearer(signed.token), &snapshot, now).unwrap();
        assert_eq!((identity.name(), identity.principal()), ("admin", admin.id));
        assert_eq!(identity.expires_at(), signed.expires_at);

        let mut texts = Vec::new();
        for (user, password) in [("nobody", "x"), ("Admin", "correct horse: battery"), ("admin", "wrong")] {
            texts.push(
                login
                    .exchange(basic(user, password), Origin::default(), now)
                    .await
                    .err()
                    .unwrap()
                    .to_string(),
            );
        }
        assert!(texts.iter().all(|text| Some(text) == texts.first()), "{texts:?}");
        for _ in 0..8 {
            assert!(login.exchange(basic("admin", "wrong"), Origin::default(), now).await.is_err());
        }
        let right = login
            .exchange(basic("admin", "correct horse: battery"), Origin::default(), now)
            .await
            .err()
            .unwrap();
        assert!(right.message().contains("too many failed logins"), "{right}");
        let later = now + chrono::Duration::seconds(60);
        assert!(
            login.exchange(basic("admin", "correct horse: battery"), Origin::default(), later).await.is_ok()
        );

        let without = Login::new(metastore, None);
        assert!(
            without.exchange(basic("admin", "correct horse: battery"), Origin::default(), now).await.is_err()
        );
        std::fs::remove_dir_all(&directory).unwrap();
    }

    /// A catalog with one user, who has a password.
    async fn ground(directory: &std::path::Path) -> (Arc<Metastore>, Login, weir_catalog::Principal) {
        let metastore = Arc::new(Metastore::open_sqlite(&directory.join("catalog.sqlite")).await.unwrap());
        let now = DateTime::UNIX_EPOCH;
        let admin = metastore.bootstrap_admin("admin", now).await.unwrap();
        metastore.password_set(admin.id, now, "admin", RIGHT).await.unwrap();
        let issuer = Arc::new(LocalIssuer::open_or_create(&directory.join("keys")).unwrap());
        let login = Login::new(Arc::clone(&metastore), Some(issuer));
        (metastore, login, admin)
    }

    const RIGHT: &str = "correct horse: battery";

    fn from(address: &str) -> Origin {
        Origin { source_address: Some(address.to_owned()), ..Origin::default() }
    }

    #[tokio::test]
    async fn nobody_keeps_a_user_out_by_guessing_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let (_, login, _) = ground(folder.path()).await;
        let now = DateTime::UNIX_EPOCH;
        let ask = |password, address| login.exchange(basic("admin", password), from(address), now);
        assert!(ask(RIGHT, "10.0.0.1").await.is_ok());
        for _ in 0..6 {
            assert!(ask("wrong", "10.0.0.2").await.is_err());
        }
        assert!(ask(RIGHT, "10.0.0.2").await.is_err(), "there it waits");
        assert!(ask(RIGHT, "10.0.0.3").await.is_err(), "and wherever else the user is not known");
        assert!(ask(RIGHT, "10.0.0.1").await.is_ok());
        for _ in 0..6 {
            let named_so = basic("10.0.0.1 admin", "wrong");
            assert!(login.exchange(named_so, from("10.0.0.2"), now).await.is_err());
        }
        assert!(ask(RIGHT, "10.0.0.1").await.is_ok(), "nor by a name that reads like both");
        for _ in 0..6 {
            assert!(ask("wrong", "10.0.0.1").await.is_err());
        }
        let told = ask(RIGHT, "10.0.0.1").await.err().unwrap();
        assert!(told.message().contains("too many failed logins"), "guessing waits there too: {told}");
    }

    #[tokio::test]
    async fn refusals_that_anybody_can_cause_do_not_fill_the_trail() {
        let folder = tempfile::tempdir().unwrap();
        let (metastore, login, admin) = ground(folder.path()).await;
        let login = Login { refusals: PerMinute::new(2), ..login };
        let now = DateTime::UNIX_EPOCH;
        for user in ["one", "two", "three", "four"] {
            assert!(login.exchange(basic(user, "wrong"), from("10.0.0.1"), now).await.is_err());
        }
        assert!(login.exchange(basic("admin", "wrong"), from("10.0.0.1"), now).await.is_err());
        assert!(login.exchange(basic("admin", RIGHT), from("10.0.0.1"), now).await.is_ok());
        let events = metastore.audit_list(admin.id, 100).await.unwrap();
        let logins = events.iter().filter(|event| event.action.as_str() == "login");
        let answers: Vec<_> = logins.map(|event| event.answer.as_str()).collect();
        assert_eq!(
            answers,
            ["allowed", "refused", "refused", "refused"],
            "what is a user's is told in any case"
        );
    }
}
