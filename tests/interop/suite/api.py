"""Builds and starts `api.rs`, and sends tokens to its views."""

import json
import os
import subprocess

from .browser import Browser
from .process import Process, free_port
from .server import SCOPE


def build(root):
    """Returns the path of the program."""
    command = ["cargo", "build", "--locked", "--example", "interop_api", "--message-format=json"]
    built = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise SystemExit("the API of the suite does not compile")
    messages = map(json.loads, built.stdout.splitlines())
    paths = [message["executable"] for message in messages if message.get("executable")]
    return paths[-1]


class Api:
    """The protected API, for one server."""

    def __init__(self, program, server, log):
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
        self._process = Process([program], log, env=environment)
        self._process.wait_for_port(self._port)

    def send(self, view, token):
        """Sends a token to a view. Returns `200`, or the status and kind such as `401 token_expired`."""
        url = f"http://127.0.0.1:{self._port}/{view}"
        response = Browser().request(url, headers={"Authorization": f"Bearer {token}"})
        return "200" if response.status == 200 else f"{response.status} {response.body}"

    def stop(self):
        self._process.stop()
