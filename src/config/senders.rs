//! The settings for sender-constrained tokens as data.

use std::path::PathBuf;

use serde::Deserialize;

use super::values::{Problems, Secret, SecretSources, one_or_many, parse_algorithm, secs};
use crate::binding::certificates::Certificates;
use crate::binding::dpop::{Dpop, Nonces};
use crate::crypto::Algorithm;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DpopConfig {
    #[serde(deserialize_with = "one_or_many")]
    pub(super) at: Vec<String>,
    #[serde(default)]
    pub(super) required: bool,
    algorithms: Option<Vec<String>>,
    max_proof_age_secs: Option<u64>,
    max_proofs: Option<usize>,
    #[serde(default)]
    accept_web_socket_urls: bool,
    #[serde(default)]
    pub(super) require_nonces: bool,
    nonce_secret: Option<Secret>,
    nonce_secret_file: Option<PathBuf>,
    nonce_secret_env: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificatesConfig {
    pub(super) source: CertificateSource,
    #[serde(default)]
    pub(super) from_proxy: Vec<String>,
    #[serde(default)]
    pub(super) also_of_connection: bool,
    #[serde(default)]
    pub(super) keep_header: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CertificateSource {
    OfConnection,
    ClientCertHeader,
    XfccHeader,
    PemHeader(String),
    DerHeader(String),
}

impl DpopConfig {
    pub(super) fn at(url: String, required: bool, require_nonces: bool) -> Self {
        Self { at: vec![url], required, require_nonces, ..Self::default() }
    }

    pub(super) fn build(&self, problems: &mut Problems) -> Option<Dpop> {
        let mut bases = self.at.iter();
        let Some(base) = bases.next() else {
            problems.add("dpop.at", "is an empty list", "name the URL under which clients reach this API");
            return None;
        };
        let mut dpop = bases.fold(Dpop::at(base), Dpop::and_at);
        if self.required {
            dpop = dpop.required();
        }
        if self.accept_web_socket_urls {
            dpop = dpop.accept_web_socket_urls();
        }
        if let Some(names) = &self.algorithms {
            let algorithms: Vec<Algorithm> =
                names.iter().filter_map(|name| parse_algorithm("dpop.algorithms", name, problems)).collect();
            if algorithms.len() == names.len() {
                dpop = dpop.algorithms(algorithms);
            }
        }
        if let Some(max_proofs) = self.max_proofs {
            dpop = dpop.max_proofs(max_proofs);
        }
        if let Some(nonces) = self.nonces(problems) {
            dpop = dpop.nonces(nonces);
        }
        Some(secs(dpop, self.max_proof_age_secs, Dpop::max_proof_age))
    }

    fn nonces(&self, problems: &mut Problems) -> Option<Nonces> {
        let secret = SecretSources {
            name: "nonce_secret",
            text: self.nonce_secret.as_ref(),
            file: self.nonce_secret_file.as_deref(),
            variable: self.nonce_secret_env.as_deref(),
        };
        if !self.require_nonces {
            if secret.is_set() {
                let hint = "set require_nonces, or remove the secret";
                problems.add("dpop", "has a secret for nonces, and does not require them", hint);
            }
            return None;
        }
        if !secret.is_set() {
            return Some(Nonces::required());
        }
        let secret = secret.read("dpop", problems)?;
        Some(Nonces::required().secret(secret.text().as_bytes()))
    }
}

impl CertificatesConfig {
    pub(super) fn build(&self) -> Certificates {
        let mut certificates = match &self.source {
            CertificateSource::OfConnection => Certificates::of_connection(),
            CertificateSource::ClientCertHeader => Certificates::client_cert_header(),
            CertificateSource::XfccHeader => Certificates::xfcc_header(),
            CertificateSource::PemHeader(name) => Certificates::pem_header(name),
            CertificateSource::DerHeader(name) => Certificates::der_header(name),
        };
        for address in &self.from_proxy {
            certificates = certificates.from_proxy(address);
        }
        if self.also_of_connection {
            certificates = certificates.also_of_connection();
        }
        if self.keep_header { certificates.keep_header() } else { certificates }
    }
}
