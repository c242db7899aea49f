"""The command acme-api: serves until SIGTERM."""
import os
import signal
import socket
import sys

import click
import waitress

from . import app, faults


@click.command()
@click.option("--address", envvar="ADDRESS", default="0.0.0.0", show_default=True)
@click.option("--port", envvar="PORT", default=8080, show_default=True, type=click.IntRange(1, 65535))
def main(address, port):
    """Serves the API. Every option can be given in the environment."""
    log(f"starts on {address}:{port}, pid {os.getpid()}")
    signal.signal(signal.SIGTERM, end)
    faults.before_listening()
    pages = app.create()
    listener = socket.create_server((address, port), backlog=128)
    faults.once_listening(log)
    waitress.serve(pages, sockets=[listener], threads=4)


def end(*_):
    log("SIGTERM: ends")
    faults.at_end()
    raise SystemExit(0)


def log(text):
    print(f"{app.DISTRIBUTION} {app.version()}: {text}", file=sys.stderr, flush=True)
