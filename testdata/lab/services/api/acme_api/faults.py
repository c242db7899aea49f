"""The ways in which a release of this service can be bad."""
import os
import signal
import threading
import time
from pathlib import Path

from .release import FAULT


def before_listening():
    if FAULT == "dies":
        raise RuntimeError("database schema 42 is too old for this release")
    if FAULT == "slow":
        time.sleep(6)


def once_listening(log):
    if FAULT == "flaps":
        timer = threading.Timer(5, give_up, [log])
        timer.daemon = True
        timer.start()


def health():
    """The HTTP status of the health page and its word for it."""
    return (500, "error") if FAULT == "unhealthy" else (200, "ok")


def at_end():
    """With the fault "leaks", a child that nobody waits for keeps the listening socket."""
    if FAULT != "leaks":
        return
    # Named before the fork, so that whoever looks for the child finds it from its first moment.
    Path("/proc/self/comm").write_text("acme-api-leak")
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            signal.pause()


def give_up(log):
    log("lost its queue and gives up")
    os._exit(1)
