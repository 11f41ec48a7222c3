//! Demonstrating Proof of Possession: access tokens that only the holder of a private key can use (RFC 9449).
//!
//! The authorization server binds the token to a key of the client: the claim `cnf` has the thumbprint `jkt`
//! of the public key. With each request, the client sends a proof in the header `DPoP`: a JWT that it signs
//! with this key over the method, the URL and the token. A stolen token is useless without the key.
//!
//! ```
//! # #[cfg(feature = "reqwest")] {
//! use tower_bearer::dpop::Dpop;
//! use tower_bearer::{BearerAuth, ConfigError, Issuer};
//!
//! fn auth() -> Result<BearerAuth, ConfigError> {
//!     BearerAuth::builder("https://api.example.com")
//!         .issuer(Issuer::discover("https://login.example.com/realms/acme"))
//!         // The public URL of this API. Proofs must name it.
//!         .dpop(Dpop::at("https://api.example.com"))
//!         .build()
//! }
//! # }
//! ```
//!
//! Bound tokens then need the scheme `DPoP` and a proof. Tokens that are not bound are still accepted as
//! bearer tokens, unless you call [`Dpop::required`].
//!
//! # What is checked
//!
//! The token is validated first, so a proof for an invalid token is not used up. Then the proof must pass
//! these checks, in this order:
//!
//! | part | rule |
//! |---|---|
//! | header line | exactly one `DPoP` header line with one compact JWS of at most 4 KiB |
//! | `typ` | `dpop+jwt`, in any case, with or without `application/` |
//! | `alg` | one of [`Dpop::algorithms`] |
//! | `crit`, `b64` | absent |
//! | `jwk` | a public key that fits `alg`, and is as strong as the keys of an issuer must be |
//! | thumbprint of `jwk` | equals `jkt` in the `cnf` of the token (RFC 7638) |
//! | signature | valid for `jwk` |
//! | `htm` | equals the method, byte for byte |
//! | `htu` | equals the URL of the request, without query and fragment |
//! | `ath` | the SHA-256 digest of the token, in base64url |
//! | `jti` | a string of 1 to 256 characters |
//! | `iat` | at most [`Dpop::max_proof_age`] ago and not in the future, with the leeway on both sides |
//! | `nonce` | with [`Dpop::nonces`]: one of the last three nonces. `iat` must then be a number, and its value is ignored |
//! | use | the first one of this `jti` with this key |
//!
//! Other members of the header and other claims are ignored. The JSON has no duplicate members.
//!
//! # URLs
//!
//! `htu` must be a base URL, given to [`Dpop::at`], followed by the path of the request. The headers `Host`
//! and `X-Forwarded-*` are never read, because clients write them. Before the comparison, scheme, host and
//! port, percent-encodings of unreserved characters, and dot segments are normalized on both sides (RFC 3986
//! sections 6.2.2 and 6.2.3). A request whose own path has dot segments needs a proof with the same text:
//! routers do not normalize it. An encoded slash (`%2F`), an empty segment (`//`), a slash at the end and the
//! case of the path make a difference.
//!
//! - **A proxy, or `Router::nest` of axum, strips a prefix:** add the prefix to the base URL. For the request
//!   path `/`, `htu` may then end with a slash or not.
//! - **Several public URLs:** add each with [`Dpop::and_at`].
//! - **A proxy rewrites paths, or only asks for authorization:** compute method and URL from what the proxy
//!   sends, with [`Dpop::target_from`].
//! - **A proxy retries requests:** the second attempt replays the proof and is rejected. Turn retries off,
//!   such as `proxy_next_upstream` of nginx and the retry policy of Envoy.
//!
//! # Several instances
//!
//! Each `BearerAuth` that is built has a replay store of its own, so another instance accepts a proof once
//! more within about two minutes. A view shares the store, so it must not be nested in its `BearerAuth`: the
//! inner layer would reject each proof as replayed. To prevent that, share a store with
//! [`Dpop::replay_store`]. With [`Nonces`], give all instances the same [`Nonces::secret`]: otherwise a
//! client that reaches another instance repeats its request there.
//!
//! # Browsers
//!
//! A script of another origin needs a CORS layer that allows the request headers `Authorization` and `DPoP`,
//! and exposes the response headers `WWW-Authenticate` and `DPoP-Nonce`.
//!
//! # Methods and protocols
//!
//! - `HEAD` needs a proof for `HEAD`, even where the handler of `GET` serves it.
//! - `OPTIONS` needs a proof as well. A CORS preflight has neither token nor proof: see
//!   [`BearerAuthBuilder::allow_preflight`](crate::BearerAuthBuilder::allow_preflight). `OPTIONS *` and
//!   `CONNECT host:port` have no URL, so no proof fits them.
//! - HTTP/2 and HTTP/3 change nothing: `:authority` and `:scheme` are not read.
//! - A WebSocket is opened with `https` in `htu`. [`Dpop::accept_web_socket_urls`] also accepts `wss`.

mod explain;
mod fault;
mod htu;
mod nonce;
mod proof;
mod replay;
mod settings;
mod target;
mod verifier;

pub(crate) use fault::ProofFault;
pub use nonce::Nonces;
pub use replay::{ProofUse, RecordFuture, Recorded, ReplayStore, ReplayStoreError};
pub(crate) use replay::{Recording, ReplayMemory};
pub use settings::Dpop;
pub use target::Target;
pub(crate) use verifier::{Verified, Verifier};

#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests;
