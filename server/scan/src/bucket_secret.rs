//! The secret of a bucket, looked at before a client of the service gets it.
//!
//! What a client says of a secret that it cannot read may quote it, so that its words are never handed on; and the key of
//! a Google service account may hold more than who signs: the client would follow it to another server, or send requests
//! without a token.

use serde_json::{Value, json};

use crate::bucket_root::{AzureSecret, Service};

/// What is wrong with a secret, in words that hold nothing of it.
pub(crate) type Flaw = &'static str;

/// Keys by which a Google key would tell where requests go and whether they are signed.
const REDIRECTING: [&str; 2] = ["gcs_base_url", "disable_oauth"];

/// The key of a Google service account, with what signs requests and nothing else.
pub(crate) fn google_key(secret: &str) -> Result<String, Flaw> {
    const NO_KEY: Flaw = "its secret is not the JSON key of a Google service account";
    // reason: the parser's own words may quote the secret.
    let key: Value = serde_json::from_str(secret).ok().ok_or(NO_KEY)?;
    let parts = key.as_object().ok_or(NO_KEY)?;
    if REDIRECTING.iter().any(|name| parts.contains_key(*name)) {
        return Err(
            "its secret says where requests go or that they are not signed (`gcs_base_url`, `disable_oauth`), which is not for a key to say",
        );
    }
    let part = |name: &str| parts.get(name).and_then(Value::as_str).filter(|part| !part.is_empty());
    match (part("private_key"), part("private_key_id"), part("client_email")) {
        (Some(private_key), Some(private_key_id), Some(client_email)) => Ok(json!({
            "private_key": private_key,
            "private_key_id": private_key_id,
            "client_email": client_email,
        })
        .to_string()),
        _ => Err(
            "its secret lacks `private_key`, `private_key_id` or `client_email` of the JSON key of a Google service account",
        ),
    }
}

/// The parts of a shared access signature.
pub(crate) fn shared_access(secret: &str) -> Result<Vec<(String, String)>, Flaw> {
    let pairs = url::form_urlencoded::parse(secret.trim_start_matches('?').as_bytes());
    let parts: Vec<(String, String)> = pairs.into_owned().collect();
    match parts.iter().any(|(name, value)| name == "sig" && !value.is_empty()) {
        true => Ok(parts),
        false => Err("its secret is no shared access signature: `sig` is missing"),
    }
}

/// What is wrong where no client can be made, by what its words are about.
pub(crate) fn flaw_of(service: &Service) -> Flaw {
    match service {
        Service::S3 { .. } => "no client can be made with its endpoint and credential",
        Service::Azure { secret: AzureSecret::AccountKey, .. } => {
            "its secret is not the key of a storage account, which is Base64"
        }
        Service::Azure { .. } => "no client can be made with its endpoint and credential",
        Service::Google => "the `private_key` of its secret is not a key in PEM",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    const KEY: &str = r#"{"type": "service_account", "private_key": "P", "private_key_id": "I", "client_email": "E", "token_uri": "https://elsewhere"}"#;

    #[test]
    fn a_google_key_says_who_signs_and_nothing_else() {
        let kept: Value = serde_json::from_str(&google_key(KEY).unwrap()).unwrap();
        assert_eq!(kept, json!({"private_key": "P", "private_key_id": "I", "client_email": "E"}));
        for more in
            [r#""gcs_base_url": "http://elsewhere""#, r#""disable_oauth": true"#, r#""disable_oauth": false"#]
        {
            let flaw = google_key(&KEY.replacen('{', &format!("{{{more}, "), 1)).unwrap_err();
            assert!(flaw.contains("not for a key to say"), "{flaw}");
        }
    }

    #[test]
    fn no_flaw_quotes_its_secret() {
        for secret in
            ["CANARY", r#""CANARY""#, r#"["CANARY"]"#, r#"{"private_key": "CANARY"}"#, r#"{"CANARY": 1"#]
        {
            let flaw = google_key(secret).unwrap_err();
            assert!(!flaw.contains("CANARY") && flaw.contains("Google"), "{flaw}");
        }
        assert!(shared_access("CANARY").unwrap_err().contains("`sig`"));
        assert!(shared_access("?sv=1&sig=").unwrap_err().contains("`sig`"));
        assert_eq!(shared_access("?sv=1&sig=a%2Bb").unwrap().last().unwrap().1, "a+b");
    }
}
