// A gateway made of paper: serves the page under the real policy, and answers with data of the gateway's shapes from a small
// simulated chain. For tests and for looking at states that a healthy network does not show. Development only.
//
//   node tests/browser/mock.mjs --scene broken --port 8099
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE = fileURLToPath(new URL('../../services/gateway/page/', import.meta.url));
export const PAGE_FILES = ['index.html', 'app.css', 'app.js', 'panels.js', 'hash.js'];
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };
const DIGEST = Buffer.from('vision/digest/v1').toString('hex');

// ------------------------------------------------------------- the protocol, apart from the page's own code

const sha3 = (...parts) => {
  const hash = createHash('sha3-256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const le64 = (n) => { const out = Buffer.alloc(8); out.writeBigUInt64LE(BigInt(n)); return out; };
const idOf = (name) => sha3('id of ' + name).toString('hex');

export class Mock {
  constructor({ nodes = 3, speed = 1, interval = 1800, height = 80, chainId = 'vision-testnet-1', names } = {}) {
    this.params = {
      block_interval_ms: interval, claim_timeout_ms: Math.round(1200 * speed), backup_slots: 6, jitter_min_ms: Math.round(50 * speed), jitter_max_ms: Math.round(400 * speed), max_desync_blocks: 2,
      min_ready_peers: 1, eligible_streak_required: 3, max_missed_slots: 3, max_block_txs: 500, max_block_bytes: 1048576, max_clock_drift_ms: 500, max_producers: 100, block_reward: '50', min_fee: '1',
    };
    this.chainId = chainId;
    this.genesis = sha3('genesis', chainId).toString('hex');
    this.salt = sha3(chainId, 'mining-epoch-v1');
    this.nodes = Array.from({ length: nodes }, (_, i) => {
      const name = names?.[i] || 'node' + (i + 1);
      return { node_id: idOf(name), name, up: true, status: 'active', missed: 0, suspended_at: 0, may_return_at: 0, last: 0, head: 0, lostAt: 0, version: '0.1.0' };
    });
    this.me = this.nodes[0];
    this.blocks = [];
    this.side = [];
    this.events = [];
    this.listeners = new Set();
    this.sockets = new Set();
    this.pendingTxs = [];
    this.records = new Map();
    this.gone = {};
    this.cursor = 0;
    this.epoch = randomBytes(3).toString('hex');
    this.requests = [];
    this.skew = 0;
    this.keep = false;
    this.silent = false;
    this.timers = [];
    this.startedAt = this.now() - 43 * 60e3;
    this.lagBy = 0;
    const at = Date.now() - (height + 1) * (interval + Math.round(225 * speed));
    this.blocks.push({ height: 0, hash: this.genesis, parent: '0'.repeat(64), timestamp_ms: at, slot: 0, producer: '', tx_count: 0, missed: [], canonical: true, weight: 0, entropy: this.genesis });
    for (let i = 0; i < height; i++) this.make(null, true);
  }

  /** Its clock, which need not be that of the reader. */
  now() { return Date.now() + this.skew; }
  get head() { return this.blocks[this.blocks.length - 1]; }
  get final() { return Math.max(0, this.head.height - (this.nodes.length > 1 ? 1 : 0) - (this.finalLag || 0)); }
  pool(kind) { return this.nodes.filter((n) => n.status === 'active' || (kind === 'registered' && n.status === 'suspended')).map((n) => n.node_id).sort(); }
  named(name) { return this.nodes.find((n) => n.name === name); }

  owner(parent, slot, pools) {
    const m = this.params.backup_slots + 1;
    const seed = sha3(parent.hash, le64(parent.height + 1), this.salt);
    const base = slot < m ? 0 : m;
    const pool = [...(slot < m && pools.active.length ? pools.active : pools.registered)];
    const p = slot - base;
    const size = pool.length;
    let draw = 0n;
    for (let q = p - (p % size); q <= p; q++) {
      const k = base + q;
      draw = (k === 0 ? seed : sha3(seed, 'reroll', String(k - 1))).readBigUInt64LE(0);
      const at = q % size, j = at + Number(draw % BigInt(size - at));
      [pool[at], pool[j]] = [pool[j], pool[at]];
    }
    const id = pool[p % size];
    const { jitter_min_ms: low, jitter_max_ms: high } = this.params;
    const jitter = Number(sha3(seed, id).readBigUInt64LE(0) % BigInt(high - low)) + low;
    const start = (k) => parent.timestamp_ms + this.params.block_interval_ms + this.params.claim_timeout_ms * (Math.min(k, m) + 4 * Math.max(0, k - m));
    return { slot, node_id: id, jitter_ms: jitter, opens_at_ms: start(slot) + jitter, closes_at_ms: start(slot + 1), draw: draw.toString(16).padStart(16, '0'), seed };
  }

  schedule(parent, slots = [0, 1, 2, 3, 4, 5, 6], pools = { active: this.pool('active'), registered: this.pool('registered') }) {
    const list = slots.map((slot) => this.owner(parent, slot, pools));
    return {
      chain_id: this.chainId, height: parent.height + 1, parent: parent.hash, parent_timestamp_ms: parent.timestamp_ms, entropy: parent.hash, seed: list[0].seed.toString('hex'), epoch_salt: this.salt.toString('hex'),
      active: pools.active, registered: pools.registered, slots: list.map(({ seed, ...slot }) => slot),
    };
  }

  header(block, poolRoot) {
    const out = Buffer.alloc(290);
    out.writeUInt16LE(1, 0);
    le64(block.height).copy(out, 2);
    Buffer.from(block.parent, 'hex').copy(out, 10);
    le64(block.timestamp_ms).copy(out, 42);
    le64(block.slot).copy(out, 50);
    Buffer.from(block.producer, 'hex').copy(out, 58);
    Buffer.from(block.tx_root, 'hex').copy(out, 90);
    Buffer.from(block.state_root, 'hex').copy(out, 122);
    Buffer.from(poolRoot, 'hex').copy(out, 154);
    le64(block.weight).copy(out, 186);
    return out;
  }

  /** Who makes the next block, when: the first of the schedule who is up. */
  turn(down = (id) => !this.nodes.find((n) => n.node_id === id).up) {
    const pools = { active: this.pool('active'), registered: this.pool('registered') };
    for (let slot = 0; slot < 400; slot++) {
      const one = this.owner(this.head, slot, pools);
      if (!down(one.node_id)) return { ...one, pools };
    }
    return null;
  }

  make(turn, quiet = false, txs = []) {
    const parent = this.head;
    const one = turn || this.turn();
    if (!one) return null;
    const m = this.params.backup_slots + 1;
    const missed = [];
    for (let slot = 0; slot < one.slot; slot++) missed.push({ slot, node_id: this.owner(parent, slot, one.pools).node_id });
    const waiting = txs.length ? txs : quiet || this.keep ? [] : this.pendingTxs.splice(0);
    const txHashes = waiting.map((tx) => Buffer.from(tx.hash, 'hex'));
    let level = txHashes.map((hash) => sha3(Buffer.of(0), hash));
    while (level.length > 1) level = level.flatMap((hash, i) => (i % 2 ? [] : i + 1 < level.length ? [sha3(Buffer.of(1), hash, level[i + 1])] : [hash]));
    const block = {
      version: 1, height: parent.height + 1, parent: parent.hash, timestamp_ms: one.opens_at_ms + (quiet ? 3 : 1), slot: one.slot, producer: one.node_id, tx_root: level.length ? level[0].toString('hex') : '0'.repeat(64),
      state_root: sha3('state', String(parent.height)).toString('hex'), pool_root: sha3(...one.pools.active.map((id) => Buffer.from(id, 'hex'))).toString('hex'), weight: parent.weight + Math.max(1, m - one.slot),
      certificate_hash: '0'.repeat(64), certificate: null, reveal: '0'.repeat(64), mix: '0'.repeat(64), tx_count: waiting.length, canonical: true, finalized: false, size_bytes: 354 + 180 * waiting.length,
      missed, interval_ms: one.opens_at_ms + (quiet ? 3 : 1) - parent.timestamp_ms, kind: one.slot === 0 ? 'primary' : one.slot < m ? 'backup' : 'tail',
      trace_id: sha3('trace', String(parent.height)).toString('hex').slice(0, 32), signature: 'ab'.repeat(64), transactions: waiting,
    };
    block.header = this.header(block, block.pool_root).toString('hex');
    block.hash = sha3('vision/header/v1', Buffer.from(this.genesis, 'hex'), Buffer.from(block.header, 'hex')).toString('hex');
    block.arrived_ms = block.timestamp_ms + 5 + (block.height * 7) % 9;
    block.pools = one.pools;
    for (const tx of waiting) { tx.height = block.height; tx.block_hash = block.hash; }
    this.blocks.push(block);
    const made = this.nodes.find((n) => n.node_id === one.node_id);
    made.missed = 0;
    made.last = block.timestamp_ms;
    for (const n of this.nodes) if (n.up) n.head = block.height;
    const at = block.arrived_ms;
    for (const id of new Set(missed.map((slot) => slot.node_id))) {
      const node = this.nodes.find((n) => n.node_id === id);
      const first = missed.find((slot) => slot.node_id === id);
      if (one.slot < m) this.tell('missed_slot', { at_ms: at, height: block.height, slot: first.slot, node_id: id, made_by: block.producer, made_in_slot: block.slot }, quiet);
      if (node.status === 'active') node.missed++;
    }
    if (one.slot >= m) for (const slot of missed.slice(0, m)) this.tell('missed_slot', { at_ms: at, height: block.height, slot: slot.slot, node_id: slot.node_id, made_by: block.producer, made_in_slot: block.slot }, quiet);
    const room = Math.floor((this.nodes.length - 1) / 2);
    for (const node of this.nodes) {
      if (node.status === 'active' && node.missed >= this.params.max_missed_slots && this.nodes.filter((n) => n.status === 'suspended').length < room) {
        Object.assign(node, { status: 'suspended', suspended_at: block.height, may_return_at: block.height + 2, was: node.missed });
        this.tell('suspended', { at_ms: at, node_id: node.node_id, height: block.height, missed: node.missed }, quiet);
      } else if (node.status === 'suspended' && node.up && block.height >= node.may_return_at) {
        Object.assign(node, { status: 'active', missed: 0 });
        this.tell('returned', { at_ms: at, node_id: node.node_id, height: block.height }, quiet);
      }
    }
    this.tell('block', { at_ms: at, ...this.listed(block), schedule: this.schedule(block) }, quiet);
    this.tell('finalized', { at_ms: at, height: this.final, hash: this.blocks[this.final].hash }, quiet);
    if (!quiet) this.status();
    return block;
  }

  listed(block) {
    const { header, signature, transactions, pools, ...rest } = block;
    return { ...rest, finalized: block.height <= this.final };
  }

  // ----------------------------------------------------------- what tests do to it

  run() {
    // Small steps, so that a node that stops in between is seen.
    const loop = () => {
      const turn = this.stuck ? null : this.turn();
      if (turn && turn.opens_at_ms <= this.now()) this.make(turn);
      this.timers = [setTimeout(loop, 10)];
    };
    loop();
    this.beat = setInterval(() => { if (!this.silent) for (const res of this.listeners) res.write(': still here\n\n'); if (!this.silent) this.status(); }, 1000);
    return this;
  }

  kill(name) {
    const node = this.named(name);
    Object.assign(node, { up: false, lostAt: this.now() });
    this.tell('contact_lost', { at_ms: this.now(), node_id: node.node_id, address: node.address || '127.0.0.1:' + (7072 + this.nodes.indexOf(node)), reason: 'connection closed' });
    this.status();
  }

  start(name) {
    const node = this.named(name);
    Object.assign(node, { up: true, lostAt: 0, head: this.head.height });
    this.tell('contact_found', { at_ms: this.now(), node_id: node.node_id, address: '127.0.0.1:' + (7072 + this.nodes.indexOf(node)) });
    this.status();
  }

  /** The head is replaced by another block of the same height. */
  reorg(at = this.now()) {
    const left = this.blocks.pop();
    const other = this.turn((id) => id === left.producer || !this.nodes.find((n) => n.node_id === id).up) || this.turn();
    const listeners = this.listeners;
    this.listeners = new Set();
    const joined = this.make(other, true);
    this.listeners = listeners;
    this.events = this.events.filter((e) => !(e.event === 'block' && e.hash === left.hash));
    Object.assign(left, { canonical: false, replaced_at_ms: this.now(), replaced_because: 'LIGHTER: it came 0.9 s late' });
    this.side.push(left);
    this.tell('reorg', { at_ms: at, height: left.height, depth: 1, left: [this.listed(left)], joined: [this.listed(joined)], left_count: 1, joined_count: 1, transactions_returned: 2 });
    this.status();
    return { left, joined };
  }

  addTx(type = 'transfer', data = '') {
    const hash = randomBytes(32).toString('hex');
    const tx = { hash, type, sender: idOf('account1'), sender_public_key: 'aa'.repeat(32), nonce: this.pendingTxs.length, fee: '1', data: type === 'data' ? data : undefined, to: type === 'transfer' ? idOf('account2') : undefined, amount: type === 'transfer' ? '100' : undefined, since: this.now(), bytes: '00', signature: 'cd'.repeat(64) };
    this.pendingTxs.push(tx);
    this.records.set(hash, tx);
    return tx;
  }

  tell(event, data, quiet = false) {
    const id = `${this.epoch}-${++this.cursor}`;
    this.events.unshift({ event, id, ...data });
    this.events.length = Math.min(this.events.length, 1000);
    if (!quiet && !this.silent) for (const res of this.listeners) res.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  status() {
    if (this.silent) return;
    const o = this.parts();
    const data = { now_ms: this.now(), services: o.services, health: o.health, nodes: o.nodes, mining: o.mining, propagation: o.propagation, pending: o.pending, stats: o.stats };
    for (const res of this.listeners) res.write(`event: status\ndata: ${JSON.stringify(data)}\n\n`);
  }

  // ----------------------------------------------------------- what it answers

  health() {
    const registered = this.nodes.filter((n) => n.status !== 'candidate');
    const now = this.now();
    const p = this.params;
    const producing = registered.filter((n) => n.up && n.status === 'active' && !n.why).length;
    const last = this.head.timestamp_ms;
    const lag = this.head.height - this.final;
    const reasons = [];
    const spare = Math.max(0, producing - (Math.floor(registered.length / 2) + 1));
    for (const n of registered.filter((one) => !one.up)) {
      const what = n.status === 'suspended' ? ` It missed ${n.was} slots and is suspended since height ${n.suspended_at.toLocaleString('en-US')}; the others make all blocks.` : '';
      const means = spare === 0 ? ' If one more node stops, blocks no longer become final.' : '';
      reasons.push({ code: 'NO_ANSWER', node_id: n.node_id, since_ms: n.lostAt, text: `${n.name} has not answered for {ago:${n.lostAt}}.${what}${means}`, remedy: `Start it again and it returns by itself: \`vision testnet start ${n.name}\`` });
    }
    for (const n of registered.filter((one) => one.why)) reasons.push({ code: n.why.split(':')[0], node_id: n.node_id, since_ms: now - 20000, text: `${n.name} may not produce: ${n.why.split(': ')[1]}.`, remedy: 'Look at its network: it hears too few peers.' });
    if (this.lagBy) reasons.unshift({ code: 'BEHIND', node_id: this.me.node_id, since_ms: now - 9000, text: `${this.me.name} is ${this.lagBy} blocks behind the network and fetches them.`, remedy: '' });
    const stopped = now - last > 15000;
    const late = now - last > p.block_interval_ms + p.jitter_max_ms + 2 * p.claim_timeout_ms;
    const finality = lag === 0 ? 'final' : `final ${lag} ${lag === 1 ? 'block' : 'blocks'} behind`;
    const state = this.head.height === 0 ? 'unknown' : stopped ? 'stopped' : reasons.length || late || producing < registered.length ? 'trouble' : 'fine';
    const headline = this.head.height === 0 ? `${this.me.name} waits for 1 more node` : stopped ? `No block for {ago:${last}}, ${producing} of ${registered.length} nodes may produce, ${finality}`
      : `${producing} of ${registered.length} nodes producing, last block {ago:${last}} ago, ${finality}`;
    const sorted = this.blocks.slice(-64).map((b) => b.interval_ms || 2000).sort((a, b) => a - b);
    return { state, headline, reasons, producing, registered: registered.length, height: this.head.height, finalized_height: this.final, last_block_at_ms: last, interval_median_ms: sorted[sorted.length >> 1], spare, pending: this.pendingTxs.length, this_node: { eligible: !this.lagBy, not_eligible_because: this.lagBy ? `BEHIND: ${this.lagBy} blocks behind` : '', remedy: '' } };
  }

  parts() {
    const now = this.now();
    const upThere = (n) => n === this.me || n.up;
    const window = this.blocks.filter((b) => b.height > 0).slice(-64);
    const m = this.params.backup_slots + 1;
    const nodes = this.nodes.map((n, i) => ({
      node_id: n.node_id, name: n.name, role: n.role || (n.status === 'suspended' ? 'suspended' : 'producer'), this_node: n === this.me, address: n.address || '127.0.0.1:' + (7072 + i), connected: n !== this.me && n.up, height: n === this.me ? this.head.height : n.head + (n.up ? this.lagBy : 0),
      behind: n === this.me ? this.lagBy : n.up ? 0 : this.head.height - n.head, peers: n.up ? this.nodes.filter((o) => o.up && o !== n).length : null, clock_offset_ms: n === this.me || !n.up ? null : [-0.5, 0.5, 0.1][i % 3], rtt_ms: n === this.me || !n.up ? null : 1, version: n.version,
      eligible: n.up ? !n.why && n.status === 'active' : null, not_eligible_because: n.why || null, last_block_height: n.head, last_block_at_ms: n.last || null, last_seen_at_ms: upThere(n) ? now : n.lostAt, lost_at_ms: n.lostAt || null, missed: n.was && n.status === 'suspended' ? n.was : n.missed, suspended_at: n.suspended_at, may_return_at: n.may_return_at,
    }));
    const stats = {
      from_height: window[0]?.height || 0, to_height: this.head.height, blocks: window.length, interval_median_ms: 2000, interval_max_ms: 3400,
      producers: this.nodes.map((n) => {
        const own = window.filter((b) => b.producer === n.node_id);
        const count = (test) => own.filter(test).length;
        return { node_id: n.node_id, primary: count((b) => b.slot === 0), backup: count((b) => b.slot > 0 && b.slot < m), tail: count((b) => b.slot >= m), missed: window.filter((b) => b.missed.some((s) => s.node_id === n.node_id)).length, rewards: String(50 * own.length), share: own.length / Math.max(1, window.length), expected_share: 1 / this.nodes.length };
      }),
    };
    const propagation = this.nodes.length < 2 ? [] : this.nodes.filter((n) => n.up).map((n, i) => {
      const samples = window.map((b) => ({ height: b.height, delay_ms: (b.height * (i + 3) * 7919) % 97 === 0 ? 42 : 5 + ((b.height * (i + 5) * 31) % 9) }));
      return { node_id: n.node_id, samples, median_ms: 9, p95_ms: 12 + 11 * i };
    });
    const answer = {
      services: { chain: 'serving', 'sync-oracle': 'serving', selection: 'serving', producer: 'serving' }, health: this.health(), nodes, mining: { next_height: this.head.height + 1, network_height: this.head.height + this.lagBy, lag_blocks: this.lagBy, eligible: !this.lagBy }, stats, propagation,
      pending: { count: this.pendingTxs.length, bytes: 200 * this.pendingTxs.length, oldest_since_ms: this.pendingTxs[0]?.since ?? null, transactions: [...this.pendingTxs].reverse().slice(0, 8).map((tx) => ({ hash: tx.hash, kind: tx.type, sender: tx.sender, since_ms: tx.since, fee: tx.fee, data: tx.data, to: tx.to, amount: tx.amount })) },
    };
    for (const [service, why] of Object.entries(this.gone)) answer.services[service] = why;
    if (this.gone.chain) for (const part of ['nodes', 'stats', 'propagation', 'pending', 'health']) answer[part] = null;
    if (this.gone['sync-oracle']) answer.health = null;
    return answer;
  }

  overview() {
    const parts = this.parts();
    const down = this.gone.chain;
    const answer = {
      now_ms: this.now(), version: '0.1.0', uptime_seconds: Math.round((this.now() - this.startedAt) / 1000), chain: down ? null : { chain_id: this.chainId, genesis_hash: this.genesis, genesis_time_ms: this.blocks[0].timestamp_ms, ...this.params },
      node: { node_id: this.me.node_id, name: this.me.name }, ...parts, blocks: down ? null : this.blocks.slice(-64).map((b) => this.listed(b)), schedule: down || this.gone.selection ? null : this.schedule(this.head),
      tree: down ? null : [...this.blocks.slice(-16), ...this.side.filter((b) => b.height > this.head.height - 16)].map((b) => ({ height: b.height, hash: b.hash, parent: b.parent, producer: b.producer, slot: b.slot, timestamp_ms: b.timestamp_ms, canonical: b.canonical, finalized: b.height <= this.final && b.canonical, arrived_ms: b.arrived_ms, replaced_at_ms: b.replaced_at_ms, replaced_because: b.replaced_because })),
      events: this.events.slice(0, 200).map(({ event, id, ...data }) => ({ event, id, data })), pages: Object.fromEntries(this.nodes.slice(1, 4).map((n, i) => [n.node_id, `http://127.0.0.1:${8081 + i}`])), cursor: `${this.epoch}-${this.cursor}`, missing: {},
    };
    for (const [part, value] of Object.entries(answer)) if (value === null) answer.missing[part] = `The ${part === 'schedule' && !down ? 'selection' : part === 'health' && !down ? 'sync-oracle' : 'chain'} service of ${this.me.name} does not answer`;
    return answer;
  }

  route(req, res) {
    const url = new URL(req.url, 'http://x');
    const path = url.pathname;
    this.requests.push({ path, headers: req.headers, at: this.now() });
    const file = path === '/' ? 'index.html' : path.slice(1);
    if (PAGE_FILES.includes(file)) {
      res.writeHead(200, { 'content-type': TYPES[extname(file)], 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' });
      return res.end(readFileSync(join(PAGE, file)));
    }
    const json = (value, status = 200) => { res.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' }); res.end(JSON.stringify(value)); };
    const no = (status, detail) => json({ type: 'about:blank', title: 'No', status, detail, reason: 'NOT_FOUND' }, status);
    if (path === '/favicon.ico') { res.writeHead(204); return res.end(); }
    if (this.silent) return undefined;
    if (path === '/api/overview') return json(this.overview());
    if (path === '/api/mining/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      const at = this.events.findIndex((e) => e.id === req.headers['last-event-id']);
      if (at > 0) for (const { event, id, ...data } of this.events.slice(0, at).reverse()) res.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
      res.write(': hello\n\n');
      this.listeners.add(res);
      this.status();
      return req.on('close', () => this.listeners.delete(res));
    }
    if (this.gone.chain) return no(503, 'the chain service does not answer');
    let found;
    if ((found = /^\/api\/chain\/blocks\/(?:0x)?([0-9a-f]+)$/.exec(path))) {
      const block = [...this.blocks, ...this.side].find((b) => b.hash === found[1]) || this.blocks.find((b) => String(b.height) === found[1]);
      if (!block) return no(404, `there is no block ${found[1]}`);
      const { pools, ...rest } = block;
      return json({ ...rest, header: block.header || '', signature: block.signature || '', transactions: block.transactions || [], finalized: block.canonical && block.height <= this.final });
    }
    if (path === '/api/mining/schedule') {
      const height = Number(url.searchParams.get('height') || this.head.height + 1);
      const parent = this.blocks[height - 1];
      if (!parent) return no(404, `there is no block ${height - 1}`);
      const slots = (url.searchParams.get('slots') || '0-6').split(',').flatMap((part) => { const [a, b] = part.split('-').map(Number); return Array.from({ length: (b ?? a) - a + 1 }, (_, i) => a + i); });
      return json(this.schedule(parent, slots, this.blocks[height]?.pools));
    }
    if (path === '/api/transactions') {
      const prefix = url.searchParams.get('data_prefix'), sender = url.searchParams.get('sender');
      const list = [...this.records.values()].filter((tx) => tx.height && (!prefix || tx.data?.startsWith(prefix)) && (!sender || tx.sender === sender));
      return json({ transactions: list.map((tx) => this.txInfo(tx)), next_page_token: '', up_to_height: this.head.height });
    }
    if ((found = /^\/api\/transactions\/([0-9a-f]{64})$/.exec(path))) {
      const tx = this.records.get(found[1]);
      return tx ? json(this.txInfo(tx, url.searchParams.has('proof'))) : no(404, 'this transaction is not known');
    }
    if ((found = /^\/api\/accounts\/([0-9a-f]{64})$/.exec(path))) return json({ address: found[1], balance: found[1] === idOf('account1') ? '1000000' : '0', nonce: 0, pending_nonce: 0, height: this.head.height });
    return no(404, `there is nothing at ${path}`);
  }

  txInfo(tx, proof) {
    const { since, height, block_hash, ...rest } = tx;
    const transaction = rest;
    if (!height) return { hash: tx.hash, status: 'pending', since_ms: since, transaction };
    const block = this.blocks[height];
    const at = block.transactions.indexOf(tx);
    const answer = { hash: tx.hash, status: 'included', height, block_hash, index: at, finalized: height <= this.final, trace_id: block.trace_id, transaction };
    if (proof) {
      const steps = [];
      let level = block.transactions.map((one) => sha3(Buffer.of(0), Buffer.from(one.hash, 'hex'))), i = at;
      while (level.length > 1) {
        const side = i ^ 1;
        if (side < level.length) steps.push({ side: side < i ? 'left' : 'right', hash: level[side].toString('hex') });
        level = level.flatMap((hash, k) => (k % 2 ? [] : k + 1 < level.length ? [sha3(Buffer.of(1), hash, level[k + 1])] : [hash]));
        i >>= 1;
      }
      answer.proof = { genesis_hash: this.genesis, header: block.header, steps, signature: block.signature, producer: block.producer, producer_public_key: 'aa'.repeat(32) };
    }
    return answer;
  }

  listen(port = 0) {
    this.server = createServer((req, res) => { if (this.refuse) req.socket.destroy(); else this.route(req, res); });
    this.server.on('connection', (socket) => { this.sockets.add(socket); socket.on('close', () => this.sockets.delete(socket)); });
    return new Promise((done) => this.server.listen(port, '127.0.0.1', () => { this.port = this.server.address().port; this.url = `http://127.0.0.1:${this.port}`; done(this); }));
  }

  /** The gateway dies: the port refuses, as that of a killed process does. */
  async die() {
    this.listeners.clear();
    const closed = new Promise((done) => this.server.close(done));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
  revive() { return this.listen(this.port); }

  async stop() {
    clearInterval(this.beat);
    this.stuck = true;
    for (const timer of this.timers) clearTimeout(timer);
    if (this.server?.listening) await this.die();
  }
}

/** A second in which the clock stands still, for pictures: states by name. */
export const SCENES = {
  healthy() {
    const mock = new Mock({ height: 1242 });
    mock.named('node2').missed = 0;
    const late = mock.turn((id) => id === mock.owner(mock.head, 0, { active: mock.pool('active'), registered: mock.pool('registered') }).node_id);
    mock.make(late, true);
    for (let i = 0; i < 40; i++) mock.make(null, true);
    mock.keep = true;
    for (let i = 0; i < 4; i++) mock.addTx(i % 2 ? 'data' : 'transfer', 'cafe');
    return shift(mock);
  },
  broken() {
    const mock = new Mock({ height: 1235 });
    const other = mock.turn(() => false);
    for (let slot = 7; slot < 20; slot++) {
      const one = mock.owner(mock.head, slot, other.pools);
      mock.make({ ...one, pools: other.pools }, true);
      break;
    }
    for (const n of mock.nodes) n.missed = 0;
    for (let i = 0; i < 17; i++) mock.make(null, true);
    const dead = mock.named('node2');
    Object.assign(dead, { up: false, lostAt: 1 });
    mock.tell('contact_lost', { at_ms: mock.head.timestamp_ms, node_id: dead.node_id, address: '127.0.0.1:7073' }, true);
    for (let i = 0; i < 29; i++) {
      mock.make(null, true);
      if (i === 19) mock.reorg(mock.head.timestamp_ms + 900);
    }
    mock.side[0].replaced_at_ms = 2;
    mock.keep = true;
    for (let i = 0; i < 6; i++) mock.addTx(i % 2 ? 'data' : 'transfer', 'cafe');
    mock.finalLag = 1;
    return shift(mock, dead);
  },
  stopped() {
    const mock = shift(new Mock({ height: 300 }), null, 41000);
    for (const n of mock.nodes) n.why = n === mock.me ? 'TOO_FEW_PEERS: 0 ready peers of 1' : '';
    for (const n of mock.nodes.slice(1)) Object.assign(n, { up: false, lostAt: mock.now() - 44000 });
    mock.stuck = true;
    return mock;
  },
  partition() {
    const mock = SCENES.healthy();
    mock.lagBy = 120;
    mock.stuck = true;
    return mock;
  },
  chain_gone() {
    const mock = SCENES.healthy();
    mock.gone = { chain: 'connection refused' };
    return mock;
  },
  one: () => shift(new Mock({ nodes: 1, height: 200 })),
  hundred: () => shift(new Mock({ nodes: 100, height: 120 })),
  empty() {
    const mock = new Mock({ height: 0 });
    for (const n of mock.nodes.slice(1)) Object.assign(n, { up: false, lostAt: mock.now() - 12000 });
    mock.stuck = true;
    return mock;
  },
};

/** The past was simulated to end some time or other. Stamps are in the hashes, so the mock's clock moves, not the chain. */
function shift(mock, dead, ago = 1400) {
  mock.skew = mock.head.timestamp_ms + ago - Date.now();
  if (dead) dead.lostAt = mock.head.timestamp_ms - 64000;
  for (const block of mock.side) block.replaced_at_ms = block.timestamp_ms + 900;
  for (const tx of mock.pendingTxs) tx.since = mock.now() - 400 - 250 * mock.pendingTxs.indexOf(tx);
  mock.startedAt = mock.now() - 43 * 60e3;
  return mock;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const arg = (name, otherwise) => { const at = process.argv.indexOf('--' + name); return at < 0 ? otherwise : process.argv[at + 1]; };
  const mock = SCENES[arg('scene', 'healthy')]().run();
  await mock.listen(Number(arg('port', 8099)));
  console.log(`${mock.url} shows "${arg('scene', 'healthy')}"; Ctrl-C ends it`);
}
