// Tests `browser.mjs`: what a page reports must reach the tests.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import test from 'node:test';

import { launch, openPage } from './browser.mjs';

const HTML = `<!doctype html><title>Test</title><link rel="icon" href="data:,">
<script src="allowed.js"></script><script>document.title = 'Blocked';</script>`;

test('errors and blocked scripts of a page are reported', async (t) => {
  const server = createServer((request, response) => {
    const isScript = request.url === '/allowed.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.setHeader('content-security-policy', "default-src 'none'; script-src 'self'; img-src data:");
    response.end(isScript ? 'throw new Error("thrown by the page");' : HTML);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}/`;

  const { page, problems, urls } = await openPage(await launch(t));
  await page.goto(url);

  assert.equal(await page.title(), 'Test');
  assert.ok(problems.some((problem) => problem.includes('thrown by the page')), problems.join('\n'));
  assert.ok(problems.some((problem) => problem.includes('Content Security Policy')), problems.join('\n'));
  assert.ok(urls.includes(`${url}allowed.js`), urls.join('\n'));
});
