// A small simulated network: who makes which block when, by docs/protocol.md, in code apart from the page's own.
import { createHash, randomBytes } from 'node:crypto';

export const sha3 = (...parts) => {
  const hash = createHash('sha3-256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const le64 = (n) => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(n));
  return out;
};
export const idOf = (name) => sha3('id of ' + name).toString('hex');

export class Chain {
  constructor({
    nodes = 3,
    speed = 1,
    interval = 1800,
    height = 80,
    chainId = 'vision-testnet-1',
    names,
    clock = 0,
  } = {}) {
    this.params = {
      block_interval_ms: interval,
      claim_timeout_ms: Math.round(1200 * speed),
      backup_slots: 6,
      jitter_min_ms: Math.round(50 * speed),
      jitter_max_ms: Math.round(400 * speed),
      max_desync_blocks: 2,
      min_ready_peers: 1,
      eligible_streak_required: 3,
      max_missed_slots: 3,
      max_block_txs: 500,
      max_block_bytes: 1048576,
      max_clock_drift_ms: 500,
      max_producers: 100,
      block_reward: '50',
      min_fee: '1',
    };
    this.chainId = chainId;
    this.genesis = sha3('genesis', chainId).toString('hex');
    this.salt = sha3(chainId, 'mining-epoch-v1');
    this.nodes = Array.from({ length: nodes }, (_, i) => {
      const name = names?.[i] || 'node' + (i + 1);
      return {
        node_id: idOf(name),
        name,
        up: true,
        status: 'active',
        missed: 0,
        suspended_at: 0,
        may_return_at: 0,
        last: 0,
        head: 0,
        lostAt: 0,
        version: '0.1.0',
      };
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
    const at = Date.now() + clock - (height + 1) * (interval + Math.round(225 * speed));
    this.blocks.push({
      height: 0,
      hash: this.genesis,
      parent: '0'.repeat(64),
      timestamp_ms: at,
      slot: 0,
      producer: '',
      tx_count: 0,
      missed: [],
      canonical: true,
      weight: 0,
      entropy: this.genesis,
    });
    for (let i = 0; i < height; i++) this.make(null, true);
  }

  /** Its clock, which need not be that of the reader. */
  now() {
    return Date.now() + this.skew;
  }
  get head() {
    return this.blocks[this.blocks.length - 1];
  }
  get final() {
    return Math.max(0, this.head.height - (this.nodes.length > 1 ? 1 : 0) - (this.finalLag || 0));
  }
  pool(kind) {
    return this.nodes
      .filter((n) => n.status === 'active' || (kind === 'registered' && n.status === 'suspended'))
      .map((n) => n.node_id)
      .sort();
  }
  named(name) {
    return this.nodes.find((n) => n.name === name);
  }

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
      const at = q % size,
        j = at + Number(draw % BigInt(size - at));
      [pool[at], pool[j]] = [pool[j], pool[at]];
    }
    const id = pool[p % size];
    const { jitter_min_ms: low, jitter_max_ms: high } = this.params;
    const jitter = Number(sha3(seed, id).readBigUInt64LE(0) % BigInt(high - low)) + low;
    const start = (k) =>
      parent.timestamp_ms +
      this.params.block_interval_ms +
      this.params.claim_timeout_ms * (Math.min(k, m) + 4 * Math.max(0, k - m));
    return {
      slot,
      node_id: id,
      jitter_ms: jitter,
      opens_at_ms: start(slot) + jitter,
      closes_at_ms: start(slot + 1),
      draw: draw.toString(16).padStart(16, '0'),
      seed,
    };
  }

  schedule(
    parent,
    slots = [0, 1, 2, 3, 4, 5, 6],
    pools = { active: this.pool('active'), registered: this.pool('registered') },
  ) {
    const list = slots.map((slot) => this.owner(parent, slot, pools));
    return {
      chain_id: this.chainId,
      height: parent.height + 1,
      parent: parent.hash,
      parent_timestamp_ms: parent.timestamp_ms,
      entropy: parent.hash,
      seed: list[0].seed.toString('hex'),
      epoch_salt: this.salt.toString('hex'),
      active: pools.active,
      registered: pools.registered,
      slots: list.map(({ seed, ...slot }) => slot),
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
    for (let slot = 0; slot < Math.min(m, one.slot); slot++)
      missed.push({ slot, node_id: this.owner(parent, slot, one.pools).node_id });
    const waiting = txs.length ? txs : quiet || this.keep ? [] : this.pendingTxs.splice(0);
    const txHashes = waiting.map((tx) => Buffer.from(tx.hash, 'hex'));
    let level = txHashes.map((hash) => sha3(Buffer.of(0), hash));
    while (level.length > 1)
      level = level.flatMap((hash, i) =>
        i % 2 ? [] : i + 1 < level.length ? [sha3(Buffer.of(1), hash, level[i + 1])] : [hash],
      );
    const block = {
      version: 1,
      height: parent.height + 1,
      parent: parent.hash,
      timestamp_ms: one.opens_at_ms + (quiet ? 3 : 1),
      slot: one.slot,
      producer: one.node_id,
      tx_root: level.length ? level[0].toString('hex') : '0'.repeat(64),
      state_root: sha3('state', String(parent.height)).toString('hex'),
      pool_root: sha3(...one.pools.active.map((id) => Buffer.from(id, 'hex'))).toString('hex'),
      weight: parent.weight + Math.max(1, m - one.slot),
      certificate_hash: '0'.repeat(64),
      certificate: null,
      reveal: '0'.repeat(64),
      mix: '0'.repeat(64),
      tx_count: waiting.length,
      canonical: true,
      finalized: false,
      size_bytes: 354 + 180 * waiting.length,
      missed,
      interval_ms: one.opens_at_ms + (quiet ? 3 : 1) - parent.timestamp_ms,
      kind: one.slot === 0 ? 'primary' : one.slot < m ? 'backup' : 'tail',
      trace_id: sha3('trace', String(parent.height)).toString('hex').slice(0, 32),
      signature: 'ab'.repeat(64),
      transactions: waiting,
    };
    block.header = this.header(block, block.pool_root).toString('hex');
    block.hash = sha3('vision/header/v1', Buffer.from(this.genesis, 'hex'), Buffer.from(block.header, 'hex')).toString(
      'hex',
    );
    block.arrived_ms = block.timestamp_ms + 5 + ((block.height * 7) % 9);
    block.pools = one.pools;
    for (const tx of waiting) {
      tx.height = block.height;
      tx.block_hash = block.hash;
    }
    this.blocks.push(block);
    const made = this.nodes.find((n) => n.node_id === one.node_id);
    made.missed = 0;
    made.last = block.timestamp_ms;
    for (const n of this.nodes) if (n.up) n.head = block.height;
    const at = block.arrived_ms;
    this.tell('block', { at_ms: at, ...this.listed(block) }, quiet);
    for (const id of new Set(missed.map((slot) => slot.node_id))) {
      const node = this.nodes.find((n) => n.node_id === id);
      if (node.status === 'active') node.missed++;
    }
    for (const slot of missed)
      this.tell(
        'missed_slot',
        {
          at_ms: at,
          height: block.height,
          slot: slot.slot,
          node_id: slot.node_id,
          made_by: block.producer,
          made_in_slot: block.slot,
        },
        quiet,
      );
    const room = Math.floor((this.nodes.length - 1) / 2);
    for (const node of this.nodes) {
      if (
        node.status === 'active' &&
        node.missed >= this.params.max_missed_slots &&
        this.nodes.filter((n) => n.status === 'suspended').length < room
      ) {
        Object.assign(node, {
          status: 'suspended',
          suspended_at: block.height,
          may_return_at: block.height + 2,
          was: node.missed,
        });
        this.tell('suspended', { at_ms: at, node_id: node.node_id, height: block.height, missed: node.missed }, quiet);
      } else if (node.status === 'suspended' && node.up && block.height >= node.may_return_at) {
        Object.assign(node, { status: 'active', missed: 0 });
        this.tell('returned', { at_ms: at, node_id: node.node_id, height: block.height }, quiet);
      }
    }
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
    this.beat = setInterval(() => {
      if (!this.silent) for (const res of this.listeners) res.write(': still here\n\n');
      if (!this.silent) this.status();
    }, 1000);
    return this;
  }

  kill(name) {
    const node = this.named(name);
    Object.assign(node, { up: false, lostAt: this.now() });
    this.tell('contact_lost', {
      at_ms: this.now(),
      node_id: node.node_id,
      address: node.address || '127.0.0.1:' + (7072 + this.nodes.indexOf(node)),
      reason: 'connection closed',
    });
    this.status();
  }

  start(name) {
    const node = this.named(name);
    Object.assign(node, { up: true, lostAt: 0, head: this.head.height });
    this.tell('contact_found', {
      at_ms: this.now(),
      node_id: node.node_id,
      address: '127.0.0.1:' + (7072 + this.nodes.indexOf(node)),
    });
    this.status();
  }

  /** The head is replaced by another block of the same height. */
  reorg(at = this.now()) {
    const left = this.blocks.pop();
    const other =
      this.turn((id) => id === left.producer || !this.nodes.find((n) => n.node_id === id).up) || this.turn();
    const listeners = this.listeners;
    this.listeners = new Set();
    const joined = this.make(other, true);
    this.listeners = listeners;
    this.events = this.events.filter((e) => !(e.event === 'block' && e.hash === left.hash));
    Object.assign(left, {
      canonical: false,
      replaced_at_ms: this.now(),
      replaced_because: 'LIGHTER: it came 0.9 s late',
    });
    this.side.push(left);
    this.tell('reorg', {
      at_ms: at,
      height: left.height,
      depth: 1,
      left: [this.listed(left)],
      joined: [this.listed(joined)],
      left_count: 1,
      joined_count: 1,
      transactions_returned: 2,
    });
    this.status();
    return { left, joined };
  }

  addTx(type = 'transfer', data = '') {
    const hash = randomBytes(32).toString('hex');
    const tx = {
      hash,
      type,
      sender: idOf('account1'),
      sender_public_key: 'aa'.repeat(32),
      nonce: this.pendingTxs.length,
      fee: '1',
      data: type === 'data' ? data : undefined,
      to: type === 'transfer' ? idOf('account2') : undefined,
      amount: type === 'transfer' ? '100' : undefined,
      since: this.now(),
      bytes: '00',
      signature: 'cd'.repeat(64),
    };
    this.pendingTxs.push(tx);
    this.records.set(hash, tx);
    return tx;
  }

  tell(event, data, quiet = false) {
    const id = `${this.epoch}-${++this.cursor}`;
    this.events.unshift({ event, id, ...data });
    this.events.length = Math.min(this.events.length, 1000);
    if (!quiet && !this.silent)
      for (const res of this.listeners) res.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  status() {
    if (this.silent) return;
    const o = this.parts();
    const data = {
      now_ms: this.now(),
      services: o.services,
      health: o.health,
      nodes: o.nodes,
      mining: o.mining,
      propagation: o.propagation,
      pending: o.pending,
      stats: o.stats,
      schedule: o.schedule,
      tree: o.tree,
    };
    for (const res of this.listeners) res.write(`event: status\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
