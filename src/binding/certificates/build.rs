//! Checks the settings for certificate-bound tokens, and builds the reader that they describe.

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};

use super::address_range::AddressRange;
use super::header::CertificateHeader;
use super::proxy_header::ProxyHeader;
use super::reader::{CertificateReader, ConnectionSource};
use super::settings::{Certificates, HeaderSetting, Source};
use crate::binding::setting_fault::SettingFault;

impl Certificates {
    /// Builds the reader. `None` if there are `problems`, which it adds.
    pub(crate) fn build(&self, problems: &mut Vec<SettingFault>) -> Option<CertificateReader> {
        let connection = match &self.source {
            Source::Header(setting) => return self.build_header(setting, problems),
            Source::Connection => ConnectionSource::Extension,
            Source::Function(function) => ConnectionSource::Function(function.clone()),
        };
        let without_effect = self.header_settings();
        let is_valid = without_effect.is_empty();
        problems.extend(without_effect.into_iter().map(|(setting, value)| SettingFault {
            setting,
            value,
            reason: "has no effect, because no header of a proxy is read",
        }));
        is_valid.then_some(CertificateReader { connection: Some(connection), header: None })
    }

    /// The settings that concern a header only, with their values.
    fn header_settings(&self) -> Vec<(&'static str, String)> {
        let flags = [
            ("also_of_connection", self.also_of_connection),
            ("keep_header", self.keep_header),
            ("peer_address", self.peer_address.is_some()),
        ];
        let flags = flags.into_iter().filter_map(|(setting, is_set)| is_set.then_some(setting));
        let proxies = self.proxies.iter().map(|proxy| ("from_proxy", proxy.clone()));
        proxies.chain(flags.map(|setting| (setting, String::new()))).collect()
    }

    fn build_header(
        &self,
        setting: &HeaderSetting,
        problems: &mut Vec<SettingFault>,
    ) -> Option<CertificateReader> {
        let problems_before = problems.len();
        let fault =
            |reason| SettingFault { setting: setting.constructor, value: setting.name.clone(), reason };
        let name = parse_name(&setting.name).map_err(|reason| problems.push(fault(reason)));
        if self.proxies.is_empty() {
            problems.push(fault(
                "has no trusted proxy, so any client could send it; add .from_proxy(\"10.0.0.7\") with the \
                 addresses of your proxies",
            ));
        }
        let mut proxies = Vec::with_capacity(self.proxies.len());
        for proxy in &self.proxies {
            match AddressRange::parse(proxy) {
                Ok(range) => proxies.push(range),
                Err(reason) => {
                    problems.push(SettingFault { setting: "from_proxy", value: proxy.clone(), reason });
                }
            }
        }
        let header = CertificateHeader { name: name.ok()?, encoding: setting.encoding };
        let peer_address = self.peer_address.clone().unwrap_or_default();
        (problems.len() == problems_before).then(|| CertificateReader {
            connection: self.also_of_connection.then_some(ConnectionSource::Extension),
            header: Some(ProxyHeader::new(header, proxies, peer_address, self.keep_header)),
        })
    }
}

/// The header is removed from requests, so it must not have another meaning.
fn parse_name(name: &str) -> Result<HeaderName, &'static str> {
    let name = name.parse().map_err(|_| "is not the name of a header")?;
    if [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION].contains(&name) || name == "dpop" {
        return Err("is a header with another meaning");
    }
    Ok(name)
}
