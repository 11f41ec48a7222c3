"""Sender-constrained tokens of oidc-provider: DPoP libraries and TLS proxies, against `examples/from_env`."""

import json

from . import install
from .api import FromEnv
from .process import Failed, Process
from .server import AUDIENCE, SCOPE
from .table import Column

CLIENT_SECONDS = 150
# The DPoP libraries: the name of the package, and of the file in `clients/libraries`.
LIBRARIES = {"dpop": "dpop", "oauth4webapi": "oauth4webapi", "openid-client": "openid_client"}
TRUSTED = "127.0.0.1/32"
# The only case of a program that ends before it has run the others.
UNFINISHED = "all cases run"


class Clients:
    """The programs in `clients/`, for one authorization server."""

    def __init__(self, source, folder, server, logs):
        self.source = source
        self.folder = folder
        self.server = server
        self.logs = logs

    def install(self):
        install.npm(self.source, self.folder)

    def version(self, package):
        return install.npm_version(self.source, package)

    def start(self, name, program, *arguments, **settings):
        """Starts a program, which `Program.outcomes` waits for."""
        clients = {
            key: {"id": id, "secret": secret} for key, (id, secret) in self.server.bound_clients.items()
        }
        outcomes = self.folder / f"{name}.json"
        outcomes.unlink(missing_ok=True)
        environment = {
            "ISSUER": self.server.issuer,
            "AUDIENCE": AUDIENCE,
            "SCOPE": SCOPE,
            "CLIENTS": json.dumps(clients),
            "TLS_FOLDER": str(self.server.tls),
            "OUTCOMES": str(outcomes),
            **settings,
        }
        command, log = ["node", program, *arguments], self.logs / f"{name}.log"
        return Program(Process(command, log, cwd=self.folder, env=environment), outcomes)


class Program:
    def __init__(self, process, outcomes):
        self._process = process
        self._outcomes = outcomes

    def outcomes(self):
        """The outcomes by case, and the cases that do not apply, with the reason."""
        try:
            self._process.wait(CLIENT_SECONDS)
        except Failed as error:
            return {UNFINISHED: str(error)}, {}
        results = json.loads(self._outcomes.read_text())
        return results["outcomes"], results["notApplicable"]

    def stop(self):
        self._process.stop()


def dpop(programs, clients):
    """The columns of the DPoP libraries. They run at once, because each waits for a new nonce."""
    running = []
    settings = {
        "ACCEPTS_DPOP": {"DPOP": "accept"},
        "REQUIRES_DPOP": {"DPOP": "required"},
        "REQUIRES_NONCES": {"DPOP": "required", "DPOP_NONCES": "required"},
    }
    try:
        apis = {}
        for name, setting in settings.items():
            log = clients.logs / f"dpop.{name.lower()}.api.log"
            apis[name] = FromEnv(programs, clients.server, log, **setting)
            running.append(apis[name])
        origins = {name: api.origin for name, api in apis.items()}
        libraries = {}
        for package, module in LIBRARIES.items():
            libraries[package] = clients.start(f"dpop.{module}", "dpop.mjs", module, **origins)
            running.append(libraries[package])
        return [
            Column(package, clients.version(package), *program.outcomes())
            for package, program in libraries.items()
        ]
    finally:
        for process in running:
            process.stop()


def certificates(programs, clients, proxy, version):
    """The columns of a proxy: one for each form of the header."""
    columns = []
    for encoding in proxy.encodings:
        name = f"{proxy.name}, {encoding.name}"
        label = f"{proxy.name}.{encoding.header}"
        running = []
        try:
            api = FromEnv(
                programs,
                clients.server,
                clients.logs / f"{label}.api.log",
                PUBLIC_URL=proxy.origin,
                DPOP="accept",
                CLIENT_CERT=encoding.setting,
                TRUSTED_PROXIES=TRUSTED,
            )
            running.append(api)
            running.append(proxy)
            proxy.start(encoding, api.port, clients.server.tls)
            settings = {"PROXY": proxy.origin, "API": api.origin, "HEADER": encoding.header}
            program = clients.start(label, "certificates.mjs", ENCODING=encoding.name, **settings)
            running.append(program)
            columns.append(Column(name, version, *program.outcomes(), is_pinned=False))
        finally:
            for process in running:
                process.stop()
    return columns
