"""Builds and starts the protected APIs: `api.rs`, whose views get tokens here, and `examples/from_env`."""

import json
import os
import subprocess

from .browser import Browser
from .process import Process, free_port
from .server import SCOPE


VIEWS = "interop_api"
FROM_ENV = "from_env"


def build(root):
    """Returns the paths of the programs, by name."""
    examples = ["--example", VIEWS, "--example", FROM_ENV]
    command = ["cargo", "build", "--locked", *examples, "--message-format=json"]
    built = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise SystemExit("the APIs of the suite do not compile")
    messages = map(json.loads, built.stdout.splitlines())
    return {
        message["target"]["name"]: message["executable"] for message in messages if message.get("executable")
    }


class Api:
    """`api.rs`, for one server."""

    def __init__(self, programs, server, log):
        self._port = free_port()
        environment = {
            "LISTEN": f"127.0.0.1:{self._port}",
            "ISSUER": server.issuer,
            "AUDIENCE": server.audience,
            "SCOPE": SCOPE,
            "USER_CLIENT_ID": server.user_client[0],
            "STRICT": "on" if server.strict else "",
            "JWKS_URL": server.jwks_url or "",
            "CLIENT_ID": server.api_client[0] if server.api_client else "",
            "CLIENT_SECRET": server.api_client[1] if server.api_client else "",
            "INTROSPECTION_URL": server.introspection_url or "",
            "RUST_LOG": os.environ.get("RUST_LOG", "tower_bearer=debug"),
        }
        self._process = Process([programs[VIEWS]], log, env=environment)
        self._process.wait_for_port(self._port)

    def send(self, view, token):
        """Sends a token to a view. Returns `200`, or the status and kind such as `401 token_expired`."""
        url = f"http://127.0.0.1:{self._port}/{view}"
        response = Browser().request(url, headers={"Authorization": f"Bearer {token}"})
        return "200" if response.status == 200 else f"{response.status} {response.body}"

    def stop(self):
        self._process.stop()


class FromEnv:
    """`examples/from_env`, for one server. `settings` are more of its environment variables."""

    def __init__(self, programs, server, log, **settings):
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        environment = {
            "LISTEN": f"127.0.0.1:{self.port}",
            "ISSUER": server.issuer,
            "AUDIENCE": server.audience,
            "REQUIRED_SCOPE": SCOPE,
            "CLIENT_ID": server.api_client[0],
            "CLIENT_SECRET": server.api_client[1],
            "PUBLIC_URL": self.origin,
            **settings,
        }
        self._process = Process([programs[FROM_ENV]], log, env=environment)
        self._process.wait_for_port(self.port)

    def stop(self):
        self._process.stop()
