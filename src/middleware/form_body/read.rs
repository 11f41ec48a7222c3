//! Reads a form up to a limit, and rebuilds the request with it (RFC 6750 section 2.2).

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::Request;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body::{Body, Frame};

use super::body::{ReplayedBody, with_bytes};
use crate::bearer::form::FormCredential;

/// A request whose body is being read.
pub(super) struct Reading<B> {
    head: Parts,
    body: B,
    /// One contiguous copy: separate frames would let a client that sends one byte per frame use many times
    /// the limit.
    read: BytesMut,
    max_bytes: usize,
}

/// Why reading stopped.
enum End<E> {
    Whole,
    Trailers(Frame<Bytes>),
    TooLarge(Bytes),
    Broken(E),
}

impl<B: Body + Unpin> Reading<B> {
    pub(super) fn new(head: Parts, body: B, max_bytes: usize) -> Self {
        Self { head, body, read: BytesMut::new(), max_bytes }
    }

    /// Returns the request once its body is read, with what was found in it. Empties the slot.
    pub(super) fn poll_request(
        slot: &mut Option<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Request<ReplayedBody<B>>> {
        let Some(reading) = slot else { return Poll::Pending };
        let end = ready!(reading.poll_end(cx));
        match slot.take() {
            Some(reading) => Poll::Ready(reading.into_request(end)),
            None => Poll::Pending,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End<B::Error>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => with_bytes(frame),
                Some(Err(error)) => return Poll::Ready(End::Broken(error)),
                None => return Poll::Ready(End::Whole),
            };
            match frame.into_data() {
                Ok(data) if self.has_room_for(&data) => self.read.extend_from_slice(&data),
                Ok(data) => return Poll::Ready(End::TooLarge(data)),
                Err(trailers) => return Poll::Ready(End::Trailers(trailers)),
            }
        }
    }

    fn has_room_for(&self, data: &Bytes) -> bool {
        self.read.len().saturating_add(data.len()) <= self.max_bytes
    }

    fn into_request(mut self, end: End<B::Error>) -> Request<ReplayedBody<B>> {
        let read = mem::take(&mut self.read).freeze();
        let found = match end {
            End::Whole | End::Trailers(_) => FormCredential::in_body(&read),
            End::TooLarge(_) => Some(FormCredential::body_too_large()),
            // The inner service reads the error from the body.
            End::Broken(_) => None,
        };
        if let Some(found) = found {
            self.head.extensions.insert(found);
        }
        let body = match end {
            End::Whole => ReplayedBody::whole(read),
            End::Trailers(trailers) => ReplayedBody::resumed(read, Ok(trailers), self.body),
            End::TooLarge(data) => ReplayedBody::resumed(read, Ok(Frame::data(data)), self.body),
            End::Broken(error) => ReplayedBody::resumed(read, Err(error), self.body),
        };
        Request::from_parts(self.head, body)
    }
}

/// Whether the declared size of the body is larger than `max_bytes`.
pub(super) fn is_declared_larger<B: Body>(head: &Parts, body: &B, max_bytes: usize) -> bool {
    let declared =
        head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let max_bytes = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    body.size_hint().lower().max(declared.unwrap_or(0)) > max_bytes
}
