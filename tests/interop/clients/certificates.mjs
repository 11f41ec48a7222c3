// Client certificates (RFC 8705) over TLS to a proxy, which sends them to the API in a header: the cases, the
// same for every proxy. The API trusts 127.0.0.1.
import { readFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { Agent, fetch as fetchWith, request } from 'undici';
import { Session } from './libraries/oauth4webapi.mjs';
import { expect, require, run, summary } from './outcomes.mjs';
import { clients, issuer, tokenRequest } from './settings.mjs';

const { PROXY, API, HEADER, ENCODING, TLS_FOLDER } = process.env;
// The API does not trust this address.
const OUTSIDE = '127.0.0.2';
const CONCURRENT_REQUESTS = 40;

const file = (name) => readFileSync(`${TLS_FOLDER}/${name}`, 'utf8');

// A dispatcher that presents the certificate of this name, if any.
function sender(name) {
  const identity = name && { cert: file(`${name}.pem`), key: file(`${name}.key`) };
  return new Agent({ connect: { ca: file('ca.pem'), ...identity } });
}

const alice = sender('alice');
const mallory = sender('mallory');
const nobody = sender();

const fetchBy = (dispatcher) => (url, init) => fetchWith(url, { ...init, dispatcher });

const insecure = { [oauth.allowInsecureRequests]: true };
const discovered = await oauth.discoveryRequest(issuer, insecure);
const server = await oauth.processDiscoveryResponse(issuer, discovered);

// A token for the certificate of `alice`, from the endpoint for mutual TLS.
async function issue({ id, secret }) {
  const client = { client_id: id, use_mtls_endpoint_aliases: true };
  const secretBasic = oauth.ClientSecretBasic(secret);
  const options = { [oauth.customFetch]: fetchBy(alice) };
  const granted = oauth.clientCredentialsGrantRequest(server, client, secretBasic, tokenRequest, options);
  return (await oauth.processClientCredentialsResponse(server, client, await granted)).access_token;
}

// `headers` is a list of names and values, which are sent as they are.
async function send(dispatcher, token, { origin = PROXY, headers = [], method = 'GET' } = {}) {
  const options = { dispatcher, method, headers: ['authorization', `Bearer ${token}`, ...headers] };
  const { statusCode: status, headers: received, body } = await request(`${origin}/protected`, options);
  await body.dump();
  return summary(new Response(null, { status, headers: received }));
}

// The header as the proxy writes it for the certificate of this name.
function headerOf(name) {
  const pem = file(`${name}.pem`);
  if (ENCODING === 'PEM') return encodeURIComponent(pem);
  return `:${new X509Certificate(pem).raw.toString('base64')}:`;
}

const bound = await issue(clients.certificateJwt);

const MISSING = ['401 bearer invalid_token', 'none was presented'];
const MISMATCH = ['401 bearer invalid_token', 'another client certificate'];

const cases = {
  'JWT, certificate': async () => {
    await expect(send(alice, bound), '200');
    await expect(send(alice, bound, { method: 'POST' }), '200');
  },

  'opaque, introspected, certificate': async () => {
    const opaque = await issue(clients.certificateOpaque);
    require(opaque.split('.').length !== 3, 'the access token is a JWT');
    await expect(send(alice, opaque), '200');
    await expect(send(mallory, opaque), ...MISMATCH);
  },

  'another certificate: 401': () => expect(send(mallory, bound), ...MISMATCH),

  'no certificate: 401': () => expect(send(nobody, bound), ...MISSING),

  'token without a certificate': async () => {
    const unbound = await issue(clients.jwt);
    for (const dispatcher of [alice, mallory, nobody]) await expect(send(dispatcher, unbound), '200');
  },

  'forged header, no certificate: 401': async () => {
    for (const headers of forgeries()) await expect(send(nobody, bound, { headers }), ...MISSING);
  },

  'forged header, another certificate: 401': async () => {
    for (const headers of forgeries()) await expect(send(mallory, bound, { headers }), ...MISMATCH);
  },

  'forged header, right certificate': async () => {
    const headers = [HEADER, headerOf('mallory')];
    await expect(send(alice, bound, { headers }), '200');
  },

  'forged header past the proxy: 401': async () => {
    const pastProxy = { origin: API, headers: [HEADER, headerOf('alice')] };
    // The header is right: the API accepts it from the address of the proxy.
    await expect(send(new Agent(), bound, pastProxy), '200');
    const outside = new Agent({ localAddress: OUTSIDE });
    await expect(send(outside, bound, pastProxy), ...MISSING);
    await expect(send(outside, await issue(clients.jwt), pastProxy), '200');
  },

  'clients that share connections': async () => {
    const expected = [[alice, '200'], [mallory, ...MISMATCH], [nobody, ...MISSING]];
    const requests = Array.from({ length: CONCURRENT_REQUESTS }, (_, index) => {
      const [dispatcher, ...outcome] = expected[index % expected.length];
      return expect(send(dispatcher, bound), ...outcome);
    });
    await Promise.all(requests);
  },

  'DPoP behind the proxy': async () => {
    const session = await Session.open();
    const withKey = await session.token(clients.jwt);
    const throughProxy = (url, init) => {
      const { pathname, host } = new URL(url);
      const headers = { ...init.headers, 'x-forwarded-host': host };
      return fetchBy(nobody)(PROXY + pathname, { ...init, headers });
    };
    await expect(session.request('GET', `${PROXY}/protected`, withKey, throughProxy), '200');
    // The proof is for another host, which the request names as its own, or for the address behind the proxy.
    for (const origin of ['https://other.example.com', API]) {
      const rejected = session.request('GET', `${origin}/protected`, withKey, throughProxy);
      await expect(rejected, '401 dpop invalid_dpop_proof', 'URL');
    }
  },
};

// Names that a proxy or an API might take for the header, alone and twice.
function* forgeries() {
  const value = headerOf('alice');
  for (const name of [HEADER, HEADER.toUpperCase(), HEADER.replaceAll('-', '_')]) yield [name, value];
  yield [HEADER, value, HEADER, value];
}

await run(cases);
