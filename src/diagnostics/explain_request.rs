//! Explains one request: how it presents its token, the token, and the proof of its sender.
//!
//! Checks: what a request is checked for, in the same order and by the same functions, and the functions of a
//! route.
//! Does not check: whether the token is still active, where a route wants to know that. Uses up no proof.

use std::sync::Arc;

use http::request::Parts;

use super::explain::Subject;
use super::explanation::{CheckResult, Explanation};
use super::hints::unmet_hint;
use super::rejection_details::{malformed, missing_hint, shown_header};
use crate::authenticate::Authenticator;
use crate::bearer::Credential;
use crate::rejection::{Rejection, RejectionKind};
use crate::requirement::{Requirement, RequirementFault};

impl Authenticator {
    /// Runs every check on the request with this head, and those of a `route`. Waits for keys as a request
    /// would.
    pub(crate) async fn explain_request(
        self: Arc<Self>,
        head: &Parts,
        route: Option<&Requirement>,
    ) -> Explanation {
        let mut explanation = Explanation::new();
        let Some(credential) = self.explain_credential(head, route, &mut explanation) else {
            return explanation;
        };
        let request = Some((head, credential.scheme()));
        let subject = Subject { token: credential.octets(), request, route };
        self.explain_token(&subject, &mut explanation).await;
        if let Some(route) = route.filter(|route| route.needs_request() && explanation.is_accepted()) {
            self.explain_functions(subject.token, head, route, &mut explanation).await;
        }
        self.explain_remedy(&subject, &mut explanation);
        explanation
    }

    /// The one credential of the request. A route needs one.
    fn explain_credential<'h>(
        &self,
        head: &'h Parts,
        route: Option<&Requirement>,
        explanation: &mut Explanation,
    ) -> Option<Credential<'h>> {
        let schemes = self.senders.schemes();
        let sources = self.sources.iter().map(ToString::to_string);
        let expected = std::iter::once(shown_header(schemes)).chain(sources).collect::<Vec<String>>();
        let expected = format!("one token, as {}", expected.join(" or "));
        let found = match self.extract(head) {
            Ok(None) if route.is_some() => Err(Rejection::from(RejectionKind::Missing)),
            found => found,
        };
        let presented = match &found {
            Ok(Some(credential)) => match credential.authorization_scheme() {
                Some(scheme) => format!("Authorization: {}", scheme.as_str()),
                None => "in another place".to_owned(),
            },
            Ok(None) => "none, which is allowed".to_owned(),
            Err(rejection) => {
                explanation.set_hint(match rejection.kind() {
                    RejectionKind::Missing => missing_hint(head, schemes).map(str::to_owned),
                    RejectionKind::MalformedRequest => Some(malformed(None, schemes)),
                    _ => None,
                });
                String::new()
            }
        };
        explanation.add(
            "credential",
            &expected,
            &presented,
            CheckResult::of(found.as_ref().map_err(Clone::clone)),
        );
        found.ok().flatten()
    }

    /// Runs the functions of the route, with the token that a handler would get.
    async fn explain_functions(
        self: &Arc<Self>,
        token: &[u8],
        head: &Parts,
        route: &Requirement,
        explanation: &mut Explanation,
    ) {
        let expected = "accepted by the functions of the route";
        let token = match Arc::clone(self).validate_and_wait(token).await {
            Ok(token) => token,
            Err(rejection) => {
                explanation.add("functions", expected, "", CheckResult::Failed(rejection.kind()));
                return;
            }
        };
        let result = route.check(&token, head, || self.now());
        if let Err(RequirementFault::Unmet(unmet)) = &result {
            let issuers = self.issuers.load();
            let issuer = issuers.get(token.issuer_name());
            explanation.set_hint(issuer.map(|issuer| unmet_hint(unmet, &issuer.claims)));
        }
        explanation.add("functions", expected, "", CheckResult::of(result));
    }
}
