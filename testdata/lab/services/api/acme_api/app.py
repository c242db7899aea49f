"""The pages of the service."""
import os
import re
from importlib import metadata

from flask import Flask, Response, jsonify, render_template_string
from itsdangerous import URLSafeSerializer
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from . import faults

DISTRIBUTION = "acme-api"
PAGE = "<!doctype html><title>{{ title }}</title><p>Hello {{ name }}, this is {{ title }}.\n"


def version():
    return metadata.version(DISTRIBUTION)


def dependencies():
    """Every distribution that the service stands on, with its installed version."""
    found = {}
    wanted = list(metadata.requires(DISTRIBUTION))
    while wanted:
        requirement = wanted.pop()
        if ";" in requirement:  # an extra, or for another platform
            continue
        name = re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()
        if name not in found:
            found[name] = metadata.version(name)
            wanted += metadata.requires(name) or []
    return dict(sorted(found.items()))


def create():
    app = Flask(DISTRIBUTION)
    running = {"version": version(), "pid": os.getpid(), "dependencies": dependencies()}
    signer = URLSafeSerializer(os.urandom(32))
    greetings = Counter("acme_greetings", "Greetings given.")

    @app.get("/healthz")
    def healthz():
        code, word = faults.health()
        return jsonify(status=word, **running), code

    @app.get("/")
    @app.get("/hello/<name>")
    def hello(name="world"):
        greetings.inc()
        return render_template_string(PAGE, title=f"{DISTRIBUTION} {running['version']}", name=name)

    @app.get("/token/<name>")
    def token(name):
        return jsonify(token=signer.dumps(name))

    @app.get("/metrics")
    def metrics():
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    return app
