"""The cases: what a protected API must make of each token, the same for every server.

A case is a function that takes the server and the API. It returns nothing if the outcome is right.
"""

import base64
import json
import time

from .browser import Unexpected

RESTART_SECONDS = 15
ROTATION_SECONDS = 15


class Wrong(Exception):
    """The API gave another response than the case expects."""


def jwt(server, api):
    expect(api, "jwt", server.jwt(), "200")


def scope(server, api):
    expect(api, "scoped", server.token(), "200")
    expect(api, "more-scoped", server.token(), "403 scope_insufficient")


def wrong_audience(server, api):
    expect(api, "other-audience", server.token(), "401 audience_mismatch")


def expired(server, api):
    expect(api, "next-year", server.token(), "401 token_expired", "401 token_inactive")


def tampered(server, api):
    head, claims, signature = server.jwt().split(".")
    claims = json.loads(decoded(claims))
    claims["sub"] = "somebody-else"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    expect(api, "jwt", f"{head}.{forged}.{signature}", "401 signature_mismatch")


def user_token(server, api):
    expect(api, "any", server.user()["access_token"], "200")


def refreshed_token(server, api):
    refreshed = server.refreshed(server.user()["refresh_token"])
    expect(api, "any", refreshed["access_token"], "200")


def id_token(server, api):
    token = server.user()["id_token"]
    expect(api, "jwt", token, *IDENTITY, "401 audience_mismatch")
    expect(api, "for-client", token, *IDENTITY)


def refresh_token(server, api):
    token = server.user()["refresh_token"]
    for view in ("jwt", "any", "revocable") if server.api_client else ("jwt",):
        expect(api, view, token, *REFRESH)


def opaque(server, api):
    token = server.opaque()
    if token.count(".") == 2:
        raise Wrong("the access token is a JWT")
    expect(api, "jwt", token, "401 token_opaque")
    expect(api, "any", token, "200")


def revoked_opaque(server, api):
    token = server.opaque()
    expect(api, "any", token, "200")
    server.revoke_opaque(token)
    expect(api, "any", token, "401 token_inactive")


def introspected_jwt(server, api):
    expect(api, "revocable", server.jwt(), "200")


def revoked_jwt(server, api):
    token = server.jwt()
    expect(api, "revocable", token, "200")
    server.revoke_jwt(token)
    expect(api, "revocable", token, "401 token_inactive")


def signed_introspection(server, api):
    has_opaque = "opaque, introspected" not in server.not_applicable
    token = server.opaque() if has_opaque else server.jwt()
    expect(api, "signed", token, "200")
    revoke = server.revoke_opaque if has_opaque else server.revoke_jwt
    revoke(token)
    expect(api, "signed", token, "401 token_inactive")


def key_rotation(server, api):
    before = server.keys()
    expect(api, "jwt", server.jwt(), "200")
    server.rotate()
    added = added_keys(server, before)
    # The cooldown of the API between two fetches of the keys.
    time.sleep(1)
    # Some servers sign with the old and the new key in turn.
    tokens = [server.jwt() for _ in range(3)]
    key_ids = {header(token).get("kid") for token in tokens}
    if not key_ids & {key.get("kid") for key in added} and key_ids != {None}:
        raise Wrong("the server signs with the same keys as before")
    for token in tokens:
        expect(api, "jwt", token, "200")


def added_keys(server, before):
    """The new keys of the server, which may take a moment to make them."""
    deadline = time.monotonic() + ROTATION_SECONDS
    while time.monotonic() < deadline:
        added = [key for key in server.keys() if key not in before]
        if added:
            return added
        time.sleep(0.2)
    raise Wrong("the server has the same keys as before")


def restart(server, api):
    server.restart()
    deadline = time.monotonic() + RESTART_SECONDS
    while api.send("any", server.token()) != "200":
        if time.monotonic() > deadline:
            expect(api, "any", server.token(), "200")
        time.sleep(0.5)


def outage_jwt(server, api):
    cached, uncached = server.jwt(), server.jwt()
    expect(api, "jwt", cached, "200")
    server.stop()
    try:
        expect(api, "jwt", cached, "200")
        expect(api, "jwt", uncached, "200")
    finally:
        server.start()


def outage_opaque(server, api):
    token = server.opaque()
    server.stop()
    try:
        expect(api, "any", token, "503 introspection_unavailable")
    finally:
        server.start()


# An ID token is rejected by what it is, even where its audience is right.
IDENTITY = ("401 id_token_presented", "401 type_mismatch")
# A refresh token is opaque, or a JWT that is no access token.
REFRESH = (
    "401 token_opaque",
    "401 token_inactive",
    "401 type_mismatch",
    "401 audience_mismatch",
    "401 claim_missing",
    "401 signature_mismatch",
)

# The rows of the table, in order: the last ones stop the server.
CASES = {
    "JWT": jwt,
    "scope missing: 403": scope,
    "wrong audience: 401": wrong_audience,
    "expired: 401": expired,
    "tampered: 401": tampered,
    "authorization code with PKCE": user_token,
    "refresh grant": refreshed_token,
    "ID token: 401": id_token,
    "refresh token: 401": refresh_token,
    "opaque, introspected": opaque,
    "opaque, revoked: 401": revoked_opaque,
    "JWT, introspected": introspected_jwt,
    "JWT, revoked: 401": revoked_jwt,
    "signed introspection": signed_introspection,
    "key rotation": key_rotation,
    "restart": restart,
    "outage: JWT": outage_jwt,
    "outage: opaque 503": outage_opaque,
}


def expect(api, view, token, *outcomes):
    outcome = api.send(view, token)
    if outcome not in outcomes:
        raise Wrong(f"/{view} responded {outcome!r}, not {' or '.join(outcomes)}")


def header(token):
    return json.loads(decoded(token.split(".")[0]))


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def outcome(case, server, api):
    """`ok`, `n/a`, or what went wrong."""
    if case in server.not_applicable:
        return "n/a"
    try:
        CASES[case](server, api)
        return "ok"
    except (Wrong, Unexpected) as error:
        return f"{error}"
    except Exception as error:  # A bug of a driver fails its case, and the others still run.
        return f"{type(error).__name__}: {error}"
