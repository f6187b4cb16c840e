# SPDX-License-Identifier: BSD-2-Clause
"""Runs programs, reads manuals and compares names, for tests/manuals and manual_claims.py."""
import glob
import os
import re
import shutil
import subprocess
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.path.join(TOP, os.environ.get("RAWVS_BIN", "build")))


class Skip(Exception):
    """Why a test cannot be made here."""


def need(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        raise Skip(f"needs {', '.join(missing)}: tools/setup test")


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def run(*command, cwd=TOP, status=0, **more):
    """Its output. It does not inherit make's environment: it calls make's targets anew."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(command, cwd=cwd, env={**env, **more.pop("env", {})}, text=True, timeout=900,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}, expected {status}\n{done.stdout}")
    return done.stdout


def pages():
    return sorted(glob.glob(f"{TOP}/etc/man/*"))


def page(name):
    return read(f"etc/man/{name}")


def manual(name):
    """The manual as a reader sees it, without underlining."""
    need("mandoc")
    return re.sub(r".\x08", "", run("mandoc", "-Tascii", "-Owidth=500", os.path.join(TOP, "etc/man", name)))


def program(name, *args, status=0):
    return run(os.path.join(BUILD, name), *args, status=status)


def accepts(config):
    """Returns whether rawvsd -t accepts this configuration, and its output."""
    with tempfile.NamedTemporaryFile("w", suffix=".ini", encoding="utf-8") as file:
        file.write(config)
        file.flush()
        done = subprocess.run([os.path.join(BUILD, "rawvsd"), "-t", "-c", file.name], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode == 0, done.stdout


def same(found, expected, what):
    lacking, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    assert not lacking and not extra, f"{what}: lacks {lacking}, has besides {extra}"


def named_in(text, names, what):
    """Each name as a separate word: -t is not in --timeout."""
    assert names, f"{what}: no name was found to look for"
    lacking = [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
    assert not lacking, f"{what} does not name {lacking}"
