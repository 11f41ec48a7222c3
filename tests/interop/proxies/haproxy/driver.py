"""haproxy, with the header of RFC 9440."""

from suite.proxy import RFC_9440, Proxy


class Driver(Proxy):
    name = "haproxy"
    encodings = (RFC_9440,)
    config = "haproxy.cfg"

    def command(self):
        return [self.program(), "-f", self.config]
