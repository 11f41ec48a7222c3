//! The claims that the settings of any issuer name.
//!
//! Why united: the issuer of a token is known only once its claims are parsed. Why counted: with the last
//! issuer that names a claim, the claim goes as well.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use crate::jwt::ConfiguredNames;

/// The claim names of all issuers, with the number of issuers that name each.
#[derive(Clone)]
pub(super) struct CountedNames {
    counts: HashTrieMapSync<Box<str>, usize>,
    united: Arc<ConfiguredNames>,
}

impl CountedNames {
    pub(super) fn united(&self) -> &ConfiguredNames {
        &self.united
    }

    pub(super) fn add(&mut self, names: &ConfiguredNames) {
        for name in names.iter() {
            match self.counts.get_mut(name) {
                Some(count) => *count = count.saturating_add(1),
                None => {
                    self.counts.insert_mut(name.into(), 1);
                    Arc::make_mut(&mut self.united).add(name);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, names: &ConfiguredNames) {
        for name in names.iter() {
            match self.counts.get_mut(name) {
                Some(count) if *count > 1 => *count = count.saturating_sub(1),
                _ => {
                    self.counts.remove_mut(name);
                    self.united = Arc::new(self.counts.keys().map(Box::as_ref).collect());
                }
            }
        }
    }
}

impl Default for CountedNames {
    fn default() -> Self {
        Self { counts: HashTrieMapSync::new_sync(), united: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_until_the_last_issuer_that_names_it_goes() {
        let names = |names: &[&str]| names.iter().copied().collect::<ConfiguredNames>();
        let (one, two) = (names(&["roles", "tenant"]), names(&["tenant", "groups"]));
        let mut counted = CountedNames::default();
        let united = |counted: &CountedNames| {
            let mut united: Vec<String> = counted.united().iter().map(str::to_owned).collect();
            united.sort_unstable();
            united
        };
        counted.add(&one);
        let before = counted.clone();
        counted.add(&two);
        assert_eq!(united(&counted), ["groups", "roles", "tenant"]);
        counted.remove(&one);
        assert_eq!(united(&counted), ["groups", "tenant"]);
        counted.remove(&two);
        assert_eq!(united(&counted), [""; 0]);
        assert_eq!(united(&before), ["roles", "tenant"], "an earlier snapshot does not change");
    }
}
