def start():
    pass


def health(version):
    return 500, {"status": "error", "version": version, "reason": "cannot reach the database"}
