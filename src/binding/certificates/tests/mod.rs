//! The settings as a whole: which problems they have, and which certificate a request then has.

mod build;
mod reader;
pub(super) mod vectors;

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};

use super::{CertificateReader, Certificates, ClientCertificate, PeerAddress};
use crate::binding::SettingFault;

/// The reader for valid settings.
fn reader(certificates: &Certificates) -> CertificateReader {
    let mut problems = Vec::new();
    let reader = certificates.build(&mut problems);
    assert_eq!(problems, []);
    reader.unwrap()
}

/// The problems of invalid settings.
fn problems(certificates: &Certificates) -> Vec<SettingFault> {
    let mut problems = Vec::new();
    assert!(certificates.build(&mut problems).is_none());
    problems
}

/// A request, in the making.
struct Head(Parts);

impl Head {
    fn new() -> Self {
        Self(Request::new(()).into_parts().0)
    }

    fn sent_by(mut self, address: &str) -> Self {
        self.0.extensions.insert(PeerAddress(address.parse::<IpAddr>().unwrap()));
        self
    }

    fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn with_certificate(mut self, der: &[u8]) -> Self {
        self.0.extensions.insert(ClientCertificate::from_der(der));
        self
    }

    fn headers(&self) -> HeaderMap {
        self.0.headers.clone()
    }
}
