// Calls the example `grpc_web` from a page of another origin, with the client library `grpc-web`.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { launch, openPage } from './browser.mjs';

const HTML = '<!doctype html><title>Orders</title><link rel="icon" href="data:,"><script src="page.js"></script>';

test('a page gets messages, and the status of each rejected call', async (t) => {
  const pages = await servePage(t);
  const { origin, reader, writer } = await startExample(t, pages);
  const { page, problems } = await openPage(await launch(t));
  await page.goto(pages);
  const call = (options) => page.evaluate((options) => globalThis.call(options), { origin, ...options });

  for (const format of ['binary', 'text']) {
    await t.test(format, async () => {
      const order = { 1: '7', 2: 'alice' };
      const anonymous = await call({ format, method: 'Get', message: { 1: '7' } });
      assert.equal(anonymous.status, 'UNAUTHENTICATED');
      assert.match(anonymous.challenge, /^Bearer realm=/);
      const forged = await call({ format, method: 'Get', token: `${reader}x`, message: { 1: '7' } });
      assert.equal(forged.status, 'UNAUTHENTICATED');
      assert.match(forged.challenge, /error="invalid_token"/);

      const { reply } = await call({ format, method: 'Get', token: reader, message: { 1: '7' } });
      assert.equal(reply[1], '7');
      const denied = await call({ format, method: 'Create', token: reader, message: order });
      assert.equal(denied.status, 'PERMISSION_DENIED');
      assert.deepEqual(await call({ format, method: 'Create', token: writer, message: order }), { reply: order });
    });
  }
  assert.deepEqual(problems, []);
});

/** Serves the page until the test ends. Returns its origin. */
async function servePage(t) {
  const entry = fileURLToPath(new URL('grpc_web.page.mjs', import.meta.url));
  const bundle = await build({ entryPoints: [entry], bundle: true, format: 'iife', write: false });
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? bundle.outputFiles[0].text : HTML);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Starts the example for calls from `pages`. Returns its origin, and the tokens without and with the scope. */
async function startExample(t, pages) {
  const args = ['run', '-q', '-p', 'tower-bearer-examples', '--example', 'grpc_web', '--', pages];
  const stdio = ['ignore', 'pipe', 'inherit'];
  const example = spawn('cargo', args, { cwd: new URL('../..', import.meta.url), stdio });
  t.after(() => example.kill());
  const lines = [];
  for await (const line of createInterface({ input: example.stdout })) {
    lines.push(line);
    if (lines.length === 8) break;
  }
  const tokens = lines.flatMap((line) => line.match(/Bearer ([^']+)/)?.[1] ?? []);
  const origin = lines.at(-1).match(/http:\/\/[^/]+/)[0];
  return { origin, reader: tokens.at(0), writer: tokens.at(-1) };
}
