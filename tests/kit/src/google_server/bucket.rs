//! What lies in a bucket: objects with their generations, uploads in parts, and lists in pages.

use std::collections::BTreeMap;

use axum::body::Bytes;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use weir_server::clock::{Clock, SystemClock};

use super::answers::{NO_KEY, NO_PART, NO_UPLOAD, NOT_AS_EXPECTED, NOT_KNOWN, Refusal, SMALL_PART};

/// How long each part of an upload is at least, but for the last.
const PART_BYTES: usize = 5 << 20;

/// An object as it is.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) contents: Bytes,
    pub(super) generation: u64,
    pub(super) modified: DateTime<Utc>,
}

impl Object {
    pub(super) fn e_tag(&self) -> String {
        e_tag(self.generation)
    }
}

/// A bucket that one account may read and write.
#[derive(Debug)]
pub(super) struct Bucket {
    owner: String,
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    /// The last number that was given out, for a generation, a part or an upload.
    numbered: u64,
}

/// Parts, by their numbers and with their tags, that are no object yet.
#[derive(Debug)]
struct Upload {
    key: String,
    parts: BTreeMap<u32, (String, Bytes)>,
}

/// Some of what a list names, in order.
#[derive(Debug)]
pub(super) struct Page {
    /// Each name; without an object it is what several names begin with.
    pub(super) entries: Vec<(String, Option<Object>)>,
    /// What is sent for the rest, where there is more.
    pub(super) more: Option<String>,
}

impl Bucket {
    pub(super) fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned(), objects: BTreeMap::new(), uploads: BTreeMap::new(), numbered: 0 }
    }

    pub(super) fn is_for(&self, account: &str) -> bool {
        self.owner == account
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn object(&self, key: &str) -> Result<&Object, Refusal> {
        self.objects.get(key).ok_or(NO_KEY)
    }

    /// Refuses where another generation is there than this; 0 says that none is.
    pub(super) fn expect(&self, key: &str, generation: u64) -> Result<(), Refusal> {
        match self.objects.get(key).map_or(0, |object| object.generation) == generation {
            true => Ok(()),
            false => Err(NOT_AS_EXPECTED),
        }
    }

    pub(super) fn put(&mut self, key: &str, contents: Bytes) -> Object {
        let object = Object { contents, generation: self.number(), modified: SystemClock.now() };
        self.objects.insert(key.to_owned(), object.clone());
        object
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<(), Refusal> {
        self.objects.remove(key).map(drop).ok_or(NO_KEY)
    }

    /// Begins an upload, and names it.
    pub(super) fn begin(&mut self, key: &str) -> String {
        let id = format!("upload-{}", self.number());
        self.uploads.insert(id.clone(), Upload { key: key.to_owned(), parts: BTreeMap::new() });
        id
    }

    /// Takes a part, and gives its tag.
    pub(super) fn part(
        &mut self,
        key: &str,
        id: &str,
        (number, contents): (u32, Bytes),
    ) -> Result<String, Refusal> {
        let tag = e_tag(self.number());
        let upload = self.uploads.get_mut(id).filter(|upload| upload.key == key).ok_or(NO_UPLOAD)?;
        upload.parts.insert(number, (tag.clone(), contents));
        Ok(tag)
    }

    /// Makes an object of these parts, each known by its number and tag, and ends the upload.
    pub(super) fn complete(
        &mut self,
        key: &str,
        id: &str,
        named: &[(u32, String)],
    ) -> Result<Object, Refusal> {
        let upload = self.uploads.get(id).filter(|upload| upload.key == key).ok_or(NO_UPLOAD)?;
        let mut contents = Vec::new();
        for (place, (number, tag)) in named.iter().enumerate() {
            let (_, part) = upload.parts.get(number).filter(|(sent, _)| sent == tag).ok_or(NO_PART)?;
            if part.len() < PART_BYTES && place + 1 < named.len() {
                return Err(SMALL_PART);
            }
            contents.extend_from_slice(part);
        }
        if named.is_empty() || !named.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Err(NO_PART);
        }
        self.uploads.remove(id);
        Ok(self.put(key, contents.into()))
    }

    /// Ends an upload of which nothing is kept.
    pub(super) fn abort(&mut self, key: &str, id: &str) -> Result<(), Refusal> {
        self.uploads.get(id).filter(|upload| upload.key == key).ok_or(NO_UPLOAD)?;
        self.uploads.remove(id);
        Ok(())
    }

    /// What a list asks for by its parameters, `most` names at a time.
    pub(super) fn page(&self, asked: &BTreeMap<String, String>, most: usize) -> Result<Page, Refusal> {
        let of = |name: &str| asked.get(name).map_or("", String::as_str);
        let (prefix, delimiter, start_after) = (of("prefix"), of("delimiter"), of("start-after"));
        let seen = match of("continuation-token") {
            "" => String::new(),
            token => name_in(token).ok_or(NOT_KNOWN)?,
        };
        let most = match of("max-keys") {
            "" => most,
            text => text.parse::<usize>().map_err(|_| NOT_KNOWN)?.clamp(1, most),
        };
        let mut entries = BTreeMap::new();
        for (key, object) in self.objects.iter().filter(|(key, _)| key.as_str() > start_after) {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            match rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                Some((folder, _)) => entries.insert(format!("{prefix}{folder}{delimiter}"), None),
                None => entries.insert(key.clone(), Some(object.clone())),
            };
        }
        entries.retain(|name, _| *name > seen);
        let is_more = entries.len() > most;
        let entries: Vec<_> = entries.into_iter().take(most).collect();
        let more = entries.last().filter(|_| is_more).map(|(name, _)| BASE64_URL_SAFE_NO_PAD.encode(name));
        Ok(Page { entries, more })
    }

    fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }
}

fn e_tag(number: u64) -> String {
    format!("\"{number:032x}\"")
}

/// The last name of the page after which a token goes on.
fn name_in(token: &str) -> Option<String> {
    BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok())
}
