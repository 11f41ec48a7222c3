//! Checks the metadata of a protected resource, before anything is served.
//!
//! Checks: the resource identifier, scopes, names, language tags and the URLs of pages.
//! Does not check: that clients reach the identifier, the document or the pages.
//!
//! Why another audience is only a warning: the authorization server decides which `aud` it issues for a
//! resource. An audience that is no URL has certainly been chosen there, so it gives no warning.

use std::collections::{BTreeSet, HashSet};

use http::HeaderValue;
use serde_json::{Map, Value};

use super::ResourceMetadata;
use super::locations::Locations;
use super::published::PublishedMetadata;
use crate::bearer::is_scope_token;
use crate::event;
use crate::fetch_url::{FetchUrl, PlainHttp, redacted};
use crate::settings::ConfigProblem;

/// The most that a challenge has room for.
const MAX_HINT_BYTES: usize = 1024;

impl ResourceMetadata {
    /// The checked metadata of an API that accepts these audiences.
    pub(crate) fn build(
        &self,
        audiences: &BTreeSet<String>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<PublishedMetadata> {
        self.check_scopes(problems);
        self.check_names(problems);
        self.check_pages(problems);
        let locations = match Locations::of(&self.resource) {
            Ok(locations) => locations,
            Err(reason) => {
                problems.push(ConfigProblem::ResourceUnusable { resource: redacted(&self.resource), reason });
                return None;
            }
        };
        self.compare_with_audiences(audiences);
        let max_age = self.max_age.as_secs();
        Some(PublishedMetadata {
            locations,
            members: self.members(),
            accepts_form_body: self.form_body_tokens,
            cache_control: HeaderValue::try_from(format!("public, max-age={max_age}")).ok()?,
            scope_hint: self.scope_hint.join(" "),
        })
    }

    fn check_scopes(&self, problems: &mut Vec<ConfigProblem>) {
        if self.scope_hint.join(" ").len() > MAX_HINT_BYTES {
            problems.push(unusable(
                "scope_hint",
                "",
                "is longer than 1 KiB, and clients reject large headers",
            ));
        }
        let settings = [("scopes_supported", &self.scopes_supported), ("scope_hint", &self.scope_hint)];
        for (setting, scope) in settings.iter().flat_map(|(name, list)| list.iter().map(|item| (*name, item)))
        {
            if scope == "offline_access" {
                let reason = "requests a refresh token, which is between client and authorization server";
                problems.push(unusable(setting, scope, reason));
            } else if !is_scope_token(scope) {
                problems.push(unusable(setting, scope, "is not a scope (RFC 6749 section 3.3)"));
            }
        }
    }

    fn check_names(&self, problems: &mut Vec<ConfigProblem>) {
        if self.name.as_ref().is_some_and(String::is_empty) {
            problems.push(unusable("name", "", "is empty"));
        }
        let mut languages = HashSet::new();
        for (language, name) in &self.localized_names {
            if !is_language_tag(language) {
                let reason = "is not a language tag such as \"de\" or \"pt-BR\"";
                problems.push(unusable("add_localized_name", language, reason));
            } else if !languages.insert(language.to_ascii_lowercase()) {
                problems.push(unusable("add_localized_name", language, "is given twice"));
            } else if name.is_empty() {
                problems.push(unusable("add_localized_name", language, "has an empty name"));
            }
        }
    }

    fn check_pages(&self, problems: &mut Vec<ConfigProblem>) {
        for (setting, url) in [
            ("documentation", &self.documentation),
            ("policy_uri", &self.policy_uri),
            ("tos_uri", &self.tos_uri),
        ] {
            // Unlike an endpoint, a page may have a fragment.
            let page = url.as_ref().map(|url| url.split('#').next().unwrap_or_default());
            if let Some(Err(fault)) = page.map(|page| FetchUrl::parse(page, PlainHttp::Loopback)) {
                problems.push(unusable(setting, &redacted(page.unwrap_or_default()), fault.as_str()));
            }
        }
    }

    /// Warns if a token that a client requests for the identifier is likely to be rejected.
    fn compare_with_audiences(&self, audiences: &BTreeSet<String>) {
        if audiences.contains(&self.resource) {
            return;
        }
        let bare = self.resource.trim_end_matches('/');
        let almost = audiences.iter().find(|audience| audience.trim_end_matches('/') == bare);
        if almost.is_some() || audiences.iter().any(|audience| is_web_url(audience)) {
            event::resource_is_no_audience(&self.resource, almost.map(String::as_str));
        }
    }

    /// The members that do not depend on the rest of the configuration.
    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("resource".to_owned(), self.resource.clone().into());
        if !self.scopes_supported.is_empty() {
            members.insert("scopes_supported".to_owned(), self.scopes_supported.clone().into());
        }
        for (member, value) in [
            ("resource_name", &self.name),
            ("resource_documentation", &self.documentation),
            ("resource_policy_uri", &self.policy_uri),
            ("resource_tos_uri", &self.tos_uri),
        ] {
            if let Some(value) = value {
                members.insert(member.to_owned(), value.clone().into());
            }
        }
        for (language, name) in &self.localized_names {
            members.insert(format!("resource_name#{language}"), name.clone().into());
        }
        members
    }
}

fn is_web_url(audience: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| audience.starts_with(scheme))
}

fn unusable(setting: &'static str, value: &str, reason: &'static str) -> ConfigProblem {
    ConfigProblem::ResourceMetadataUnusable { setting, value: value.to_owned(), reason }
}

/// The shape of a language tag (RFC 5646 section 2.1), without its registry.
fn is_language_tag(text: &str) -> bool {
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|octet| octet.is_ascii_alphanumeric())
    };
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.split('-').all(is_subtag)
}
