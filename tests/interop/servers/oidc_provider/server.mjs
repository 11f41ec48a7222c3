// node oidc-provider: JWT access tokens for one API, opaque ones for a client that asks for these.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

const { ISSUER, PORT, AUDIENCE, SCOPE, CLIENTS, OPAQUE_CLIENT, ROTATE } = process.env;

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
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource, client) => ({
        scope: SCOPE,
        audience: resource,
        accessTokenFormat: client.clientId === OPAQUE_CLIENT ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
provider.listen(Number(PORT), '127.0.0.1');
