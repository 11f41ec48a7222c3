"""A browser without a screen: cookies, redirects on demand, and forms."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar

TIMEOUT_SECONDS = 20
MAX_REDIRECTS = 12


class Unexpected(Exception):
    """A response that the suite cannot go on with."""


class Response:
    def __init__(self, url, status, headers, body):
        self.url = url
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unexpected(f"{self.url} responded {self.status} without JSON: {self.body[:300]}") from None

    def expect(self, status):
        if self.status != status:
            raise Unexpected(f"{self.url} responded {self.status}, not {status}: {self.body[:300]}")
        return self

    @property
    def location(self):
        location = self.headers.get("Location")
        return location and urllib.parse.urljoin(self.url, location)


class Browser:
    def __init__(self):
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirect, urllib.request.HTTPCookieProcessor(CookieJar())
        )

    def request(self, url, method=None, form=None, body=None, headers=None):
        """Sends one request. A dict as `form` or `body` is sent as a form or as JSON."""
        headers = dict(headers or {})
        data = None
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif body is not None:
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return _read(url, response)
        except urllib.error.HTTPError as error:
            with error:
                return _read(url, error)

    def follow(self, response, stop_at):
        """Follows redirects until a page, or until a redirect to a URL that starts with `stop_at`."""
        for _ in range(MAX_REDIRECTS):
            if response.status not in (301, 302, 303, 307, 308):
                return response
            if response.location.startswith(stop_at):
                return response
            response = self.request(response.location)
        raise Unexpected(f"{response.url} redirects without an end")

    def submit(self, page, fields, containing=None):
        """Submits the form of `page` that has the input `containing`, with its hidden inputs and `fields`."""
        form = _form(page, containing)
        url = urllib.parse.urljoin(page.url, form.action or page.url)
        values = {**form.values, **fields}
        if form.method == "get":
            return self.request(url + "?" + urllib.parse.urlencode(values))
        return self.request(url, form=values, headers={"Origin": _origin(url), "Referer": page.url})


def basic(client_id, secret):
    """The Authorization header of RFC 6749 section 2.3.1."""
    pair = f"{urllib.parse.quote(client_id, safe='')}:{urllib.parse.quote(secret, safe='')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def _read(url, response):
    body = response.read().decode(errors="replace")
    return Response(url, response.status, response.headers, body)


def _origin(url):
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class _Form:
    def __init__(self, attributes):
        self.action = attributes.get("action")
        self.method = (attributes.get("method") or "get").lower()
        self.values = {}
        self.names = set()


class _Forms(HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append(_Form(attributes))
        elif tag in ("input", "button") and self.forms and attributes.get("name"):
            self.forms[-1].names.add(attributes["name"])
            if attributes.get("type") == "hidden":
                self.forms[-1].values[attributes["name"]] = attributes.get("value") or ""


def _form(page, containing):
    parser = _Forms()
    parser.feed(page.body)
    for form in parser.forms:
        if containing is None or containing in form.names:
            return form
    raise Unexpected(f"{page.url} ({page.status}) has no form with {containing}: {page.body[:300]}")
