"""Certificates for the suite: an authority, a server, and two clients."""

import shutil

from .install import run

ECDSA = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
CLIENTS = ("alice", "mallory")


def make(folder):
    """Makes `ca.pem`, and `NAME.pem` and `NAME.key` for the server and each client."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    authority = ["req", "-x509", *ECDSA, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"]
    _openssl(folder, *authority, "-subj", "/CN=interop authority")
    (folder / "names").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    for name in ("server", *CLIENTS):
        request = ["req", *ECDSA, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"]
        _openssl(folder, *request)
        issue = ["x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", "-days", "2"]
        _openssl(folder, *issue, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    # haproxy reads both from one file.
    both = (folder / "server.pem").read_text() + (folder / "server.key").read_text()
    (folder / "server.both.pem").write_text(both)
    return folder


def _openssl(folder, *arguments):
    run(["openssl", *arguments], folder)
