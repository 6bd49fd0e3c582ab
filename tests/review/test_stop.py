"""Ctrl-C: one is enough, whenever it comes."""

import signal
import sys

import pytest

from crafted import craft
from jointset.review.stop import Stop
from served import serve, start


class Server:
    should_exit = force_exit = False


def test_an_interrupt_ends_what_is_being_opened_and_is_not_lost(monkeypatch):
    class Loses:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)
            list(range(10))  # the handler runs here, where Python drops what it raises

    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    before = signal.getsignal(signal.SIGINT)
    with Stop() as stop:
        stop.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with Stop() as stop:
        Loses()
        assert len(lost) == 1 and lost[0].exc_type is KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            stop.ends(Server())
    assert signal.getsignal(signal.SIGINT) is before


def test_a_server_is_told_to_end_and_the_second_time_not_to_wait():
    server = Server()
    with Stop() as stop:
        stop.ends(server)
        signal.raise_signal(signal.SIGINT)
        assert (server.should_exit, server.force_exit) == (True, False)
        signal.raise_signal(signal.SIGINT)
        assert server.force_exit
        with pytest.raises(KeyboardInterrupt):
            stop.check()


@pytest.mark.parametrize("when", ["while it opens", "while it serves"])
def test_one_interrupt_ends_the_command(tmp_path, when):
    pytest.importorskip("uvicorn", reason="the review extra is not installed")
    run = craft(tmp_path)
    server = start(run) if when == "while it opens" else serve(run)
    if when == "while it serves":
        server.enter()
    server.process.send_signal(signal.SIGINT)
    said, _ = server.process.communicate(timeout=120)
    assert server.process.returncode == 130
    assert "Traceback" not in said and said.rstrip().endswith("repeat the command to go on where it stopped")
