"""canaille: JWTs without scopes for users, and opaque tokens for clients that act for themselves."""

import json
import time

from suite import install
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.server import SCOPE, Server


class Driver(Server):
    name = "canaille"
    # The audience of a token is a list of clients. The API introspects as one of them.
    audience = Server.api_client[0]
    not_applicable = {"signed introspection": "the server has no RFC 9701"}

    def install(self):
        self._bin = install.pip(self.source, self.folder)
        (self.folder / "keys.json").unlink(missing_ok=True)
        self._rotates = False
        return install.pip_version(self.source, "canaille")

    def command(self):
        clients = (self.api_client, self.machine_client, self.user_client)
        env = {
            "PORT": str(self.port),
            "ROTATE": "on" if self._rotates else "",
            "API_CLIENT": self.api_client[0],
            "CLIENTS": json.dumps(
                [
                    {
                        "client_id": id,
                        "client_secret": secret,
                        "redirect_uris": [REDIRECT_URI],
                        "scope": ["openid", SCOPE],
                    }
                    for id, secret in clients
                ]
            ),
            # The server is on loopback, without TLS.
            "AUTHLIB_INSECURE_TRANSPORT": "1",
        }
        return [self._bin / "python", "app.py"], env

    def jwt(self):
        return self.user()["access_token"]

    def token(self):
        # The form that can be asked for its scope.
        return self.opaque()

    def opaque(self):
        return self.client(self.machine_client).client_credentials(scope=SCOPE)["access_token"]

    def user(self):
        # Its JWTs have no `jti`: two of the same second are one token, and the end of one is the end of both.
        time.sleep(1 - time.time() % 1)
        browser = Browser()

        def sign_in(page):
            page = browser.follow(browser.submit(page, {"login": "alice"}, containing="login"), REDIRECT_URI)
            return browser.submit(page, {"password": "password-of-the-suite"}, containing="password")

        return self.client(self.user_client).sign_in(browser, sign_in, scope=f"openid {SCOPE}")

    def revoke_jwt(self, token):
        self.client(self.user_client).revoke(token)

    def rotate(self):
        self._rotates = True
        self.restart()
        self._rotates = False
