//! Reads the token in the body of a request.
//!
//! Why the token is in a JSON body: URLs are logged, and the page of another site cannot send this content
//! type without a CORS preflight, which is not answered.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::Buf;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use serde::Deserialize;
use tokio::time::timeout;

/// Four times the default limit of a token.
const MAX_BODY_BYTES: usize = 64 * 1024;

const READ_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
pub(super) struct ExplainRequest<'b> {
    #[serde(borrow)]
    pub(super) token: Cow<'b, str>,
}

/// Reads the body of a request with these headers.
///
/// # Errors
/// The status of the response: 400, 408, 413 or 415.
pub(super) async fn read<B: Body>(headers: &HeaderMap, body: B) -> Result<Vec<u8>, StatusCode> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    timeout(READ_TIMEOUT, collect(body)).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?
}

async fn collect<B: Body>(body: B) -> Result<Vec<u8>, StatusCode> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(mut data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if read.len().saturating_add(data.remaining()) > MAX_BODY_BYTES {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        read.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    Ok(read)
}
