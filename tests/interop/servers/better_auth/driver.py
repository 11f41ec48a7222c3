"""better-auth with its OAuth provider: JWTs for clients that ask for a `resource`, else opaque tokens."""

import json
import signal

from suite import install
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.server import AUDIENCE, SCOPE, Server

OPAQUE = "opaque tokens are for clients that ask for no `resource`, so they name no audience"
EMAIL = "alice@example.com"
PASSWORD = "password-of-the-suite"


class Driver(Server):
    name = "better-auth"
    issuer_path = "/api/auth"
    not_applicable = {
        "JWT, revoked: 401": "the server does not revoke JWTs: 400 `unsupported_token_type`",
        "opaque, introspected": OPAQUE,
        "opaque, revoked: 401": OPAQUE,
        "signed introspection": "the server has no RFC 9701",
        "outage: opaque 503": OPAQUE,
    }

    def install(self):
        install.npm(self.source, self.folder)
        (self.folder / "database.json").unlink(missing_ok=True)
        return install.npm_version(self.source, "better-auth")

    def command(self):
        env = {
            "ORIGIN": self.origin,
            "PORT": str(self.port),
            "AUDIENCE": AUDIENCE,
            "SCOPE": SCOPE,
            "REDIRECT_URI": REDIRECT_URI,
            "EMAIL": EMAIL,
            "PASSWORD": PASSWORD,
        }
        return ["node", "server.mjs"], env

    def start(self):
        super().start()
        clients = json.loads((self.folder / "clients.json").read_text())
        self.machine_client = clients["machine"]
        self.user_client = clients["web"]
        # Any other client is told that the token is not active.
        self.api_client = self.machine_client

    def jwt(self):
        answer = self.client(self.machine_client).client_credentials(scope=SCOPE, resource=AUDIENCE)
        return answer["access_token"]

    def user(self):
        browser = Browser()
        browser.request(
            f"{self.issuer}/sign-in/email",
            body={"email": EMAIL, "password": PASSWORD},
            headers={"Origin": self.origin},
        ).expect(200)
        scope = f"openid offline_access {SCOPE}"
        return self.client(self.user_client).sign_in(browser, None, scope=scope, resource=AUDIENCE)

    def rotate(self):
        self.process.signal(signal.SIGUSR2)
        # The server makes the new key when it needs one.
        self.jwt()
