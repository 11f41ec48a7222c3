"""Starts processes, waits until they listen, and ends them with the run."""

import atexit
import os
import signal
import socket
import subprocess
import time

START_SECONDS = 60
STOP_SECONDS = 3
LOG_LINES = 40

_running = set()


class Failed(Exception):
    """A process that ended, or that did not listen in time."""


def free_port():
    """A loopback port that nothing listens on. Whoever asked for it listens on it next."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A process with a log file, in a process group of its own so that its children end with it."""

    def __init__(self, command, log, cwd=None, env=None):
        self.log = log
        with open(log, "ab") as output:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _running.add(self)

    def wait_for_port(self, port):
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if self._child.poll() is not None:
                raise Failed(f"it ended with status {self._child.returncode}")
            if time.monotonic() > deadline:
                raise Failed(f"it did not listen within {START_SECONDS} s")
            time.sleep(0.05)

    def wait(self, seconds):
        """Waits until the process ends, which it has to do by itself."""
        try:
            status = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Failed(f"it ran for more than {seconds} s") from None
        self.stop()
        if status != 0:
            raise Failed(f"it ended with status {status}")

    def signal(self, number):
        """Sends a signal to the process, not to its children."""
        self._child.send_signal(number)

    def stop(self):
        """Ends the process and its children: politely, then by force."""
        if self not in _running:
            return
        _running.discard(self)
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._child.pid, signal_number)
            except ProcessLookupError:
                break
            try:
                self._child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        self._child.wait(STOP_SECONDS)


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def last_lines(log):
    """The end of a log, indented, for a report."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line}" for line in lines) or "    (empty log)"


def stop_all():
    for process in list(_running):
        process.stop()


def end_with_the_run():
    """Ends all processes when the run ends: normally, with an exception, on Ctrl-C or SIGTERM."""
    atexit.register(stop_all)

    def interrupted(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
