// What the mock gateway says of its chain, in the shapes of docs/rest.md.
import { Chain, sha3 } from './chain.mjs';

export class Answers extends Chain {
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
      const what =
        n.status === 'suspended'
          ? ` It missed ${n.was} slots and is suspended since height ` +
            `${n.suspended_at.toLocaleString('en-US')}; the others make all blocks.`
          : '';
      const means = spare === 0 ? ' If one more node stops, blocks no longer become final.' : '';
      reasons.push({
        code: 'NO_ANSWER',
        node_id: n.node_id,
        since_ms: n.lostAt,
        text: `${n.name} has not answered for {ago:${n.lostAt}}.${what}${means}`,
        remedy: `Start it again and it returns by itself: \`vision testnet start ${n.name}\``,
      });
    }
    for (const n of registered.filter((one) => one.why))
      reasons.push({
        code: n.why.split(':')[0],
        node_id: n.node_id,
        since_ms: now - 20000,
        text: `${n.name} may not produce: ${n.why.split(': ')[1]}.`,
        remedy: 'Look at its network: it hears too few peers.',
      });
    if (this.lagBy)
      reasons.unshift({
        code: 'BEHIND',
        node_id: this.me.node_id,
        since_ms: now - 9000,
        text: `${this.me.name} is ${this.lagBy} blocks behind the network and fetches them.`,
        remedy: '',
      });
    const stopped = now - last > 15000;
    const late = now - last > p.block_interval_ms + p.jitter_max_ms + 2 * p.claim_timeout_ms;
    const finality = lag === 0 ? 'final' : `final ${lag} ${lag === 1 ? 'block' : 'blocks'} behind`;
    const state =
      this.head.height === 0
        ? 'unknown'
        : stopped
          ? 'stopped'
          : reasons.length || late || producing < registered.length
            ? 'trouble'
            : 'fine';
    const headline =
      this.head.height === 0
        ? `${this.me.name} waits for 1 more node`
        : stopped
          ? `No block for {ago:${last}}, ${producing} of ${registered.length} nodes may produce, ${finality}`
          : `${producing} of ${registered.length} nodes producing, last block {ago:${last}} ago, ${finality}`;
    const sorted = this.blocks
      .slice(-64)
      .map((b) => b.interval_ms || 2000)
      .sort((a, b) => a - b);
    return {
      state,
      headline,
      reasons,
      producing,
      registered: registered.length,
      height: this.head.height,
      finalized_height: this.final,
      last_block_at_ms: last,
      interval_median_ms: sorted[sorted.length >> 1],
      spare,
      pending: this.pendingTxs.length,
      this_node: {
        eligible: !this.lagBy,
        not_eligible_because: this.lagBy ? `BEHIND: ${this.lagBy} blocks behind` : '',
        remedy: '',
      },
    };
  }

  parts() {
    const now = this.now();
    const upThere = (n) => n === this.me || n.up;
    const window = this.blocks.filter((b) => b.height > 0).slice(-64);
    const m = this.params.backup_slots + 1;
    const nodes = this.nodes.map((n, i) => ({
      node_id: n.node_id,
      name: n.name,
      role: n.role || (n.status === 'suspended' ? 'suspended' : 'producer'),
      this_node: n === this.me,
      address: n.address || '127.0.0.1:' + (7072 + i),
      connected: n !== this.me && n.up,
      height: n === this.me ? this.head.height : n.head + (n.up ? this.lagBy : 0),
      behind: n === this.me ? this.lagBy : n.up ? 0 : this.head.height - n.head,
      peers: n.up ? this.nodes.filter((o) => o.up && o !== n).length : null,
      clock_offset_ms: n === this.me || !n.up ? null : [-0.5, 0.5, 0.1][i % 3],
      rtt_ms: n === this.me || !n.up ? null : 1,
      version: n.version,
      eligible: n.up ? !n.why && n.status === 'active' : null,
      not_eligible_because: n.why || null,
      last_block_height: n.head,
      last_block_at_ms: n.last || null,
      last_seen_at_ms: upThere(n) ? now : n.lostAt,
      lost_at_ms: n.lostAt || null,
      missed: n.was && n.status === 'suspended' ? n.was : n.missed,
      suspended_at: n.suspended_at,
      may_return_at: n.may_return_at,
      page_url: i > 0 && i < 4 ? `http://127.0.0.1:${8080 + i}` : '',
    }));
    const stats = {
      from_height: window[0]?.height || 0,
      to_height: this.head.height,
      blocks: window.length,
      interval_median_ms: 2000,
      interval_max_ms: 3400,
      producers: this.nodes.map((n) => {
        const own = window.filter((b) => b.producer === n.node_id);
        const count = (test) => own.filter(test).length;
        return {
          node_id: n.node_id,
          primary: count((b) => b.slot === 0),
          backup: count((b) => b.slot > 0 && b.slot < m),
          tail: count((b) => b.slot >= m),
          missed: window.filter((b) => b.missed.some((s) => s.node_id === n.node_id)).length,
          rewards: String(50 * own.length),
          share: own.length / Math.max(1, window.length),
          expected_share: 1 / this.nodes.length,
        };
      }),
    };
    const propagation =
      this.nodes.length < 2
        ? []
        : this.nodes
            .filter((n) => n.up)
            .map((n, i) => {
              const samples = window.map((b) => ({
                height: b.height,
                delay_ms: (b.height * (i + 3) * 7919) % 97 === 0 ? 42 : 5 + ((b.height * (i + 5) * 31) % 9),
              }));
              return { node_id: n.node_id, samples, median_ms: 9, p95_ms: 12 + 11 * i };
            });
    const down = this.gone.chain;
    const answer = {
      schedule: down || this.gone.selection ? null : this.schedule(this.head),
      tree: down ? null : this.tree(),
      services: { chain: 'serving', 'sync-oracle': 'serving', selection: 'serving', producer: 'serving' },
      health: this.health(),
      nodes,
      mining: {
        next_height: this.head.height + 1,
        network_height: this.head.height + this.lagBy,
        lag_blocks: this.lagBy,
        eligible: !this.lagBy,
      },
      stats,
      propagation,
      pending: {
        count: this.pendingTxs.length,
        bytes: 200 * this.pendingTxs.length,
        oldest_since_ms: this.pendingTxs[0]?.since ?? null,
        transactions: [...this.pendingTxs]
          .reverse()
          .slice(0, 8)
          .map((tx) => ({
            hash: tx.hash,
            kind: tx.type,
            sender: tx.sender,
            since_ms: tx.since,
            fee: tx.fee,
            data: tx.data,
            to: tx.to,
            amount: tx.amount,
          })),
      },
    };
    for (const [service, why] of Object.entries(this.gone)) answer.services[service] = why;
    if (this.gone.chain) for (const part of ['nodes', 'stats', 'propagation', 'pending', 'health']) answer[part] = null;
    if (this.gone['sync-oracle']) answer.health = null;
    return answer;
  }

  tree() {
    return [...this.blocks.slice(-16), ...this.side.filter((b) => b.height > this.head.height - 16)].map((b) => ({
      height: b.height,
      hash: b.hash,
      parent: b.parent,
      producer: b.producer,
      slot: b.slot,
      timestamp_ms: b.timestamp_ms,
      canonical: b.canonical,
      finalized: b.height <= this.final && b.canonical,
      arrived_ms: b.arrived_ms,
      replaced_at_ms: b.replaced_at_ms,
      replaced_because: b.replaced_because,
    }));
  }

  overview() {
    const parts = this.parts();
    const down = this.gone.chain;
    const answer = {
      now_ms: this.now(),
      version: '0.1.0',
      uptime_seconds: Math.round((this.now() - this.startedAt) / 1000),
      chain: down
        ? null
        : {
            chain_id: this.chainId,
            genesis_hash: this.genesis,
            genesis_time_ms: this.blocks[0].timestamp_ms,
            ...this.params,
          },
      node: { node_id: this.me.node_id, name: this.me.name },
      ...parts,
      blocks: down ? null : this.blocks.slice(-64).map((b) => this.listed(b)),
      events: this.events.slice(0, 200).map(({ event, id, ...data }) => ({ event, id, data })),
      selection_address: 'http://127.0.0.1:50053',
      cursor: `${this.epoch}-${this.cursor}`,
      missing: {},
    };
    for (const [part, value] of Object.entries(answer)) {
      const owner = (!down && { schedule: 'selection', health: 'sync-oracle' }[part]) || 'chain';
      if (value === null) answer.missing[part] = `The ${owner} service of ${this.me.name} does not answer`;
    }
    return answer;
  }

  txInfo(tx, proof) {
    const { since, height, block_hash, ...rest } = tx;
    const transaction = rest;
    if (!height) return { hash: tx.hash, status: 'pending', since_ms: since, transaction };
    const block = this.blocks[height];
    const at = block.transactions.indexOf(tx);
    const answer = {
      hash: tx.hash,
      status: 'included',
      height,
      block_hash,
      index: at,
      finalized: height <= this.final,
      trace_id: block.trace_id,
      transaction,
    };
    if (proof) {
      const steps = [];
      let level = block.transactions.map((one) => sha3(Buffer.of(0), Buffer.from(one.hash, 'hex'))),
        i = at;
      while (level.length > 1) {
        const side = i ^ 1;
        if (side < level.length) steps.push({ side: side < i ? 'left' : 'right', hash: level[side].toString('hex') });
        level = level.flatMap((hash, k) =>
          k % 2 ? [] : k + 1 < level.length ? [sha3(Buffer.of(1), hash, level[k + 1])] : [hash],
        );
        i >>= 1;
      }
      answer.proof = {
        genesis_hash: this.genesis,
        header: block.header,
        steps,
        signature: block.signature,
        producer: block.producer,
        producer_public_key: 'aa'.repeat(32),
      };
    }
    return answer;
  }
}
