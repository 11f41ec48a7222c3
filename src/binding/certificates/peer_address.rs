//! The address of the peer: the host that opened the connection, which may be a proxy.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;

/// The IP address of the host that opened the connection of a request: the proxy, if there is one.
///
/// [`Certificates`](super::Certificates) reads it from the extensions of a request, to find out whether a
/// trusted proxy has sent the header. Insert it where your server accepts connections:
///
/// ```
/// use std::net::SocketAddr;
///
/// use http::Request;
/// use tower_bearer::certificates::PeerAddress;
///
/// /// `peer` is what `TcpListener::accept` has returned beside the stream.
/// fn with_peer_address<B>(mut request: Request<B>, peer: SocketAddr) -> Request<B> {
///     request.extensions_mut().insert(PeerAddress(peer.ip()));
///     request
/// }
/// ```
///
/// Never take the address from a header such as `X-Forwarded-For`: a client can write it. With axum,
/// [`peer_address`](super::Certificates::peer_address) reads the `ConnectInfo` that axum inserts.
#[expect(clippy::exhaustive_structs, reason = "servers construct it")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddress(pub IpAddr);

/// Finds the address of the peer of a request.
type PeerAddressFn = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

/// Where to find the address of the peer.
#[derive(Clone, Default)]
pub(super) enum PeerAddressSource {
    /// The [`PeerAddress`] in the extensions.
    #[default]
    Extension,
    /// A function of the user.
    Function(PeerAddressFn),
}

impl PeerAddressSource {
    /// The address of the peer that sent the request with this head.
    pub(super) fn find(&self, head: &Parts) -> Option<IpAddr> {
        match self {
            Self::Extension => head.extensions.get::<PeerAddress>().map(|peer| peer.0),
            Self::Function(function) => function(head),
        }
    }
}

impl fmt::Debug for PeerAddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Extension => "extension",
            Self::Function(_) => "function",
        })
    }
}
