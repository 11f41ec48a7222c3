// DPoP (RFC 9449): the cases, the same for every client library. Its name is the argument.
// Each case that rejects a request sends it unchanged afterwards, so that nothing else can be wrong with it.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, recorder, require, resend, run } from './outcomes.mjs';
import { basic, clients, issuer, tokenRequest } from './settings.mjs';

const { Session, notApplicable } = await import(`./libraries/${process.argv[2]}.mjs`);

// The API accepts DPoP beside Bearer, requires DPoP, and requires nonces as well.
const { ACCEPTS_DPOP: accepts, REQUIRES_DPOP: requires, REQUIRES_NONCES: nonces } = process.env;

const HOUR_SECONDS = 3600;
// A nonce is made for a step of 60 s, and replaced once the next step has begun.
const ROTATION_ATTEMPTS = 40;
const ROTATION_INTERVAL_MS = 2000;

const session = await Session.open();
const token = await session.token(clients.jwt);
// Its nonce is that of the first step, until the last case.
const early = await Session.open();
const earlyToken = await early.token(clients.jwt);
await expect(early.request('GET', `${nonces}/protected`, earlyToken), '200');

async function bearerToken() {
  const response = await fetch(`${issuer.origin}/token`, {
    method: 'POST',
    headers: { authorization: basic(clients.jwt) },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...tokenRequest }),
  });
  return (await response.json()).access_token;
}

// The request that the library would send, with a nonce if the API needs one.
async function prepare(api) {
  await expect(session.request('GET', `${api}/protected`, token), '200');
  const { sent, send } = recorder();
  await session.request('GET', `${api}/protected`, token, send);
  return sent[0];
}

// A prepared request is rejected with these changes, and accepted without them.
async function rejects(changes, expected, description, apis = [accepts, nonces]) {
  for (const api of apis) {
    const prepared = await prepare(api);
    await expect(resend(prepared, changes(api, prepared)), expected, description);
    await expect(resend(prepared), '200');
  }
}

const cases = {
  'JWT, DPoP': async () => {
    for (const api of [accepts, requires, nonces]) {
      for (const path of ['/protected', '/protected?page=2', '/scoped']) {
        await expect(session.request('GET', api + path, token), '200');
      }
      await expect(session.request('POST', `${api}/protected`, token), '200');
    }
  },

  'opaque, introspected, DPoP': async () => {
    const opaque = await session.token(clients.opaque);
    require(opaque.split('.').length !== 3, 'the access token is a JWT');
    for (const api of [accepts, nonces]) {
      await expect(session.request('GET', `${api}/protected`, opaque), '200');
      const other = await Session.open();
      await expect(other.request('GET', `${api}/protected`, opaque), '401 dpop invalid_token', 'key');
    }
  },

  'keys: ES256, Ed25519, RS256, PS256': async () => {
    for (const alg of ['ES256', 'Ed25519', 'RS256', 'PS256']) {
      const other = await Session.open({ alg });
      const bound = await other.token(clients.jwt);
      for (const api of [accepts, nonces]) {
        await expect(other.request('GET', `${api}/protected`, bound), '200');
      }
    }
  },

  'bound token as Bearer: 401': async () => {
    const prepared = await prepare(accepts);
    for (const dpop of [null, prepared.headers.get('dpop')]) {
      const rejected = resend(prepared, { headers: { authorization: `Bearer ${token}`, dpop } });
      await expect(rejected, '401 bearer invalid_token', 'proof');
      const challenge = (await rejected).challenges.find(({ scheme }) => scheme === 'dpop');
      require(challenge?.parameters.algs?.includes('ES256'), 'no DPoP challenge names the algorithms');
    }
    await expect(resend(prepared), '200');
  },

  'token without a key': async () => {
    const unbound = await bearerToken();
    const asDpop = session.request('GET', `${accepts}/protected`, unbound);
    await expect(asDpop, '401 dpop invalid_token', 'not bound as this request requires');
    const authorization = `Bearer ${unbound}`;
    const prepared = await prepare(accepts);
    await expect(resend(prepared, { headers: { authorization, dpop: null } }), '200');
    const toOther = { url: `${requires}/protected`, headers: { authorization, dpop: null } };
    require((await resend(prepared, toOther)).status === 401, 'the API that requires DPoP accepts it');
  },

  'no proof: 401': () => rejects(() => ({ headers: { dpop: null } }), '401 dpop invalid_dpop_proof', 'proof'),

  'proof replayed: 401': async () => {
    for (const api of [accepts, nonces]) {
      const prepared = await prepare(api);
      await expect(resend(prepared), '200');
      await expect(resend(prepared), '401 dpop invalid_dpop_proof', 'used');
    }
  },

  'proof of another method: 401': () =>
    rejects(() => ({ method: 'POST' }), '401 dpop invalid_dpop_proof', 'method'),

  'proof of another URL: 401': async () => {
    await rejects((api) => ({ url: `${api}/scoped` }), '401 dpop invalid_dpop_proof', 'URL');
    await rejects(() => ({ url: `${requires}/protected` }), '401 dpop invalid_dpop_proof', 'URL', [accepts]);
  },

  'proof of another token: 401': async () => {
    const other = await session.token(clients.jwt);
    const headers = { authorization: `DPoP ${other}` };
    await rejects(() => ({ headers }), '401 dpop invalid_dpop_proof', 'token');
  },

  'proof of another key: 401': async () => {
    const thief = await Session.open();
    for (const api of [accepts, nonces]) {
      await expect(thief.request('GET', `${api}/protected`, token), '401 dpop invalid_token', 'key');
    }
  },

  'proof changed: 401': async () => {
    const change = (_, { headers }) => ({ headers: { dpop: withOtherId(headers.get('dpop')) } });
    await rejects(change, '401 dpop invalid_dpop_proof', 'signature');
  },

  'nonce challenge answered': async () => {
    const other = await Session.open();
    const bound = await other.token(clients.jwt);
    const first = recorder(fetch);
    await expect(other.request('GET', `${nonces}/protected`, bound, first.send), '200');
    require(first.sent.length === 2, `${first.sent.length} requests, not 2`);
    await expect(resend(first.sent[0]), '401 dpop use_dpop_nonce');
    const second = recorder(fetch);
    await expect(other.request('GET', `${nonces}/protected`, bound, second.send), '200');
    require(second.sent.length === 1, 'the nonce cannot be used twice');
  },

  'unknown nonce: challenged again': async () => {
    const other = await Session.open();
    const bound = await other.token(clients.jwt);
    const headers = { 'dpop-nonce': 'of-nobody' };
    await other.request('GET', `${nonces}/protected`, bound, async () => new Response('{}', { headers }));
    const { sent, send } = recorder(fetch);
    await expect(other.request('GET', `${nonces}/protected`, bound, send), '200');
    require(nonceOf(sent[0]) === 'of-nobody' && sent.length === 2, 'the unknown nonce was accepted');
  },

  'clock an hour wrong': async () => {
    for (const [clockSkew, description] of [[-HOUR_SECONDS, 'old'], [HOUR_SECONDS, 'future']]) {
      const other = await Session.open({ keys: session.keys, clockSkew });
      const rejected = other.request('GET', `${accepts}/protected`, token);
      await expect(rejected, '401 dpop invalid_dpop_proof', description);
      await expect(other.request('GET', `${nonces}/protected`, token), '200');
    }
  },

  'nonce rotated': async () => {
    for (let attempt = 0; attempt < ROTATION_ATTEMPTS; attempt += 1) {
      const rotated = await early.request('GET', `${nonces}/protected`, earlyToken);
      await expect(rotated, '200');
      if (rotated.nonce) {
        const { sent, send } = recorder(fetch);
        await expect(early.request('GET', `${nonces}/protected`, earlyToken, send), '200');
        return require(sent.length === 1 && nonceOf(sent[0]) === rotated.nonce, 'the new nonce is not used');
      }
      await sleep(ROTATION_INTERVAL_MS);
    }
    require(false, `no new nonce within ${(ROTATION_ATTEMPTS * ROTATION_INTERVAL_MS) / 1000} s`);
  },
};

function claimsOf(proof) {
  return JSON.parse(Buffer.from(proof.split('.')[1], 'base64url'));
}

function nonceOf({ headers }) {
  return claimsOf(headers.get('dpop')).nonce;
}

function withOtherId(proof) {
  const [header, , signature] = proof.split('.');
  const claims = { ...claimsOf(proof), jti: crypto.randomUUID() };
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
}

await run(cases, notApplicable);
