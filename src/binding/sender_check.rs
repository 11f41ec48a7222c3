//! One check of the sender of a request, as an explanation shows it.

use super::fault::BindingFault;

/// One check, with what was expected and what the request presented.
pub(crate) struct SenderCheck {
    pub(crate) name: &'static str,
    pub(crate) expected: String,
    pub(crate) presented: String,
    /// `None` if the check could not run, because an earlier one failed.
    pub(crate) result: Option<Result<(), BindingFault>>,
}

impl SenderCheck {
    /// A check with this result.
    pub(super) fn new<T, F>(
        name: &'static str,
        expected: impl Into<String>,
        presented: impl Into<String>,
        result: &Result<T, F>,
    ) -> Self
    where
        F: Clone + Into<BindingFault>,
    {
        let result = result.as_ref().map(|_| ()).map_err(|fault| fault.clone().into());
        Self { name, expected: expected.into(), presented: presented.into(), result: Some(result) }
    }

    /// A check that could not run.
    pub(super) fn not_run(name: &'static str, expected: impl Into<String>) -> Self {
        Self { name, expected: expected.into(), presented: String::new(), result: None }
    }
}
