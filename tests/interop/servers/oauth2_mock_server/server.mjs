// oauth2-mock-server: names the API in the tokens of users, and adds a key when it gets SIGUSR2.
import { OAuth2Server } from 'oauth2-mock-server';

const { PORT, ISSUER, AUDIENCE } = process.env;

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
server.service.on('beforeTokenSigning', (token) => {
  token.payload.aud ??= AUDIENCE;
});
process.on('SIGUSR2', () => server.issuer.keys.generate('RS256'));
await server.start(Number(PORT), '127.0.0.1');
server.issuer.url = ISSUER;
