//! The settings that all responses of one `BearerAuth` share, and the challenges that they make (RFC 9110
//! section 11.6.1).
//!
//! A 401 has one challenge per accepted scheme, so that the client learns of all. The failure is named in the
//! challenge of the scheme that the request used (RFC 9449 section 7.2). Any other status has the challenge
//! of that scheme only.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use crate::access_token::StepUp;
use crate::bearer::{ChallengeWriter, Scheme, Schemes};
use crate::rejection::{Rejection, RejectionKind};
use crate::resource_metadata::PublishedMetadata;

/// Writes the body of a rejection in the user's own format.
pub(crate) type OnReject = Arc<dyn Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync>;

/// The settings that all responses of one `BearerAuth` share.
#[derive(Clone)]
pub(crate) struct ResponseSettings {
    pub(crate) realm: String,
    /// The schemes that get a challenge.
    pub(crate) schemes: Schemes,
    /// The algorithms that a DPoP proof may be signed with, space-delimited.
    pub(crate) dpop_algs: Option<Arc<str>>,
    pub(crate) omit_error_descriptions: bool,
    /// Whether gRPC calls get gRPC responses.
    pub(crate) grpc: bool,
    pub(crate) on_reject: Option<OnReject>,
    pub(crate) resource_metadata: Option<Arc<PublishedMetadata>>,
}

impl ResponseSettings {
    /// The challenges of this kind of rejection, for a request that `used` this scheme, with what `needs`
    /// says that the client should request. None if the kind has no challenge.
    pub(super) fn challenges(
        &self,
        kind: RejectionKind,
        used: Scheme,
        needs: Option<&Rejection>,
    ) -> impl Iterator<Item = HeaderValue> {
        let is_challenged = kind.row().error.is_some() || kind == RejectionKind::Missing;
        let names_all = kind.status() == StatusCode::UNAUTHORIZED;
        let schemes =
            self.schemes.iter().filter(move |scheme| is_challenged && (names_all || *scheme == used));
        schemes.map(move |scheme| {
            let challenge = self.challenge(scheme);
            match needs {
                _ if kind == RejectionKind::Missing => self.with_scope_hint(challenge).header_value(),
                _ if scheme != used => challenge.header_value(),
                None => self.with_failure(challenge, kind).header_value(),
                Some(rejection) => with_needs(self.with_failure(challenge, kind), rejection),
            }
        })
    }

    /// The challenge of one scheme, without a failure.
    fn challenge(&self, scheme: Scheme) -> ChallengeWriter<'_> {
        let mut challenge = ChallengeWriter::new(scheme).realm(&self.realm);
        if scheme == Scheme::Dpop {
            challenge = challenge.algs(self.dpop_algs.as_deref());
        }
        match self.resource_metadata.as_deref() {
            Some(metadata) => challenge.resource_metadata(metadata.url()),
            None => challenge,
        }
    }

    fn with_failure<'c>(&self, challenge: ChallengeWriter<'c>, kind: RejectionKind) -> ChallengeWriter<'c> {
        let row = kind.row();
        let Some(error) = row.error else { return challenge };
        let challenge = challenge.error(error);
        if self.omit_error_descriptions { challenge } else { challenge.error_description(row.text) }
    }

    fn with_scope_hint<'c>(&'c self, challenge: ChallengeWriter<'c>) -> ChallengeWriter<'c> {
        match self.resource_metadata.as_deref().and_then(PublishedMetadata::scope_hint) {
            Some(scopes) => challenge.scope(scopes),
            None => challenge,
        }
    }
}

/// The challenge with what the client should request: scopes, an authentication of the user, or claims.
fn with_needs(challenge: ChallengeWriter<'_>, rejection: &Rejection) -> HeaderValue {
    let step_up = rejection.step_up();
    let acr_values = step_up.map(StepUp::listed_acr_values).unwrap_or_default();
    let max_age = step_up.and_then(StepUp::max_age);
    let (authorization_uri, claims) = (rejection.authorization_uri(), rejection.claims_request());
    let challenge = challenge
        .scope(rejection.scopes_needed().unwrap_or_default())
        .acr_values(&acr_values)
        .max_age(max_age.map(|age| age.as_secs()))
        .authorization_uri(authorization_uri.as_deref())
        .claims(claims.as_deref());
    challenge.header_value()
}
