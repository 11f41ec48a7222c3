// Starts headless Chromium, and records what its pages report and request.

import puppeteer from 'puppeteer-core';

/** Starts the browser and closes it when the test `t` ends. */
export async function launch(t) {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Chromium does not start its sandbox as root.
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens an empty page.
 *
 * `problems` lists the errors on its console, which include violations of a content security policy, its
 * exceptions, and requests without a response. `urls` lists the URLs that it has requested.
 */
export async function openPage(browser) {
  const page = await browser.newPage();
  const problems = [];
  const urls = [];
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => urls.push(request.url()));
  page.on('requestfailed', (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));
  return { page, problems, urls };
}
