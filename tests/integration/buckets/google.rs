//! The same tables at a stand-in for Google Cloud Storage, which keeps conditions and verifies the token of each request.

use std::net::SocketAddr;

use datafusion::object_store::path::Path;
use datafusion::object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt};
use futures::TryStreamExt;
use serde_json::Value;
use tempfile::TempDir;
use weir_server::config::Bucket;
use weir_testkit::{FaultyStore, GoogleServer, TestServer, block_on};

use super::{fails_clearly, ground, is_like_any_other, lake, lose_no_commit, register};

const URL: &str = "gs://sales-lake/tables/";
const ACCOUNT: &str = "weir@sales.iam.gserviceaccount.com";
const STRANGER: &str = "stranger@sales.iam.gserviceaccount.com";
const COUNT: &str = "SELECT count(*) FROM main.default.people";

/// A store with the bucket `sales-lake`, the key of the account that it is for, and a place for secrets.
async fn store() -> (GoogleServer, String, TempDir) {
    let store = GoogleServer::start().await;
    let key = store.account(ACCOUNT).await;
    store.bucket("sales-lake", ACCOUNT).await;
    (store, key, tempfile::tempdir().unwrap())
}

/// The bucket `sales-lake` at this endpoint, with this key of a service account.
fn bucket(endpoint: SocketAddr, secrets: &TempDir, key: &str) -> Bucket {
    let bucket = super::bucket(endpoint, secrets);
    let file = secrets.path().join("google.json");
    std::fs::write(&file, key).unwrap();
    Bucket { url: URL.to_owned(), access_key_id: None, secret_file: Some(file), ..bucket }
}

/// The store was asked something, each time with a token that its account had signed.
async fn was_asked_with_good_tokens_alone(store: &GoogleServer) {
    let asked = store.asked().await;
    assert!(!asked.is_empty());
    let others: Vec<_> = asked.iter().filter(|asked| asked.account.as_deref() != Some(ACCOUNT)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Where a folder below the bucket's place is within the server.
fn folder(server: &TestServer, name: &str) -> Path {
    server.app().locations().external(&format!("{URL}{name}/")).unwrap().mounted_path()
}

#[test]
fn a_table_at_google_is_a_table_like_any_other() {
    block_on(async {
        let (store, key, secrets) = store().await;
        is_like_any_other(&ground(bucket(store.address(), &secrets, &key)).await).await;
        was_asked_with_good_tokens_alone(&store).await;
    });
}

#[test]
fn two_servers_on_one_bucket_lose_no_commit() {
    block_on(async {
        let (store, key, secrets) = store().await;
        let one = ground(bucket(store.address(), &secrets, &key)).await;
        // `/` at the end of an endpoint changes nothing.
        let endpoint = Some(format!("http://{}/", store.address()));
        let other = lake(Bucket { endpoint, ..bucket(store.address(), &secrets, &key) }).await;
        register(&other, URL).await;
        lose_no_commit(&one, &other).await;
        was_asked_with_good_tokens_alone(&store).await;
    });
}

#[test]
fn google_that_fails_is_asked_again_for_a_while_and_its_failure_is_told_clearly() {
    block_on(async {
        let (store, key, secrets) = store().await;
        let proxy = FaultyStore::before(store.address()).await;
        fails_clearly(&ground(bucket(proxy.address(), &secrets, &key)).await, &proxy).await;
        was_asked_with_good_tokens_alone(&store).await;
    });
}

#[test]
fn a_key_that_the_bucket_is_not_for_is_refused_and_never_shown() {
    block_on(async {
        let (store, key, secrets) = store().await;
        let server = ground(bucket(store.address(), &secrets, &key)).await;
        server.prepare("INSERT INTO main.default.people VALUES (1, 'north', 'x')").await;
        let stranger = store.account(STRANGER).await;
        let foreign = GoogleServer::start().await.account(ACCOUNT).await;
        let forged = signed_by_another(&key, &stranger);
        let before = store.keys("sales-lake").await;
        for (key, account) in [(&stranger, Some(STRANGER)), (&foreign, None), (&forged, None)] {
            let other = lake(bucket(store.address(), &secrets, key)).await;
            let seen = store.asked().await.len();
            let sql = format!("CREATE TABLE main.default.people USING DELTA LOCATION '{URL}people'");
            let refusal = other.refused("admin", &sql).await;
            assert!(refusal.starts_with("[SERVICE_UNAVAILABLE]"), "{refusal}");
            let asked = store.asked().await.split_off(seen);
            assert!(!asked.is_empty() && asked.iter().all(|asked| asked.account.as_deref() == account));
            let parts: Value = serde_json::from_str(key).unwrap();
            let secret = parts["private_key"].as_str().unwrap().lines().nth(1).unwrap();
            // Every token begins as its header in Base64 does.
            for word in [secret.get(..40).unwrap(), "PRIVATE KEY", "private_key", "Bearer", "eyJ"] {
                assert!(!refusal.contains(word), "{refusal}");
            }
        }
        assert_eq!(store.keys("sales-lake").await, before);
        assert_eq!(server.rows("alice", COUNT).await, ["1"]);
    });
}

/// The key of one account with the private part of another's.
fn signed_by_another(key: &str, other: &str) -> String {
    let mut key: Value = serde_json::from_str(key).unwrap();
    let other: Value = serde_json::from_str(other).unwrap();
    key["private_key"] = other["private_key"].clone();
    key.to_string()
}

#[test]
fn a_list_longer_than_a_page_lacks_nothing() {
    block_on(async {
        let (store, key, secrets) = store().await;
        let server = ground(bucket(store.address(), &secrets, &key)).await;
        let rows = 2 * GoogleServer::PAGE;
        for id in 0..rows {
            server.prepare(&format!("INSERT INTO main.default.people VALUES ({id}, 'north', 'x')")).await;
        }
        let seen = store.asked().await.len();
        let other = lake(bucket(store.address(), &secrets, &key)).await;
        register(&other, URL).await;
        assert_eq!(other.rows("admin", COUNT).await, [rows.to_string()]);
        let asked = store.asked().await.split_off(seen);
        assert!(asked.iter().any(|asked| asked.target.contains("continuation-token=")), "{asked:?}");

        let (router, people) = (server.app().tables().router(), folder(&server, "people"));
        let all: Vec<ObjectMeta> = router.list(Some(&people)).try_collect().await.unwrap();
        let below = |name: &str| name.split_once("/people/").unwrap().1.to_owned();
        let listed: Vec<_> = all.iter().map(|object| below(object.location.as_ref())).collect();
        let there: Vec<_> = store.keys("sales-lake").await.iter().map(|key| below(key)).collect();
        assert_eq!(listed, there);
        assert!(all.len() > 3 * GoogleServer::PAGE, "{there:?}");
        let some = &all[GoogleServer::PAGE + 2];
        let later: Vec<_> =
            router.list_with_offset(Some(&people), &some.location).try_collect().await.unwrap();
        assert_eq!(later, all[GoogleServer::PAGE + 3..]);
        let level = router.list_with_delimiter(Some(&people)).await.unwrap();
        assert_eq!((level.common_prefixes.len(), level.objects.len()), (1, rows));
        was_asked_with_good_tokens_alone(&store).await;
    });
}

#[test]
fn a_file_that_goes_up_in_parts_is_whole_and_a_name_of_any_letters_is_found() {
    block_on(async {
        let (store, key, secrets) = store().await;
        let server = lake(bucket(store.address(), &secrets, &key)).await;
        let (router, files) = (server.app().tables().router(), folder(&server, "files"));
        let at = |name: &str| Path::parse(format!("{files}/{name}")).unwrap();
        let (first, last) = (vec![b'a'; 5 << 20], b"the end".to_vec());
        let (large, given_up) = (at("ümlaut + a&b=c %25 <d>.txt"), at("given up.txt"));
        let mut upload = router.put_multipart(&large).await.unwrap();
        upload.put_part(first.clone().into()).await.unwrap();
        upload.put_part(last.clone().into()).await.unwrap();
        upload.complete().await.unwrap();
        let mut upload = router.put_multipart(&given_up).await.unwrap();
        upload.put_part(last.clone().into()).await.unwrap();
        upload.abort().await.unwrap();
        let whole = [first, last].concat();
        assert!(router.get(&large).await.unwrap().bytes().await.unwrap() == whole);
        let length = whole.len() as u64;
        assert_eq!(router.head(&large).await.unwrap().size, length);
        assert_eq!(router.get_range(&large, length - 3..length).await.unwrap().as_ref(), b"end");
        assert!(matches!(router.get(&given_up).await, Err(Error::NotFound { .. })));

        let copied = at("copied.txt");
        let on_condition = router.copy_if_not_exists(&large, &copied).await;
        assert!(matches!(on_condition, Err(Error::NotSupported { .. })), "{on_condition:?}");
        router.copy(&large, &copied).await.unwrap();
        let listed: Vec<ObjectMeta> = router.list(Some(&files)).try_collect().await.unwrap();
        let listed: Vec<_> = listed.into_iter().map(|object| object.location).collect();
        assert_eq!(listed, [copied, large.clone()]);
        router.delete(&large).await.unwrap();
        assert!(matches!(router.head(&large).await, Err(Error::NotFound { .. })));
        was_asked_with_good_tokens_alone(&store).await;
    });
}
