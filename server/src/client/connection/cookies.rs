//! [`Cookies`]: a channel that sends back the cookies it was given. A session's current catalog
//! and schema live in one.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Future, FutureExt};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::sync::watch;
use tower::Service;

/// A channel and its cookies, which clones have together.
#[derive(Debug, Clone)]
pub(crate) struct Cookies<S> {
    inner: S,
    kept: Arc<watch::Sender<BTreeMap<String, String>>>,
}

impl<S> Cookies<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, kept: Arc::new(watch::Sender::new(BTreeMap::new())) }
    }
}

impl<S, In, Out> Service<Request<In>> for Cookies<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Out>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        if let Some(value) = header(&self.kept.borrow()) {
            request.headers_mut().insert(COOKIE, value);
        }
        let kept = Arc::clone(&self.kept);
        let answer = self.inner.call(request);
        answer
            .map(move |answer| {
                if let Ok(answer) = &answer {
                    kept.send_modify(|kept| keep(kept, answer.headers()));
                }
                answer
            })
            .boxed()
    }
}

fn header(kept: &BTreeMap<String, String>) -> Option<HeaderValue> {
    let pairs: Vec<String> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { None } else { HeaderValue::from_str(&pairs.join("; ")).ok() }
}

fn keep(kept: &mut BTreeMap<String, String>, headers: &HeaderMap) {
    for set in headers.get_all(SET_COOKIE) {
        let pair =
            set.to_str().ok().and_then(|text| text.split(';').next()).and_then(|pair| pair.split_once('='));
        match pair {
            Some((name, "")) => {
                kept.remove(name.trim());
            }
            Some((name, value)) => {
                kept.insert(name.trim().to_owned(), value.trim().to_owned());
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_forgotten() {
        let mut kept = BTreeMap::new();
        let mut set = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(SET_COOKIE, value.parse().unwrap());
            }
            keep(&mut kept, &headers);
            header(&kept).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(set(&[]), None);
        assert_eq!(set(&["a=1; HttpOnly", "b=2"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(set(&["a=3"]).as_deref(), Some("a=3; b=2"));
        assert_eq!(set(&["a=; Max-Age=0"]).as_deref(), Some("b=2"));
    }
}
