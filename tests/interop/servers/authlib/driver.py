"""Authlib: an authorization server of its parts, with RFC 9068 access tokens."""

import json

from suite import install
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.server import AUDIENCE, SCOPE, Server

OPAQUE_CLIENT = ("opaque", "opaque-secret-of-the-suite-0123456789")


class Driver(Server):
    name = "Authlib"
    # Access tokens are `at+jwt`.
    strict = True
    not_applicable = {
        "JWT, revoked: 401": "its endpoints for RFC 9068 report a JWT as active until it expires",
        "signed introspection": "the server has no RFC 9701",
    }

    def install(self):
        self._bin = install.pip(self.source, self.folder)
        (self.folder / "keys.json").unlink(missing_ok=True)
        self._rotates = False
        return install.pip_version(self.source, "Authlib")

    def command(self):
        clients = (self.api_client, self.machine_client, OPAQUE_CLIENT, self.user_client)
        env = {
            "ISSUER": self.issuer,
            "PORT": str(self.port),
            "AUDIENCE": AUDIENCE,
            "OPAQUE_CLIENT": OPAQUE_CLIENT[0],
            "ROTATE": "on" if self._rotates else "",
            "CLIENTS": json.dumps(
                [{"id": id, "secret": secret, "redirect_uri": REDIRECT_URI} for id, secret in clients]
            ),
            # The server is on loopback, without TLS.
            "AUTHLIB_INSECURE_TRANSPORT": "1",
        }
        return [self._bin / "python", "app.py"], env

    def jwt(self):
        return self.client(self.machine_client).client_credentials(scope=SCOPE)["access_token"]

    def opaque(self):
        return self.client(OPAQUE_CLIENT).client_credentials(scope=SCOPE)["access_token"]

    def user(self):
        browser = Browser()
        return self.client(self.user_client).sign_in(
            browser,
            lambda page: browser.submit(page, {"user": "alice"}),
            scope=f"openid {SCOPE}",
        )

    def revoke_opaque(self, token):
        self.client(OPAQUE_CLIENT).revoke(token)

    def rotate(self):
        self._rotates = True
        self.restart()
        self._rotates = False
