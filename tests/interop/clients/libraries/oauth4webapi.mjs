// `oauth4webapi` keeps nonces and parses challenges. The application repeats a challenged request.
import * as oauth from 'oauth4webapi';
import { summary } from '../outcomes.mjs';
import { issuer, tokenRequest } from '../settings.mjs';

export const notApplicable = {};

const insecure = { [oauth.allowInsecureRequests]: true };
const discovered = await oauth.discoveryRequest(issuer, insecure);
const server = await oauth.processDiscoveryResponse(issuer, discovered);

export class Session {
  #handle;

  static async open({ alg = 'ES256', keys, clockSkew = 0 } = {}) {
    const session = new Session();
    session.keys = keys ?? (await oauth.generateKeyPair(alg));
    session.#handle = oauth.DPoP({ client_id: 'any', [oauth.clockSkew]: clockSkew }, session.keys);
    return session;
  }

  async token({ id, secret }) {
    const client = { client_id: id };
    const secretBasic = oauth.ClientSecretBasic(secret);
    const options = { DPoP: this.#handle, ...insecure };
    const granted = oauth.clientCredentialsGrantRequest(server, client, secretBasic, tokenRequest, options);
    return (await oauth.processClientCredentialsResponse(server, client, await granted)).access_token;
  }

  async request(method, url, token, send = fetch) {
    try {
      return await this.#send(method, url, token, send);
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) return challenged(error);
    }
    return this.#send(method, url, token, send).catch(challenged);
  }

  async #send(method, url, token, send) {
    const options = { DPoP: this.#handle, [oauth.customFetch]: send, ...insecure };
    const target = new URL(url);
    return summary(await oauth.protectedResourceRequest(token, method, target, undefined, null, options));
  }
}

function challenged(error) {
  if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
  return summary(error.response, error.cause);
}
