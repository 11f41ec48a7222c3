//! Sender-constrained tokens: whether the sender of a request may use its token (RFC 7800, RFC 9449, RFC
//! 8705).

pub mod certificates;
pub mod dpop;
mod explain;
mod fault;
mod sender_check;
mod sender_policy;
mod setting_fault;

pub(crate) use fault::BindingFault;
pub(crate) use sender_check::SenderCheck;
pub(crate) use sender_policy::SenderPolicy;
pub(crate) use setting_fault::SettingFault;
