//! Versions before the newest.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::{Ground, people, people_schema, table};
use crate::{Error, PinnedTable, TableLocation};

/// A table of three versions, with 0, 2 and 5 rows.
async fn grown(ground: &Ground) -> (TableLocation, PinnedTable) {
    let location = table("grown");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..2, "x")).await.unwrap();
    ground.append(&location, people(2..5, "x")).await.unwrap();
    let newest = ground.tables.open(&location).await.unwrap();
    (location, newest)
}

pub(super) fn set_time(ground: &Ground, location: &TableLocation, version: u64, seconds: u64) {
    let path = ground.path(location).join(format!("_delta_log/{version:020}.json"));
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_read_by_its_number() {
    let ground = Ground::new();
    let (location, newest) = grown(&ground).await;
    for (version, rows) in [(0, 0), (1, 2), (2, 5), (1, 2)] {
        let past = ground.tables.open_version(&newest, version).await.unwrap();
        assert_eq!((past.version(), ground.count(&past).await), (version, rows));
    }
    // a commit that came after the pinned version is not there
    ground.append(&location, people(5..9, "x")).await.unwrap();
    let missing = ground.tables.open_version(&newest, 3).await.unwrap_err();
    assert!(matches!(missing, Error::VersionNotFound { version: 3, earliest: 0, latest: 2 }), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_whose_commits_were_cleaned_up_is_not_there() {
    let ground = Ground::new();
    let (location, newest) = grown(&ground).await;
    std::fs::remove_file(ground.path(&location).join("_delta_log/00000000000000000000.json")).unwrap();
    for version in [0, 1] {
        let missing = ground.tables.open_version(&newest, version).await.unwrap_err();
        assert!(matches!(missing, Error::VersionNotFound { earliest: 2, latest: 2, .. }), "{missing:?}");
    }
    assert_eq!(ground.tables.open_version(&newest, 2).await.unwrap().version(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_is_the_last_version_up_to_it_though_files_times_do_not_rise() {
    let ground = Ground::new();
    let (location, newest) = grown(&ground).await;
    for (version, seconds) in [(0, 1000), (1, 900), (2, 2000)] {
        set_time(&ground, &location, version, seconds);
    }
    let early = ground.tables.version_at(&newest, 999_999_999).await.unwrap_err();
    let text = early.to_string();
    assert!(matches!(early, Error::BeforeFirstVersion { .. }), "{early:?}");
    assert!(text.ends_with("1970-01-01 00:16:40.000Z"), "{text}");
    for (micros, version) in [
        (1_000_000_000, 0),
        (1_000_000_999, 0),
        (1_000_001_000, 1),
        (1_999_999_999, 1),
        (2_000_000_000, 2),
        (i64::MAX, 2),
    ] {
        assert_eq!(ground.tables.version_at(&newest, micros).await.unwrap(), version, "{micros}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_is_looked_up_by_the_times_that_commits_tell() {
    let ground = Ground::new();
    let (location, newest) = grown(&ground).await;
    let log = ground.path(&location).join("_delta_log");
    // what the commits tell, beside what their files say
    for (version, millis) in [(0_u64, 5_000_i64), (1, 6_000), (2, 7_000)] {
        let path = log.join(format!("{version:020}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        let told = format!("{{\"commitInfo\":{{\"inCommitTimestamp\":{millis}}}}}\n{text}");
        std::fs::write(&path, told).unwrap();
        set_time(&ground, &location, version, 1);
    }
    let versions = [0, 1, 2];
    for (millis, found) in [(4_999, None), (5_000, Some(0)), (6_500, Some(1)), (7_000, Some(2))] {
        let (version, first) = ground.tables.last_told(&newest, &versions, millis).await.unwrap();
        assert_eq!(version, found, "{millis}");
        assert!(found.is_some() || first == Some(5_000));
    }
}
