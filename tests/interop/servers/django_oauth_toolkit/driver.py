"""django-oauth-toolkit: opaque access tokens, bound to the API by its `resource`."""

import json
import subprocess

from suite import install
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.server import AUDIENCE, SCOPE, Server

OPAQUE = "access tokens are opaque"


class Driver(Server):
    name = "django-oauth-toolkit"
    issuer_path = "/o"
    not_applicable = {
        "JWT": OPAQUE,
        "tampered: 401": OPAQUE,
        "JWT, introspected": OPAQUE,
        "JWT, revoked: 401": OPAQUE,
        "key rotation": OPAQUE,
        "outage: JWT": OPAQUE,
        "signed introspection": "the server has no RFC 9701",
    }

    @property
    def introspection_url(self):
        # The metadata does not name it.
        return f"{self.issuer}/introspect/"

    def install(self):
        self._bin = install.pip(self.source, self.folder)
        (self.folder / "db.sqlite3").unlink(missing_ok=True)
        self._env = {"ISSUER": self.issuer, "PORT": str(self.port), "SCOPE": SCOPE, "KEY": self._key()}
        self._set_up()
        return install.pip_version(self.source, "django-oauth-toolkit")

    def _key(self):
        code = (
            "from jwcrypto.jwk import JWK;"
            "print(JWK.generate(kty='RSA', size=2048).export_to_pem(True, None).decode())"
        )
        return subprocess.check_output([self._bin / "python", "-c", code], text=True)

    def _set_up(self):
        code = {"authorization_grant_type": "authorization-code", "redirect_uris": REDIRECT_URI}
        machine = {"authorization_grant_type": "client-credentials"}
        clients = ((self.api_client, machine), (self.machine_client, machine), (self.user_client, code))
        clients = [{"client_id": id, "client_secret": secret, **rest} for (id, secret), rest in clients]
        self._env["CLIENTS"] = json.dumps(clients)
        install.run([self._bin / "python", "app.py", "setup"], self.folder, self._env)

    def command(self):
        return [self._bin / "python", "app.py", "run"], self._env

    def read_metadata(self):
        super().read_metadata()
        self.metadata["revocation_endpoint"] = f"{self.issuer}/revoke_token/"

    def opaque(self):
        answer = self.client(self.machine_client).client_credentials(scope=SCOPE, resource=AUDIENCE)
        return answer["access_token"]

    def user(self):
        browser = Browser()
        return self.client(self.user_client).sign_in(
            browser,
            lambda page: browser.submit(page, {"username": "alice", "password": "password-of-the-suite"}),
            scope=f"openid {SCOPE}",
            resource=AUDIENCE,
        )
