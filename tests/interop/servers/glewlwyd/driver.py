"""Glewlwyd: RFC 9068 access tokens that can be introspected and revoked, configured over its own API."""

import sqlite3
import subprocess
from pathlib import Path

from suite import install
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.server import AUDIENCE, SCOPE, Server

SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
JWT_ONLY = "access tokens are JWTs"
BAD_REQUEST = "the server responds 400 to a request for a signed response about an inactive token"
# The administrator of a new database.
ADMIN = {"username": "admin", "password": "password"}
ALICE = {"username": "alice", "password": "password-of-the-suite"}


class Driver(Server):
    name = "Glewlwyd"
    is_pinned = False
    issuer_path = "/api/oidc"
    strict = True
    # Clients introspect with their own credentials the tokens that they got, and no others.
    api_client = Server.machine_client
    not_applicable = {
        "signed introspection": BAD_REQUEST,
        "opaque, introspected": JWT_ONLY,
        "opaque, revoked: 401": JWT_ONLY,
        "outage: opaque 503": JWT_ONLY,
    }

    def install(self):
        install.debian("glewlwyd", "openssl")
        install.copy(self.source, self.folder)
        self._make_database()
        self._is_new = True
        return install.debian_version("glewlwyd")

    def _make_database(self):
        database = self.folder / "database.sqlite3"
        database.unlink(missing_ok=True)
        with sqlite3.connect(database) as connection:
            connection.executescript(SCHEMA.read_text())
        config = (self.folder / "glewlwyd.conf").read_text()
        config = config.replace("@PORT@", str(self.port)).replace("@ORIGIN@", self.origin)
        (self.folder / "glewlwyd.conf").write_text(config.replace("@DATABASE@", str(database)))

    def command(self):
        return ["glewlwyd", "--config-file=glewlwyd.conf"], {}

    def read_metadata(self):
        if self._is_new:
            self._configure()
            self._is_new = False
        super().read_metadata()

    def _configure(self):
        admin = self._signed_in(ADMIN)
        self._send(admin, "POST", "mod/plugin/", self._plugin())
        scope = {"name": SCOPE, "display_name": SCOPE, "password_required": False}
        self._send(admin, "POST", "scope/", scope)
        client = {"confidential": True, "enabled": True, "redirect_uri": [REDIRECT_URI]}
        # The property `scope` is what a client may ask for by itself.
        for (id, secret), scope, grants in (
            (self.machine_client, [SCOPE], ["client_credentials"]),
            (self.user_client, [], ["code", "refresh_token"]),
        ):
            names = {"client_id": id, "client_secret": secret, "password": secret, "scope": scope}
            methods = {"authorization_type": grants, "token_endpoint_auth_method": ["client_secret_basic"]}
            self._send(admin, "POST", "client/", {**client, **names, **methods})
        user = {**ALICE, "name": "Alice", "enabled": True, "scope": ["g_profile", "openid", SCOPE]}
        self._send(admin, "POST", "user/", user)
        grant = {"scope": f"openid {SCOPE}"}
        self._send(self._signed_in(ALICE), "PUT", f"auth/grant/{self.user_client[0]}", grant)

    def _plugin(self):
        key = subprocess.check_output(["openssl", "genrsa", "2048"], text=True, stderr=subprocess.DEVNULL)
        command = ["openssl", "rsa", "-pubout"]
        public = subprocess.run(command, input=key, capture_output=True, text=True, check=True)
        parameters = {
            "iss": self.issuer,
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "key": key,
            "cert": public.stdout,
            "access-token-duration": 3600,
            "refresh-token-duration": 36000,
            "code-duration": 600,
            "refresh-token-rolling": True,
            "allow-non-oidc": True,
            "auth-type-code-enabled": True,
            "auth-type-client-enabled": True,
            "auth-type-refresh-enabled": True,
            "auth-type-token-enabled": False,
            "auth-type-id-token-enabled": True,
            "auth-type-none-enabled": False,
            "auth-type-password-enabled": False,
            "subject-type": "public",
            "pkce-allowed": True,
            "introspection-revocation-allowed": True,
            "introspection-revocation-allow-target-client": True,
            "resource-allowed": True,
            "resource-scope": {SCOPE: [AUDIENCE]},
            "jwks-show": True,
        }
        return {
            "module": "oidc",
            "name": "oidc",
            "display_name": "OIDC",
            "order_rank": 0,
            "parameters": parameters,
        }

    def _signed_in(self, user):
        browser = Browser()
        self._send(browser, "POST", "auth/", user)
        return browser

    def _send(self, browser, method, path, body=None):
        return browser.request(f"{self.origin}/api/{path}", method, body=body or {}).expect(200)

    def jwt(self):
        answer = self.client(self.machine_client).client_credentials(scope=SCOPE, resource=AUDIENCE)
        return answer["access_token"]

    def user(self):
        scope = f"openid {SCOPE}"
        extra = {"nonce": "of-the-suite", "resource": AUDIENCE, "g_continue": "1"}
        return self.client(self.user_client).sign_in(self._signed_in(ALICE), None, scope=scope, **extra)

    def rotate(self):
        admin = self._signed_in(ADMIN)
        self._send(admin, "PUT", "mod/plugin/oidc", self._plugin())
        self._send(admin, "PUT", "mod/plugin/oidc/disable")
        self._send(admin, "PUT", "mod/plugin/oidc/enable")
