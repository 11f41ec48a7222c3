"""oauth2-mock-server: any client, any user, JWTs only."""

import signal

from suite import install
from suite.browser import Browser
from suite.server import AUDIENCE, SCOPE, Server

ALL_ACTIVE = "the server has JWTs only, and reports every token as active, without claims"


class Driver(Server):
    name = "oauth2-mock-server"
    api_client = None
    not_applicable = {
        case: ALL_ACTIVE
        for case in (
            "opaque, introspected",
            "opaque, revoked: 401",
            "JWT, introspected",
            "JWT, revoked: 401",
            "signed introspection",
            "outage: opaque 503",
        )
    }

    def install(self):
        install.npm(self.source, self.folder)
        return install.npm_version(self.source, "oauth2-mock-server")

    def command(self):
        env = {"PORT": str(self.port), "ISSUER": self.issuer, "AUDIENCE": AUDIENCE}
        return ["node", "server.mjs"], env

    def jwt(self):
        return self.client(self.machine_client).client_credentials(scope=SCOPE, aud=AUDIENCE)["access_token"]

    def user(self):
        # The server signs no other mark of an ID token than the nonce.
        return self.client(self.user_client).sign_in(Browser(), None, scope=SCOPE, nonce="of-the-suite")

    def rotate(self):
        self.process.signal(signal.SIGUSR2)
