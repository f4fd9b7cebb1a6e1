//! Streams and futures whose every poll, and whose destruction, is charged to a meter.
//!
//! Destruction counts because dropping a half-read scan frees its buffers and stops its tasks: work of that scan.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use pin_project_lite::pin_project;

use crate::readings::Meter;

pin_project! {
    /// Made by [`Meter::stream`].
    #[derive(Debug)]
    pub struct MeteredStream<S> {
        meter: Meter,
        #[pin]
        inner: Option<S>,
    }

    impl<S> PinnedDrop for MeteredStream<S> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.meter.enter(|| this.inner.set(None));
        }
    }
}

impl<S> MeteredStream<S> {
    pub(crate) fn new(meter: Meter, inner: S) -> Self {
        Self { meter, inner: Some(inner) }
    }
}

impl<S: Stream> Stream for MeteredStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => this.meter.enter(|| inner.poll_next(context)),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}

pin_project! {
    /// Made by [`Meter::future`].
    #[derive(Debug)]
    pub struct MeteredFuture<F> {
        meter: Meter,
        #[pin]
        inner: Option<F>,
    }

    impl<F> PinnedDrop for MeteredFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.meter.enter(|| this.inner.set(None));
        }
    }
}

impl<F> MeteredFuture<F> {
    pub(crate) fn new(meter: Meter, inner: F) -> Self {
        Self { meter, inner: Some(inner) }
    }
}

impl<F: Future> Future for MeteredFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => this.meter.enter(|| inner.poll(context)),
            // Only a destroyed future is empty, and nobody can poll that one.
            None => Poll::Pending,
        }
    }
}
