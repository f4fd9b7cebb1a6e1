//! Passwords of local users, as argon2id hashes.
//!
//! A check does the same work whether or not the user exists, has a password, or is disabled,
//! so that its duration tells nothing. Hashing is heavy on purpose and runs on the blocking
//! threads. Plaintext is never stored, logged or shown.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use chrono::{DateTime, Utc};

use super::{Metastore, Request, Write};
use crate::audit::{Action, Answer, Origin, Requester};
use crate::error::{Error, Reserved};
use crate::id::PrincipalId;
use crate::principal::PrincipalKind;
use crate::store::Change;

const LENGTH_MAX: usize = 1024;

impl Metastore {
    /// By the user, or by an account admin.
    pub async fn password_set(
        &self,
        by: impl Into<Requester> + Send,
        now: DateTime<Utc>,
        user: &str,
        plaintext: &str,
    ) -> Result<(), Error> {
        if plaintext.is_empty() || plaintext.len() > LENGTH_MAX {
            return Err(Error::InvalidPassword);
        }
        let hash = hash(plaintext.to_owned()).await?;
        self.write(Request::new(by, now, Action::PasswordSet, format!("user `{user}`")), |caller| {
            let (principal, _, because) = caller.own_or_administered(user, Reserved::SetPassword)?;
            if principal.kind != PrincipalKind::User {
                let (name, kind) = (principal.name.clone(), principal.kind);
                return Err(Error::PrincipalKindUnfit { name, kind, act: "have a password" });
            }
            let changes = vec![Change::PasswordPut { principal: principal.id, hash: hash.clone() }];
            Ok(Write { changes, because, value: () })
        })
        .await
    }

    /// The event of a login in the trail: whether the password held ([`Metastore::password_check`]). Of a name that nobody has no
    /// event says it: it may be a password in the wrong place.
    pub async fn login_note(
        &self,
        user: &str,
        holds: bool,
        now: DateTime<Utc>,
        origin: Origin,
    ) -> Result<(), Error> {
        let snapshot = self.snapshot().await?;
        let known = snapshot.principal_by_name(user);
        let securable = known.map_or_else(|| "account".to_owned(), |known| format!("user `{}`", known.name));
        let asked = known.map_or_else(PrincipalId::fresh, |known| known.id);
        let requester = Requester::of(asked, origin);
        let request = Request::new(requester, now, Action::Login, securable);
        let (answer, because) = match (holds, known) {
            (true, _) => (Answer::Allowed, "password"),
            (false, Some(_)) => (Answer::Refused, "wrong password, or a principal that may not log in"),
            (false, None) => (Answer::Refused, "no such user"),
        };
        let mut event = request.event(&snapshot, answer, because.to_owned());
        event.by = known.map(|known| known.id);
        self.store.audit_add(&event).await?;
        Ok(())
    }

    /// Whether that is the password of an enabled user of that name.
    pub async fn password_check(&self, user: &str, plaintext: &str) -> Result<bool, Error> {
        if plaintext.len() > LENGTH_MAX {
            return Ok(false);
        }
        let snapshot = self.snapshot().await?;
        let principal = snapshot.principal_by_name(user);
        // The store is asked in any case; nobody has the fresh id.
        let asked = principal.map_or_else(PrincipalId::fresh, |principal| principal.id);
        let stored = self.store.password_hash(asked).await?;
        let may_log_in =
            principal.is_some_and(|principal| principal.kind == PrincipalKind::User && !principal.disabled);
        match stored.filter(|_| may_log_in) {
            Some(stored) => verify(stored, plaintext.to_owned()).await,
            None => hash(plaintext.to_owned()).await.map(|_| false),
        }
    }
}

async fn hash(plaintext: String) -> Result<String, Error> {
    let hashing = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(plaintext.as_bytes()).map(|hash| hash.to_string())
    });
    hashing.await.map_err(|_| Error::PasswordHash)?.map_err(|_| Error::PasswordHash)
}

async fn verify(stored: String, plaintext: String) -> Result<bool, Error> {
    let verifying = tokio::task::spawn_blocking(move || {
        let stored = PasswordHash::new(&stored).map_err(|_| Error::PasswordHash)?;
        Ok(Argon2::default().verify_password(plaintext.as_bytes(), &stored).is_ok())
    });
    verifying.await.map_err(|_| Error::PasswordHash)?
}
