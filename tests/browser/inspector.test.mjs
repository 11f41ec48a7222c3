// Tests the page of the inspector, as `tower-bearer forward-auth` serves it.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';

import { launch, openPage } from './browser.mjs';

const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const API = 'https://api.example.com';
const ROOT = new URL('../..', import.meta.url).pathname;
/** A folder for screenshots. Without it there are none. */
const SHOTS = process.env.SCREENSHOTS;

/** The path of the program, which is built if it has changed. */
function build() {
  const build = ['build', '--quiet', '--locked', '--package', 'tower-bearer-cli', '--message-format', 'json'];
  const messages = execFileSync('cargo', build, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 });
  const artifacts = messages.trim().split('\n').map((line) => JSON.parse(line));
  return artifacts.find((artifact) => artifact.executable && artifact.target.name === 'tower-bearer').executable;
}

/** Starts the program, and waits for `count` URLs in its output. */
async function start(t, program, args, count) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill());
  let output = '';
  child.stderr.on('data', (data) => (output += data));
  const urls = [];
  await new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`${args[0]} has ended: ${output}`)));
    createInterface(child.stdout).on('line', (line) => {
      output += `${line}\n`;
      urls.push(...line.match(/http:\/\/\S+/g) ?? []);
      if (urls.length >= count) resolve();
    });
  });
  return { child, urls, output: () => output };
}

/** A development issuer, and `forward-auth` that trusts it. */
async function startAll(t) {
  const program = build();
  const folder = mkdtempSync(join(tmpdir(), 'inspector-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const issuer = await start(t, program, ['dev-issuer', '--listen', '127.0.0.1:0'], 1);
  const issuerUrl = issuer.urls[0];
  const config = join(folder, 'tower-bearer.toml');
  writeFileSync(config, `
    listen = "127.0.0.1:0"
    admin_listen = "127.0.0.1:0"
    trusted_proxies = ["127.0.0.1"]
    mode = "original"
    auth = { audience = "${API}", issuers = [{ issuer = "${issuerUrl}" }] }
    rules = [{ path = "/orders/**", scopes = ["orders"] }]
  `);
  const server = await start(t, program, ['forward-auth', '--config', config], 3);
  const [authorizer, , page] = server.urls;
  const mint = (...args) =>
    execFileSync(program, ['mint', '--issuer', issuerUrl, ...args], { encoding: 'utf8' }).trim();
  const ask = async (token) => {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const headers = { 'x-original-method': 'GET', 'x-original-uri': '/orders/1', ...authorization };
    return (await fetch(authorizer, { headers })).status;
  };
  return { server, issuer, page, mint, ask };
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent);

const waitForText = (page, selector, expected) =>
  page.waitForFunction(
    (selector, expected) => document.querySelector(selector).textContent.includes(expected),
    { timeout: 15000 },
    selector,
    expected,
  );

/** The elements that reach over the right edge of the screen or of their section. Runs in the page. */
function wideElements() {
  const elements = [...document.querySelectorAll('body *')];
  const right = (element) => element.getBoundingClientRect().right;
  const isWide = (element) =>
    right(element) > right(element.parentElement?.closest('section') ?? document.documentElement) + 0.5;
  return elements.filter(isWide).map((element) => element.outerHTML.slice(0, 100));
}

async function explain(page, token) {
  await page.focus('#token');
  await page.$eval('#token', (box, token) => (box.value = token), token);
  await page.click('#explain button');
}

test('the page shows live decisions and explains tokens', async (t) => {
  const { server, issuer, page: url, mint, ask } = await startAll(t);
  const valid = mint('--audience', API, '--scope', 'orders', '--sub', 'alice');
  const expired = mint('--audience', API, '--expired');
  const foreign = mint('--audience', 'https://other.example.com');
  const { page, problems, urls } = await openPage(await launch(t));

  // Without the final slash, too.
  await page.goto(url.replace(/\/$/, ''));
  await waitForText(page, '#connection', 'Live');
  assert.equal(await text(page, '#tile-total'), '0');

  await t.test('numbers follow the requests', async () => {
    for (const token of [valid, valid, valid]) assert.equal(await ask(token), 200);
    for (const token of [expired, expired, undefined]) assert.equal(await ask(token), 401);
    await waitForText(page, '#tile-total', '6');
    assert.equal(await text(page, '#tile-accepted'), '3');
    assert.equal(await text(page, '#tile-rejected'), '3');
    assert.match(await text(page, '#kinds'), /token_expired.*4012.*missing.*4011/s);
    assert.match(await text(page, '#rejections'), /missing.*token_expired/s);
    assert.match(await text(page, '#issuers'), /OK.*Keys/s);
    assert.match(await page.$eval('#chart', (chart) => chart.getAttribute('aria-label')), /3 accepted.*3 rejected/);
    assert.equal((await page.$$('#chart rect')).length >= 2, true);
  });

  await t.test('a bad token shows the check that fails, and is removed from the box', async () => {
    await explain(page, `Authorization: Bearer ${foreign}\n`);
    await waitForText(page, '#verdict', 'audience_mismatch');
    assert.match(await text(page, 'tr.failing'), /✗ failed.*aud.*https:\/\/other\.example\.com.*https:\/\/api/s);
    assert.equal(await page.$eval('#token', (box) => box.value), '');
  });

  await t.test('a valid token is accepted, and kept in the box on request', async () => {
    await page.click('#keep');
    await explain(page, valid);
    await waitForText(page, '#verdict', 'Accepted');
    assert.equal((await page.$$('tr.failing')).length, 0);
    assert.equal(await page.$eval('#token', (box) => box.value), valid);
    await page.click('#keep');
  });

  await t.test('axe finds no violation, and nothing is wider than the screen', async () => {
    await explain(page, expired);
    await waitForText(page, '#verdict', 'token_expired');
    await page.$eval('details', (details) => (details.open = true));
    for (const scheme of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      for (const width of [320, 1440]) {
        await page.setViewport({ width, height: 900 });
        // Beside the policy of the page, which forbids inline scripts.
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
        if (SHOTS) await page.screenshot({ path: join(SHOTS, `${scheme}-${width}.png`), fullPage: true });
        assert.deepEqual(await page.evaluate(wideElements), [], `${scheme} ${width}`);
      }
    }
  });

  await t.test('the keyboard reaches everything', async () => {
    await page.reload();
    await waitForText(page, '#connection', 'Live');
    const reached = [];
    for (let index = 0; index < 7; index += 1) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent));
    }
    const expected = ['Skip to content', 'pause', 'Show the chart as a table', 'token', 'Explain', 'keep'];
    assert.deepEqual(reached.slice(0, 6), expected);
    await page.focus('#token');
    await page.keyboard.type('not-a-token');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await waitForText(page, '#verdict', 'token_opaque');
  });

  await t.test('updates stop on request', async () => {
    await page.click('#pause');
    await waitForText(page, '#connection', 'Paused');
    const polls = () => urls.filter((requested) => requested.endsWith('?data')).length;
    const before = polls();
    await new Promise((done) => setTimeout(done, 5000));
    // One request may have been on its way.
    assert.ok(polls() <= before + 1, 'the page polls while it is paused');
    await page.click('#pause');
    await waitForText(page, '#connection', 'Live');
    assert.ok(polls() > before, 'the page polls again');
  });

  assert.deepEqual(problems, []);

  await t.test('no piece of a token is in a URL, in storage or in the output of the programs', async () => {
    const stored = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
    const everything = [...urls, server.output(), issuer.output(), stored].join('\n');
    for (const token of [valid, expired, foreign]) {
      for (const part of token.split('.').slice(1)) {
        assert.ok(!everything.includes(part.slice(0, 40)), 'a part of a token');
      }
    }
    const outside = urls.filter((requested) => new URL(requested).origin !== new URL(url).origin);
    assert.deepEqual(outside, []);
  });

  await t.test('the page says that the server does not respond', async () => {
    server.child.removeAllListeners('exit');
    server.child.kill('SIGKILL');
    await waitForText(page, '#connection', 'The server does not respond');
  });
});
