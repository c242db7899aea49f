def start():
    pass


def health(version):
    return 200, {"status": "ok", "version": "1.9.9"}
