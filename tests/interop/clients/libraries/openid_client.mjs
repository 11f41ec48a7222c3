// `openid-client` keeps nonces, parses challenges, and repeats a request after a nonce challenge.
import * as openid from 'openid-client';
import { summary } from '../outcomes.mjs';
import { issuer, tokenRequest } from '../settings.mjs';

export const notApplicable = {};

const discover = (id, metadata, authentication) =>
  openid.discovery(issuer, id, metadata, authentication, { execute: [openid.allowInsecureRequests] });

export class Session {
  #handle;
  #config;

  static async open({ alg = 'ES256', keys, clockSkew = 0 } = {}) {
    const session = new Session();
    session.keys = keys ?? (await openid.randomDPoPKeyPair(alg));
    session.#config = await discover('any', { [openid.clockSkew]: clockSkew });
    session.#handle = openid.getDPoPHandle(session.#config, session.keys);
    return session;
  }

  async token({ id, secret }) {
    const config = await discover(id, undefined, openid.ClientSecretBasic(secret));
    return (await openid.clientCredentialsGrant(config, tokenRequest, { DPoP: this.#handle })).access_token;
  }

  async request(method, url, token, send = fetch) {
    this.#config[openid.customFetch] = send;
    const request = [this.#config, token, new URL(url), method, null, undefined, { DPoP: this.#handle }];
    try {
      return summary(await openid.fetchProtectedResource(...request));
    } catch (error) {
      if (!(error instanceof openid.WWWAuthenticateChallengeError)) throw error;
      return summary(error.response, error.cause);
    }
  }
}
