# shellcheck shell=sh disable=SC2154
fact package "$package"
fact source "$source"
ROLLPIN_INDEX=$index ROLLPIN_PACKAGE=$package "$python" -I - <<'EOF_PYTHON'
# The index is asked as pip would ask it: with pip's own configuration files and environment, which come later in the order below.
import base64, configparser, gzip, netrc, os, ssl, sys, urllib.error, urllib.parse, urllib.request, zlib

PAGE_LIMIT = 64 << 20
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def die(text, hint=None):
    if hint:
        print("::hint " + hint)
    print("::error " + " ".join(text.split()))
    sys.exit(1)


def configuration():
    home = os.path.expanduser("~")
    config_home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    config_dirs = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    files = [os.path.join(d, "pip", "pip.conf") for d in config_dirs.split(":")]
    files += ["/Library/Application Support/pip/pip.conf"] if sys.platform == "darwin" else ["/etc/pip.conf"]
    files += [os.path.join(home, ".pip", "pip.conf"), os.path.join(config_home, "pip", "pip.conf")]
    if sys.platform == "darwin":
        files.append(os.path.join(home, "Library", "Application Support", "pip", "pip.conf"))
    files.append(os.path.join(sys.prefix, "pip.conf"))
    explicit = os.environ.get("PIP_CONFIG_FILE")
    files = [] if explicit == os.devnull else files + ([explicit] if explicit else [])
    values = {}
    for section in ("global", "install"):
        for file in files:
            parser = configparser.RawConfigParser()
            try:
                parser.read(file, encoding="utf-8")
            except (configparser.Error, OSError, UnicodeDecodeError) as e:
                die("pip's configuration %s cannot be read: %s" % (file, e))
            if parser.has_section(section):
                values.update((k.lower().replace("_", "-"), v) for k, v in parser.items(section) if v)
    for key, value in os.environ.items():
        if key.startswith("PIP_") and value:
            values[key[4:].lower().replace("_", "-")] = value
    return values


def split_credentials(url):
    """Returns the URL without its user information, and that as a pair or None."""
    parts = urllib.parse.urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    clean = urllib.parse.urlunsplit(parts._replace(netloc=host))
    return clean, (urllib.parse.unquote(user), urllib.parse.unquote(password))


def netrc_credentials(host):
    try:
        file = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return None
    found = file.authenticators(host)
    return (found[0], found[2]) if found else None


def origin(url):
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


class SameOrigin(urllib.request.HTTPRedirectHandler):
    """Takes the credentials along on a redirect, but only to the same server."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new and origin(new.full_url) == origin(req.full_url):
            new.unredirected_hdrs.update(req.unredirected_hdrs)
        return new


def tls_context(config):
    cert = config.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE") or None
    try:
        context = ssl.create_default_context(cafile=cert)
        if config.get("client-cert"):
            context.load_cert_chain(config["client-cert"])
    except OSError as e:
        die("the certificates of pip's configuration cannot be read (%s): %s" % (config.get("client-cert") or cert, e))
    return context


def opener(config, url):
    context = tls_context(config)
    host = urllib.parse.urlsplit(url)
    if {host.hostname, host.netloc} & set(config.get("trusted-host", "").split()):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    handlers = [urllib.request.HTTPSHandler(context=context), SameOrigin()]
    if config.get("proxy"):
        handlers.append(urllib.request.ProxyHandler({"http": config["proxy"], "https": config["proxy"]}))
    return urllib.request.build_opener(*handlers)


def fetch(config, url):
    """Returns the content type and the page, or None where the index does not know the package."""
    url, credentials = split_credentials(url)
    request = urllib.request.Request(url, headers={"Accept": ACCEPT, "Accept-Encoding": "gzip", "Cache-Control": "max-age=0"})
    credentials = credentials or netrc_credentials(urllib.parse.urlsplit(url).hostname)
    if credentials:
        token = base64.b64encode(":".join(credentials).encode()).decode()
        request.add_unredirected_header("Authorization", "Basic " + token)
    client = opener(config, url)
    try:
        with client.open(request, timeout=20) as answer:
            body = gzip.GzipFile(fileobj=answer) if answer.headers.get("Content-Encoding") == "gzip" else answer
            page = body.read(PAGE_LIMIT + 1)
            if len(page) > PAGE_LIMIT:
                die("the page %s is longer than %d MB" % (url, PAGE_LIMIT >> 20))
            return answer.headers.get("Content-Type") or "text/html", page
    except urllib.error.HTTPError as e:
        if e.code in (404, 410):
            return None
        hint = "see whether the index is healthy: open %s" % url
        if e.code in (401, 403):
            hint = "give its credentials with index_auth, or in pip.conf or .netrc on the node"
        die("the index answers %d %s for %s" % (e.code, e.reason, url), hint)
    except (OSError, ValueError, EOFError, zlib.error) as e:
        cause = getattr(e, "reason", e)
        if isinstance(cause, FileNotFoundError):
            return None
        hint = "see whether the node reaches it: its name, the network, a proxy (pip.conf: proxy)"
        if isinstance(cause, ssl.SSLError):
            hint = "name the certificate authority in pip.conf on the node: cert = FILE"
        die("the index does not answer at %s: %s" % (url, cause), hint)


def page_url(index, package):
    url = index.rstrip("/") + "/" + package + "/"
    return url + "index.html" if url.startswith("file:") else url


def send(key, data):
    text = base64.b64encode(zlib.compress(data)).decode()
    for start in range(0, len(text), 4096):
        print("::%s %s" % (key, text[start:start + 4096]))


def send_page(content_type, page):
    print("::page-type " + content_type)
    send("page", page)


def send_links(config, place):
    """A place of find-links is a folder of files, or a page that links to them."""
    parts = urllib.parse.urlsplit(place)
    path = urllib.request.url2pathname(parts.path) if parts.scheme == "file" else os.path.expanduser(place)
    if os.path.isdir(path):
        for name in os.listdir(path):
            if name.isprintable():
                print("::file " + name)
    elif os.path.isfile(path):
        with open(path, "rb") as file:
            send_page("text/html", file.read(PAGE_LIMIT))
    elif "://" in place:
        found = fetch(config, place)
        if found:
            send_page(*found)


def send_tags():
    try:
        from pip._vendor.packaging.tags import sys_tags
    except Exception:
        return  # pip is too old or missing: it will judge when it resolves
    send("tags", "\n".join(sorted(set(map(str, sys_tags())))).encode())


def main():
    config = configuration()
    package = os.environ["ROLLPIN_PACKAGE"]
    links = config.get("find-links", "").split()
    indexes = [os.environ["ROLLPIN_INDEX"] or config.get("index-url") or "https://pypi.org/simple"]
    indexes += config.get("extra-index-url", "").split()
    if config.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t"):
        indexes = []
        if not links:
            die("pip's configuration on the node says no-index and no find-links: it can install nothing",
                "set find-links in its pip.conf, or take no-index out")
    print("::python %d.%d.%d" % sys.version_info[:3])
    pages = [fetch(config, page_url(index, package)) for index in indexes]
    if not any(pages) and not links:
        names = " and ".join(split_credentials(index)[0] for index in indexes)
        die("the index %s has no package %s" % (names, package),
            "see the spelling of package, and whether index is the right one and lists it already")
    for page in filter(None, pages):
        send_page(*page)
    for place in links:
        send_links(config, place)
    send_tags()


main()
EOF_PYTHON
