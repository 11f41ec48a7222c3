//! The bodies of responses over a port: complete, cut off, or one byte at a time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body of a response.
pub(super) struct TestBody {
    data: Bytes,
    end: End,
    trickle: Option<Trickle>,
}

/// The state of the connection after the data of a [`TestBody`].
pub(super) enum End {
    /// The body is complete.
    Complete,
    /// The connection is closed.
    Closed,
    /// The connection stays open, but nothing more is sent.
    Never,
}

/// One byte per frame, each after a pause.
struct Trickle {
    interval: Duration,
    pause: Pin<Box<Sleep>>,
}

/// The error that makes hyper close the connection.
#[derive(Debug)]
pub(super) struct Closed;

impl TestBody {
    pub(super) fn complete(data: Bytes) -> Self {
        Self { data, end: End::Complete, trickle: None }
    }

    /// Sends each byte after one `interval`.
    pub(super) fn trickling(data: Bytes, interval: Duration) -> Self {
        let trickle = Trickle { interval, pause: Box::pin(sleep(interval)) };
        Self { data, end: End::Complete, trickle: Some(trickle) }
    }

    /// Keeps one of `parts` equal parts of the body. `Content-Length` stays that of the whole body.
    pub(super) fn part_of(response: Response<Bytes>, parts: usize, end: End) -> Response<Self> {
        let whole = response.body().len();
        let mut response = response.map(|mut data| {
            data.truncate(whole.checked_div(parts).unwrap_or_default());
            Self { data, end, trickle: None }
        });
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(whole));
        response
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Some(trickle) = &mut self.trickle else { return Poll::Ready(std::mem::take(&mut self.data)) };
        ready!(trickle.pause.as_mut().poll(cx));
        trickle.pause = Box::pin(sleep(trickle.interval));
        Poll::Ready(self.data.split_to(1))
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if !self.data.is_empty() {
            return self.poll_data(cx).map(|data| Some(Ok(Frame::data(data))));
        }
        match self.end {
            End::Complete => Poll::Ready(None),
            End::Closed => Poll::Ready(Some(Err(Closed))),
            // Nothing wakes this task. The client times out.
            End::Never => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Complete => SizeHint::with_exact(u64::try_from(self.data.len()).unwrap_or(u64::MAX)),
            End::Closed | End::Never => SizeHint::default(),
        }
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by the fault that the test has set")
    }
}

impl std::error::Error for Closed {}
