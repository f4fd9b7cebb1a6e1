//! [`Login`]: a local user's name and password become a short-lived token of the local issuer.
//!
//! Wrong passwords cost their user a growing wait, and only a few are hashed at one time, so
//! guessing neither gets far nor starves the server.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use weir_catalog::{Metastore, Origin};

use super::credential::{Credential, Credentials};
use super::local_issuer::{LocalIssuer, SignedToken};
use super::rejection::Rejection;
use super::throttle::Throttle;
use crate::error::{Condition, Error, Result};

/// How long a login lasts.
const TTL: Duration = Duration::from_secs(3600);

/// Passwords hashed at one time; each takes a core and tens of megabytes.
const HASHED_AT_ONCE: usize = 2;

/// Logins under way at one time; more are turned away.
const UNDER_WAY_MAX: usize = 64;

/// The longest user name that is looked up.
const USER_BYTES_MAX: usize = 255;

/// Logs local users in.
pub struct Login {
    metastore: Arc<Metastore>,
    issuer: Option<Arc<LocalIssuer>>,
    throttle: Throttle,
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
            places: Semaphore::new(UNDER_WAY_MAX),
            turns: Semaphore::new(HASHED_AT_ONCE),
        }
    }

    /// The token for a user whose password is right. One text for unknown users, disabled ones
    /// and wrong passwords. Each password that is looked at leaves an event in the catalog's trail.
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
        // asked when it is this login's turn, so that many at once are counted one by one
        self.throttle.admit(&user, now)?;
        let holds = self.metastore.login(&user, password.reveal(), now, origin).await;
        drop(turn);
        match holds {
            Ok(true) => {
                self.throttle.succeeded(&user);
                issuer.sign(&user, TTL, now)
            }
            Ok(false) => {
                self.throttle.failed(&user, now);
                Err(Rejection::WrongPassword.into())
            }
            Err(failure) => Err(Error::internal(failure)),
        }
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
}
