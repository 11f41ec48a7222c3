//! The result of a failed signature verification.

/// The signature was not made with this key over this message, or the key does not fit the algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SignatureMismatch;
