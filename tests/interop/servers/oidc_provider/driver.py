"""node oidc-provider, with the resource indicators and the development login that it ships."""

import json

from suite import install, tls
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.process import free_port
from suite.server import AUDIENCE, SCOPE, Server

OPAQUE_CLIENT = ("opaque", "opaque-secret-of-the-suite-0123456789")
CERTIFICATE_JWT_CLIENT = ("certificate", "certificate-secret-of-the-suite-0123456789")
CERTIFICATE_OPAQUE_CLIENT = ("certificate-opaque", "certificate-secret-of-the-suite-0123456789")
NO_JWT = "the server does not introspect or revoke JWTs: 400 `unsupported_token_type`"


class Driver(Server):
    name = "oidc-provider"
    # Access tokens are `at+jwt`. ID tokens without a nonce have no other mark.
    strict = True
    not_applicable = {"JWT, introspected": NO_JWT, "JWT, revoked: 401": NO_JWT}
    # The clients that get tokens for proofs and certificates, by the names that `clients/` has for them.
    bound_clients = {
        "jwt": Server.machine_client,
        "opaque": OPAQUE_CLIENT,
        "certificateJwt": CERTIFICATE_JWT_CLIENT,
        "certificateOpaque": CERTIFICATE_OPAQUE_CLIENT,
    }

    def install(self):
        install.npm(self.source, self.folder)
        self.tls = tls.make(self.folder / "tls")
        (self.folder / "keys.json").unlink(missing_ok=True)
        self._rotates = False
        return install.npm_version(self.source, "oidc-provider")

    def command(self):
        machine = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []}
        api = {**machine, "grant_types": [], "introspection_signed_response_alg": "RS256"}
        user = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [REDIRECT_URI]}
        certified = {**machine, "tls_client_certificate_bound_access_tokens": True}
        clients = (
            (self.api_client, api),
            (self.machine_client, machine),
            (OPAQUE_CLIENT, machine),
            (CERTIFICATE_JWT_CLIENT, certified),
            (CERTIFICATE_OPAQUE_CLIENT, certified),
            (self.user_client, user),
        )
        env = {
            "ISSUER": self.issuer,
            "PORT": str(self.port),
            "AUDIENCE": AUDIENCE,
            "SCOPE": SCOPE,
            "OPAQUE_CLIENTS": f"{OPAQUE_CLIENT[0]} {CERTIFICATE_OPAQUE_CLIENT[0]}",
            "TLS_FOLDER": str(self.tls),
            "TLS_PORT": str(free_port()),
            "ROTATE": "on" if self._rotates else "",
            "CLIENTS": json.dumps(
                [{"client_id": id, "client_secret": secret, **rest} for (id, secret), rest in clients]
            ),
        }
        return ["node", "server.mjs"], env

    def jwt(self):
        return self._mint(self.machine_client)

    def opaque(self):
        return self._mint(OPAQUE_CLIENT)

    def _mint(self, credentials):
        answer = self.client(credentials).client_credentials(scope=SCOPE, resource=AUDIENCE)
        return answer["access_token"]

    def user(self):
        browser = Browser()

        def sign_in(page):
            page = browser.submit(page, {"login": "alice", "password": "any"}, containing="login")
            page = browser.follow(page, REDIRECT_URI)
            return browser.submit(page, {})

        scope = f"openid offline_access {SCOPE}"
        return self.client(self.user_client).sign_in(
            browser, sign_in, scope=scope, resource=AUDIENCE, prompt="consent"
        )

    def revoke_opaque(self, token):
        self.client(OPAQUE_CLIENT).revoke(token)

    def rotate(self):
        self._rotates = True
        self.restart()
        self._rotates = False
