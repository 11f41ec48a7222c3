"""nginx, with percent-encoded PEM."""

from suite.proxy import PEM, Proxy


class Driver(Proxy):
    name = "nginx"
    encodings = (PEM,)
    config = "nginx.conf"

    def command(self):
        return [self.program(), "-e", "stderr", "-p", self.folder, "-c", self.folder / self.config]
