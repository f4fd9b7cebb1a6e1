//! Which paths reach which files.

use std::error::Error as _;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload};
use weir_meter::Meter;

use crate::{AzureSecret, Bucket, RangeCache, RootName, Router, Service, TableLocation};

fn two_roots() -> (tempfile::TempDir, Router) {
    let directory = tempfile::tempdir().unwrap();
    let router = Router::new(RangeCache::new(1 << 20));
    for root in ["a", "b"] {
        let path = directory.path().join(root);
        std::fs::create_dir(&path).unwrap();
        router.add_local_root(&RootName::new(root).unwrap(), &path).unwrap();
    }
    (directory, router)
}

#[test]
fn a_bucket_whose_secret_is_unusable_is_refused_without_a_word_of_it() {
    let bucket = |service, secret: &str| Bucket {
        service,
        name: "lake".to_owned(),
        prefix: String::new(),
        endpoint: None,
        secret: secret.to_owned(),
        request_timeout: Duration::from_secs(1),
        retries: 0,
        retry_timeout: Duration::from_secs(1),
    };
    let azure = |secret| Service::Azure { account: "lake".to_owned(), secret };
    let pem = r#"{"private_key": "CANARY", "private_key_id": "CANARY", "client_email": "CANARY"}"#;
    for (service, secret, told) in [
        (Service::Google, r#""CANARY""#, "JSON key"),
        (Service::Google, pem, "not a key in PEM"),
        (azure(AzureSecret::AccountKey), "CANARY-", "Base64"),
        (azure(AzureSecret::SharedAccess), "CANARY", "`sig` is missing"),
    ] {
        let router = Router::new(RangeCache::new(1 << 20));
        let refusal =
            router.add_bucket_root(&RootName::new("a").unwrap(), &bucket(service, secret)).unwrap_err();
        let text = format!("{refusal} {refusal:?}");
        assert!(text.contains(told) && !text.contains("CANARY"), "{text}");
        assert!(refusal.source().is_none(), "{text}");
        assert!(router.roots().is_empty());
    }
}

async fn put(router: &Router, path: &str, contents: &'static str) {
    router.put(&Path::from(path), PutPayload::from_static(contents.as_bytes())).await.unwrap();
}

#[tokio::test]
async fn a_path_reaches_only_the_root_it_names() {
    let (directory, router) = two_roots();
    put(&router, "a/t/x.parquet", "from a").await;
    put(&router, "b/t/x.parquet", "from b").await;
    for _ in 0..2 {
        let a = router.get_range(&Path::from("a/t/x.parquet"), 0..6).await.unwrap();
        let b = router.get_range(&Path::from("b/t/x.parquet"), 0..6).await.unwrap();
        assert_eq!((a.as_ref(), b.as_ref()), (b"from a".as_slice(), b"from b".as_slice()));
    }
    assert_eq!(std::fs::read(directory.path().join("a/t/x.parquet")).unwrap(), b"from a");
    for path in ["c/t/x.parquet", "x", "A/t/x.parquet"] {
        let read = router.get(&Path::from(path)).await;
        assert!(matches!(read, Err(Error::NotFound { .. })), "{path}: {read:?}");
        assert!(router.get_range(&Path::from(path), 0..1).await.is_err());
        assert!(router.list(Some(&Path::from(path))).try_collect::<Vec<_>>().await.is_err());
    }
}

#[tokio::test]
async fn listings_are_sorted_and_respect_the_offset() {
    let (_directory, router) = two_roots();
    let names =
        ["00000000000000000010.json", "00000000000000000002.json", "00000000000000000001.json", "z/y.json"];
    for name in names {
        put(&router, &format!("a/t/_delta_log/{name}"), "{}").await;
    }
    put(&router, "b/t/_delta_log/00000000000000000000.json", "{}").await;
    let prefix = Path::from("a/t");
    let listed = |offset: Option<&str>| {
        let stream = match offset {
            Some(offset) => router.list_with_offset(Some(&prefix), &Path::from(offset)),
            None => router.list(Some(&prefix)),
        };
        async move { stream.map_ok(|meta| meta.location.to_string()).try_collect::<Vec<_>>().await.unwrap() }
    };
    let all = listed(None).await;
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(all, sorted);
    assert_eq!(all.len(), 4);
    assert_eq!(listed(Some("a/t/_delta_log/00000000000000000002.json")).await, all[2..]);
    assert_eq!(listed(Some("0")).await, all);
    assert!(listed(Some("b")).await.is_empty());

    let level = router.list_with_delimiter(Some(&Path::from("a/t/_delta_log"))).await.unwrap();
    assert_eq!(level.common_prefixes, [Path::from("a/t/_delta_log/z")]);
    assert_eq!(level.objects.len(), 3);
}

#[tokio::test]
async fn no_symbolic_link_leads_out_of_a_root() {
    let (directory, router) = two_roots();
    let outside = directory.path().join("secret");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("s.parquet"), "secret").unwrap();
    let inside = directory.path().join("a");
    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
    std::os::unix::fs::symlink(outside.join("s.parquet"), inside.join("file.parquet")).unwrap();
    std::fs::write(inside.join("own.parquet"), "own").unwrap();
    std::os::unix::fs::symlink(inside.join("own.parquet"), inside.join("alias.parquet")).unwrap();

    for path in ["a/link/s.parquet", "a/file.parquet"] {
        let path = Path::from(path);
        assert!(matches!(router.get(&path).await, Err(Error::PermissionDenied { .. })));
        assert!(matches!(router.head(&path).await, Err(Error::PermissionDenied { .. })));
        assert!(router.get_range(&path, 0..3).await.is_err());
        assert!(router.get_ranges(&path, std::slice::from_ref(&(0..3))).await.is_err());
        assert!(router.copy(&path, &Path::from("a/copy")).await.is_err());
    }
    let through = Path::from("a/link/new.parquet");
    assert!(router.put(&through, PutPayload::from_static(b"x")).await.is_err());
    assert!(router.put_multipart(&through).await.is_err());
    assert!(router.delete(&Path::from("a/link/s.parquet")).await.is_err());
    assert!(router.copy(&Path::from("a/own.parquet"), &through).await.is_err());
    assert!(router.rename(&Path::from("a/own.parquet"), &through).await.is_err());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);

    let listed: Vec<_> = router.list(Some(&Path::from("a"))).try_collect().await.unwrap();
    let names: Vec<_> = listed.iter().map(|meta| meta.location.to_string()).collect();
    assert_eq!(names, ["a/alias.parquet", "a/own.parquet"]);
    assert!(router.list(Some(&Path::from("a/link"))).try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test]
async fn nothing_is_copied_or_moved_between_roots() {
    let (_directory, router) = two_roots();
    put(&router, "a/x", "x").await;
    let (from, to) = (Path::from("a/x"), Path::from("b/x"));
    assert!(matches!(router.copy(&from, &to).await, Err(Error::NotSupported { .. })));
    assert!(matches!(router.rename(&from, &to).await, Err(Error::NotSupported { .. })));
    router.rename(&from, &Path::from("a/y")).await.unwrap();
    assert!(router.head(&Path::from("a/y")).await.is_ok());
}

#[tokio::test]
async fn a_root_means_one_directory() {
    let (directory, router) = two_roots();
    let a = RootName::new("a").unwrap();
    router.add_local_root(&a, &directory.path().join("b/../a")).unwrap();
    assert!(router.add_local_root(&a, &directory.path().join("b")).is_err());
    assert!(router.add_local_root(&RootName::new("c").unwrap(), &directory.path().join("c")).is_err());
}

#[test]
fn locations_take_only_paths_that_mean_one_place() {
    let root = || RootName::new("main").unwrap();
    for path in
        ["", "/", "a//b", "../a", "a/./b", "a/../../b", "a/_delta_log", "a b", "a%2e", "ä", "a\\b", "a?b"]
    {
        assert!(TableLocation::new(root(), path).is_err(), "{path}");
    }
    for name in ["", "A", "a/b", "a.b", ".."] {
        assert!(RootName::new(name).is_err(), "{name}");
    }
    let location = TableLocation::new(root(), "sales/orders=1").unwrap();
    assert_eq!(location.url().unwrap().as_str(), "gov://mount/main/sales/orders=1/");
    assert_eq!(location.to_string(), "main/sales/orders=1");
    let nested = TableLocation::new(root(), "sales/orders=1/x").unwrap();
    let sibling = TableLocation::new(root(), "sales/orders=10").unwrap();
    assert!(location.overlaps(&nested) && nested.overlaps(&location) && !location.overlaps(&sibling));
}

#[tokio::test]
async fn ranges_of_unchanging_files_are_counted_and_kept() {
    let (_directory, router) = two_roots();
    put(&router, "a/t/x.parquet", "0123456789").await;
    put(&router, "a/t/_delta_log/00000000000000000000.json", "0123456789").await;
    let read = async |path: &str, ranges: &[std::ops::Range<u64>]| {
        let meter = Meter::new();
        let bytes = meter.future(router.get_ranges(&Path::from(path), ranges)).await.unwrap();
        (bytes.concat(), meter.cache_hit_bytes(), meter.cache_miss_bytes())
    };
    let ranges = [0..2, 4..7, 0..2];
    assert_eq!(read("a/t/x.parquet", &ranges).await, (b"0145601".to_vec(), 2, 5));
    assert_eq!(read("a/t/x.parquet", &ranges).await, (b"0145601".to_vec(), 7, 0));
    assert_eq!(read("a/t/x.parquet", &[0..2, 8..10]).await, (b"0189".to_vec(), 2, 2));
    assert_eq!(read("a/t/_delta_log/00000000000000000000.json", &ranges).await, (b"0145601".to_vec(), 0, 0));
    assert!(router.get_ranges(&Path::from("a/t/x.parquet"), std::slice::from_ref(&(8..11))).await.is_err());
    assert!(
        router.get_ranges(&Path::from("a/t/x.parquet"), std::slice::from_ref(&(0..u64::MAX))).await.is_err()
    );

    router.forget(&TableLocation::new(RootName::new("a").unwrap(), "t").unwrap());
    assert_eq!(read("a/t/x.parquet", &ranges).await, (b"0145601".to_vec(), 2, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_reads_of_one_range_fetch_it_once() {
    let (_directory, router) = two_roots();
    put(&router, "a/t/x.parquet", "0123456789").await;
    let meter = Meter::new();
    let path = Path::from("a/t/x.parquet");
    let range = 0..10;
    let reads = (0..20).map(|_| meter.future(router.get_ranges(&path, std::slice::from_ref(&range))));
    futures::future::try_join_all(reads).await.unwrap();
    assert_eq!((meter.cache_hit_bytes(), meter.cache_miss_bytes()), (190, 10));
}
