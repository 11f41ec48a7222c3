"""Installs servers below `target/interop`, once per version. Debian packages are the exception."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

INSTALL_SECONDS = 900


class NotInstalled(Exception):
    """A server that could not be installed, and why."""


def npm(source, folder):
    """Installs the packages of `source/package-lock.json`. Returns the folder that has `node_modules`."""
    copy(source, folder)

    def install():
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    once(folder, source / "package-lock.json", install)
    return folder


def npm_version(source, package):
    lock = json.loads((source / "package-lock.json").read_text())
    return lock["packages"][f"node_modules/{package}"]["version"]


def pip(source, folder):
    """Installs `source/requirements.txt` into a virtual environment. Returns its `bin` folder."""
    copy(source, folder)
    venv = folder / "venv"

    def install():
        run([sys.executable, "-m", "venv", "--clear", venv], folder)
        command = [venv / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps"]
        run([*command, "--disable-pip-version-check", "-r", "requirements.txt"], folder)

    once(folder, source / "requirements.txt", install)
    return venv / "bin"


def pip_version(source, package):
    for line in (source / "requirements.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        if name.lower() == package.lower():
            return version
    raise NotInstalled(f"requirements.txt does not pin {package}")


def debian(*packages):
    """Installs Debian packages if `CI` is set. Otherwise, missing ones are an error."""
    missing = [package for package in packages if debian_version(package) is None]
    if not missing:
        return
    names = " ".join(missing)
    if "CI" not in os.environ:
        raise NotInstalled(f"apt-get install --no-install-recommends {names}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    # The suite starts the server itself, with a configuration of its own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run([*sudo, "apt-get", "update", "-q"], None, environment)
    command = ["apt-get", "install", "-qy", "--no-install-recommends", *missing]
    run([*sudo, "--preserve-env=DEBIAN_FRONTEND,RUNLEVEL", *command] if sudo else command, None, environment)


def debian_version(package):
    """The upstream version of an installed Debian package, or None."""
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    status, _, version = answer.stdout.partition(" ")
    return version.rpartition("-")[0].partition("+")[0] or version if status == "installed" else None


def copy(source, folder):
    """Copies the files of a server, so that nothing is written to the repository."""
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def once(folder, pins, install):
    """Runs `install`, unless it has succeeded for the same pins before."""
    stamp = folder / "installed"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    install()
    stamp.write_text(digest)


def run(command, folder, environment=None):
    command = [str(part) for part in command]
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=INSTALL_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError:
        raise NotInstalled(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{' '.join(command)} took more than {INSTALL_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise NotInstalled(f"{' '.join(command)}:\n{error.stdout[-3000:]}") from None
