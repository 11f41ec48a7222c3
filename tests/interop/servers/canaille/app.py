"""canaille with its memory backend: one user, and a client for each use."""

import datetime
import json
import os
from pathlib import Path

from joserfc import jwk

from canaille import create_app
from canaille.app import models

API_CLIENT = os.environ["API_CLIENT"]
KEY_FILE = Path("keys.json")


def signing_keys():
    """The first key signs. The others stay in the key set. They outlive a restart."""
    keys = json.loads(KEY_FILE.read_text()) if KEY_FILE.exists() else []
    if os.environ.get("ROTATE") or not keys:
        key = jwk.generate_key("RSA", 2048)
        key.ensure_kid()
        keys.insert(0, key.as_dict(private=True))
        KEY_FILE.write_text(json.dumps(keys))
    return keys


KEYS = signing_keys()
app = create_app(
    {
        "SECRET_KEY": "canaille-secret-of-the-suite",
        "SERVER_NAME": f"127.0.0.1:{os.environ['PORT']}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": KEYS[:1], "INACTIVE_JWKS": KEYS[1:], "REQUIRE_NONCE": False},
    }
)


def populate(backend):
    user = models.User(
        formatted_name="Alice",
        family_name="Doe",
        user_name="alice",
        emails=["alice@example.com"],
        password="password-of-the-suite",
    )
    backend.save(user)
    clients = {}
    for client in json.loads(os.environ["CLIENTS"]):
        clients[client["client_id"]] = models.Client(
            client_name=client["client_id"],
            # A trusted domain: users are not asked for their consent.
            client_uri="http://127.0.0.1",
            client_id_issued_at=datetime.datetime.now(datetime.timezone.utc),
            response_types=["code"],
            grant_types=["authorization_code", "client_credentials", "refresh_token"],
            token_endpoint_auth_method="client_secret_basic",
            **client,
        )
        backend.save(clients[client["client_id"]])
    for client in clients.values():
        client.audience = [clients[API_CLIENT]]
        backend.save(client)


with app.app_context():
    populate(app.backend)

app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
