"""LemonLDAP::NG: its portal under a small PSGI server, with the users of its demonstration."""

import json
import shutil
import subprocess
import uuid

from suite import install
from suite.browser import Browser
from suite.client import REDIRECT_URI
from suite.server import AUDIENCE, SCOPE, Server

# The portal, something to run it that the package accepts, and what it recommends without images and LDAP.
PACKAGES = (
    "liblemonldap-ng-portal-perl",
    "lemonldap-ng-fastcgi-server",
    "libconvert-base32-perl",
    "libcrypt-openssl-bignum-perl",
    "libio-socket-timeout-perl",
    "libio-string-perl",
    "libipc-run-perl",
    "libmime-tools-perl",
    "libunicode-string-perl",
    "openssl",
)
NO_AUDIENCE = "introspection responses name no audience"
USER = {"user": "dwho", "password": "dwho"}


class Driver(Server):
    name = "LemonLDAP::NG"
    is_pinned = False
    # With the slash.
    issuer_path = "/"
    not_applicable = {
        "opaque, introspected": NO_AUDIENCE,
        "opaque, revoked: 401": NO_AUDIENCE,
        "outage: opaque 503": NO_AUDIENCE,
        "signed introspection": "the server has no RFC 9701",
    }

    def install(self):
        install.debian(*PACKAGES)
        install.copy(self.source, self.folder)
        for name in ("conf", "sessions", "psessions", "cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("conf", "sessions/lock", "psessions/lock", "cache"):
            (self.folder / name).mkdir(parents=True)
        ini = self.folder / "lemonldap-ng.ini"
        ini.write_text(ini.read_text().replace("@FOLDER@", str(self.folder)))
        self._sessions = {}
        self._configure()
        return install.debian_version("liblemonldap-ng-portal-perl")

    def _configure(self):
        storage = {
            name: {
                "Directory": str(self.folder / name),
                "LockDirectory": str(self.folder / name / "lock"),
                "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
            }
            for name in ("sessions", "psessions")
        }
        private, public = self._key()
        configuration = {
            "cfgNum": 1,
            "cfgDate": 1,
            "cfgAuthor": "interop",
            "authentication": "Demo",
            "userDB": "Same",
            "portal": self.issuer,
            "domain": "127.0.0.1",
            "cookieName": "lemonldap",
            "securedCookie": 0,
            "requireToken": 0,
            # No page shows a captcha. The default module needs ImageMagick, so another one takes its place.
            "captcha": "::Plugins::History",
            "captcha_mail_enabled": 0,
            "captcha_register_enabled": 0,
            "portalDisplayResetPassword": 0,
            "portalDisplayRegister": 0,
            "timeout": 72000,
            "whatToTrace": "_whatToTrace",
            "macros": {"_whatToTrace": "lc($_user)"},
            "demoExportedVars": {"cn": "cn", "mail": "mail", "uid": "uid"},
            "globalStorage": "Apache::Session::File",
            "globalStorageOptions": storage["sessions"],
            "persistentStorage": "Apache::Session::File",
            "persistentStorageOptions": storage["psessions"],
            "localSessionStorage": "Cache::FileCache",
            "localSessionStorageOptions": {
                "cache_root": str(self.folder / "cache"),
                "namespace": "sessions",
                "default_expires_in": 1,
            },
            "locationRules": {f"127.0.0.1:{self.port}": {"default": "accept"}},
            "issuerDBOpenIDConnectActivation": 1,
            "oidcServiceAllowAuthorizationCodeFlow": 1,
            "oidcServicePrivateKeySig": private,
            "oidcServicePublicKeySig": public,
            "oidcServiceKeyIdSig": str(uuid.uuid4()),
            "oidcRPMetaDataOptions": {
                "api": self._client(self.api_client),
                "web": self._client(self.user_client),
            },
            "oidcRPMetaDataExportedVars": {"api": {}, "web": {"name": "cn"}},
            "oidcRPMetaDataScopeRules": {"web": {SCOPE: "1"}},
        }
        (self.folder / "conf" / "lmConf-1.json").write_text(json.dumps(configuration))

    def _client(self, credentials):
        options = {
            "ClientID": credentials[0],
            "ClientSecret": credentials[1],
            "RedirectUris": REDIRECT_URI,
            "AdditionalAudiences": AUDIENCE,
            "AccessTokenJWT": 1,
            "AccessTokenSignAlg": "RS256",
            "IDTokenSignAlg": "RS256",
            "RefreshToken": 1,
            "BypassConsent": 1,
            "UserIDAttr": "uid",
        }
        return {f"oidcRPMetaDataOptions{name}": value for name, value in options.items()}

    def _key(self):
        key = subprocess.check_output(["openssl", "genrsa", "2048"], text=True, stderr=subprocess.DEVNULL)
        command = ["openssl", "rsa", "-pubout"]
        public = subprocess.run(command, input=key, capture_output=True, text=True, check=True)
        return key, public.stdout

    def command(self):
        listen = ["--host", "127.0.0.1", "--port", str(self.port)]
        env = {"LLNG_DEFAULTCONFFILE": str(self.folder / "lemonldap-ng.ini")}
        plackup = ["plackup", "--env", "deployment", "--server", "HTTP::Server::PSGI"]
        return [*plackup, *listen, "portal.psgi"], env

    def jwt(self):
        # The session of a user, since a client cannot end its own.
        return self.user()["access_token"]

    def user(self):
        browser = Browser()
        scope = f"openid {SCOPE}"
        answer = self.client(self.user_client).sign_in(
            browser,
            lambda page: browser.submit(page, USER, containing="password"),
            scope=scope,
        )
        self._sessions[answer["access_token"]] = browser
        return answer

    def revoke_jwt(self, token):
        """The server has no revocation endpoint: the user signs out."""
        self._sessions[token].request(f"{self.issuer}?logout=1").expect(200)

    def rotate(self):
        self._configure()
        self.restart()
