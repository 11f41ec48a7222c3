"""An authorization server of Authlib's parts, as its documentation builds one. State is in memory."""

import json
import os
import time
from pathlib import Path

from authlib.common.security import generate_token
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator, JWTIntrospectionEndpoint
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify, request
from joserfc.jwk import RSAKey

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ["AUDIENCE"]
OPAQUE_CLIENT = os.environ["OPAQUE_CLIENT"]
KEY_FILE = Path("keys.json")
LOGIN_FORM = '<form method="post"><input name="user"><button>Sign in</button></form>'


class Client(ClientMixin):
    def __init__(self, client_id, secret, redirect_uri):
        self.client_id = client_id
        self.secret = secret
        self.redirect_uri = redirect_uri

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.redirect_uri

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret):
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return True


class User:
    def __init__(self, name):
        self.name = name

    def get_user_id(self):
        return self.name


class Code(AuthorizationCodeMixin):
    def __init__(self, code, user, payload):
        self.code = code
        self.user = user
        self.client_id = payload.client_id
        self.redirect_uri = payload.redirect_uri
        self.scope = payload.scope
        self.nonce = payload.data.get("nonce")
        self.code_challenge = payload.data.get("code_challenge")
        self.code_challenge_method = payload.data.get("code_challenge_method")

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return int(time.time())

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class Token(TokenMixin):
    def __init__(self, values, client, user):
        self.values = values
        self.client = client
        self.user = user
        self.issued_at = int(time.time())
        self.revoked = False

    def check_client(self, client):
        return client is self.client

    def get_scope(self):
        return self.values.get("scope", "")

    def get_expires_in(self):
        return self.values["expires_in"]

    def get_client(self):
        return self.client

    def get_user(self):
        return self.user

    def is_expired(self):
        return time.time() > self.issued_at + self.get_expires_in()

    def is_revoked(self):
        return self.revoked


CLIENTS = {client["id"]: Client(client["id"], client["secret"], client["redirect_uri"])
           for client in json.loads(os.environ["CLIENTS"])}
CODES = {}
TOKENS = []


def signing_keys():
    """The first key signs. The others stay in the key set."""
    keys = json.loads(KEY_FILE.read_text()) if KEY_FILE.exists() else []
    if os.environ.get("ROTATE") or not keys:
        key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": generate_token(8)})
        keys.insert(0, key.as_dict(private=True))
        KEY_FILE.write_text(json.dumps(keys))
    return keys


KEYS = signing_keys()


def find_token(text):
    for token in TOKENS:
        if text in (token.values["access_token"], token.values.get("refresh_token")):
            return token
    return None


class JwtTokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        return KEYS[0]

    def get_audiences(self, client, user, scope):
        return AUDIENCE


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def save_authorization_code(self, code, oauth_request):
        CODES[code] = Code(code, oauth_request.user, oauth_request.payload)

    def query_authorization_code(self, code, client):
        found = CODES.get(code)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code):
        CODES.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def authenticate_refresh_token(self, refresh_token):
        token = find_token(refresh_token)
        return token if token and not token.revoked else None

    def authenticate_user(self, refresh_token):
        return refresh_token.user

    def revoke_old_credential(self, refresh_token):
        refresh_token.revoked = True


class IdTokens(OpenIDCode):
    def exists_nonce(self, nonce, oauth_request):
        return False

    def resolve_client_private_key(self, client):
        return KEYS[0]

    def get_client_algorithm(self, client):
        return "RS256"

    def get_client_claims(self, client):
        return {"iss": ISSUER}

    def generate_user_info(self, user, scope):
        return UserInfo(sub=user.name)


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]

    def check_permission(self, token, client, oauth_request):
        return True

    def query_token(self, token_string, token_type_hint):
        token = find_token(token_string)
        # As in Authlib's documentation. Without the hint, a refresh token would pass for an access token.
        if token_type_hint == "access_token" and token and token.values["access_token"] != token_string:
            return None
        return token

    def introspect_token(self, token):
        return {
            "active": True,
            "iss": ISSUER,
            "sub": token.user.name if token.user else token.client.client_id,
            "client_id": token.client.client_id,
            "scope": token.get_scope(),
            "aud": AUDIENCE,
            "exp": token.issued_at + token.get_expires_in(),
            "iat": token.issued_at,
        }


class JwtIntrospection(JWTIntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]

    def get_jwks(self):
        return {"keys": KEYS}

    def check_permission(self, token, client, oauth_request):
        return True


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic"]

    def query_token(self, token_string, token_type_hint):
        return find_token(token_string)

    def revoke_token(self, token, oauth_request):
        token.revoked = True


def save_token(values, oauth_request):
    TOKENS.append(Token(values, oauth_request.client, oauth_request.user))


def random_token(*_, **__):
    return generate_token(48)


app = Flask(__name__)
server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
jwts = JwtTokens(issuer=ISSUER, refresh_token_generator=random_token)
opaque = BearerTokenGenerator(random_token, random_token)


def issue(grant_type, client, **rest):
    generate = opaque if client.client_id == OPAQUE_CLIENT else jwts
    return generate(grant_type, client, **rest)


server.register_token_generator("default", issue)
server.register_grant(grants.ClientCredentialsGrant)
server.register_grant(CodeGrant, [CodeChallenge(required=True), IdTokens()])
server.register_grant(RefreshGrant)
server.register_endpoint(JwtIntrospection(issuer=ISSUER))
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    grant = server.get_consent_grant(end_user=None)
    if request.method == "GET":
        return LOGIN_FORM
    return server.create_authorization_response(grant_user=User(request.form["user"]), grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/introspect")
def introspect():
    return server.create_endpoint_response("introspection")


@app.post("/revoke")
def revoke():
    return server.create_endpoint_response("revocation")


@app.get("/jwks")
def jwks():
    return jsonify(keys=[RSAKey.import_key(key).as_dict(private=False) for key in KEYS])


@app.get("/.well-known/openid-configuration")
def metadata():
    return jsonify(
        issuer=ISSUER,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        introspection_endpoint=f"{ISSUER}/introspect",
        revocation_endpoint=f"{ISSUER}/revoke",
        jwks_uri=f"{ISSUER}/jwks",
    )


app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
