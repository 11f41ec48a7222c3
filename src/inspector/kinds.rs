//! Finds a kind of rejection by its label.

use std::sync::LazyLock;

use crate::rejection::RejectionKind;

/// The kind with this label, and its position in [`RejectionKind::ALL`].
pub(super) fn find(label: &str) -> Option<(usize, RejectionKind)> {
    /// Sorted by label.
    static KINDS: LazyLock<Vec<(&str, usize, RejectionKind)>> = LazyLock::new(|| {
        let kinds = RejectionKind::ALL.iter().enumerate();
        let mut kinds: Vec<_> = kinds.map(|(position, kind)| (kind.as_str(), position, *kind)).collect();
        kinds.sort_unstable_by_key(|(label, ..)| *label);
        kinds
    });
    let found = KINDS.binary_search_by_key(&label, |(label, ..)| *label).ok()?;
    KINDS.get(found).map(|(_, position, kind)| (*position, *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_label() {
        for (position, kind) in RejectionKind::ALL.iter().enumerate() {
            assert_eq!(find(kind.as_str()), Some((position, *kind)));
        }
        assert_eq!(find("accepted"), None);
    }
}
