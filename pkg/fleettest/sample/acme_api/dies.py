def start():
    raise RuntimeError("database schema 42 is too old for this release")


def health(version):
    return 200, {"status": "ok", "version": version}
