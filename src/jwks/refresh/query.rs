//! The key that a request looks for and does not find.

/// A query for a key that the cached key set does not have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum KeyQuery<'a> {
    /// Any key, because no usable key set is cached.
    AnyKey,
    /// A key with this `kid` that fits the algorithm of the token.
    Kid(&'a str),
    /// A key that verifies the signature. The cached key with this `kid` does not. Without a `kid`, no cached
    /// key does.
    Mismatch(Option<&'a str>),
}
