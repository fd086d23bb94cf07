// The page's state, its line to the node, and everything the reader does. The panels draw what stands here.
import * as P from './panels.js';
import { blockHash, checkProof, checkSchedule, fromHex, hashFile, sha3, toHex, utf8 } from './hash.js';
const { $, h, put, num, short, plural, span, age, sign, nameOf } = P;

// ---- state

/** The node's clock: its `now_ms` as of performance.now(), never the reader's clock. */
let offset = Date.now() - performance.now();
let synced = false;

export const S = {
  chain: null, node: null, version: '', startedAt: 0, services: {}, missing: {}, health: null, mining: null, names: '',
  nodes: [], blocks: [], schedule: null, tree: [], stats: null, propagation: [], pending: null, events: [], pages: {},
  finalized: 0, cursor: '', sel: null, allNodes: false, allEvents: false,
  link: 'wait', offSince: 0, nextTry: 0, dataAt: 0, heard: 0, quiet: false,
  now: () => performance.now() + offset,
};

/** Delays only make the node's clock look behind: the latest counts. */
function hearClock(nowMs, roundTrip) {
  const seen = nowMs + roundTrip / 2 - performance.now();
  if (!synced || seen > offset || roundTrip || Math.abs(seen - offset) > 2000) offset = seen;
  synced = true;
}

const KEEP = 96;
function addBlock(block) {
  if (!block?.hash || block.canonical === false) return;
  block.missed ||= [];
  const at = S.blocks.findIndex((one) => one.height >= block.height);
  if (at < 0) S.blocks.push(block);
  else if (S.blocks[at].hash === block.hash) S.blocks[at] = block;
  else S.blocks.splice(at, S.blocks.length, block);
  if (S.blocks.length > KEEP) S.blocks.splice(0, S.blocks.length - KEEP);
}

const PARTS = ['services', 'health', 'nodes', 'mining', 'propagation', 'pending', 'stats', 'schedule', 'tree', 'pages'];
function takeParts(from, missing = {}) {
  for (const part of PARTS) {
    if (!(part in from)) continue;
    if (from[part] === null) S.missing[part] = missing[part] || missingBecause(part);
    else { S[part] = from[part]; delete S.missing[part]; }
  }
  if (from.health === null || from.health) S.health = from.health;
  S.names = S.nodes.map((node) => node.name).join();
}
const OWNER = { health: 'sync-oracle', mining: 'producer', schedule: 'selection' };
const missingBecause = (part) => {
  const gone = [OWNER[part] || 'chain', 'chain'].find((name) => (S.services[name] || 'serving') !== 'serving');
  return `The ${gone || OWNER[part] || 'chain'} service does not answer`;
};

function takeOverview(o, roundTrip) {
  if (o.now_ms) hearClock(o.now_ms, roundTrip);
  S.missing = { ...(o.missing || {}) };
  S.version = o.version || S.version;
  S.startedAt = S.now() - (o.uptime_seconds || 0) * 1000;
  if (o.chain) S.chain = { ...o.chain, params: o.chain.params || o.chain };
  if (o.node) S.node = o.node;
  takeParts(o, o.missing);
  if (o.blocks) {
    S.blocks = [];
    for (const block of [...o.blocks].sort((a, b) => a.height - b.height)) addBlock(block);
    S.finalized = Math.max(0, ...o.blocks.filter((block) => block.finalized).map((block) => block.height));
  }
  if (o.events) {
    const own = S.events.filter((event) => event.own);
    S.events = [...own, ...o.events.map((one) => ({ ...one.data, ...one, data: undefined }))].sort((a, b) => (b.at_ms || 0) - (a.at_ms || 0)).slice(0, 200);
  }
  S.dataAt = S.now();
}

let refreshing = 0;
/** What events do not carry is asked for, at most every two seconds. */
function refreshSoon() {
  if (!refreshing) refreshing = setTimeout(async () => { await overview().catch(() => {}); refreshing = 0; changed(); }, 400 + Math.max(0, 2000 - (S.now() - S.dataAt)));
}

function takeEvent(name, id, data) {
  S.dataAt = S.now();
  if (id) S.cursor = id;
  if (name === 'status') {
    const before = S.health?.state;
    if (data.now_ms) hearClock(data.now_ms, 0);
    takeParts(data);
    if (S.health?.state === 'stopped' && before && before !== 'stopped') note('stopped', { producing: S.health.producing });
    return;
  }
  const block = data.block?.hash ? data.block : data;
  switch (name) {
    case 'block':
      addBlock(block);
      if (data.schedule || block.schedule) { S.schedule = data.schedule || block.schedule; delete S.missing.schedule; }
      for (const node of S.nodes) if (node.this_node && (node.height ?? 0) < block.height) node.height = block.height;
      if (P.headOf(S)?.height !== block.height || block.parent !== S.blocks[S.blocks.length - 2]?.hash) refreshSoon();
      break;
    case 'finalized': S.finalized = Math.max(S.finalized, data.height); break;
    case 'reorg':
      for (const left of data.left || []) {
        S.blocks = S.blocks.filter((one) => one.hash !== left.hash);
        if (!S.tree.some((one) => one.hash === left.hash)) S.tree.push({ ...left, canonical: false, replaced_at_ms: data.at_ms || S.now() });
      }
      for (const one of S.tree) if ((data.left || []).some((left) => left.hash === one.hash)) one.canonical = false;
      for (const joined of [...(data.joined || [])].sort((a, b) => a.height - b.height)) addBlock(joined);
      refreshSoon();
      break;
    case 'caught_up': case 'gap': refreshSoon(); break;
    case 'suspended': case 'returned': speak(name, data); break;
  }
  if (name !== 'claim') S.events.unshift({ ...data, ...(name === 'block' ? block : null), event: name, id, at_ms: data.at_ms || S.now() });
  if (S.events.length > 200) S.events.length = 200;
}
const note = (event, data) => S.events.unshift({ event, own: true, id: event + S.now(), at_ms: Math.round(S.now()), ...data });

// ---- the line to the node

async function ask(path, ms = 8000) {
  const res = await fetch(path, { signal: AbortSignal.timeout(ms), headers: { accept: 'application/json' }, cache: 'no-store' });
  const body = await res.json().catch(() => ({}));
  if (!res.ok) throw Object.assign(new Error(body.detail || body.title || `the node answers ${res.status}`), { status: res.status, body });
  return body;
}

async function overview() {
  const asked = performance.now();
  const o = await ask('api/overview');
  takeOverview(o, performance.now() - asked);
}

function heard() {
  S.heard = Math.round(S.now());
  if (S.quiet) { S.quiet = false; changed(); }
}

/** Reads events until the line ends. Unlike EventSource it hears comments, and so silence. */
async function listen(connected, patience) {
  const stop = new AbortController();
  const hang = setTimeout(() => stop.abort(), patience);
  S.hangUp = () => stop.abort();
  const headers = { accept: 'text/event-stream' };
  if (S.cursor) headers['Last-Event-ID'] = S.cursor;
  const res = await fetch('api/mining/events', { headers, signal: stop.signal, cache: 'no-store' });
  clearTimeout(hang);
  if (!res.ok || !res.body) throw new Error(`the node answers ${res.status}`);
  heard();
  connected();
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '', name = '', id = '', data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const lines = (rest + value).split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length) {
          try { takeEvent(name || 'message', id, JSON.parse(data.join('\n'))); } catch (error) { console.warn('an event could not be read:', error.message); }
          changed();
        }
        name = ''; id = ''; data = [];
      } else if (line[0] !== ':') {
        const [, field, text] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field === 'event') name = text; else if (field === 'data') data.push(text); else if (field === 'id') id = text;
      }
    }
  }
}

const WAITS = [1, 2, 4, 8, 15];
async function run() {
  for (let tries = 0; ; tries++) {
    try {
      await overview();
      await listen(() => {
        const first = S.link === 'wait';
        if (S.link !== 'on') note('connected', {});
        if (!first) say(`${P.meName(S)} answers again`);
        S.link = 'on'; S.offSince = 0; S.nextTry = 0; tries = 0;
        changed();
      }, 5000);
    } catch (error) {
      if (error.status && S.link === 'wait') console.warn(error.message);
    }
    if (S.link === 'on') { S.link = 'lost'; continue; }
    if (!S.offSince) { S.offSince = Math.round(S.heard || S.now()); say(`No answer from ${P.meName(S)}`); }
    S.link = 'off';
    const wait = WAITS[Math.min(tries, WAITS.length - 1)] * 1000;
    S.nextTry = Math.round(S.now() + wait);
    changed();
    await new Promise((done) => setTimeout(done, wait));
    S.nextTry = 0;
    changed();
  }
}

/** A line that is open but silent: what is shown is old. */
function watchSilence() {
  if (S.link !== 'on') return;
  const silent = S.now() - S.heard;
  const p = S.chain?.params;
  const due = p ? p.block_interval_ms + p.jitter_max_ms + 2 * p.claim_timeout_ms + 2000 : 8000;
  const quiet = silent > (S.health?.state === 'fine' ? Math.max(due, 5000) : 20000);
  if (quiet !== S.quiet) { S.quiet = quiet; changed(); }
  if (silent > 20000) S.hangUp();
}

// ---- drawing

let planned = false;
export function changed() {
  if (planned) return;
  planned = true;
  // A hidden tab is drawn when it is looked at; only its title is kept true.
  if (document.hidden) setTimeout(draw, 1000); else requestAnimationFrame(draw);
}

let last = '';
function draw() {
  planned = false;
  const now = S.now();
  guardServices();
  const state = P.status(S, now);
  if (document.hidden) return;
  put($('chain'), S.chain?.chain_id || '');
  put($('me'), P.meName(S));
  const live = { on: ['on', 'Live'], wait: ['wait', 'Connecting'], lost: ['wait', 'Connecting'], off: ['off', 'Offline'] }[S.quiet ? 'off' : S.link];
  $('live').dataset.s = live[0];
  put($('live'), live[1]);
  put($('pages'), S.pages, () => { const list = P.otherPages(S); return list.length ? list.map(([name, url]) => h('a', { href: url }, 'as seen by ' + name)) : h('span', { class: 'dim' }, 'No page of another node is known'); });
  put($('foot'), [P.meName(S), S.version, Math.round(S.startedAt / 60000)], () => (S.version ? [`${P.meName(S)} runs Vision ${S.version}, up `, age(S.startedAt, now)] : ''));
  put($('genesis'), S.chain ? 'Genesis ' + short(S.chain.genesis_hash) : '');
  if (!$('board').hidden) {
    P.next(S, now, S.link !== 'on' || S.quiet);
    P.ribbon(S, now);
    P.nodes(S, now); P.events(S, now); P.tree(S, now); P.shares(S, now); P.interval(S); P.propagation(S); P.pending(S, now);
    failures(now);
  } else if (view.redraw) view.redraw();
  if (state !== last && last && S.health) say(strip(S.health.headline, now));
  last = state;
}
const strip = (text, now) => text.replace(/\{ago:(\d+)\}/g, (_, ms) => span(now - Number(ms)));

/** A service of this node that does not answer is never told under a green sign. */
function guardServices() {
  const gone = Object.entries(S.services || {}).filter(([, text]) => text !== 'serving');
  const base = S.health;
  if (!gone.length || !base || base.state !== 'fine') return;
  const reasons = gone.map(([name, text]) => ({ code: 'SERVICE_MISSING', text: `The ${name} service of ${P.meName(S)} does not answer: ${text}`, remedy: '' }));
  S.health = { ...base, state: 'trouble', reasons };
}

const PANEL_PARTS = { next: 'schedule', blocks: 'blocks', nodes: 'nodes', events: 'events', tree: 'tree', stats: 'stats', interval: 'blocks', propagation: 'propagation', pending: 'pending' };
function failures() {
  for (const panel of document.querySelectorAll('#board [data-p]')) {
    const why = S.link === 'on' && S.missing[PANEL_PARTS[panel.dataset.p]];
    let line = panel.querySelector('.fail');
    if (!why) { line?.remove(); continue; }
    if (!line) { line = h('p', { class: 'fail' }); panel.querySelector('.head').after(line); line._since = S.now(); line._empty = panel.querySelector('.empty') || !S.blocks.length; }
    put(line, `${String(why).replace(/\.$/, '')}. ${line._empty ? 'Nothing came before.' : `What is shown is from ${P.clock(line._since)}.`}`);
  }
}

let ticks = 0;
function tick() {
  if (document.hidden) { if (++ticks % 50 === 0) watchSilence(); return; }
  const now = S.now();
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const seconds = ++ticks % 10 === 0;
  if (seconds) { P.tickAges(now); watchSilence(); if (S.link === 'off' && S.nextTry) changed(); }
  if ($('board').hidden || S.link !== 'on' || S.quiet) return;
  if (!calm || seconds) P.countdown(S, now);
  if (ticks % 5 === 0) P.next(S, now, false);
}

// ---- spoken, for screen readers: changes only, at most one in 5 s

let saidAt = -5000, waiting = '';
function say(text) {
  waiting = waiting && text !== waiting ? `${waiting}. ${text}` : text;
  const wait = Math.max(0, saidAt + 5000 - performance.now());
  setTimeout(() => { if (!waiting) return; $('spoken').textContent = waiting; waiting = ''; saidAt = performance.now(); }, wait);
}
const speak = (name, event) => say(`${nameOf(S, event.node_id)} ${name === 'suspended' ? 'is suspended' : 'is active again'}`);

// ---- commands of the panels

const quote = (text) => `'${text}'`;
const grpc = (port, method, body) => `grpcurl -plaintext -d ${quote(JSON.stringify(body))} ${location.hostname}:${port} ${method}`;
const curl = (path, more = '') => `curl -s${more} ${/[?&]/.test(path) ? quote(location.origin + path) : location.origin + path}`;
const chainCall = (method, body) => grpc(50051, 'vision.chain.v1.ChainService/' + method, body);
const COMMANDS = {
  next: () => curl('/api/mining/schedule'),
  blocks: () => curl('/api/mining/history?limit=64'),
  nodes: () => curl('/api/peers'),
  events: () => curl('/api/mining/events', 'N'),
  tree: () => chainCall('GetForkTree', { heights: 16 }),
  stats: () => curl('/api/mining/stats'),
  interval: () => curl('/api/chain/blocks?before=' + ((P.headOf(S)?.height || 0) + 1) + '&limit=64'),
  propagation: () => chainCall('GetPropagation', {}),
  pending: () => curl('/api/transactions/pending'),
  file: () => `vision recorded FILE --node ${location.origin}`,
  status: () => curl('/api/overview'),
};

function commandLine(text) {
  const copy = h('button', { type: 'button', class: 'copy', 'aria-label': 'Copy the command' }, 'Copy');
  copy.addEventListener('click', async () => {
    const code = copy.previousSibling;
    try { await navigator.clipboard.writeText(code.textContent); } catch {
      getSelection().selectAllChildren(code);
      document.execCommand('copy');
    }
    copy.textContent = 'Copied';
    say('Copied');
    setTimeout(() => { copy.textContent = 'Copy'; }, 2000);
  });
  return h('div', { class: 'line' }, h('code', { tabindex: '0', role: 'region', 'aria-label': 'Command' }, text), copy);
}

function commandButton(panel, make, name) {
  const head = panel.querySelector('.head');
  const button = h('button', { type: 'button', class: 'cmd', 'aria-expanded': 'false', 'aria-label': 'Command for ' + name, title: 'The command that gives the same answer' }, '>_');
  button.addEventListener('click', () => {
    const open = button.getAttribute('aria-expanded') === 'true';
    button.setAttribute('aria-expanded', String(!open));
    if (open) panel.querySelector('.line').remove(); else head.after(commandLine(make()));
  });
  head.append(button);
}

// ---- views behind hash routes

const view = { redraw: null, token: 0, near: null };

function route() {
  const hash = location.hash;
  if (hash && !hash.startsWith('#/')) return;
  const [, kind, ...rest] = hash.split('/');
  const arg = decodeURIComponent(rest.join('/') || '');
  const make = { block: blockView, tx: txView, account: accountView, node: nodeView, search: searchView }[kind];
  const token = ++view.token;
  view.redraw = null; view.near = null;
  $('board').hidden = Boolean(make);
  $('view').hidden = $('strip').hidden = !make;
  scrollTo(0, 0);
  changed();
  if (!make) { P.measure(); return; }
  $('view').replaceChildren(h('div', { class: 'card' }, h('p', { class: 'empty', role: 'status' }, 'Asking…')));
  make(arg).then((content) => {
    if (token !== view.token) return;
    $('view').replaceChildren(...content);
    $('content').focus({ preventScroll: true });
  }, (error) => {
    if (token !== view.token) return;
    const text = error.status === 404 || error.status === 400 ? `${error.message}` : `Cannot tell: ${P.meName(S)} does not answer (${error.message})`;
    $('view').replaceChildren(card(arg, h('p', null, text), h('p', null, h('a', { href: '#/' }, 'Back to the dashboard'))));
  });
}
const card = (title, ...kids) => h('section', { class: 'card' }, h('div', { class: 'title' }, h('h2', null, title)), kids);
const facts = (pairs) => h('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, value]) => [h('dt', null, name), h('dd', null, value)]));
const mono = (text) => h('code', null, text);
const when = (ms) => new Date(ms).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'long' });
const account = (id) => h('a', { class: 'mono', href: '#/account/' + id }, S.nodes.some((node) => node.node_id === id) ? nameOf(S, id) : short(id));
const ready = async () => { for (let i = 0; !S.chain && i < 100; i++) await new Promise((done) => setTimeout(done, 50)); };

async function blockView(id) {
  const [block] = await Promise.all([ask('api/chain/blocks/' + encodeURIComponent(id)), ready()]);
  const H = block.height;
  view.near = [H > 0 ? H - 1 : null, H < (P.headOf(S)?.height ?? H) ? H + 1 : null];
  const final = () => block.canonical && (block.finalized || H <= P.finalHeight(S));
  const kind = H ? P.kindOf(S, block.slot) : 'primary';
  const tag = h('span', { class: 'tag' });
  const paint = () => put(tag, [final()], () => (block.canonical === false ? ['replaced, not on the chain'] : final() ? [sign('i-good', 'good'), 'final'] : [sign('i-unknown'), 'not final yet']));
  paint();
  view.redraw = paint;
  const arrow = (at, text, label) => at !== null && h('a', { class: 'ctl', href: '#/block/' + at, 'aria-label': label }, text);
  const title = h('section', { class: 'card' },
    h('div', { class: 'title' }, h('h2', null, 'Block ' + num(H)), tag, H > 0 && h('span', { class: 'tag' }, P.mark(kind), P.kindName(S, block.slot)),
      h('nav', { 'aria-label': 'Other blocks' }, arrow(view.near[0], '← ' + num(H - 1), 'Previous block'), arrow(view.near[1], num(H + 1) + ' →', 'Next block'))));
  if (H === 0) return [title, card('Genesis', h('p', null, 'Block 0 is the genesis: nobody made it, and all nodes have it in common.'), facts([['Hash', mono(block.hash)], ['Time', when(block.timestamp_ms)]]))];
  const why = h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', null, 'Why this producer')));
  const out = [title, why];
  try { await fillWhy(why, block); } catch (error) {
    why.append(h('div', { class: 'verdict wait' }, sign('i-unknown'), h('p', null, `Cannot tell: the schedule of height ${num(H)} is not to be had (${error.message}).`)));
  }
  const data = h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', null, 'Facts')), facts([
    ['Hash', mono(block.hash)], ['Parent', h('a', { class: 'mono', href: '#/block/' + block.parent }, block.parent)], ['Made', `${when(block.timestamp_ms)}, slot ${block.slot}`],
    block.arrived_ms && ['Here', `${when(block.arrived_ms)}, ${Math.max(0, block.arrived_ms - block.timestamp_ms)} ms after its stamp`],
    ['Producer', h('span', null, nameOf(S, block.producer), ' ', mono(block.producer))], ['Weight', num(block.weight)], ['Size', num(block.size_bytes) + ' bytes'],
    ['Transactions root', mono(block.tx_root)], ['State root', mono(block.state_root)], ['Pool root', mono(block.pool_root)], ['Trace', mono(block.trace_id)],
  ]));
  commandButton(data, () => curl('/api/chain/blocks/' + H), 'this block');
  const list = (block.transactions || []).slice(0, 200);
  const txs = h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', null, 'Transactions'), ' ', h('span', { class: 'sub' }, num(block.tx_count))), list.length
    ? h('div', { class: 'over-x' }, P.table(['Transaction', 'Kind', 'Sender', 'What', 'Fee'], list.map((tx) => [P.txLink(tx.hash), P.kindOfTx(tx.type), account(tx.sender), what(tx), num(tx.fee)]), 'pend'))
    : h('p', { class: 'empty' }, 'This block has no transactions.'));
  if (block.tx_count > list.length) txs.append(h('p', { class: 'soft' }, `and ${num(block.tx_count - list.length)} more`));
  return [...out, data, txs];
}

const what = (tx) => {
  if (tx.to) return h('span', null, `${num(tx.amount)} to `, account(tx.to));
  if (tx.data !== undefined) return tx.data.startsWith(DIGEST) ? `record of a file, sha256 ${tx.data.substr(32, 8)}` : plural(tx.data.length / 2, 'byte');
  return tx.block_height !== undefined ? `follows the chain at block ${num(tx.block_height)}` : '';
};

async function fillWhy(panel, block) {
  const H = block.height, m = S.chain.params.backup_slots + 1;
  const last = Math.max(m - 1, block.slot);
  const from = block.slot - m > 40 ? `0-${m - 1},${block.slot}` : `0-${last}`;
  const answer = await ask(`api/mining/schedule?height=${H}&slots=${from}`);
  // The header says which parent and which pool; its own hash says that it is the block's.
  const header = block.header ? fromHex(block.header) : null;
  const parent = header ? toHex(header.subarray(10, 42)) : block.parent;
  const check = checkSchedule(answer, S.chain, parent);
  const wrong = check.wrong;
  if (header && blockHash(S.chain.genesis_hash, block.header) !== block.hash) wrong.unshift({ what: 'hash of the header', said: block.hash, computed: blockHash(S.chain.genesis_hash, block.header) });
  if (header && toHex(header.subarray(58, 90)) !== block.producer) wrong.push({ what: 'producer in the header', said: block.producer, computed: toHex(header.subarray(58, 90)) });
  const poolHash = toHex(sha3(...[...answer.active].sort().map(fromHex)));
  if (header && poolHash !== toHex(header.subarray(154, 186))) wrong.push({ what: 'active pool', said: poolHash, computed: toHex(header.subarray(154, 186)) });
  const own = check.rows.find((row) => row.slot === block.slot);
  if (own && own.owner !== block.producer) wrong.push({ what: `owner of slot ${block.slot}`, said: block.producer, computed: own.owner });
  if (own && !(block.timestamp_ms >= own.opens_at_ms && block.timestamp_ms < own.closes_at_ms)) wrong.push({ what: 'stamp within the window', said: block.timestamp_ms, computed: `${own.opens_at_ms} to ${own.closes_at_ms}` });
  const digit = P.digits(S);
  const N = (id) => nameOf(S, id);
  const missed = [...new Set((block.missed || []).map((slot) => slot.node_id))].map(N);
  const sentence = block.slot === 0
    ? `The draw of height ${num(H)} gave the primary slot to ${N(block.producer)}, and ${N(block.producer)} used it.`
    : `${N(block.producer)} made the block as ${P.kindName(S, block.slot)}: the ${plural(block.slot, 'slot')} before it ${block.slot > 1 ? 'were' : 'was'} drawn for ${missed.length ? missed.join(', ') : 'others'}, and passed unused.`;
  panel.append(h('p', null, sentence));
  const text = `Recomputed in this browser: same seed, same ${check.rows.length} owners`;
  panel.append(wrong.length
    ? h('div', { class: 'verdict bad', id: 'verdict', role: 'status' }, sign('i-bad'), h('div', null, h('p', null, `Recomputed in this browser: ${plural(wrong.length, 'thing differs', 'things differ')} from what the node says`),
      wrong.slice(0, 6).map((one) => h('p', null, `${one.what}: the node says ${N(String(one.said))}, computed is ${N(String(one.computed))}`))))
    : h('div', { class: 'verdict', id: 'verdict', role: 'status' }, sign('i-good'), h('p', null, text)));
  const pool = [...answer.active].sort();
  panel.append(facts([
    ['Parent’s hash', mono(parent)], ['Height', num(H)], ['Salt', h('span', null, mono(check.salt), ` of ${S.chain.chain_id}`)], ['Seed', mono(check.seed)],
    ['Sorted pool', pool.length > 12 ? `${num(pool.length)} active producers` : pool.map((id, i) => (i ? ', ' : '') + `${i} ${N(id)}`).join('')],
  ]));
  const base = answer.parent_timestamp_ms;
  const at = (ms) => ((ms - base) / 1000).toFixed(2);
  const rows = check.rows.map((row) => {
    const lap = row.size > 9 ? `… ${N(row.owner)} at ${row.at}` : row.lap.map((id) => digit.get(id) || N(id)).join(' ');
    const used = row.slot === block.slot;
    const outcome = used ? `made the block at ${at(block.timestamp_ms)} s` : row.slot < block.slot ? 'missed' : 'not needed';
    return h('tr', { class: row.wrong ? 'wrong' : used ? 'used' : '' }, h('td', null, P.kindName(S, row.slot)), h('td', { class: 'mono' }, row.draw.toString(16).padStart(16, '0').slice(0, 8) + '…'),
      h('td', null, `${row.at} + u64 mod ${row.left} = ${row.j}`), h('td', null, lap), h('td', null, h('b', null, N(row.owner))), h('td', null, `${at(row.opens_at_ms)} to ${at(row.closes_at_ms)} s`),
      h('td', { class: !used && row.slot < block.slot ? 'bad' : '' }, outcome));
  });
  panel.append(h('h3', null, 'Slots'), h('div', { class: 'over-x', tabindex: '0', role: 'region', 'aria-label': 'Slots of this height' }, P.table(['Slot', 'Draw', 'Place', 'Lap after the swap', 'Owner', 'Window after the parent', 'Outcome'], rows, 'draws')));
  const line = [[base, 'stamp of the parent', 'parent']];
  for (const row of check.rows.filter((one) => one.slot <= block.slot).slice(-8)) line.push([row.opens_at_ms, `window of ${N(row.owner)}, ${P.kindName(S, row.slot)}, opens`, row.slot < block.slot ? 'missed' : '']);
  line.push([block.timestamp_ms, `stamp of this block, by ${N(block.producer)}`, 'stamp']);
  if (block.arrived_ms) line.push([block.arrived_ms, `it arrives at ${P.meName(S)}`, 'here']);
  line.sort((a, b) => a[0] - b[0]);
  panel.append(h('h3', null, 'Time line'), h('ol', { class: 'time' }, line.map(([ms, words, cls]) => h('li', { class: cls }, h('b', null, at(ms) + ' s'), ' ', words))));
  const p = S.chain.params;
  commandButton(panel, () => grpc(50053, 'vision.selection.v1.SelectionService/GetSchedule', {
    chain_id: S.chain.chain_id, entropy: parent, height: H, active: answer.active, registered: answer.registered, slots: check.rows.map((row) => row.slot), parent_timestamp_ms: base,
    params: { block_interval_ms: p.block_interval_ms, claim_timeout_ms: p.claim_timeout_ms, backup_slots: p.backup_slots, jitter_min_ms: p.jitter_min_ms, jitter_max_ms: p.jitter_max_ms },
  }), 'the schedule');
}

async function txView(hash) {
  const [info] = await Promise.all([ask('api/transactions/' + encodeURIComponent(hash)), ready()]);
  const tx = info.transaction || {};
  const place = info.status === 'included' ? ['In block', h('span', null, h('a', { href: '#/block/' + info.height }, num(info.height)), `, place ${info.index}, ${info.finalized ? 'final' : 'not final yet'}`)]
    : info.status === 'pending' ? ['Waits', info.since_ms ? h('span', null, 'for ', age(info.since_ms, S.now()), info.missing_nonce !== undefined ? `, behind nonce ${info.missing_nonce}, which is not here` : '') : 'yes'] : ['Dropped', info.reason];
  const panel = h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', null, 'Transaction ' + short(info.hash)), h('span', { class: 'tag' }, info.status)), facts([
    ['Hash', mono(info.hash)], place, tx.sender && ['Sender', account(tx.sender)], tx.type && ['Kind', P.kindOfTx(tx.type)], tx.type && ['What', what(tx)], tx.fee !== undefined && ['Fee', num(tx.fee)], tx.nonce !== undefined && ['Nonce', num(tx.nonce)],
    tx.data !== undefined && tx.data && ['Data', mono(tx.data.length > 512 ? tx.data.slice(0, 512) + '…' : tx.data)],
  ]));
  commandButton(panel, () => curl(`/api/transactions/${info.hash}?proof=true`), 'this transaction and its proof');
  return [panel];
}

async function accountView(address) {
  const [info] = await Promise.all([ask('api/accounts/' + encodeURIComponent(address)), ready()]);
  const panel = h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', null, 'Account ' + nameOf(S, info.address))), facts([
    ['Address', mono(info.address)], ['Balance', num(info.balance)], ['Next nonce', num(info.nonce)], info.height !== undefined && ['As of block', h('a', { href: '#/block/' + info.height }, num(info.height))],
  ]));
  commandButton(panel, () => curl('/api/accounts/' + info.address), 'this account');
  return [panel];
}

async function nodeView(id) {
  await ready();
  const node = S.nodes.find((one) => one.node_id === id || one.name === id);
  if (!node) throw Object.assign(new Error(`No node ${id} is known to ${P.meName(S)}.`), { status: 404 });
  const url = S.pages?.[node.node_id] || node.page_url;
  const row = (S.stats?.producers || []).find((one) => one.node_id === node.node_id);
  return [card(node.name, facts([
    ['Id', mono(node.node_id)], ['Role', node.role], ['May produce', node.eligible ? 'Yes' : node.eligible === false ? h('span', { title: node.not_eligible_because }, P.inWords(node.not_eligible_because)) : 'Not known'], node.address && ['Address', node.address],
    node.height !== undefined && node.height !== null && ['Head', num(node.height)], node.version && ['Version', node.version], node.missed !== undefined && ['Missed since its last block', num(node.missed)],
    row && ['Last blocks', `${row.primary} as primary, ${row.backup} as backup, ${row.tail} in the tail, ${row.missed} missed`],
    /^https?:\/\//.test(url || '') && ['Its page', h('a', { href: url }, url)], ['Account', h('a', { href: '#/account/' + node.node_id }, short(node.node_id))],
  ]))];
}

// ---- search

async function searchView(text) {
  await ready();
  const found = await look(text);
  if (found) { location.replace('#/' + found); return []; }
  const hex = /^(0x)?[0-9a-f]{64}$/i.test(text);
  return [card(`Nothing found for “${text}”`, h('p', null, hex ? `No block, no transaction and no account that has ever been used has this value on ${P.meName(S)}.`
    : /^[\d,]+$/.test(text) ? `${P.meName(S)} has no block of this height; its head is ${num(P.headOf(S)?.height)}.` : `Looked among the names of ${plural(S.nodes.length, 'node')}, and the last ${plural(S.blocks.length, 'block')} and waiting transactions of ${P.meName(S)}. A hash or an address in full has 64 hexadecimal digits.`),
    h('p', null, h('a', { href: '#/' }, 'Back to the dashboard')))];
}

async function look(text) {
  const plain = text.trim().toLowerCase();
  const named = S.nodes.find((node) => node.name?.toLowerCase() === plain);
  if (named) return 'node/' + named.node_id;
  const height = /^[\d,]{1,20}$/.test(plain) ? plain.replace(/,/g, '') : '';
  if (height) return (await ask('api/chain/blocks/' + height).then(() => true, () => false)) && 'block/' + height;
  const hex = plain.replace(/^0x/, '');
  if (/^[0-9a-f]{64}$/.test(hex)) {
    if (S.nodes.some((node) => node.node_id === hex)) return 'node/' + hex;
    const [block, tx, holder] = await Promise.all(['chain/blocks/', 'transactions/', 'accounts/'].map((kind) => ask('api/' + kind + hex).catch(() => null)));
    if (block) return 'block/' + hex;
    if (tx) return 'tx/' + hex;
    return holder && (String(holder.balance) !== '0' || holder.nonce > 0) && 'account/' + hex;
  }
  if (/^[0-9a-f]{6,63}$/.test(hex)) {
    const node = S.nodes.find((one) => one.node_id.startsWith(hex));
    if (node) return 'node/' + node.node_id;
    const block = [...S.blocks, ...S.tree].find((one) => one.hash.startsWith(hex));
    if (block) return 'block/' + block.hash;
    const tx = (S.pending?.transactions || []).find((one) => one.hash.startsWith(hex));
    if (tx) return 'tx/' + tx.hash;
  }
  return null;
}

// ---- is this file recorded?

const DIGEST = toHex(utf8('vision/digest/v1'));
let job = 0;
function answer(icon, cls, words, more) {
  put($('answer'), 'x' + Math.random(), () => h('div', { role: 'status' }, sign(icon, cls), h('div', null, words), more && h('div', { class: 'dim' }, more)));
}

async function lookUp(file) {
  const mine = ++job;
  const large = file.size > 64 << 20;
  answer('i-unknown', 'dim', `Hashing ${file.name}…`);
  try {
    if (file.size && file.size < 4 << 20) {
      const proof = await file.text().then((text) => (text.trimStart()[0] === '{' ? JSON.parse(text) : null)).catch(() => null);
      if (proof && proof.hash && (proof.header || proof.proof?.header)) return await proofAnswer(file, proof);
    }
    let told = 0;
    const digest = await hashFile(file, (done) => {
      if (large && performance.now() - told > 200) { told = performance.now(); answer('i-unknown', 'dim', `Hashing ${file.name}: ${Math.round((100 * done) / file.size)} %`); }
      return mine === job;
    });
    if (!digest || mine !== job) return;
    const hex = toHex(digest);
    const name = `${file.name}, sha256 ${short(hex)}…`;
    let found;
    try { found = await ask(`api/transactions?data_prefix=${DIGEST}${hex}&limit=1`); } catch (error) {
      return answer('i-unknown', 'dim', [h('b', null, 'Cannot tell'), `: ${P.meName(S)} ${error.status ? 'says: ' + error.message : 'does not answer'}`], name);
    }
    const tx = found.transactions?.[0];
    if (!tx) return answer('i-dot', 'dim', [h('b', null, 'Not recorded'), ` up to block ${num(found.up_to_height ?? P.headOf(S)?.height)}`], name);
    const block = S.blocks.find((one) => one.height === tx.height) || (await ask('api/chain/blocks/' + tx.height).catch(() => null));
    answer('i-good', 'good', [h('b', { class: '' }, 'Recorded'), ' in ', h('a', { href: '#/block/' + tx.height }, 'block ' + num(tx.height)), ...(block ? [', ', age(block.timestamp_ms, S.now()), ' ago'] : []), tx.finalized || tx.height <= P.finalHeight(S) ? ', final' : ', not final yet'],
      h('span', null, file.name, ' by ', tx.transaction?.sender ? account(tx.transaction.sender) : 'an unknown sender', ', ', P.txLink(tx.hash)));
  } catch (error) { answer('i-unknown', 'dim', `${file.name} could not be read: ${error.message}`); }
}

async function proofAnswer(file, proof) {
  let check;
  try { check = checkProof(proof); } catch (error) { return answer('i-bad', 'bad', [h('b', null, 'No valid proof'), `: ${error.message}`], file.name); }
  let known = null, unsure = '';
  try { known = (await ask('api/chain/blocks/' + check.height)).hash; } catch (error) { if (error.status !== 404) unsure = `${P.meName(S)} does not answer`; }
  const steps = [...check.steps];
  if (S.chain) steps.push({ text: `It is of this chain, genesis ${short(S.chain.genesis_hash)}`, ok: (proof.proof || proof).genesis_hash === S.chain.genesis_hash });
  if (!unsure) steps.push({ text: `Block ${num(check.height)} of ${P.meName(S)} is the one it names`, ok: known === check.hash });
  const ok = steps.every((step) => step.ok);
  answer(!ok ? 'i-bad' : unsure ? 'i-unknown' : 'i-good', !ok ? 'bad' : unsure ? 'dim' : 'good',
    [h('b', null, !ok ? 'The proof does not hold' : unsure ? `The proof holds in itself; cannot tell about the block: ${unsure}` : 'The proof holds'), ok && !unsure ? [': transaction ', mono(short(proof.hash)), ' is in ', h('a', { href: '#/block/' + check.height }, 'block ' + num(check.height))] : '',
      h('ol', null, steps.map((step) => h('li', { class: step.ok ? '' : 'bad' }, `${step.ok ? '✓' : '✗'} ${step.text}`)))], file.name);
}

function fileDrop() {
  const drop = $('drop');
  const stop = (event) => { event.preventDefault(); drop.classList.toggle('over', event.type === 'dragover'); };
  for (const type of ['dragover', 'dragleave', 'drop']) drop.addEventListener(type, stop);
  for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault());
  drop.addEventListener('drop', (event) => { const file = event.dataTransfer.files[0]; if (file) lookUp(file); });
  $('file').addEventListener('change', () => { const file = $('file').files[0]; if (file) lookUp(file); $('file').value = ''; });
}

// ---- keys, colours, pointers

const stored = (key, value) => { try { if (value === undefined) return localStorage.getItem(key); localStorage.setItem(key, value); } catch { /* no storage: nothing is remembered */ } return null; };
const THEMES = ['system', 'light', 'dark'];
function theme(name) {
  if (name === 'system') delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
  $('theme').setAttribute('aria-label', `Colours: ${name === 'system' ? 'as the system' : name}`);
  $('theme').title = `Colours: ${name === 'system' ? 'as the system' : name}`;
  stored('vision-theme', name);
}
const nextTheme = () => theme(THEMES[(THEMES.indexOf(stored('vision-theme') || 'system') + 1) % 3]);

const KEYS = [['/', 'search'], ['← → Home End', 'move in the blocks'], ['Enter', 'open the block'], ['[ ]', 'previous and next block'], ['c', 'command of the panel'], ['t', 'colours'], ['?', 'this list'], ['Esc', 'back']];
function help(open = $('help').hidden) {
  const box = $('help');
  if (open && !box.firstChild) {
    const on = h('input', { type: 'checkbox', id: 'keys-on' });
    on.checked = stored('vision-keys') !== 'off';
    on.addEventListener('change', () => stored('vision-keys', on.checked ? 'on' : 'off'));
    box.append(h('h2', { id: 'help-t' }, 'Keys'), h('dl', null, KEYS.map(([key, text]) => [h('dt', null, h('kbd', null, key)), h('dd', null, text)])), h('p', null, h('label', null, on, ' Single keys are on')));
  }
  box.hidden = !open;
  if (open) { box.tabIndex = -1; box.focus(); }
}

function move(key) {
  const list = S.blocks.filter((block) => block.height > 0).slice(-64);
  if (!list.length) return;
  const now = list.findIndex((block) => block.height === S.sel);
  const at = now < 0 ? list.length - 1 : now;
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: list.length - 1 }[key];
  S.sel = list[Math.min(list.length - 1, Math.max(0, to))].height;
  P.select(S, S.now(), true);
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches?.('input:not([type=checkbox]):not([type=file]), textarea, select');
  if (event.key === 'Escape') {
    if (!$('help').hidden) help(false);
    else if ($('others').open) $('others').open = false;
    else if (typing) event.target.blur();
    else if (!$('view').hidden) location.hash = '#/';
    else if (S.sel !== null) { S.sel = null; P.select(S, S.now()); }
    return;
  }
  if (typing) return;
  if (event.target.closest?.('.ribbon') && ['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) { event.preventDefault(); move(event.key); return; }
  if (stored('vision-keys') === 'off' && event.key !== '?') return;
  const act = {
    '/': () => $('q').focus(), '?': () => help(), t: nextTheme,
    '[': () => view.near?.[0] !== null && view.near && (location.hash = '#/block/' + view.near[0]), ']': () => view.near?.[1] && (location.hash = '#/block/' + view.near[1]),
    c: () => (document.activeElement.closest?.('[data-p], .card') || document.querySelector('#view .card:has(.cmd)') || $('next')).querySelector('.cmd')?.click(),
  }[event.key];
  if (act) { event.preventDefault(); act(); }
}

function pointers() {
  const ribbon = $('ribbon');
  const pick = (event) => {
    const height = /#\/block\/(\d+)/.exec(event.target.closest?.('.col')?.getAttribute('href') || '')?.[1];
    if (height === undefined || event.pointerType === 'touch') return;
    S.sel = Number(height);
    P.select(S, S.now());
  };
  ribbon.addEventListener('pointerover', pick);
  ribbon.addEventListener('focusin', pick);
  ribbon.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch' && !ribbon.contains(document.activeElement)) { S.sel = null; P.select(S, S.now()); } });
  let touched = false;
  ribbon.addEventListener('pointerdown', (event) => { touched = event.pointerType === 'touch'; });
  ribbon.addEventListener('click', (event) => {
    const height = /#\/block\/(\d+)/.exec(event.target.closest?.('.col')?.getAttribute('href') || '')?.[1];
    if (touched && height !== undefined) { event.preventDefault(); S.sel = Number(height); P.select(S, S.now()); }
  });
  document.addEventListener('pointerover', (event) => { const el = event.target.closest?.('.t'); if (el?._ms) el.title = when(el._ms); });
}

function start() {
  theme(stored('vision-theme') || 'system');
  for (const panel of document.querySelectorAll('[data-p]')) commandButton(panel, COMMANDS[panel.dataset.p], panel.querySelector('h2').id === 'next-t' ? 'Next' : panel.querySelector('h2').textContent);
  $('find').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('q').value.trim();
    if (!text) return;
    $('q').value = '';
    $('q').blur();
    location.hash = '#/search/' + encodeURIComponent(text);
  });
  $('theme').addEventListener('click', nextTheme);
  document.addEventListener('keydown', keys);
  document.addEventListener('click', (event) => { if (!event.target.closest('#others')) $('others').open = false; });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { P.tickAges(S.now()); watchSilence(); changed(); } });
  addEventListener('hashchange', route);
  new ResizeObserver(() => { P.measure(); changed(); }).observe($('content'));
  fileDrop();
  pointers();
  route();
  P.measure();
  setInterval(tick, 100);
  run();
}
start();
