//! The configuration of one issuer from environment variables.
//!
//! Why problems are collected: a deployment that fails for three variables should say so once, not three
//! times.

use std::env;
use std::ffi::OsString;

use super::BearerAuthConfig;
use super::introspection::{AuthMethod, IntrospectionConfig};
use super::issuer::IssuerConfig;
use super::resource_metadata::ResourceMetadataConfig;
use super::senders::{CertificateSource, CertificatesConfig, DpopConfig};
use super::settings::Settings;
use super::values::{Problems, Secret};
use crate::settings::ConfigError;

/// The variables that have no effect without a client, without their prefix.
const INTROSPECTION: [&str; 7] = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "INTROSPECTION_URL",
    "INTROSPECTION_AUTH",
    "INTROSPECTION_CACHE_SECS",
    "INTROSPECTION_JWTS",
    "INTROSPECTION_WITHOUT_AUDIENCE",
];

/// The maximum TTL of inactive responses, so that a token that becomes active is soon accepted.
const MAX_INACTIVE_TTL_SECS: u64 = 10;

impl BearerAuthConfig {
    /// Reads the configuration of one issuer from environment variables whose names begin with `prefix`,
    /// which may be empty. An empty variable counts as unset.
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `ISSUER` | the authorization server, exactly as `iss` in its tokens | required |
    /// | `AUDIENCE` | the identifier of this API in `aud` | required |
    /// | `ALLOWED_CLIENTS` | the only clients whose tokens are accepted, separated by commas | all clients |
    /// | `CLIENT_CLAIMS` | the claims that can name the client, separated by commas | `client_id,azp` |
    /// | `ROLE_CLAIMS` | the claims with roles, as JSON Pointers separated by commas | none |
    /// | `SCOPE_CLAIMS` | the claims with scopes, as names or JSON Pointers separated by commas | `scope,scp` |
    /// | `JWKS_URL` | URL of the key set | from the issuer's metadata |
    /// | `LEEWAY_SECS` | tolerated clock difference, at most 300 s | 30 s |
    /// | `JWKS_TTL_SECS` | how long cached keys are fresh | from the response, else 600 s |
    /// | `JWKS_COOLDOWN_SECS` | minimum time between refetches that requests cause | 30 s |
    /// | `FETCH_TIMEOUT_SECS` | timeout for fetching one document | 5 s |
    /// | `CLIENT_ID`, `CLIENT_SECRET` | credentials of this API at the authorization server; both or neither | no introspection |
    /// | `INTROSPECTION_URL` | URL of the introspection endpoint | from the issuer's metadata |
    /// | `INTROSPECTION_AUTH` | how the client authenticates: `basic` (header) or `post` (form body) | `basic` |
    /// | `INTROSPECTION_CACHE_SECS` | how long an active response is cached; an inactive one as long, at most 10 s; 0 disables the cache | 30 s |
    /// | `INTROSPECTION_JWTS` | `all` introspects each JWT that passed the other checks; `none` | `none` |
    /// | `INTROSPECTION_WITHOUT_AUDIENCE` | `accept` accepts responses without `aud`: see [`dangerous_accept_without_audience`](crate::Introspection::dangerous_accept_without_audience) | rejects them |
    /// | `PUBLIC_URL` | the URL under which clients reach this API. If it has a path, a proxy must strip this path before the request reaches the API | required by `RESOURCE_METADATA` and `DPOP` |
    /// | `RESOURCE_METADATA` | `on` names the [metadata](crate::resource_metadata) of `PUBLIC_URL` in challenges | `off` |
    /// | `DPOP` | `accept` accepts tokens with a [DPoP](crate::dpop) proof beside bearer tokens; `required` accepts no others | DPoP-bound tokens are rejected |
    /// | `DPOP_NONCES` | `required` requires a nonce in each proof | none |
    /// | `CLIENT_CERT` | where a proxy puts the [client certificate](crate::certificates): `rfc9440`, `xfcc`, `pem:HEADER` or `der:HEADER` | certificate-bound tokens are rejected |
    /// | `TRUSTED_PROXIES` | the addresses or ranges of these proxies, separated by commas. Your server must insert a [`PeerAddress`](crate::certificates::PeerAddress) into each request | required by `CLIENT_CERT` |
    ///
    /// For other settings, hold the whole configuration as JSON in one variable, and parse it as
    /// [`BearerAuthConfig`].
    ///
    /// ```
    /// use tower_bearer::config::BearerAuthConfig;
    ///
    /// // ORDERS_ISSUER and ORDERS_AUDIENCE are not set.
    /// let error = BearerAuthConfig::from_env("ORDERS_").unwrap_err();
    /// assert!(error.to_string().contains("ORDERS_ISSUER is not set"));
    /// assert!(error.to_string().contains("ORDERS_AUDIENCE is not set"));
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] with every variable that is missing or cannot be parsed, and with the problems that
    /// [`BearerAuthBuilder::build`](crate::BearerAuthBuilder::build) would find in the others. No error shows
    /// the secret.
    pub fn from_env(prefix: &str) -> Result<Self, ConfigError> {
        Self::from_variables(prefix, |name| env::var_os(name))
    }

    fn from_variables(prefix: &str, read: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let mut variables = Variables { prefix, read, problems: Problems::default() };
        let audience = variables.required("AUDIENCE", "https://api.example.com");
        let issuer = IssuerConfig {
            issuer: Some(variables.required("ISSUER", "https://login.example.com")),
            allowed_clients: variables.list("ALLOWED_CLIENTS"),
            client_claims: variables.list("CLIENT_CLAIMS"),
            role_claims: variables.list("ROLE_CLAIMS"),
            scope_claims: variables.list("SCOPE_CLAIMS"),
            jwks_url: variables.text("JWKS_URL"),
            introspection: variables.introspection(),
            ..IssuerConfig::default()
        };
        let config = Settings {
            audience: vec![audience],
            issuers: vec![issuer],
            leeway_secs: variables.secs("LEEWAY_SECS"),
            jwks_ttl_secs: variables.secs("JWKS_TTL_SECS"),
            jwks_cooldown_secs: variables.secs("JWKS_COOLDOWN_SECS"),
            fetch_timeout_secs: variables.secs("FETCH_TIMEOUT_SECS"),
            resource_metadata: variables.resource_metadata(),
            dpop: variables.dpop(),
            certificates: variables.certificates(),
            ..Settings::default()
        };
        config.checked(variables.problems).map(Self)
    }
}

/// Reads variables and collects their problems.
struct Variables<'p, R> {
    prefix: &'p str,
    read: R,
    problems: Problems,
}

impl<R: Fn(&str) -> Option<OsString>> Variables<'_, R> {
    /// The introspection settings, if a client is configured.
    fn introspection(&mut self) -> Option<IntrospectionConfig> {
        let endpoint = self.text("INTROSPECTION_URL");
        let cache = self.secs("INTROSPECTION_CACHE_SECS");
        let auth = self.choice(
            "INTROSPECTION_AUTH",
            &[("basic", AuthMethod::ClientSecretBasic), ("post", AuthMethod::ClientSecretPost)],
        );
        let also_jwts = self.choice("INTROSPECTION_JWTS", &[("none", false), ("all", true)]);
        let without_audience = self.choice("INTROSPECTION_WITHOUT_AUDIENCE", &[("accept", true)]);
        let (client_id, secret) = self.client()?;
        Some(IntrospectionConfig {
            auth: auth.unwrap_or_default(),
            client_id: Some(client_id),
            secret: Some(Secret::new(secret)),
            endpoint,
            also_jwts: also_jwts.unwrap_or_default(),
            active_ttl_secs: cache,
            inactive_ttl_secs: cache.map(|secs| secs.min(MAX_INACTIVE_TTL_SECS)),
            dangerous_accept_without_audience: without_audience.unwrap_or_default(),
            ..IntrospectionConfig::default()
        })
    }

    /// The metadata of the protected resource, if it is turned on. The public URL alone has no effect.
    fn resource_metadata(&mut self) -> Option<ResourceMetadataConfig> {
        let url = self.text("PUBLIC_URL");
        let is_on = self.choice("RESOURCE_METADATA", &[("on", true), ("off", false)]);
        if !is_on.unwrap_or_default() {
            return None;
        }
        if url.is_none() {
            self.report_missing_url("RESOURCE_METADATA");
        }
        url.map(ResourceMetadataConfig::at)
    }

    fn report_missing_url(&mut self, name: &str) {
        let (name, url) = (self.full(name), self.full("PUBLIC_URL"));
        let hint = "set it to the URL of the API for its clients, for example https://api.example.com";
        self.problems.add(name, format!("needs {url}"), hint);
    }

    /// The settings for DPoP, if it is turned on.
    fn dpop(&mut self) -> Option<DpopConfig> {
        let url = self.text("PUBLIC_URL");
        let required = self.choice("DPOP", &[("accept", false), ("required", true)]);
        let nonces = self.choice("DPOP_NONCES", &[("required", true)]);
        if self.text("DPOP").is_none() && nonces.is_some() {
            let (name, dpop) = (self.full("DPOP_NONCES"), self.full("DPOP"));
            let hint = "set it to accept or required, or unset the variable for nonces";
            self.problems.add(name, format!("needs {dpop}"), hint);
        }
        let required = required?;
        if url.is_none() {
            self.report_missing_url("DPOP");
        }
        Some(DpopConfig::at(url?, required, nonces.is_some()))
    }

    /// Where a proxy puts the client certificate, if it does.
    fn certificates(&mut self) -> Option<CertificatesConfig> {
        let (form, proxies) = (self.text("CLIENT_CERT"), self.list("TRUSTED_PROXIES"));
        let (name, trusted) = (self.full("CLIENT_CERT"), self.full("TRUSTED_PROXIES"));
        match (&form, &proxies) {
            (Some(_), None) if self.text("TRUSTED_PROXIES").is_none() => {
                let hint =
                    "set it to the addresses of the proxies that send the header, for example 10.0.0.7";
                self.problems.add(&name, format!("needs {trusted}"), hint);
            }
            (None, Some(_)) => {
                let hint =
                    "set it to rfc9440, xfcc, pem:HEADER or der:HEADER, or unset the variable for proxies";
                self.problems.add(&trusted, format!("needs {name}"), hint);
            }
            _ => {}
        }
        let form = form?;
        let source = match form.split_once(':') {
            None if form == "rfc9440" => CertificateSource::ClientCertHeader,
            None if form == "xfcc" => CertificateSource::XfccHeader,
            Some(("pem", header)) => CertificateSource::PemHeader(header.to_owned()),
            Some(("der", header)) => CertificateSource::DerHeader(header.to_owned()),
            _ => {
                let hint = "write one of them, with the name of the header after the colon";
                let reason = format!("is {form:?}, which is not rfc9440, xfcc, pem:HEADER or der:HEADER");
                self.problems.add(name, reason, hint);
                return None;
            }
        };
        let from_proxy = proxies?;
        Some(CertificatesConfig { source, from_proxy, also_of_connection: false, keep_header: false })
    }

    /// The client's identifier and secret. Any introspection variable without both of them is a problem.
    fn client(&mut self) -> Option<(String, String)> {
        let (id, secret) = (self.text("CLIENT_ID"), self.text("CLIENT_SECRET"));
        let missing = [("CLIENT_ID", id.is_none()), ("CLIENT_SECRET", secret.is_none())];
        let missing: Vec<String> =
            missing.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| self.full(name)).collect();
        let is_set = |name: &&str| (self.read)(&self.full(name)).is_some_and(|value| !value.is_empty());
        let set: Vec<String> = INTROSPECTION.into_iter().filter(is_set).map(|name| self.full(name)).collect();
        if !missing.is_empty() && !set.is_empty() {
            let (id, secret) = (self.full("CLIENT_ID"), self.full("CLIENT_SECRET"));
            self.problems.add(
                format!("introspection ({})", set.join(", ")),
                format!("needs {}", missing.join(" and ")),
                format!("set {id} and {secret}, or none of these"),
            );
        }
        id.zip(secret)
    }

    /// The value of a required variable. After a problem: the example.
    fn required(&mut self, name: &str, example: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            let name = self.full(name);
            self.problems.add(name, "is not set", format!("set it, for example to {example}"));
            example.to_owned()
        })
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let name = self.full(name);
        match (self.read)(&name)?.into_string() {
            Ok(value) => Some(value).filter(|value| !value.is_empty()),
            Err(_) => {
                self.problems.add(name, "is not UTF-8", "set it to text in UTF-8");
                None
            }
        }
    }

    /// The items of a list that is separated by commas. White space around an item does not count.
    fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let text = self.text(name)?;
        let items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
        if items.iter().any(String::is_empty) {
            let name = self.full(name);
            let hint = "separate the items by one comma each, such as a,b";
            self.problems.add(name, format!("is {text:?}, which has an empty item"), hint);
            return None;
        }
        Some(items)
    }

    /// The value for the word that a variable holds.
    fn choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let chosen = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let name = self.full(name);
            let words = words.join(" or ");
            let hint = format!("write {words}, or unset the variable");
            self.problems.add(name, format!("is {text:?}, which is not {words}"), hint);
        }
        chosen
    }

    fn secs(&mut self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let secs = text.parse().ok();
        if secs.is_none() {
            let name = self.full(name);
            let reason = format!("is {text:?}, which is not a whole number of seconds");
            self.problems.add(name, reason, "write digits only, such as 30");
        }
        secs
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<BearerAuthConfig, String> {
        let variables: HashMap<String, OsString> =
            variables.iter().map(|(name, value)| (format!("API_{name}"), OsString::from(value))).collect();
        BearerAuthConfig::from_variables("API_", |name| variables.get(name).cloned())
            .map_err(|error| error.to_string())
    }

    const GOOD: [(&str, &str); 2] = [("ISSUER", "https://login.example.com"), ("AUDIENCE", "orders")];

    #[test]
    fn every_bad_variable_is_named_and_no_secret_shown() {
        let bad = [
            ("ISSUER", ""),
            ("LEEWAY_SECS", "1.5"),
            ("JWKS_TTL_SECS", "-1"),
            ("CLIENT_SECRET", "hush"),
            ("ROLE_CLAIMS", "/roles,,/groups"),
            ("INTROSPECTION_AUTH", "jwt"),
            ("INTROSPECTION_JWTS", "some"),
            ("INTROSPECTION_WITHOUT_AUDIENCE", "true"),
        ];
        let error = read(&bad).unwrap_err();
        for part in [
            "API_ISSUER is not set",
            "API_AUDIENCE is not set",
            "API_LEEWAY_SECS is \"1.5\"",
            "API_JWKS_TTL_SECS is \"-1\"",
            "API_ROLE_CLAIMS is \"/roles,,/groups\"",
            "needs API_CLIENT_ID; hint: set API_CLIENT_ID and API_CLIENT_SECRET, or none of these",
            "API_INTROSPECTION_AUTH is \"jwt\", which is not basic or post",
            "API_INTROSPECTION_JWTS is \"some\", which is not none or all",
            "API_INTROSPECTION_WITHOUT_AUDIENCE is \"true\", which is not accept",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn problems_of_values_are_reported_together_with_those_of_variables() {
        let bad = [
            ("ISSUER", "http://login.example.com"),
            ("AUDIENCE", "orders "),
            ("LEEWAY_SECS", "4000"),
            ("JWKS_TTL_SECS", "never"),
            ("INTROSPECTION_CACHE_SECS", "soon"),
        ];
        let error = read(&bad).unwrap_err();
        assert_eq!(error.matches("; hint: ").count(), 6, "{error}");
        for part in
            ["is not https", "white space", "4000s", "API_JWKS_TTL_SECS", "API_INTROSPECTION_CACHE_SECS"]
        {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(error.contains("needs API_CLIENT_ID and API_CLIENT_SECRET"), "{error}");
    }

    #[test]
    fn variables_without_the_prefix_are_not_read() {
        let error = BearerAuthConfig::from_variables("B_", |name| {
            (name == "AUDIENCE" || name == "ISSUER").then(|| "https://a.example".into())
        });
        assert_eq!(error.unwrap_err().problems().len(), 2);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let lists = [
            ("ALLOWED_CLIENTS", "web, mobile"),
            ("CLIENT_CLAIMS", "cid"),
            ("ROLE_CLAIMS", "/groups,/realm_access/roles"),
            ("SCOPE_CLAIMS", "scp"),
        ];
        let config = read(&[&GOOD[..], &lists].concat()).unwrap().0;
        let issuer = &config.issuers[0];
        let joined = |list: &Option<Vec<String>>| list.as_ref().map(|items| items.join(" "));
        assert_eq!(joined(&issuer.allowed_clients).as_deref(), Some("web mobile"));
        assert_eq!(joined(&issuer.client_claims).as_deref(), Some("cid"));
        assert_eq!(joined(&issuer.role_claims).as_deref(), Some("/groups /realm_access/roles"));
        assert_eq!(joined(&issuer.scope_claims).as_deref(), Some("scp"));
        assert_eq!(joined(&read(&GOOD).unwrap().0.issuers[0].scope_claims), None);
    }

    #[test]
    fn resource_metadata_needs_the_public_url() {
        for (variables, problem) in [
            (&[("RESOURCE_METADATA", "on")][..], "API_RESOURCE_METADATA needs API_PUBLIC_URL"),
            (
                &[("RESOURCE_METADATA", "on"), ("PUBLIC_URL", "")],
                "API_RESOURCE_METADATA needs API_PUBLIC_URL",
            ),
            (&[("RESOURCE_METADATA", "true")], "API_RESOURCE_METADATA is \"true\", which is not on or off"),
        ] {
            let error = read(&[&GOOD[..], variables].concat()).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        let url = ("PUBLIC_URL", "https://api.example.com/mcp");
        for (variables, resource) in [
            (&[url][..], None),
            (&[url, ("RESOURCE_METADATA", "off")], None),
            (&[url, ("RESOURCE_METADATA", "on")], Some(url.1)),
        ] {
            let metadata = read(&[&GOOD[..], variables].concat()).unwrap().0.resource_metadata;
            assert_eq!(metadata.map(|metadata| metadata.resource).as_deref(), resource);
        }
    }

    #[test]
    fn introspection_variables_set_what_they_name() {
        assert!(read(&GOOD).unwrap().0.issuers[0].introspection.is_none());
        let all = [
            ("JWKS_URL", "https://login.example.com/jwks"),
            ("LEEWAY_SECS", "5"),
            ("CLIENT_ID", "a"),
            ("CLIENT_SECRET", "b"),
            ("INTROSPECTION_URL", "https://login.example.com/introspect"),
            ("INTROSPECTION_AUTH", "post"),
            ("INTROSPECTION_CACHE_SECS", "60"),
            ("INTROSPECTION_JWTS", "all"),
            ("INTROSPECTION_WITHOUT_AUDIENCE", "accept"),
        ];
        let config = read(&[&GOOD[..], &all].concat()).unwrap().0;
        assert_eq!((config.leeway_secs, &*config.audience[0]), (Some(5), "orders"));
        let issuer = &config.issuers[0];
        assert_eq!(issuer.jwks_url.as_deref(), Some("https://login.example.com/jwks"));
        let introspection = issuer.introspection.as_ref().unwrap();
        assert!(introspection.auth == AuthMethod::ClientSecretPost && introspection.also_jwts);
        assert!(introspection.dangerous_accept_without_audience);
        assert_eq!((introspection.active_ttl_secs, introspection.inactive_ttl_secs), (Some(60), Some(10)));
        assert_eq!(introspection.endpoint.as_deref(), Some("https://login.example.com/introspect"));
        assert_eq!(introspection.secret.as_ref().unwrap().text(), "b");
    }
}
