"""A review page that is really served, by the command itself, and ways to talk to it."""

import http.client
import os
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

from crafted import Crafted


@dataclass
class Server:
    """A served run, and a browser's worth of cookies."""

    run: Crafted
    url: str
    process: subprocess.Popen
    cookies: dict = field(default_factory=dict)
    csrf: str = ""

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.url)[1])

    def ask(self, path, form=None, *, host=None, csrf=None, cookies=None, headers=None):
        """Status, headers, text of a request; ``form`` makes it a POST."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Host": host or f"127.0.0.1:{self.port}", **(headers or {})}
        jar = self.cookies if cookies is None else cookies
        if jar:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in jar.items())
        body = None
        if form is not None:
            body = urlencode(form)
            sent |= {"Content-Type": "application/x-www-form-urlencoded"}
            sent |= {"X-CSRF": self.csrf if csrf is None else csrf}
        link.request("GET" if form is None else "POST", path, body, sent)
        answer = link.getresponse()
        raw = answer.read()
        found = answer.status, dict(answer.getheaders()), raw
        link.close()
        return found

    def enter(self):
        """Use the one-time link."""
        status, headers, _ = self.ask(self.url.split(str(self.port), 1)[1])
        assert status == 303
        name, value = headers["set-cookie"].split(";")[0].split("=", 1)
        self.cookies = {name: value}
        page = self.ask("/")[2].decode()
        self.csrf = re.search(r'"X-CSRF": "([^"]+)"', page)[1]
        return page


def serve(run: Crafted, *options: str) -> Server:
    """Start ``jointset review`` and wait until it answers."""
    server = start(run, *options)
    for _ in range(600):  # it takes callers before the pages are ready; the first answer waits for them
        if answers(server):
            return server
        time.sleep(0.1)
    raise AssertionError("the server does not answer")


def start(run: Crafted, *options: str) -> Server:
    """Start ``jointset review`` and wait for its address."""
    code = "from jointset.cli.main import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "review",
        str(run.directory.path),
        "--port",
        "0",
        "--reviewer",
        "Ada",
        *options,
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert select.select([process.stdout], [], [], 120)[0], "the server said nothing"
    line = process.stdout.readline()
    assert "token=" in line, line + process.stdout.read()
    return Server(run, line.split()[1], process)


def answers(server: Server) -> bool:
    """Whether a page is served."""
    try:
        return bool(server.ask("/")[0])
    except OSError:
        return False
