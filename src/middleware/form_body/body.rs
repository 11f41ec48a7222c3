//! A body that replays what was read of it, then yields the rest.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The request body inside a [`FormBodyToken`](crate::FormBodyToken): the same bytes, trailers and errors
    /// as the original. The data that was read is one frame.
    pub struct ReplayedBody<B>
    where
        B: Body,
    {
        read: Option<Bytes>,
        next: Option<Result<Frame<Bytes>, B::Error>>,
        #[pin]
        rest: Option<B>,
    }
}

impl<B: Body> ReplayedBody<B> {
    /// A body that was not read.
    pub(super) fn untouched(body: B) -> Self {
        Self { read: None, next: None, rest: Some(body) }
    }

    /// A body that was read to its end.
    pub(super) fn whole(read: Bytes) -> Self {
        Self { read: not_empty(read), next: None, rest: None }
    }

    /// A body of which `read` was read and `next` was the last result; more may follow.
    pub(super) fn resumed(read: Bytes, next: Result<Frame<Bytes>, B::Error>, rest: B) -> Self {
        Self { read: not_empty(read), next: Some(next), rest: Some(rest) }
    }

    /// The number of buffered bytes, before the rest.
    fn buffered_bytes(&self) -> u64 {
        let next = self.next.as_ref().and_then(|next| next.as_ref().ok()?.data_ref());
        let held = [self.read.as_ref(), next].into_iter().flatten().map(Bytes::len);
        u64::try_from(held.fold(0, usize::saturating_add)).unwrap_or(u64::MAX)
    }
}

impl<B: Body> Body for ReplayedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if let Some(read) = this.read.take() {
            return Poll::Ready(Some(Ok(Frame::data(read))));
        }
        if let Some(next) = this.next.take() {
            return Poll::Ready(Some(next));
        }
        match this.rest.as_pin_mut() {
            Some(rest) => rest.poll_frame(cx).map_ok(with_bytes),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_none() && self.next.is_none() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let buffered = self.buffered_bytes();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(buffered));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(buffered)) {
            hint.set_upper(upper);
        }
        hint
    }
}

/// Omits the content: it may hold a credential.
impl<B: Body> fmt::Debug for ReplayedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayedBody").finish_non_exhaustive()
    }
}

/// Converts the data of a frame to [`Bytes`], without a copy if it is `Bytes` already.
pub(super) fn with_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

fn not_empty(bytes: Bytes) -> Option<Bytes> {
    (!bytes.is_empty()).then_some(bytes)
}
