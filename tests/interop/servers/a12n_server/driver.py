"""a12n-server: RFC 9068 access tokens whose audience is the app of the client.

Its database driver is replaced by one for SQLite in WebAssembly, because the real one compiles for minutes.
"""

import json

from suite import install
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.server import SCOPE, Server

APP = "orders"
EMAIL = "alice@example.com"
PASSWORD = "password-of-the-suite"
URLS = "responses name `aud` and `sub` as URLs, and JWTs name them as paths"
OPAQUE = "access tokens are JWTs"


class Driver(Server):
    name = "a12n-server"
    # Access tokens are `at+jwt`.
    strict = True
    audience = f"/app/{APP}"
    not_applicable = {
        "opaque, introspected": OPAQUE,
        "opaque, revoked: 401": OPAQUE,
        "JWT, introspected": URLS,
        "JWT, revoked: 401": URLS,
        "signed introspection": "the server has no RFC 9701",
        "outage: opaque 503": OPAQUE,
    }

    def install(self):
        install.npm(self.source, self.folder)
        for name in ("database.sqlite3", "key.pem"):
            (self.folder / name).unlink(missing_ok=True)
        self._rotates = False
        return install.npm_version(self.source, "@curveball/a12n-server")

    def command(self):
        env = {
            "PUBLIC_URI": f"{self.origin}/",
            "PORT": str(self.port),
            "DB_DRIVER": "sqlite3",
            "DB_FILENAME": "database.sqlite3",
            "APP": APP,
            "CLIENTS": json.dumps([self.api_client, self.machine_client, self.user_client]),
            "REDIRECT_URI": REDIRECT_URI,
            "EMAIL": EMAIL,
            "PASSWORD": PASSWORD,
            "ROTATE": "on" if self._rotates else "",
        }
        return ["node", "server.mjs"], env

    def jwt(self):
        return self.client(self.machine_client).client_credentials(scope=SCOPE)["access_token"]

    def user(self):
        browser = Browser()

        def sign_in(page):
            return browser.submit(page, {"userName": EMAIL, "password": PASSWORD}, containing="userName")

        return self.client(self.user_client).sign_in(browser, sign_in, scope=f"openid {SCOPE}")

    def rotate(self):
        self._rotates = True
        self.restart()
        self._rotates = False
