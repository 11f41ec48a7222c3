"""What each proxy of the suite provides: it terminates TLS, and sends the client certificate in a header."""

import os
import shutil
from dataclasses import dataclass

from . import install
from .process import Failed, Process, free_port


@dataclass(frozen=True)
class Encoding:
    """A form of the header."""

    name: str
    header: str
    # `CLIENT_CERT` of `examples/from_env`.
    setting: str


RFC_9440 = Encoding("RFC 9440", "client-cert", "rfc9440")
PEM = Encoding("PEM", "x-client-cert", "pem:x-client-cert")


class NotStarted(Exception):
    """A proxy that does not start, and why."""


class Proxy:
    """A real proxy. Each folder in `proxies/` has one, as `Driver`."""

    # The name in the table, and the Debian package.
    name = ""
    # The forms of the header that the proxy can send. There is a column for each.
    encodings = ()
    # The configuration file, with the names of `values` between at signs.
    config = ""

    def __init__(self, source, folder, log):
        self.source = source
        self.folder = folder
        self.log = log
        self.port = free_port()
        self.encoding = None
        self.process = None

    @property
    def origin(self):
        # By name: Caddy compares it with the one in the handshake.
        return f"https://localhost:{self.port}"

    def install(self):
        """Installs the proxy. Returns its version."""
        install.debian(self.name)
        return install.debian_version(self.name)

    def program(self):
        """The path of the program. Debian has servers in a folder that not every user searches."""
        return shutil.which(self.name, path=f"{os.environ['PATH']}:/usr/sbin")

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def values(self):
        return {"PORT": self.port, "HEADER": self.encoding.header}

    def start(self, encoding, api_port, tls):
        self.encoding = encoding
        install.copy(self.source, self.folder)
        config = (self.source / self.config).read_text()
        for name, value in {**self.values(), "API_PORT": api_port, "TLS": tls}.items():
            config = config.replace(f"@{name}@", str(value))
        (self.folder / self.config).write_text(config)
        try:
            self.process = Process(self.command(), self.log, cwd=self.folder, env=self.environment())
            self.process.wait_for_port(self.port)
        except (Failed, OSError) as error:
            raise NotStarted(f"{self.name} does not start: {error}") from None

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None
