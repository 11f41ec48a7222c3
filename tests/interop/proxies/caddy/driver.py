"""Caddy, with the header of RFC 9440, and with percent-encoded PEM as AWS writes it."""

from suite.proxy import PEM, RFC_9440, Proxy

DER = "{http.request.tls.client.certificate_der_base64}"


class Driver(Proxy):
    name = "caddy"
    encodings = (RFC_9440, PEM)
    config = "Caddyfile"

    def command(self):
        return [self.program(), "run", "--config", self.config, "--adapter", "caddyfile"]

    def values(self):
        pem = f"-----BEGIN%20CERTIFICATE-----%0A{DER}%0A-----END%20CERTIFICATE-----"
        return {**super().values(), "VALUE": f":{DER}:" if self.encoding is RFC_9440 else pem}

    def environment(self):
        return {"XDG_CONFIG_HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)}
