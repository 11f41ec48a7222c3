// better-auth with its OAuth provider. Its database is in memory, and in a file between two runs.
import { createServer } from 'node:http';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import { oauthProvider } from '@better-auth/oauth-provider';

const { ORIGIN, PORT, AUDIENCE, SCOPE, REDIRECT_URI, EMAIL, PASSWORD } = process.env;
const DATABASE = 'database.json';
const TABLES = [
  'user', 'session', 'account', 'verification', 'jwks', 'oauthClient', 'oauthResource', 'oauthClientResource',
  'oauthRefreshToken', 'oauthAccessToken', 'oauthConsent', 'oauthClientAssertion',
];

const isNew = !existsSync(DATABASE);
const reviveDate = (_name, value) =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? new Date(value) : value;
const database = isNew
  ? Object.fromEntries(TABLES.map((table) => [table, []]))
  : JSON.parse(readFileSync(DATABASE), reviveDate);

const auth = betterAuth({
  baseURL: ORIGIN,
  secret: 'better-auth-secret-of-the-suite-0123456789',
  database: memoryAdapter(database),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    jwt({ disableSettingJwtHeader: true }),
    oauthProvider({
      loginPage: '/login',
      consentPage: '/consent',
      scopes: ['openid', 'offline_access', SCOPE],
      resources: [{ identifier: AUDIENCE, allowedScopes: ['openid', 'offline_access', SCOPE] }],
      enforcePerClientResources: false,
      clientPrivileges: () => true,
    }),
  ],
});

async function register() {
  const user = { email: EMAIL, password: PASSWORD, name: 'Alice' };
  const { headers } = await auth.api.signUpEmail({ body: user, returnHeaders: true });
  const cookies = headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
  const session = new Headers({ cookie: cookies.join('; ') });
  const create = (body) => auth.api.adminCreateOAuthClient({ headers: session, body });
  const machine = await create({
    grant_types: ['client_credentials'],
    client_credentials_scopes: [SCOPE],
    scope: SCOPE,
    token_endpoint_auth_method: 'client_secret_basic',
  });
  const web = await create({
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    scope: `openid offline_access ${SCOPE}`,
    skip_consent: true,
    token_endpoint_auth_method: 'client_secret_basic',
  });
  const credentials = ({ client_id, client_secret }) => [client_id, client_secret];
  writeFileSync('clients.json', JSON.stringify({ machine: credentials(machine), web: credentials(web) }));
}

await auth.$context;
if (isNew) await register();

// An expired key is replaced when the next token is signed.
process.on('SIGUSR2', () => database.jwks.forEach((key) => { key.expiresAt = new Date(Date.now() - 1); }));
process.on('SIGTERM', () => {
  writeFileSync(DATABASE, JSON.stringify(database));
  process.exit();
});
createServer(toNodeHandler(auth)).listen(Number(PORT), '127.0.0.1');
