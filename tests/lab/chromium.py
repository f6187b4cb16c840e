# SPDX-License-Identifier: BSD-2-Clause
"""Chromium without a screen, in a host of the lab, spoken to by its DevTools protocol over a pair of pipes."""
import base64
import json
import os
import select
import shutil
import sys
import time

from case import Skip
from lab.namespaces import PATIENCE, Trouble

# The browser reads from descriptor 3, and writes to 4.
PIPES = ("import fcntl, os, sys\n"
         "r, w = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 20) for fd in sys.argv[1:3])\n"
         "os.dup2(r, 3)\nos.dup2(w, 4)\nos.execvp(sys.argv[3], sys.argv[3:])\n")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--remote-debugging-pipe", "--hide-scrollbars")


class Chromium:
    """One page.  seen: the events of the protocol that came."""

    def __init__(self, host, folder):
        if not shutil.which("chromium"):
            raise Skip("chromium is not installed")
        folder.mkdir(exist_ok=True)
        its_in, self.to = os.pipe()
        self.back, its_out = os.pipe()
        for fd in (its_in, its_out):
            os.set_inheritable(fd, True)
        self.seen, self.number, self.rest, self.session = [], 0, b"", None
        self.program = host.start("env", f"HOME={folder}", sys.executable, "-c", PIPES, str(its_in), str(its_out),
                                  "chromium", *FLAGS, f"--user-data-dir={folder}", keep=(its_in, its_out))
        os.close(its_in)
        os.close(its_out)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Network", "Runtime", "Log", "Accessibility"):
            self.ask(f"{part}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()
        os.close(self.to)
        os.close(self.back)

    def ask(self, method, **parameters):
        """The result of a call of the protocol."""
        self.number += 1
        call = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            call["sessionId"] = self.session
        os.write(self.to, json.dumps(call).encode() + b"\0")
        deadline = time.monotonic() + 60 * PATIENCE
        while True:
            message = self.hear(deadline, method)
            if message.get("id") != self.number:
                self.seen.append(message)
            elif "error" in message:
                raise Trouble(f"chromium: {method}: {message['error']}")
            else:
                return message["result"]

    def hear(self, deadline, what):
        while b"\0" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise Trouble(f"chromium: no answer to {what}: {self.program.text()[-1000:]}")
            piece = os.read(self.back, 1 << 16)
            if not piece:
                raise Trouble(f"chromium: it ended at {what}: {self.program.text()[-1000:]}")
            self.rest += piece
        one, _, self.rest = self.rest.partition(b"\0")
        return json.loads(one)

    def of(self, method):
        """The parameters of the events of this kind that came."""
        return [one["params"] for one in self.seen if one.get("method") == method]

    def evaluate(self, script):
        """The value of an expression of JavaScript in the page; of a promise, what it becomes."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise Trouble(f"chromium: {script[:200]}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def show(self, url, width=1280, dark=False, script=True):
        """Loads the page, and returns when that is done."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
        self.ask("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.ask("Emulation.setScriptExecutionDisabled", value=not script)
        loads = len(self.of("Page.loadEventFired"))
        self.ask("Page.navigate", url=url)
        deadline = time.monotonic() + 60 * PATIENCE
        while len(self.of("Page.loadEventFired")) == loads:
            self.seen.append(self.hear(deadline, url))

    def screenshot(self, file):
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def key(self, name, code):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)
