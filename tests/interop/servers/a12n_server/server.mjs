// a12n-server with one app, its clients, and one user, in a SQLite file.

import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { Application } from "@curveball/core";
import bcrypt from "bcrypt";

const { APP, CLIENTS, DB_FILENAME, EMAIL, PASSWORD, PORT, REDIRECT_URI, ROTATE } = process.env;
const KEY = "key.pem";

if (ROTATE || !existsSync(KEY)) {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  writeFileSync(KEY, privateKey);
}
process.env.JWT_PRIVATE_KEY = readFileSync(KEY, "utf8");
// The lock of a process that was ended.
rmSync(`${DB_FILENAME}.lock`, { recursive: true, force: true });

// The package exports no part of this.
const dist = (file) => import(`./node_modules/@curveball/a12n-server/dist/${file}.js`);
const { default: database, init } = await dist("database");
await init();
const services = await dist("services");

if (!(await database("principals").where({ external_id: APP }).first())) {
  await seed();
}
await (await dist("server-settings")).load();
await (await dist("crypto")).loadWordList();
const { default: middleware } = await dist("main-mw");
const app = new Application();
app.use(middleware());
app.listen(Number(PORT), "127.0.0.1");

async function seed() {
  const principals = new services.principal.PrincipalService("insecure");
  const dates = { createdAt: new Date(), modifiedAt: new Date() };
  const user = await principals.save({ type: "user", nickname: "Alice", active: true, ...dates });
  await services.user.createPassword(user, PASSWORD);
  await services.principalIdentity.create({
    uri: `mailto:${EMAIL}`,
    principal: user,
    isPrimary: true,
    isMfa: false,
    markVerified: true,
  });
  const owner = await principals.save({ type: "app", nickname: "Orders", active: true, ...dates });
  for (const [clientId, secret] of JSON.parse(CLIENTS)) {
    const client = {
      app: owner,
      clientId,
      clientSecret: await bcrypt.hash(secret, 4),
      allowedGrantTypes: ["client_credentials", "authorization_code", "refresh_token"],
      requirePkce: false,
    };
    await services.appClient.create(client, [REDIRECT_URI]);
  }
  // The audience of the tokens, which the server would choose at random. Last, as a mark that all is there.
  await database("principals").where({ id: owner.id }).update({ external_id: APP });
}
