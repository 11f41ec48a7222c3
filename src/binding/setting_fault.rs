//! A setting that cannot work, for the `ConfigError` of the builder.

/// A setting of [`Dpop`](super::dpop::Dpop) or [`Certificates`](super::certificates::Certificates) that
/// cannot work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SettingFault {
    /// The method that set it.
    pub(crate) setting: &'static str,
    pub(crate) value: String,
    /// The fault, as the end of a sentence that starts with the value: `is not https`.
    pub(crate) reason: &'static str,
}
