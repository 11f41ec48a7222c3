'use strict';

// Shows the data of the server, every 2 seconds. All text is set as text content, never as HTML.

const POLL_MS = 2000;
const TIMEOUT_MS = 5000;
const GROUPS = ['accepted', 'anonymous', 'rejected', 'failed'];
const RESULTS = { passed: '✓ passed', failed: '✗ failed', not_run: '– not run' };

const byId = (id) => document.getElementById(id);

// An element with attributes, and texts or elements inside.
function element(name, attributes, ...children) {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
  created.append(...children.filter((child) => child !== null));
  return created;
}

function svgElement(name, attributes, text) {
  const created = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
  if (text !== undefined) created.textContent = text;
  return created;
}

// Replaces the children of an element, unless they are equal. This keeps a selection of the user.
function fill(id, children) {
  const parent = byId(id);
  const fresh = parent.cloneNode(false);
  fresh.append(...children);
  if (!parent.isEqualNode(fresh)) parent.replaceChildren(...fresh.childNodes);
}

function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

const count = (number) => number.toLocaleString('en');

const clock = (secsAgo, options) =>
  new Date(Date.now() - secsAgo * 1000).toLocaleTimeString('en-GB', options);

function duration(secs) {
  if (secs < 120) return `${secs} s`;
  if (secs < 7200) return `${Math.floor(secs / 60)} min`;
  return `${Math.floor(secs / 3600)} h`;
}

// --- Polling ---

let isPaused = false;
let timer;

async function poll() {
  clearTimeout(timer);
  if (isPaused || document.hidden) return;
  try {
    const response = await fetch('?data', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) {
      connection('bad', `The server responds with status ${response.status}`);
    } else {
      const data = await response.json();
      if (isPaused) return;
      show(data);
      connection('good', 'Live');
      setText('updated', `Updated at ${clock(0)}`);
    }
  } catch {
    connection('bad', 'The server does not respond');
  }
  clearTimeout(timer);
  timer = setTimeout(poll, POLL_MS);
}

function connection(state, text) {
  if (isPaused) return;
  byId('connection').className = `badge ${state}`;
  setText('connection', text);
}

byId('pause').addEventListener('click', () => {
  if (!isPaused) connection('warn', 'Paused');
  isPaused = !isPaused;
  byId('pause').setAttribute('aria-pressed', String(isPaused));
  poll();
});

document.addEventListener('visibilitychange', poll);

// --- Data ---

function show(data) {
  const minutes = data.minutes.map((counts) => grouped(counts, data.kinds));
  const sum = (group) => minutes.reduce((total, minute) => total + minute[group], 0);
  const [accepted, anonymous, rejected, failed] = GROUPS.map(sum);
  setText('tile-total', count(accepted + anonymous + rejected + failed));
  setText('tile-accepted', count(accepted));
  setText('tile-rejected', count(rejected));
  setText('tile-failed', count(failed));
  setText('tile-cached', count(data.cached_tokens));
  byId('revocations').hidden = !data.revocations;
  if (data.revocations) {
    const { entries, max_entries: maximum } = data.revocations;
    setText('tile-revocations', `${count(entries)} of ${count(maximum)}`);
  }
  const times = minutes.map((_, ago) => minuteTime(data.current_minute_secs + 60 * ago));
  showChart(minutes, times);
  fill('minutes', minuteRows(minutes, times));
  fill('kinds', kindRows(data));
  fill('issuers', data.issuers.map(issuerCard));
  fill('rejections', rejectionRows(data.rejections));
  fill('bounds', data.bounds.flatMap(boundRow));
}

// The start of a minute.
function minuteTime(secsAgo) {
  return clock(secsAgo, { hour: '2-digit', minute: '2-digit' });
}

function grouped(counts, kinds) {
  const groups = { accepted: 0, anonymous: 0, rejected: 0, failed: 0 };
  for (const [label, number] of Object.entries(counts)) {
    const kind = kinds[label];
    if (kind === undefined) groups[label] += number;
    else groups[kind.status >= 500 ? 'failed' : 'rejected'] += number;
  }
  return groups;
}

const total = (minute) => GROUPS.reduce((sum, group) => sum + minute[group], 0);

let drawn;

// The chart has the width of the page, so that its text keeps its size.
window.addEventListener('resize', () => {
  if (drawn !== undefined) showChart(...drawn);
});

function showChart(minutes, times) {
  drawn = [minutes, times];
  const chart = byId('chart');
  const width = Math.max(chart.clientWidth, 240);
  const [left, bottom, height] = [44, 168, 150];
  const highest = niceLimit(Math.max(...minutes.map(total)));
  const slot = (width - left) / minutes.length;
  const parts = [];
  for (const part of [0, 0.5, 1]) {
    const y = bottom - part * height;
    parts.push(svgElement('line', { x1: left, x2: width, y1: y, y2: y }));
    const label = count(highest * part);
    parts.push(svgElement('text', { x: left - 8, y: y + 4, 'text-anchor': 'end' }, label));
  }
  minutes.forEach((minute, ago) => {
    const x = width - (ago + 1) * slot;
    let y = bottom;
    for (const group of GROUPS.filter((name) => minute[name] > 0)) {
      // Visible also beside a much larger count.
      const size = Math.max((minute[group] / highest) * height, 2);
      y -= size;
      const bar = { x: x + slot * 0.12, y, width: slot * 0.76, height: size, class: group };
      parts.push(svgElement('rect', bar));
    }
    if (ago % 10 === 9) parts.push(svgElement('text', { x, y: bottom + 20 }, times[ago]));
  });
  parts.push(svgElement('text', { x: width, y: bottom + 20, 'text-anchor': 'end' }, 'now'));
  chart.setAttribute('viewBox', `0 0 ${width} 192`);
  chart.setAttribute('aria-label', chartLabel(minutes));
  chart.replaceChildren(...parts);
}

function chartLabel(minutes) {
  const sum = (group) => count(minutes.reduce((all, minute) => all + minute[group], 0));
  return `Decisions in the last 30 minutes: ${sum('accepted')} accepted, ${sum('anonymous')} without a token, `
    + `${sum('rejected')} rejected, ${sum('failed')} failed`;
}

// The end of the scale: 2, 4, 10, 20, 40, 100 and so on, so that half of it is a whole number.
function niceLimit(highest) {
  for (let power = 1; ; power *= 10) {
    for (const factor of [2, 4, 10]) {
      if (factor * power >= highest) return factor * power;
    }
  }
}

function row(...cells) {
  return element('tr', {}, ...cells);
}

const number = (value) => element('td', { class: 'number' }, count(value));

const none = (columns, text) => [row(element('td', { colspan: columns, class: 'empty' }, text))];

function minuteRows(minutes, times) {
  return minutes.map((minute, ago) =>
    row(
      element('th', { scope: 'row' }, ago === 0 ? `${times[ago]} (now)` : times[ago]),
      ...GROUPS.map((group) => number(minute[group])),
    ));
}

function kindRows(data) {
  const sum = (label) => data.minutes.reduce((all, counts) => all + (counts[label] ?? 0), 0);
  const kinds = Object.entries(data.kinds).map(([label, kind]) => ({ label, ...kind, sum: sum(label) }));
  if (kinds.length === 0) return none(3, 'No request was rejected.');
  kinds.sort((one, other) => other.sum - one.sum);
  return kinds.map((kind) =>
    row(
      element('th', { scope: 'row' }, element('code', {}, kind.label), element('small', {}, kind.reason)),
      element('td', { class: 'number' }, String(kind.status)),
      number(kind.sum),
    ));
}

function rejectionRows(rejections) {
  if (rejections.length === 0) return none(4, 'No request was rejected.');
  return rejections.map((rejection) =>
    row(
      element('td', { class: 'time' }, `${duration(rejection.secs_ago)} ago`),
      element('td', {},
        element('code', {}, rejection.kind),
        element('small', {}, rejection.reason),
        rejection.issuer === null ? null : element('small', {}, rejection.issuer)),
      element('td', { class: 'number' }, String(rejection.status)),
      number(rejection.count),
    ));
}

function boundRow(line) {
  const end = line.lastIndexOf(': ');
  if (end < 0) return [element('dt', { class: 'alone' }, line), element('dd', { class: 'alone' })];
  return [element('dt', {}, line.slice(0, end)), element('dd', {}, line.slice(end + 2))];
}

// --- Issuers ---

function issuerCard(status) {
  const [state, text] = issuerState(status);
  const facts = [...keyFacts(status.keys), ...introspectionFacts(status.introspection)];
  const list = facts.filter(([, value]) => value !== null)
    .flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]);
  return element('div', { class: 'issuer' },
    element('div', {},
      element('h3', {}, status.issuer),
      element('span', { class: `badge ${state}` }, text)),
    element('dl', { class: 'facts' }, ...list));
}

function issuerState({ keys, introspection }) {
  if (introspection?.circuit === 'open') return ['bad', 'Introspection suspended'];
  if (keys !== null && !keys.usable) {
    return keys.last_error === null ? ['warn', 'No keys yet'] : ['bad', 'No usable keys'];
  }
  if (keys?.last_error || introspection?.last_error || keys?.metadata_error) return ['warn', 'Last request failed'];
  return ['good', 'OK'];
}

function keyFacts(keys) {
  if (keys === null) return [];
  const skipped = keys.skipped_keys.map((key) => `${key.key_id ?? 'without kid'}: ${key.reason}`);
  return [
    ['Keys', keys.key_ids.length === 0 ? 'none with a kid' : keys.key_ids.join(', ')],
    ['Skipped keys', skipped.length === 0 ? null : skipped.join('; ')],
    ['Age of keys', keys.age_secs === null ? null : duration(keys.age_secs)],
    ['Next refresh', keys.next_refresh_secs === null ? null : `in ${duration(keys.next_refresh_secs)}`],
    ['Last key error', keys.last_error],
    ['Last metadata error', keys.metadata_error],
  ];
}

function introspectionFacts(status) {
  if (status === null) return [];
  const pause = status.paused_until;
  return [
    ['Circuit breaker', status.circuit.replaceAll('_', '-')],
    ['Paused until', pause === null ? null : new Date(pause * 1000).toLocaleTimeString('en-GB')],
    ['Introspection requests', `${status.calls_in_flight} in flight, ${status.queued_calls} of them queued`],
    ['Cached responses', `${count(status.active_tokens)} active, ${count(status.inactive_tokens)} inactive`],
    ['Last introspection error', status.last_error],
  ];
}

// --- Explain ---

byId('explain').addEventListener('submit', async (event) => {
  event.preventDefault();
  const box = byId('token');
  const button = event.target.querySelector('button');
  // What users copy: the value of a header, or the whole line.
  const token = box.value.trim().replace(/^(authorization:\s*)?(bearer|dpop)\s+/i, '');
  if (token === '') {
    verdict('warn', 'No token', 'Paste an access token into the box.');
    box.focus();
    return;
  }
  button.disabled = true;
  try {
    if (await explain(token) && !byId('keep').checked) box.value = '';
  } catch {
    verdict('bad', 'Failed', 'The server does not respond.');
  }
  button.disabled = false;
  button.focus();
});

async function explain(token) {
  const response = await fetch('?explain', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
    cache: 'no-store',
    signal: AbortSignal.timeout(30000),
  });
  if (!response.ok) {
    verdict('bad', 'Failed', `The server responds with status ${response.status}.`);
    return false;
  }
  const explanation = await response.json();
  if (explanation.accepted) verdict('good', 'Accepted', 'A request with this token would be accepted.');
  else verdict('bad', 'Rejected', `${explanation.rejection}: ${explanation.description}`, explanation.hint);
  byId('findings').replaceChildren(...explanation.findings.map(findingRow));
  byId('explanation').hidden = false;
  return true;
}

function verdict(state, title, text, hint = null) {
  byId('explanation').hidden = true;
  byId('verdict').replaceChildren(
    element('p', {}, element('span', { class: `badge ${state}` }, title), text),
    ...(hint === null ? [] : [element('p', {}, `Hint: ${hint}`)]),
  );
}

function findingRow(finding) {
  const failing = finding.result === 'failed' ? { class: 'failing' } : {};
  return element('tr', failing,
    element('td', { class: finding.result }, RESULTS[finding.result]),
    element('th', { scope: 'row' }, element('code', {}, finding.check)),
    element('td', { 'data-label': 'Presented' }, finding.presented),
    element('td', { 'data-label': 'Expected' }, finding.expected));
}

poll();
