"""A Django project with django-oauth-toolkit, in one file. `app.py setup` makes the database."""

import json
import os
import sys

import django
from django.conf import settings

ISSUER = os.environ["ISSUER"]
LOGIN_FORM = """
<form method="post"><input name="username"><input name="password"><button>Sign in</button></form>
"""

settings.configure(
    SECRET_KEY="django-secret-of-the-suite",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    LOGIN_URL="/login/",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    # Django's default hashes the secret of the API for seconds of CPU time at each introspection request.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": ISSUER,
        "OIDC_RSA_PRIVATE_KEY": os.environ["KEY"],
        "SCOPES": {"openid": "identity", os.environ["SCOPE"]: "orders", "introspection": "introspection"},
        "DEFAULT_SCOPES": ["openid"],
    },
)
django.setup()

from django.contrib.auth import authenticate, login  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse, HttpResponseRedirect  # noqa: E402
from django.urls import include, path  # noqa: E402


def sign_in(request):
    user = authenticate(username=request.POST.get("username"), password=request.POST.get("password"))
    if user is None:
        return HttpResponse(LOGIN_FORM)
    login(request, user)
    return HttpResponseRedirect(request.GET["next"])


urlpatterns = [
    path("login/", sign_in),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]


def setup():
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    alice = User.objects.create_user("alice", password="password-of-the-suite")
    for client in json.loads(os.environ["CLIENTS"]):
        Application.objects.create(
            client_type="confidential",
            algorithm="RS256",
            skip_authorization=True,
            user=alice,
            **client,
        )


if sys.argv[1] == "setup":
    setup()
else:
    call_command("runserver", f"127.0.0.1:{os.environ['PORT']}", "--noreload")
