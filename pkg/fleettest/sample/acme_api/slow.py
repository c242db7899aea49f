import time


def start():
    time.sleep(2)


def health(version):
    return 200, {"status": "ok", "version": version}
