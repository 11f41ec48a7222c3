// What the suite tells the client programs: the authorization server and its clients.
const { ISSUER, AUDIENCE, SCOPE, CLIENTS } = process.env;

export const issuer = new URL(ISSUER);

// By name: the `id` and the `secret` of each client.
export const clients = JSON.parse(CLIENTS);

// The parameters of a token request.
export const tokenRequest = { scope: SCOPE, resource: AUDIENCE };

export function basic({ id, secret }) {
  return `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`;
}
