"""What each server of the suite provides: how to install, start and use it, and what it cannot do."""

from .browser import Browser
from .client import Client
from .process import Process, free_port

AUDIENCE = "https://api.example.com"
SCOPE = "orders:read"


class Server:
    """A real authorization server. Each folder in `servers/` has one, as `Driver`."""

    # The name in the table.
    name = ""
    # Whether the repository pins its version. Debian's packages follow the release of the machine.
    is_pinned = True
    # Cases that do not apply, with the reason: what the server does instead.
    not_applicable = {}
    # The issuer's path, such as `/realms/acme`, and the one of its metadata.
    issuer_path = ""
    metadata_path = "/.well-known/openid-configuration"
    # Settings of the API for this server, as `api.rs` lists them.
    # The audience of the tokens that the server issues for the API.
    audience = AUDIENCE
    strict = False
    jwks_url = None
    introspection_url = None

    def __init__(self, source, folder, log):
        self.source = source
        self.folder = folder
        self.log = log
        self.port = free_port()
        self.process = None
        self.metadata = None

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self):
        return self.origin + self.issuer_path

    # The clients: one for each use. A server may give them out at start.
    api_client = ("orders-api", "api-secret-of-the-suite-0123456789")
    machine_client = ("machine", "machine-secret-of-the-suite-0123456789")
    user_client = ("web", "web-secret-of-the-suite-0123456789")
    clients_in_body = False

    def install(self):
        """Installs the server. Returns its version."""
        raise NotImplementedError

    def command(self):
        """The command and the environment variables of the server."""
        raise NotImplementedError

    def start(self):
        command, env = self.command()
        self.process = Process(command, self.log, cwd=self.folder, env=env)
        self.process.wait_for_port(self.port)
        self.read_metadata()

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def read_metadata(self):
        self.metadata = Browser().request(self.issuer.rstrip("/") + self.metadata_path).expect(200).json()

    def keys(self):
        """The keys that the server publishes."""
        return Browser().request(self.jwks_url or self.metadata["jwks_uri"]).expect(200).json()["keys"]

    def client(self, credentials):
        client_id, secret = credentials
        return Client(client_id, secret, self.metadata, self.clients_in_body)

    # Each of these is needed only for the cases that apply.

    def jwt(self):
        """A JWT for `audience` with SCOPE."""
        raise NotImplementedError

    def opaque(self):
        """An opaque token for `audience` with SCOPE."""
        raise NotImplementedError

    def token(self):
        """An access token for `audience` with SCOPE, in the form that the server prefers."""
        return self.opaque() if "JWT" in self.not_applicable else self.jwt()

    def user(self):
        """The token response after a user signed in: access, ID and refresh token."""
        raise NotImplementedError

    def refreshed(self, refresh_token):
        """The token response of the refresh grant."""
        return self.client(self.user_client).refresh(refresh_token)

    def revoke_jwt(self, token):
        self.client(self.machine_client).revoke(token)

    def revoke_opaque(self, token):
        self.client(self.machine_client).revoke(token)

    def rotate(self):
        """Makes the server sign with a new key. The old one may stay in the key set."""
        raise NotImplementedError
