//! Attacks on the verifier: each is a token or a call that must not pass, beside one that does.

#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::json;
use weir_catalog::Epoch;
use weir_catalog::snapshot::Content;

use super::*;
use crate::identity::jwks::Key;

mod actors;
mod groups;

const ISSUER: &str = "https://login.example.com/";
const AUDIENCE: &str = "warehouse";

/// A pair of keys, and the names under which the issuer gives them out.
struct Fixture {
    verifier: Verifier,
    snapshot: Snapshot,
    signing: EncodingKey,
    public: Vec<u8>,
    now: DateTime<Utc>,
}

fn ed25519() -> (EncodingKey, Vec<u8>) {
    let document = Ed25519KeyPair::generate_pkcs8v1(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    (EncodingKey::from_ed_der(document.as_ref()), pair.public_key().as_ref().to_vec())
}

fn key(public: &[u8]) -> Key {
    Key { algorithm: Algorithm::EdDSA, decoding: DecodingKey::from_ed_der(public) }
}

fn principal(name: &str, kind: PrincipalKind) -> Principal {
    Principal {
        id: PrincipalId::fresh(),
        name: name.to_owned(),
        kind,
        disabled: false,
        account_admin: false,
        may_act_for_users: false,
    }
}

fn snapshot(principals: Vec<Principal>) -> Snapshot {
    let metastore = weir_catalog::MetastoreRoot { id: weir_catalog::MetastoreId::fresh(), owner: None };
    let content = Content { principals, ..Content::empty(metastore) };
    Snapshot::new(Epoch(1), content)
}

fn people() -> Vec<Principal> {
    let disabled = Principal { disabled: true, ..principal("mallory", PrincipalKind::User) };
    let app = Principal { may_act_for_users: true, ..principal("app", PrincipalKind::ServicePrincipal) };
    vec![
        principal("alice", PrincipalKind::User),
        principal("bob", PrincipalKind::User),
        principal("analysts", PrincipalKind::Group),
        principal("robot", PrincipalKind::ServicePrincipal),
        disabled,
        app,
    ]
}

fn fixture() -> Fixture {
    let (signing, public) = ed25519();
    let keys = KeySet::ById([("k1".to_owned(), key(&public))].into());
    Fixture {
        verifier: Verifier::of(vec![Issuer::fixed(ISSUER, AUDIENCE, keys)]),
        snapshot: snapshot(people()),
        signing,
        public,
        now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
    }
}

impl Fixture {
    fn claims(&self, subject: &str) -> Value {
        let now = self.now.timestamp();
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600})
    }

    /// Signs any header over any claims: what no well-behaved library would.
    fn forge(&self, header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> Secret {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
        Secret::new(format!("{message}.{signature}"))
    }

    fn signed(&self, claims: &Value) -> Secret {
        self.with_header(&json!({"alg": "EdDSA", "typ": "JWT", "kid": "k1"}), claims)
    }

    fn with_header(&self, header: &Value, claims: &Value) -> Secret {
        self.forge(header, claims, &self.signing, Algorithm::EdDSA)
    }

    fn token(&self, subject: &str) -> Secret {
        self.signed(&self.claims(subject))
    }

    fn identify(&self, credentials: &Credentials) -> Result<Identity, Rejection> {
        self.verifier.known_here(credentials, &self.snapshot, self.now)
    }

    fn bearer(&self, token: Secret) -> Result<Identity, Rejection> {
        self.identify(&Credentials::bearer(token))
    }

    fn refused(&self, token: Secret) -> Rejection {
        self.bearer(token).unwrap_err()
    }

    /// Alice's claims with one of them set, or removed by null.
    fn changed(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims("alice");
        let map = claims.as_object_mut().unwrap();
        if value.is_null() {
            map.remove(claim);
        } else {
            map.insert(claim.to_owned(), value);
        }
        claims
    }
}

#[test]
fn a_good_token_names_its_principal() {
    let at = fixture();
    let identity = at.bearer(at.token("alice")).unwrap();
    assert_eq!((identity.name(), identity.run_by()), ("alice", None));
    assert_eq!(identity.claims().get("iss").and_then(Value::as_str), Some(ISSUER));
    assert_eq!(identity.expires_at().timestamp(), at.now.timestamp() + 600);
}

#[test]
fn nothing_presented_is_nobody() {
    let at = fixture();
    assert_eq!(at.identify(&Credentials::default()), Err(Rejection::Missing));
    let basic = Credential::Basic { user: "alice".to_owned(), password: Secret::new("x") };
    let basic = Credentials { own: Some(basic), ..Credentials::default() };
    assert_eq!(at.identify(&basic), Err(Rejection::PasswordOutsideHandshake));
}

#[test]
fn algorithm_none_is_refused() {
    let at = fixture();
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    for name in ["none", "None", "NONE", ""] {
        let header = json!({"alg": name, "kid": "k1"});
        let message = format!("{}.{}", part(&header), part(&at.claims("alice")));
        for token in [format!("{message}."), message.clone(), format!("{message}.AAAA")] {
            assert!(at.bearer(Secret::new(token)).is_err(), "{name}");
        }
    }
}

#[test]
fn public_key_is_no_shared_secret() {
    let at = fixture();
    let secret = EncodingKey::from_secret(&at.public);
    for (name, algorithm) in [("HS256", Algorithm::HS256), ("HS512", Algorithm::HS512)] {
        let header = json!({"alg": name, "kid": "k1"});
        let token = at.forge(&header, &at.claims("alice"), &secret, algorithm);
        assert_eq!(at.refused(token), Rejection::Algorithm);
    }
}

#[test]
fn each_key_is_for_one_algorithm() {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = rsa.public_key().as_ref().to_vec();
    let private = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(private.as_ref())
    );
    let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let key = Key { algorithm: Algorithm::RS256, decoding: DecodingKey::from_rsa_der(&public) };
    let keys = KeySet::ById([("k1".to_owned(), key)].into());
    let at = Fixture { verifier: Verifier::of(vec![Issuer::fixed(ISSUER, AUDIENCE, keys)]), ..fixture() };
    let sign = |name: &str, algorithm| {
        at.forge(&json!({"alg": name, "kid": "k1"}), &at.claims("alice"), &signing, algorithm)
    };
    assert!(at.bearer(sign("RS256", Algorithm::RS256)).is_ok());
    assert_eq!(at.refused(sign("RS512", Algorithm::RS512)), Rejection::Algorithm);
    assert_eq!(at.refused(sign("PS256", Algorithm::PS256)), Rejection::Algorithm);
    let confused = at.forge(
        &json!({"alg": "HS256", "kid": "k1"}),
        &at.claims("alice"),
        &EncodingKey::from_secret(&public),
        Algorithm::HS256,
    );
    assert_eq!(at.refused(confused), Rejection::Algorithm);
}

#[test]
fn key_is_chosen_by_id_among_the_issuers_own() {
    let at = fixture();
    let claims = at.claims("alice");
    let unknown = at.with_header(&json!({"alg": "EdDSA", "kid": "../k1"}), &claims);
    assert_eq!(at.refused(unknown), Rejection::UnknownKey);
    let nameless = at.with_header(&json!({"alg": "EdDSA"}), &claims);
    assert_eq!(at.refused(nameless), Rejection::UnknownKey);
    let (other, _) = ed25519();
    let foreign = at.forge(&json!({"alg": "EdDSA", "kid": "k1"}), &claims, &other, Algorithm::EdDSA);
    assert_eq!(at.refused(foreign), Rejection::Signature);
}

#[test]
fn an_issuer_cannot_speak_for_another() {
    let at = fixture();
    let (signing, public) = ed25519();
    let own = KeySet::ById([("k1".to_owned(), key(&at.public))].into());
    let other = KeySet::ById([("k1".to_owned(), key(&public))].into());
    let verifier = Verifier::of(vec![
        Issuer::fixed(ISSUER, AUDIENCE, own),
        Issuer::fixed("https://other.example.com/", AUDIENCE, other),
    ]);
    let at = Fixture { verifier, ..at };
    let header = json!({"alg": "EdDSA", "kid": "k1"});
    let token = at.forge(&header, &at.claims("alice"), &signing, Algorithm::EdDSA);
    assert_eq!(at.refused(token), Rejection::Signature);
}

#[test]
fn headers_that_bring_keys_or_conditions_are_refused() {
    let at = fixture();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode(&at.public)});
    let cases = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://evil.example.com/jwks.json")),
        ("jwk", jwk),
        ("x5u", json!("https://evil.example.com/cert.pem")),
        ("x5c", json!(["AAAA"])),
        ("zip", json!("DEF")),
        ("b64", json!(false)),
        ("typ", json!("dpop+jwt")),
    ];
    for (field, value) in cases {
        let mut header = json!({"alg": "EdDSA", "kid": "k1"});
        header.as_object_mut().unwrap().insert(field.to_owned(), value);
        let refused = at.refused(at.with_header(&header, &at.claims("alice")));
        assert_eq!(refused, Rejection::HeaderField(field));
    }
}

#[test]
fn any_changed_byte_breaks_a_token() {
    let at = fixture();
    let token = at.token("alice").reveal().to_owned();
    assert!(at.bearer(Secret::new(token.clone())).is_ok());
    for (index, byte) in token.bytes().enumerate() {
        let mut changed = token.clone().into_bytes();
        *changed.get_mut(index).unwrap() = if byte == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(at.bearer(Secret::new(changed)).is_err(), "byte {index}");
    }
    for changed in [format!("{token}."), format!("{token}A"), format!(".{token}"), token.replace('.', "")] {
        assert!(at.bearer(Secret::new(changed)).is_err());
    }
    assert!(at.bearer(Secret::new("a".repeat(TOKEN_BYTES_MAX + 1))).is_err());
}

#[test]
fn claims_have_their_types_and_values() {
    let at = fixture();
    let now = at.now.timestamp();
    let bad = [
        ("exp", json!(null)),
        ("exp", json!("1900000000")),
        ("exp", json!(true)),
        ("exp", json!([1_900_000_000])),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("nbf", json!("0")),
        ("nbf", json!({})),
        ("iss", json!(null)),
        ("iss", json!([ISSUER])),
        ("iss", json!("https://login.example.com")),
        ("aud", json!(null)),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("aud", json!(["other"])),
        ("aud", json!([AUDIENCE, 1])),
        ("aud", json!({"0": AUDIENCE})),
        ("aud", json!("Warehouse")),
        ("sub", json!(null)),
        ("sub", json!("")),
        ("sub", json!(["alice"])),
        ("sub", json!(1)),
    ];
    for (claim, value) in bad {
        let text = value.to_string();
        assert!(at.bearer(at.signed(&at.changed(claim, value))).is_err(), "{claim} = {text}");
    }
    let good = [
        ("aud", json!(["other", AUDIENCE])),
        ("exp", json!(now as f64 + 10.5)),
        ("nbf", json!(now)),
        ("groups", json!(["admins"])),
    ];
    for (claim, value) in good {
        let text = value.to_string();
        assert!(at.bearer(at.signed(&at.changed(claim, value))).is_ok(), "{claim} = {text}");
    }
}

#[test]
fn nbf_may_not_be_null() {
    let at = fixture();
    let mut claims = at.claims("alice");
    claims.as_object_mut().unwrap().insert("nbf".to_owned(), Value::Null);
    assert_eq!(at.refused(at.signed(&claims)), Rejection::Claim("nbf"));
}

#[test]
fn a_claim_that_occurs_twice_is_refused() {
    let at = fixture();
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let claims = at.claims("alice").to_string().replacen('{', "{\"sub\":\"bob\",", 1);
    let message = format!("{}.{}", part("{\"alg\":\"EdDSA\",\"kid\":\"k1\"}"), part(&claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &at.signing, Algorithm::EdDSA).unwrap();
    assert_eq!(at.refused(Secret::new(format!("{message}.{signature}"))), Rejection::Signature);
}

#[test]
fn tokens_begin_and_end() {
    let mut at = fixture();
    let now = at.now.timestamp();
    let token = at.signed(&at.changed("nbf", json!(now + 100)));
    assert_eq!(at.refused(token.clone()), Rejection::NotYetValid);
    at.now += chrono::Duration::seconds(70);
    assert!(at.bearer(token.clone()).is_ok(), "clocks differ by 30 seconds at most");
    at.now += chrono::Duration::seconds(600 - 70 + 29);
    assert!(at.bearer(token.clone()).is_ok());
    at.now += chrono::Duration::seconds(1);
    assert_eq!(at.refused(token), Rejection::Expired, "although it was remembered as good");
}

#[test]
fn subject_is_an_enabled_principal_of_exactly_that_name() {
    let at = fixture();
    assert!(at.bearer(at.token("robot")).is_ok());
    for name in
        ["Alice", "alice ", " alice", "ALICE", "al%", "nobody", "mallory", "analysts", "alice\0", "'alice'"]
    {
        assert_eq!(at.refused(at.token(name)), Rejection::Subject, "{name:?}");
    }
}

#[test]
fn disabling_holds_for_the_next_call() {
    let mut at = fixture();
    let token = at.token("alice");
    assert!(at.bearer(token.clone()).is_ok());
    let mut principals = people();
    principals
        .iter_mut()
        .filter(|principal| principal.name == "alice")
        .for_each(|alice| alice.disabled = true);
    at.snapshot = snapshot(principals);
    assert_eq!(at.refused(token.clone()), Rejection::Subject);
    at.snapshot = snapshot(vec![]);
    assert_eq!(at.refused(token), Rejection::Subject);
}

#[test]
fn subject_claim_is_the_configured_one() {
    let at = fixture();
    let keys = KeySet::One(key(&at.public));
    let mut issuer = Issuer::fixed(ISSUER, AUDIENCE, keys);
    issuer.subject_claim = "upn".to_owned();
    let at = Fixture { verifier: Verifier::of(vec![issuer]), ..at };
    assert_eq!(at.refused(at.token("alice")), Rejection::Claim("the subject claim"));
    let named = at.signed(&at.changed("upn", json!("bob")));
    assert_eq!(at.bearer(named).unwrap().name(), "bob");
    assert!(at.bearer(at.signed(&at.changed("upn", json!(["bob"])))).is_err());
}

#[test]
fn a_service_with_the_right_acts_for_users_with_their_rights() {
    let at = fixture();
    let call = |own: &str, user: &str| at.identify(&Credentials::forwarded(at.token(own), at.token(user)));
    let alice = at.snapshot.principal_by_name("alice").unwrap().id;
    let identity = call("app", "alice").unwrap();
    assert_eq!((identity.principal(), identity.name()), (alice, "alice"));
    assert_eq!(identity.run_by(), Some("app"));
    assert_eq!(identity.claims().get("sub").and_then(Value::as_str), Some("alice"));
    assert_eq!(call("alice", "alice").unwrap().run_by(), None);
    for (own, user) in [("robot", "alice"), ("alice", "bob"), ("bob", "app"), ("app", "robot")] {
        assert_eq!(call(own, user), Err(Rejection::TwoPrincipals), "{own} for {user}");
    }
    assert_eq!(call("app", "mallory"), Err(Rejection::Subject));
    assert_eq!(call("app", "analysts"), Err(Rejection::Subject));
    let expired = at.signed(&at.changed("exp", json!(at.now.timestamp() - 100)));
    let both = Credentials::forwarded(at.token("app"), expired.clone());
    assert_eq!(at.identify(&both), Err(Rejection::Expired));
    let both = Credentials::forwarded(expired, at.token("alice"));
    assert_eq!(at.identify(&both), Err(Rejection::Expired));
}

#[test]
fn a_forwarded_token_alone_is_its_users() {
    let at = fixture();
    let alone = Credentials { forwarded: Some(at.token("alice")), ..Credentials::default() };
    assert_eq!(at.identify(&alone).unwrap().name(), "alice");
}

#[test]
fn all_bad_tokens_read_alike() {
    let at = fixture();
    let texts: Vec<String> = [
        at.token("nobody"),
        at.token("mallory"),
        at.token("analysts"),
        at.with_header(&json!({"alg": "EdDSA", "kid": "k2"}), &at.claims("alice")),
        at.signed(&at.changed("aud", json!("other"))),
        Secret::new("a.b.c"),
    ]
    .into_iter()
    .map(|token| {
        let error = at.verifier.verify(Credentials::bearer(token), &at.snapshot, at.now).unwrap_err();
        error.to_string()
    })
    .collect();
    assert!(texts.iter().all(|text| Some(text) == texts.first()), "{texts:#?}");
}

#[test]
fn rotated_keys_hold_and_withdrawn_ones_do_not() {
    let directory = std::env::temp_dir().join(format!("weir-jwks-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("jwks.json");
    let mut at = fixture();
    let (second, second_public) = ed25519();
    let set = |keys: &[(&str, &[u8])]| {
        let keys: Vec<Value> = keys
            .iter()
            .map(|(id, public)| {
                let x = BASE64_URL_SAFE_NO_PAD.encode(public);
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
            })
            .collect();
        std::fs::write(&file, json!({"keys": keys}).to_string()).unwrap();
    };
    set(&[("k1", &at.public)]);
    let config = config::Issuer {
        name: ISSUER.to_owned(),
        jwks_file: Some(file.clone()),
        key_file: None,
        audiences: vec![AUDIENCE.to_owned()],
        subject_claim: "sub".to_owned(),
        jwks_url: None,
        discover: false,
        required_scopes: Vec::new(),
        actor_claim: None,
        groups_claim: None,
        groups: BTreeMap::new(),
    };
    at.verifier = Verifier::of(vec![Issuer::from_config(&config).unwrap()]);
    let first = at.token("alice");
    let header = json!({"alg": "EdDSA", "kid": "k2"});
    let rotated = at.forge(&header, &at.claims("alice"), &second, Algorithm::EdDSA);
    assert!(at.bearer(first.clone()).is_ok());
    assert_eq!(at.refused(rotated.clone()), Rejection::UnknownKey);
    set(&[("k2", &second_public)]);
    at.now += chrono::Duration::seconds(31);
    assert!(at.bearer(rotated.clone()).is_ok());
    assert_eq!(at.refused(first), Rejection::UnknownKey, "although it was remembered as good");
    std::fs::write(&file, "half a fi").unwrap();
    at.now += chrono::Duration::seconds(31);
    assert!(at.bearer(rotated.clone()).is_ok(), "a file being written is no reason to turn people away");
    at.now += chrono::Duration::seconds(301);
    assert_eq!(at.refused(rotated), Rejection::UnknownKey);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn key_files_hold_public_keys_of_accepted_kinds() {
    let refused = |text: &str| KeySet::from_jwks(text).unwrap_err();
    assert!(refused("nonsense").contains("JSON"));
    assert!(refused("[]").contains("keys"));
    let shared = r#"{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}"#;
    assert!(refused(shared).contains("shared secret"));
    let private = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AAAA","d":"AAAA"}]}"#;
    assert!(refused(private).contains("private key"));
    let nameless = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}"#;
    assert!(refused(nameless).contains("kid"));
    let encryption = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","use":"enc","x":"AAAA"}]}"#;
    assert!(refused(encryption).contains("signatures"));
    let rs512 = r#"{"keys":[{"kty":"RSA","kid":"a","alg":"RS512","n":"AAAA","e":"AQAB"}]}"#;
    assert!(refused(rs512).contains("algorithm"));
    let p384 = r#"{"keys":[{"kty":"EC","crv":"P-384","kid":"a","x":"AAAA","y":"AAAA"}]}"#;
    assert!(refused(p384).contains("kind"));
    assert!(KeySet::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err());
}

#[test]
fn local_issuer_signs_what_the_verifier_believes_and_keeps_its_key() {
    use std::os::unix::fs::PermissionsExt;
    let directory = std::env::temp_dir().join(format!("weir-keys-{}", uuid::Uuid::new_v4()));
    assert!(LocalIssuer::open(&directory).is_err());
    let issuer = LocalIssuer::open_or_create(&directory).unwrap();
    let at = fixture();
    let verifier = Verifier::from_config(&config::Identity::default(), Some(&issuer)).unwrap();
    let at = Fixture { verifier, ..at };
    let hour = std::time::Duration::from_secs(3600);
    let token = issuer.sign("alice", hour, at.now).unwrap().token;
    assert_eq!(at.bearer(token).unwrap().name(), "alice");
    let again = LocalIssuer::open(&directory).unwrap().sign("bob", hour, at.now).unwrap().token;
    assert_eq!(at.bearer(again).unwrap().name(), "bob");
    let pem = directory.join("local-issuer.pem");
    assert_eq!(std::fs::metadata(&pem).unwrap().permissions().mode() & 0o777, 0o600);
    let public = std::fs::read_to_string(directory.join("local-issuer.jwks.json")).unwrap();
    assert!(KeySet::from_jwks(&public).is_ok());
    assert!(issuer.sign("alice", hour * 24 * 31, at.now).is_err());
    std::fs::set_permissions(&pem, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(LocalIssuer::open(&directory).err().unwrap().message().contains("other users"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn one_public_key_in_pem_is_enough_for_an_issuer() {
    use aws_lc_rs::encoding::PublicKeyX509Der;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    };

    let pem = |tag: &str, der: &[u8]| {
        format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", BASE64_STANDARD.encode(der))
    };
    let random = aws_lc_rs::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa_public: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    let rsa_private = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
    let cases = [
        ("ES256", Algorithm::ES256, public.as_ref(), EncodingKey::from_ec_der(document.as_ref())),
        (
            "RS256",
            Algorithm::RS256,
            rsa_public.as_ref(),
            EncodingKey::from_rsa_pem(pem("PRIVATE KEY", rsa_private.as_ref()).as_bytes()).unwrap(),
        ),
    ];
    for (name, algorithm, public, signing) in cases {
        let keys = KeySet::from_pem(&pem("PUBLIC KEY", public)).unwrap();
        let at = Fixture { verifier: Verifier::of(vec![Issuer::fixed(ISSUER, AUDIENCE, keys)]), ..fixture() };
        let token = at.forge(&json!({"alg": name}), &at.claims("alice"), &signing, algorithm);
        assert_eq!(at.bearer(token).unwrap().name(), "alice");
        assert_eq!(at.refused(at.token("alice")), Rejection::Algorithm);
    }
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, document.as_ref()).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    assert!(KeySet::from_pem(&pem("PUBLIC KEY", public.as_ref())).unwrap_err().contains("P-256"));
}
