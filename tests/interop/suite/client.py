"""An OAuth client: client credentials, authorization code with PKCE, refresh tokens, revocation."""

import base64
import hashlib
import secrets
import urllib.parse

from .browser import Browser, Unexpected, basic, query

# The browser stops at the redirect, so nothing is sent there.
REDIRECT_URI = "https://client.example.com/callback"


class Client:
    """A confidential client at the endpoints of one authorization server."""

    def __init__(self, client_id, secret, endpoints, in_body=False):
        self.client_id = client_id
        self._secret = secret
        self._endpoints = endpoints
        self._in_body = in_body

    def client_credentials(self, **parameters):
        return self.token_request(grant_type="client_credentials", **parameters)

    def refresh(self, refresh_token, **parameters):
        return self.token_request(grant_type="refresh_token", refresh_token=refresh_token, **parameters)

    def sign_in(self, browser, sign_in, **parameters):
        """The authorization code flow. `sign_in` gets the login page, fills it in, and returns a response."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        state = secrets.token_urlsafe(16)
        authorization = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **parameters,
        }
        url = self._endpoints["authorization_endpoint"] + "?" + urllib.parse.urlencode(authorization)
        response = browser.follow(browser.request(url), REDIRECT_URI)
        if not (response.location or "").startswith(REDIRECT_URI):
            response = browser.follow(sign_in(response), REDIRECT_URI)
        if not (response.location or "").startswith(REDIRECT_URI):
            raise Unexpected(f"{response.url} responded {response.status} after login: {response.body[:500]}")
        answer = query(response.location)
        if answer.get("state") != state or "code" not in answer:
            raise Unexpected(f"no code: {response.location}")
        extra = {name: parameters[name] for name in ("resource",) if name in parameters}
        return self.token_request(
            grant_type="authorization_code",
            code=answer["code"],
            redirect_uri=REDIRECT_URI,
            code_verifier=verifier,
            **extra,
        )

    def token_request(self, **form):
        return self._post("token_endpoint", form).expect(200).json()

    def revoke(self, token):
        self._post("revocation_endpoint", {"token": token}).expect(200)

    def _post(self, endpoint, form):
        headers = {}
        if self._in_body:
            form = {**form, "client_id": self.client_id, "client_secret": self._secret}
        else:
            headers = basic(self.client_id, self._secret)
        return Browser().request(self._endpoints[endpoint], form=form, headers=headers)
