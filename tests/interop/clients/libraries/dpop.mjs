// `dpop` makes proofs. The application sends the requests, and repeats them after a nonce challenge.
import { generateKeyPair, generateProof } from 'dpop';
import { summary } from '../outcomes.mjs';
import { basic, issuer, tokenRequest } from '../settings.mjs';

export const notApplicable = {
  'clock an hour wrong': 'the package has no setting for the clock',
};

export class Session {
  #nonces = new Map();

  static async open({ alg = 'ES256', keys } = {}) {
    const session = new Session();
    session.keys = keys ?? (await generateKeyPair(alg));
    return session;
  }

  async token(client) {
    const proof = await generateProof(this.keys, `${issuer.origin}/token`, 'POST');
    const response = await fetch(`${issuer.origin}/token`, {
      method: 'POST',
      headers: { authorization: basic(client), dpop: proof },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...tokenRequest }),
    });
    return (await response.json()).access_token;
  }

  async request(method, url, token, send = fetch) {
    const first = await this.#send(method, url, token, send);
    const asksForNonce = first.challenges.some(({ parameters }) => parameters.error === 'use_dpop_nonce');
    return asksForNonce ? this.#send(method, url, token, send) : first;
  }

  async #send(method, url, token, send) {
    const { origin, pathname } = new URL(url);
    const proof = await generateProof(this.keys, origin + pathname, method, this.#nonces.get(origin), token);
    const response = await send(url, { method, headers: { authorization: `DPoP ${token}`, dpop: proof } });
    const nonce = response.headers.get('dpop-nonce');
    if (nonce) this.#nonces.set(origin, nonce);
    return summary(response);
  }
}
