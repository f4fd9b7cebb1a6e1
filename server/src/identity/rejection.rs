//! Why a credential was refused. Callers read one text for all bad tokens, and a hint that tells
//! them no more than their own token does; the cause is for the log, and quotes nothing of it.

use crate::error::{Condition, Error};

/// The cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The call carries nothing to verify.
    #[error("no credential")]
    Missing,
    /// A header that carries a credential occurs twice, or is not of a form that is read.
    #[error("malformed credential header: {0}")]
    Header(&'static str),
    /// A user and a password where a token is needed.
    #[error("user and password outside Handshake")]
    PasswordOutsideHandshake,
    /// The user or the password is wrong; which of the two is not said.
    #[error("wrong user or password")]
    WrongPassword,
    /// Not three base64url parts of JSON, or too long.
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// The header asks for something that is not done here.
    #[error("header field `{0}` is not accepted")]
    HeaderField(&'static str),
    /// The `iss` claim names none of the configured issuers.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// The issuer's keys could not be fetched for too long.
    #[error("the issuer's keys cannot be had")]
    NoKeys,
    /// The token lacks a scope that the issuer's configuration asks for.
    #[error("the token lacks the scope `{0}`")]
    Scope(String),
    /// No access token is kept with that digest: it never was one, or was dropped.
    #[error("unknown access token")]
    AccessToken,
    /// The access token by which this one was asked for is gone, or somebody else's.
    #[error("the access token below it is gone")]
    Grounds,
    /// Access tokens could not be looked up.
    #[error("access tokens cannot be looked up")]
    NoAccessTokens,
    /// The issuer has no such key.
    #[error("unknown key id")]
    UnknownKey,
    /// The header names another algorithm than the key's.
    #[error("algorithm differs from the key's")]
    Algorithm,
    /// The signature does not hold.
    #[error("signature or claims do not hold")]
    Signature,
    /// A claim is absent, of a wrong type or of a wrong value.
    #[error("claim `{0}` is missing, of a wrong type or of a wrong value")]
    Claim(&'static str),
    /// `exp` has passed.
    #[error("expired")]
    Expired,
    /// `nbf` has not come.
    #[error("not valid yet")]
    NotYetValid,
    /// The subject is no principal that can log in.
    #[error("the subject is unknown, disabled or a group")]
    Subject,
    /// The token names somebody who acts for its subject, and that is not believed of it.
    #[error("actor: {0}")]
    Actor(&'static str),
    /// The user's token names another as the one who may act for them.
    #[error("the user's token names another who may act")]
    MayAct,
    /// The client's certificate is not good any more, or names nobody.
    #[error("client certificate: {0}")]
    Certificate(&'static str),
    /// The client's certificate and the call's token are of different principals, and the first may not act for users.
    #[error("a certificate and a token of different principals")]
    CertificateOfAnother,
    /// Two tokens of different principals, and the first may not act for users.
    #[error("two tokens of different principals")]
    TwoPrincipals,
}

impl Rejection {
    /// Of an access token on which another token rests.
    pub(super) fn of_grounds(self) -> Self {
        if self == Self::AccessToken { Self::Grounds } else { self }
    }
}

const BAD_TOKEN: &str = "the token is not valid here";

const MAY_ACT_IS_ANOTHER: (&str, &str) = (
    "the user's token says who may act for them, and that is another",
    "the claim `may_act` of the user's token must name this service principal: ask its issuer for such a token",
);

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let (message, hint) = match &rejection {
            Rejection::NoKeys => (
                "the keys of the token's issuer cannot be had at present",
                "try again later; the server's log says what its issuer answered",
            ),
            Rejection::NoAccessTokens => ("access tokens cannot be looked up at present", "try again later"),
            Rejection::AccessToken => {
                (BAD_TOKEN, "it is no access token, or was dropped: CREATE ACCESS TOKEN makes another")
            }
            Rejection::Grounds => {
                (BAD_TOKEN, "the access token by which it was asked for is gone: ask with another")
            }
            Rejection::Scope(scope) => {
                let hint = format!("it lacks the scope `{scope}`: ask for that when you sign in");
                return Error::new(Condition::Unauthenticated, BAD_TOKEN)
                    .with_hint(hint)
                    .caused_by(rejection);
            }
            Rejection::Missing => (
                "this call carries no credential",
                "send `authorization: Bearer <token>`, or log in with a user and a password",
            ),
            Rejection::Header(_) => (
                "the credential's header cannot be read",
                "send one `authorization` header: `Bearer <token>`, or `Basic` with user and password in base64",
            ),
            Rejection::PasswordOutsideHandshake => (
                "a user and a password are taken by Handshake only, which gives a token for the calls",
                "most drivers do so by themselves; with a token, give `token` as the user and it as the password",
            ),
            Rejection::WrongPassword => {
                ("the user or the password is wrong", "passwords are set with `weir user password USER`")
            }
            Rejection::Expired => (BAD_TOKEN, "it has expired: sign in again or get a fresh one"),
            Rejection::NotYetValid => (BAD_TOKEN, "it is not valid yet: the issuer's clock may be ahead"),
            Rejection::Actor(_) => (
                BAD_TOKEN,
                "it says that somebody acts for its subject (`act`): its issuer must be configured for that \
                 (`actor_claim`), the actor be one service principal that may act for users, and the token come alone",
            ),
            Rejection::MayAct => MAY_ACT_IS_ANOTHER,
            Rejection::Certificate(hint) => ("the client certificate is not valid here", *hint),
            Rejection::CertificateOfAnother => (
                "the client certificate and the token of this call are of two principals",
                "send the token of the certificate's principal, or none; a service principal that may act for users may send \
                 its user's",
            ),
            Rejection::TwoPrincipals => (
                "the call carries tokens of two principals, and the first may not act for users",
                "send one token, or ask an administrator to let the service principal act for users",
            ),
            Rejection::Malformed(_)
            | Rejection::HeaderField(_)
            | Rejection::UnknownIssuer
            | Rejection::UnknownKey
            | Rejection::Algorithm
            | Rejection::Signature
            | Rejection::Claim(_)
            | Rejection::Subject => {
                (BAD_TOKEN, "get one that is meant for this server, for a principal that it knows")
            }
        };
        let condition = match &rejection {
            Rejection::NoKeys | Rejection::NoAccessTokens => Condition::Unavailable,
            _ => Condition::Unauthenticated,
        };
        Error::new(condition, message).with_hint(hint).caused_by(rejection)
    }
}
