//! Runs every check of a client certificate to its end, for an explanation.
//!
//! Checks: the same as `reader.rs`, by the same functions.

use http::request::Parts;

use super::fault::CertificateFault;
use super::reader::{CertificateReader, compare};
use crate::access_token::Thumbprint;
use crate::binding::sender_check::SenderCheck;
use crate::encoding::base64url;

impl CertificateReader {
    /// The checks of the client certificate of this request, which must have the thumbprint `expected`.
    pub(crate) fn explain(&self, head: &Parts, expected: &Thumbprint) -> [SenderCheck; 2] {
        let found = self.thumbprint(head).and_then(|found| found.ok_or(CertificateFault::Missing));
        let expected_text = base64url::encode(expected);
        let comparison = match found {
            Ok(found) => {
                let presented = base64url::encode(&found);
                SenderCheck::new("x5t#S256", expected_text, presented, &compare(&found, expected))
            }
            Err(_) => SenderCheck::not_run("x5t#S256", expected_text),
        };
        [SenderCheck::new("certificate", self.sources(), self.describe(head), &found), comparison]
    }

    /// Where a certificate may come from.
    pub(crate) fn sources(&self) -> String {
        let connection = self.connection.as_ref().map(|_| "the connection".to_owned());
        let header = self.header.as_ref().map(|header| format!("header {} of a proxy", header.name()));
        connection.into_iter().chain(header).collect::<Vec<String>>().join(" or ")
    }

    /// Where the request has a certificate.
    fn describe(&self, head: &Parts) -> String {
        let connection = self.connection.as_ref().map(|connection| match connection.thumbprint(head) {
            Some(_) => "certificate of the connection".to_owned(),
            None => "none of the connection".to_owned(),
        });
        let header = self.header.as_ref().map(|header| header.describe(head));
        connection.into_iter().chain(header).collect::<Vec<String>>().join(", ")
    }
}
