//! The faults of a sender.

/// Why the sender of a request may not use its token.
#[derive(Clone, Debug)]
pub(crate) enum BindingFault {
    /// The token is bound to a key or a certificate, and the request cannot prove that it has it: the token
    /// was presented as a bearer token, or this method is not accepted.
    SenderNotProven,
}
