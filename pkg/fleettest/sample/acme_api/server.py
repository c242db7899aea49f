"""A small web service: /healthz tells the running version, / greets through a dependency."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from acme_greeting import greet

from acme_api import variant

VERSION = version("acme-api")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            status, answer = variant.health(VERSION)
            self.answer(status, "application/json", json.dumps(answer))
        elif self.path == "/":
            self.answer(200, "text/plain", greet("from acme-api " + VERSION) + "\n")
        else:
            self.answer(404, "text/plain", "not found\n")

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    variant.start()
    port = int(os.environ.get("PORT", "8080"))
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"acme-api {VERSION} listens on port {port}", flush=True)
    server.serve_forever()
