//! Byte ranges of far stores on this machine's disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::slice::from_ref;
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use weir_meter::Meter;

use crate::{DiskRanges, RangeCache, RootName, Router, TableLocation};

const FILE: &str = "far/t/x.parquet";

/// A router without memory for ranges, over a far store with one file of a table.
struct Far {
    _parent: tempfile::TempDir,
    folder: PathBuf,
    store: Arc<InMemory>,
    router: Router,
}

impl Far {
    async fn with_room(bytes: u64) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("ranges");
        let store = Arc::new(InMemory::new());
        let disk = DiskRanges::open(&folder, bytes).unwrap();
        let router = Router::new(RangeCache::new(0)).with_disk(disk);
        let far: Arc<dyn ObjectStore> = Arc::clone(&store) as _;
        router.add_far_root(&RootName::new("far").unwrap(), far).unwrap();
        let far = Self { _parent: parent, folder, store, router };
        far.put("0123456789").await;
        far
    }

    async fn put(&self, contents: &'static str) {
        self.store
            .put(&Path::from("t/x.parquet"), PutPayload::from_static(contents.as_bytes()))
            .await
            .unwrap();
    }

    /// Reads two ranges; gives them, and how many bytes came from storage and from here.
    async fn read(&self) -> (String, u64, u64) {
        let meter = Meter::new();
        let file = Path::from(FILE);
        let read = meter.future(self.router.get_ranges(&file, &[0..4, 6..9])).await.unwrap();
        let text = read.iter().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect::<Vec<_>>();
        self.router.disk().unwrap().settled().await;
        (text.join(" "), meter.cache_miss_bytes(), meter.cache_hit_bytes())
    }
}

fn files_in(folder: &FilePath) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_range_of_a_far_file_is_read_from_storage_once() {
    let far = Far::with_room(1 << 20).await;
    assert_eq!(far.read().await, ("0123 678".to_owned(), 7, 0));
    assert_eq!(far.read().await, ("0123 678".to_owned(), 0, 7));
    assert_eq!(files_in(&far.folder).len(), 2);
    assert_eq!(far.router.disk().unwrap().used_bytes(), 2 * 4096);
    assert_eq!(fs::metadata(&far.folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn what_is_damaged_or_gone_is_fetched_again() {
    let far = Far::with_room(1 << 20).await;
    far.read().await;
    let damages: [&dyn Fn(&FilePath); 3] =
        [&|file| fs::write(file, "9999").unwrap(), &|file| fs::write(file, "").unwrap(), &|file| {
            fs::remove_file(file).unwrap()
        }];
    for damage in damages {
        files_in(&far.folder).iter().for_each(|file| damage(file));
        assert_eq!(far.read().await, ("0123 678".to_owned(), 7, 0));
        assert_eq!(far.read().await, ("0123 678".to_owned(), 0, 7));
    }
}

#[tokio::test]
async fn what_is_forgotten_is_gone_from_disk_too() {
    let far = Far::with_room(1 << 20).await;
    let table = TableLocation::new(RootName::new("far").unwrap(), "t").unwrap();
    let forget: [&dyn Fn(); 2] = [&|| far.router.forget(&table), &|| far.router.clear()];
    for (forget, contents, told) in
        [(forget[0], "abcdefghij", "abcd ghi"), (forget[1], "ABCDEFGHIJ", "ABCD GHI")]
    {
        far.read().await;
        // Another table comes to the same place.
        far.put(contents).await;
        forget();
        assert_eq!(far.read().await, (told.to_owned(), 7, 0));
    }
    assert_eq!(files_in(&far.folder).len(), 2);
}

#[tokio::test]
async fn what_was_asked_for_before_it_was_forgotten_is_not_kept() {
    let far = Far::with_room(1 << 20).await;
    let disk = far.router.disk().unwrap();
    let key = crate::range_cache::FileKey { path: Arc::new(Path::from(FILE)), e_tag: None };
    let late = async |_| {
        disk.clear();
        Ok(vec!["old".into()])
    };
    let read = disk.read(&key, from_ref(&(0..3)), late).await.unwrap();
    assert_eq!(read[0].bytes.as_ref(), b"old");
    disk.settled().await;
    assert_eq!((disk.used_bytes(), files_in(&far.folder).len()), (0, 0));
}

#[tokio::test]
async fn no_more_is_kept_than_there_is_room_for() {
    let far = Far::with_room(2 * 4096).await;
    for start in 0..8 {
        far.router.get_ranges(&Path::from(FILE), from_ref(&(start..start + 1))).await.unwrap();
        far.router.disk().unwrap().settled().await;
    }
    let kept = files_in(&far.folder).len();
    assert!((1..=2).contains(&kept), "{kept} files");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_only_what_is_not_kept() {
    let far = Far::with_room(1 << 20).await;
    fs::remove_dir_all(&far.folder).unwrap();
    for _ in 0..2 {
        assert_eq!(far.read().await, ("0123 678".to_owned(), 7, 0));
    }
}

#[tokio::test]
async fn the_folder_is_emptied_of_ranges_alone_when_it_is_opened() {
    let far = Far::with_room(1 << 20).await;
    far.read().await;
    fs::write(far.folder.join("notes.txt"), "mine").unwrap();
    DiskRanges::open(&far.folder, 1 << 20).unwrap();
    assert_eq!(files_in(&far.folder), [far.folder.join("notes.txt")]);
    // Who still has the old ones asks storage again.
    assert_eq!(far.read().await, ("0123 678".to_owned(), 7, 0));
}

#[tokio::test]
async fn files_of_this_machine_are_not_kept_on_its_disk_again() {
    let far = Far::with_room(1 << 20).await;
    let near = far.folder.parent().unwrap().join("near");
    fs::create_dir_all(near.join("t")).unwrap();
    fs::write(near.join("t/x.parquet"), "0123456789").unwrap();
    far.router.add_local_root(&RootName::new("near").unwrap(), &near).unwrap();
    far.router.get_ranges(&Path::from("near/t/x.parquet"), from_ref(&(0..4))).await.unwrap();
    far.router.disk().unwrap().settled().await;
    assert!(files_in(&far.folder).is_empty());
}
