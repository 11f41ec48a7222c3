// What the cases share: recorded requests, summaries of responses, and the list of outcomes.
import { writeFileSync } from 'node:fs';

// The API gave another response than the case expects.
export class Wrong extends Error {}

// The parts of a response that the cases check. A library that parses challenges passes its own.
export function summary(response, challenges = parseChallenges(response)) {
  return { status: response.status, nonce: response.headers.get('dpop-nonce'), challenges };
}

function parseChallenges(response) {
  const header = response.headers.get('www-authenticate') ?? '';
  return [...header.matchAll(/(Bearer|DPoP)((?:[ ,]+\w+="[^"]*")*)/g)].map(([, scheme, rest]) => {
    const pairs = [...rest.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]);
    return { scheme: scheme.toLowerCase(), parameters: Object.fromEntries(pairs) };
  });
}

// `200`, or the status and the challenge that names the error: `401 dpop invalid_token: ...`.
function outcome({ status, challenges }) {
  const { scheme, parameters } = challenges.find(({ parameters }) => parameters.error) ?? {};
  return scheme ? `${status} ${scheme} ${parameters.error}: ${parameters.error_description}` : `${status}`;
}

// `description` is a part of the description, so that no other check can have rejected the request.
export async function expect(request, expected, description = '') {
  const found = outcome(await request);
  if (found.split(':')[0] !== expected || !found.includes(description)) {
    throw new Wrong(`${found}, not ${expected}: ${description}`);
  }
}

export function require(condition, otherwise) {
  if (!condition) throw new Wrong(otherwise);
}

// A `send` that records the requests. Without `forward`, the requests go nowhere.
export function recorder(forward = async () => new Response('{}')) {
  const sent = [];
  const send = (url, init) => {
    sent.push({ url: String(url), method: init.method, headers: new Headers(init.headers) });
    return forward(url, init);
  };
  return { sent, send };
}

// Sends a recorded request, with some parts replaced. A header that is null is removed.
export async function resend(request, { url = request.url, method = request.method, headers = {} } = {}) {
  const sent = new Headers(request.headers);
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) sent.delete(name);
    else sent.set(name, value);
  }
  return summary(await fetch(url, { method, headers: sent }));
}

// Runs the cases in order, and writes their outcomes for the suite.
export async function run(cases, notApplicable = {}) {
  const outcomes = {};
  for (const [name, test] of Object.entries(cases)) {
    outcomes[name] = name in notApplicable ? 'n/a' : await result(test);
  }
  writeFileSync(process.env.OUTCOMES, JSON.stringify({ outcomes, notApplicable }));
}

async function result(test) {
  try {
    await test();
    return 'ok';
  } catch (error) {
    console.error(error);
    return error instanceof Wrong ? error.message : `${error.name}: ${error.message}`;
  }
}
