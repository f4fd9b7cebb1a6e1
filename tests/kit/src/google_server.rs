//! [`GoogleServer`]: a stand-in for Google Cloud Storage, as far as a store of tables asks it.
//!
//! It speaks the XML API, keeps the condition that a write names, verifies the token of each request by the key of the
//! account that it names, and gives lists in small pages. What it does not know of a request it refuses, so that nothing
//! passes because it was overlooked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

mod account;
mod answers;
mod bucket;

use account::Account;
use answers::{
    NO_BUCKET, NO_KEY, NO_METHOD, NO_PART, NO_RANGE, NO_RIGHTS, NO_TOKEN, NOT_KNOWN, Refusal, document,
    element, escaped,
};
use bucket::{Bucket, Object};

/// On which condition something is done: the generation that is there, 0 for none.
const CONDITION: &str = "x-goog-if-generation-match";
/// What is copied, as bucket and key.
const SOURCE: &str = "x-goog-copy-source";
/// The parameters that mean something.
const PARAMETERS: [&str; 10] = [
    "continuation-token",
    "delimiter",
    "generation",
    "list-type",
    "max-keys",
    "partNumber",
    "prefix",
    "start-after",
    "uploadId",
    "uploads",
];

/// A stand-in for Google Cloud Storage, on the loopback. It goes with this value.
#[derive(Debug)]
pub struct GoogleServer {
    address: SocketAddr,
    store: Arc<Mutex<Store>>,
    serving: JoinHandle<()>,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct GoogleRequest {
    /// What is to be done.
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    /// The account that signed the token of the request; none where there was no good one.
    pub account: Option<String>,
}

impl GoogleServer {
    /// How many names a list gives at once.
    pub const PAGE: usize = 7;

    /// Starts it, without accounts and buckets.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let store: Arc<Mutex<Store>> = Arc::default();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&store));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, store, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a service account and gives its key, the JSON that Google gives.
    pub async fn account(&self, email: &str) -> String {
        let (account, key) = Account::fresh(email);
        self.store.lock().await.accounts.push(account);
        key
    }

    /// Makes a bucket that this account, and no other, may read and write.
    pub async fn bucket(&self, name: &str, account: &str) {
        self.store.lock().await.buckets.insert(name.to_owned(), Bucket::new(account));
    }

    /// The keys of the objects of a bucket, in order.
    pub async fn keys(&self, bucket: &str) -> Vec<String> {
        self.store.lock().await.buckets.get(bucket).map(Bucket::keys).expect("the bucket is there")
    }

    /// What it was asked.
    pub async fn asked(&self) -> Vec<GoogleRequest> {
        self.store.lock().await.asked.clone()
    }
}

impl Drop for GoogleServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Debug, Default)]
struct Store {
    accounts: Vec<Account>,
    buckets: BTreeMap<String, Bucket>,
    asked: Vec<GoogleRequest>,
}

/// A request, taken apart.
#[derive(Debug)]
struct Asked {
    method: Method,
    bucket: String,
    /// Empty where the bucket itself is asked.
    key: String,
    parameters: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn of(head: Parts, body: Bytes) -> Self {
        let path = head.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let parameters = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        Self {
            method: head.method,
            bucket: unescaped(bucket),
            key: unescaped(key),
            parameters: parameters.into_owned().collect(),
            headers: head.headers,
            body,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Refuses what would be passed over.
    fn check(&self) -> Result<(), Refusal> {
        let is_special = |name: &str| name.starts_with("x-goog-") || name.starts_with("if-");
        let header = |name: &str| !is_special(name) || name == CONDITION || name == SOURCE;
        let is_known = self.headers.keys().all(|name| header(name.as_str()))
            && self.parameters.keys().all(|name| PARAMETERS.contains(&name.as_str()));
        if is_known { Ok(()) } else { Err(NOT_KNOWN) }
    }

    /// The generation that the request expects to be there.
    fn condition(&self) -> Result<Option<u64>, Refusal> {
        self.header(CONDITION).map(|text| text.parse().map_err(|_| NOT_KNOWN)).transpose()
    }
}

async fn answer(State(store): State<Arc<Mutex<Store>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(body) => store.lock().await.answer(head, body),
        // Whoever asked has gone.
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

impl Store {
    fn answer(&mut self, head: Parts, body: Bytes) -> Response {
        let account = self.signer(&head.headers);
        self.asked.push(GoogleRequest {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            account: account.clone(),
        });
        let answer = match account {
            Some(account) => self.done(&account, &Asked::of(head, body)),
            None => Err(NO_TOKEN),
        };
        answer.unwrap_or_else(IntoResponse::into_response)
    }

    /// The account that signed the token of a request.
    fn signer(&self, headers: &HeaderMap) -> Option<String> {
        let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        let account = self.accounts.iter().find(|account| account.signed(token))?;
        Some(account.email().to_owned())
    }

    fn done(&mut self, account: &str, asked: &Asked) -> Result<Response, Refusal> {
        let bucket = self.buckets.get_mut(&asked.bucket).ok_or(NO_BUCKET)?;
        if !bucket.is_for(account) {
            return Err(NO_RIGHTS);
        }
        asked.check()?;
        if asked.key.is_empty() {
            return list(bucket, asked);
        }
        if let Some(generation) = asked.condition()? {
            bucket.expect(&asked.key, generation)?;
        }
        match asked.parameter("uploadId") {
            Some(id) => in_parts(bucket, asked, id),
            None => as_a_whole(bucket, asked),
        }
    }
}

fn list(bucket: &Bucket, asked: &Asked) -> Result<Response, Refusal> {
    if asked.method != Method::GET {
        return Err(NO_METHOD);
    }
    if asked.parameter("list-type") != Some("2") {
        return Err(NOT_KNOWN);
    }
    let page = bucket.page(&asked.parameters, GoogleServer::PAGE)?;
    let (mut objects, mut prefixes) = (String::new(), String::new());
    for (name, object) in &page.entries {
        let name = escaped(name);
        match object {
            Some(object) => objects.push_str(&format!(
                "<Contents><Key>{name}</Key><Generation>{}</Generation><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                object.generation,
                object.modified.to_rfc3339_opts(SecondsFormat::Millis, true),
                object.e_tag(),
                object.contents.len()
            )),
            None => prefixes.push_str(&format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>")),
        }
    }
    let more =
        page.more.as_ref().map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    Ok(document(&format!(
        "<ListBucketResult><Name>{}</Name><KeyCount>{}</KeyCount><IsTruncated>{}</IsTruncated>{more}{objects}{prefixes}</ListBucketResult>",
        escaped(&asked.bucket),
        page.entries.len(),
        page.more.is_some(),
        more = more.unwrap_or_default()
    )))
}

/// What is asked of an object, or of all that is to be one.
fn as_a_whole(bucket: &mut Bucket, asked: &Asked) -> Result<Response, Refusal> {
    let key = asked.key.as_str();
    match (asked.method.as_str(), asked.parameter("uploads").is_some()) {
        ("GET" | "HEAD", false) => read(bucket.object(key)?, asked),
        ("PUT", false) if asked.header(SOURCE).is_some() => copy(bucket, asked),
        ("PUT", false) => Ok(described(&bucket.put(key, asked.body.clone())).into_response()),
        ("DELETE", false) => bucket.remove(key).map(|()| StatusCode::NO_CONTENT.into_response()),
        ("POST", true) => {
            let id = bucket.begin(key);
            Ok(document(&format!(
                "<InitiateMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
                escaped(&asked.bucket),
                escaped(key)
            )))
        }
        _ => Err(NO_METHOD),
    }
}

fn read(object: &Object, asked: &Asked) -> Result<Response, Refusal> {
    let generation = object.generation.to_string();
    if asked.parameter("generation").is_some_and(|asked| asked != generation) {
        return Err(NO_KEY);
    }
    let Some(range) = asked.header("range") else {
        return Ok((described(object), object.contents.clone()).into_response());
    };
    let length = object.contents.len();
    let range = range_of(range, length).ok_or(NO_RANGE)?;
    let place = [("content-range", format!("bytes {}-{}/{length}", range.start, range.end - 1))];
    let contents = object.contents.slice(range);
    Ok((StatusCode::PARTIAL_CONTENT, place, described(object), contents).into_response())
}

/// The bytes that a range names of so many, at least one.
fn range_of(text: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", last) => length.saturating_sub(last.parse().ok()?)..length,
        (first, "") => first.parse().ok()?..length,
        (first, last) => first.parse().ok()?..length.min(last.parse::<usize>().ok()?.checked_add(1)?),
    };
    (!range.is_empty()).then_some(range)
}

fn copy(bucket: &mut Bucket, asked: &Asked) -> Result<Response, Refusal> {
    let (from, source) = asked.header(SOURCE).and_then(|text| text.split_once('/')).ok_or(NOT_KNOWN)?;
    if unescaped(from) != asked.bucket {
        return Err(NOT_KNOWN);
    }
    let contents = bucket.object(&unescaped(source))?.contents.clone();
    let object = bucket.put(&asked.key, contents);
    let told = document(&format!(
        "<CopyObjectResult><LastModified>{}</LastModified><ETag>{}</ETag></CopyObjectResult>",
        object.modified.to_rfc3339_opts(SecondsFormat::Millis, true),
        object.e_tag()
    ));
    Ok((described(&object), told).into_response())
}

/// What is asked of an upload that was begun.
fn in_parts(bucket: &mut Bucket, asked: &Asked, id: &str) -> Result<Response, Refusal> {
    let key = asked.key.as_str();
    match asked.method.as_str() {
        "PUT" => {
            let number = asked.parameter("partNumber").and_then(|text| text.parse().ok());
            let number = number.filter(|number| (1..=10_000).contains(number)).ok_or(NOT_KNOWN)?;
            let tag = bucket.part(key, id, (number, asked.body.clone()))?;
            Ok([("etag", tag)].into_response())
        }
        "POST" => {
            let object = bucket.complete(key, id, &parts_in(&asked.body).ok_or(NO_PART)?)?;
            let told = document(&format!(
                "<CompleteMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag></CompleteMultipartUploadResult>",
                escaped(&asked.bucket),
                escaped(key),
                object.e_tag()
            ));
            Ok((described(&object), told).into_response())
        }
        "DELETE" => bucket.abort(key, id).map(|()| StatusCode::NO_CONTENT.into_response()),
        _ => Err(NO_METHOD),
    }
}

/// The parts of which an upload is to be made, each by its number and tag.
fn parts_in(body: &[u8]) -> Option<Vec<(u32, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    let parts = text.split("<Part>").skip(1).map(|part| {
        let number = element("PartNumber", part)?.parse().ok()?;
        Some((number, element("ETag", part)?.replace("&quot;", "\"")))
    });
    parts.collect()
}

/// What the headers of an answer say of an object.
fn described(object: &Object) -> [(&'static str, String); 4] {
    [
        ("etag", object.e_tag()),
        ("last-modified", object.modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-metageneration", "1".to_owned()),
    ]
}

/// The text that stands escaped in a path.
pub(crate) fn unescaped(path: &str) -> String {
    // It is escaped as a form is, but for three characters that mean something in a form alone.
    let form = path.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(form.as_bytes()).map(|(text, _)| text.into_owned()).collect()
}
