// node oidc-provider: JWT access tokens for one API, opaque ones for some clients. Tokens are bound to the DPoP
// key or the client certificate of the client. The second port is for client certificates.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:https';
import { Provider } from 'oidc-provider';

const { ISSUER, PORT, AUDIENCE, SCOPE, CLIENTS, OPAQUE_CLIENTS, ROTATE } = process.env;
const { TLS_FOLDER, TLS_PORT } = process.env;

// The first key signs. The others stay in the key set.
function signingKeys() {
  const keys = existsSync('keys.json') ? JSON.parse(readFileSync('keys.json')) : [];
  if (ROTATE || keys.length === 0) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    keys.unshift({ ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'RS256', use: 'sig' });
    writeFileSync('keys.json', JSON.stringify(keys));
  }
  return keys;
}

const provider = new Provider(ISSUER, {
  clients: JSON.parse(CLIENTS),
  jwks: { keys: signingKeys() },
  cookies: { keys: ['cookie-secret-of-the-suite'] },
  scopes: ['openid', 'offline_access', SCOPE],
  issueRefreshToken: async () => true,
  enabledJWA: { dPoPSigningAlgValues: ['ES256', 'Ed25519', 'RS256', 'PS256'] },
  discovery: { mtls_endpoint_aliases: { token_endpoint: `https://localhost:${TLS_PORT}/token` } },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate?.(),
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource, client) => ({
        scope: SCOPE,
        audience: resource,
        accessTokenFormat: OPAQUE_CLIENTS.split(' ').includes(client.clientId) ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
provider.listen(Number(PORT), '127.0.0.1');

const file = (name) => readFileSync(`${TLS_FOLDER}/${name}`);
const tls = { key: file('server.key'), cert: file('server.pem'), ca: file('ca.pem'), requestCert: true };
createServer(tls, provider.callback()).listen(Number(TLS_PORT), '127.0.0.1');
