// What is known of the network, and what it means.

/** The node's clock: its `now_ms` as of performance.now(), never the reader's clock. */
let offset = Date.now() - performance.now();
let synced = false;

export const S = {
  chain: null,
  node: null,
  version: '',
  startedAt: 0,
  services: {},
  missing: {},
  health: null,
  mining: null,
  names: '',
  nodes: [],
  blocks: [],
  schedule: null,
  tree: [],
  stats: null,
  propagation: [],
  pending: null,
  events: [],
  selection: '',
  finalized: 0,
  cursor: '',
  sel: null,
  allNodes: false,
  allEvents: false,
  link: 'wait',
  offSince: 0,
  nextTry: 0,
  dataAt: 0,
  heard: 0,
  quiet: false,
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

const PARTS = ['services', 'health', 'nodes', 'mining', 'propagation', 'pending', 'stats', 'schedule', 'tree'];
function takeParts(from, missing = {}) {
  for (const part of PARTS) {
    if (!(part in from)) continue;
    if (from[part] === null) S.missing[part] = missing[part] || missingBecause(part);
    else {
      S[part] = from[part];
      delete S.missing[part];
    }
  }
  if ('health' in from) S.health = from.health;
  S.names = S.nodes.map((node) => node.name).join();
}
const OWNER = { health: 'sync-oracle', mining: 'producer', schedule: 'selection' };
const missingBecause = (part) => {
  const gone = [OWNER[part] || 'chain', 'chain'].find((name) => (S.services[name] || 'serving') !== 'serving');
  return `The ${gone || OWNER[part] || 'chain'} service does not answer`;
};

function takeOverview(o, roundTrip) {
  // Another chain, or another version with a page of its own: everything begins anew.
  if (S.chain && o.chain && (o.chain.genesis_hash !== S.chain.genesis_hash || o.version !== S.version))
    location.reload();
  if (o.now_ms) hearClock(o.now_ms, roundTrip);
  S.missing = { ...(o.missing || {}) };
  S.version = o.version || S.version;
  S.startedAt = S.now() - (o.uptime_seconds || 0) * 1000;
  if (o.chain) S.chain = { ...o.chain, params: o.chain };
  S.selection = o.selection_address || '';
  if (o.node) S.node = o.node;
  takeParts(o, o.missing);
  if (o.blocks) {
    S.blocks = [];
    for (const block of [...o.blocks].sort((a, b) => a.height - b.height)) addBlock(block);
    S.finalized = Math.max(0, ...o.blocks.filter((block) => block.finalized).map((block) => block.height));
  }
  if (o.events) {
    for (const one of [...o.events].reverse()) keepEvent({ ...one.data, ...one, data: undefined });
    S.events.sort((a, b) => (b.at_ms || 0) - (a.at_ms || 0));
  }
  // Events that came while the answer was made are told again, and known by their ids.
  S.cursor ||= o.cursor || '';
  S.dataAt = S.now();
}

let refreshing = 0;
/** What events do not carry is asked for, at most every two seconds. */
function refreshSoon() {
  if (!refreshing)
    refreshing = setTimeout(
      async () => {
        await overview().catch(() => {});
        refreshing = 0;
        changed();
      },
      400 + Math.max(0, 2000 - (S.now() - S.dataAt)),
    );
}

function takeEvent(name, id, data) {
  S.dataAt = S.now();
  if (id) S.cursor = id;
  if (name === 'status') {
    const before = S.health?.state;
    if (data.now_ms) hearClock(data.now_ms, 0);
    takeParts(data);
    if (S.health?.state === 'stopped' && before && before !== 'stopped')
      note('stopped', { producing: S.health.producing });
    return;
  }
  switch (name) {
    case 'block':
      // One beside the chain is in the tree, which the status tells.
      if (data.canonical === false) return;
      addBlock(data);
      for (const node of S.nodes) if (node.this_node && (node.height ?? 0) < data.height) node.height = data.height;
      if (headOf(S)?.height !== data.height || data.parent !== S.blocks[S.blocks.length - 2]?.hash) refreshSoon();
      break;
    case 'finalized':
      S.finalized = Math.max(S.finalized, data.height);
      break;
    case 'reorg':
      for (const left of data.left || []) {
        S.blocks = S.blocks.filter((one) => one.hash !== left.hash);
        if (!S.tree.some((one) => one.hash === left.hash))
          S.tree.push({ ...left, canonical: false, replaced_at_ms: data.at_ms || S.now() });
      }
      for (const one of S.tree) if ((data.left || []).some((left) => left.hash === one.hash)) one.canonical = false;
      for (const joined of [...(data.joined || [])].sort((a, b) => a.height - b.height)) addBlock(joined);
      refreshSoon();
      break;
    case 'caught_up':
    case 'gap':
      refreshSoon();
      break;
    case 'suspended':
    case 'returned':
      speak(name, data);
      break;
  }
  keepEvent({
    ...data,
    event: name,
    id: id || name + S.now(),
    at_ms: data.at_ms || S.now(),
  });
}

/** Of what happens all the time only the newest is kept, so that the rest stays long. */
function keepEvent(event) {
  const often = event.event === 'finalized' || event.event === 'block';
  if (event.event === 'claim' || (event.event === 'block' && !event.tx_count)) return;
  S.events = S.events.filter((one) => one.id !== event.id && !(often && one.event === event.event));
  S.events.unshift(event);
  if (S.events.length > 200) S.events.length = 200;
}
const note = (event, data) => keepEvent({ event, id: event + S.now(), at_ms: Math.round(S.now()), ...data });

const nodeOf = (S, id) => S.nodes.find((node) => node.node_id === id);
const nameOf = (S, id) => nodeOf(S, id)?.name || short(id);
const meName = (S) => S.nodes.find((node) => node.this_node)?.name || S.node?.name || 'this node';
const finalHeight = (S) => Math.max(S.finalized, S.health?.finalized_height || 0);
const main = (S) => (S.chain?.params.backup_slots ?? 6) + 1;
const kindOf = (S, slot) => (slot === 0 ? 'primary' : slot < main(S) ? 'backup' : 'tail');
const kindName = (S, slot) =>
  slot === 0 ? 'primary' : slot < main(S) ? 'backup ' + slot : 'tail ' + (slot - main(S) + 1);
const registered = (S) => S.nodes.filter((node) => node.role === 'producer' || node.role === 'suspended');
const here = (node) => node.this_node || node.connected;
const isUp = (S, id) => {
  const node = nodeOf(S, id);
  return !node || (here(node) && node.eligible !== false);
};

/** The digits that names end with, if they tell the nodes apart. */
function digits(S) {
  const names = registered(S);
  const out = new Map();
  if (names.length > 9) return out;
  const taken = new Set();
  for (const node of names) {
    const digit = /(?:^|\D)(\d)$/.exec(node.name || '')?.[1];
    if (!digit || taken.has(digit)) return new Map();
    taken.add(digit);
    out.set(node.node_id, digit);
  }
  return out;
}

const natural = (a, b) =>
  String(a.name).localeCompare(String(b.name), 'en', { numeric: true }) || (a.node_id < b.node_id ? -1 : 1);
const inWords = (because) =>
  'No: ' + (because?.split(': ').slice(1).join(': ') || because?.toLowerCase().replaceAll('_', ' ') || 'not told why');

function ill(node) {
  if (node.role === 'suspended' || (node.behind || 0) > 2) return true;
  if (node.role === 'follower') return false;
  return !here(node) || (node.role === 'producer' && node.eligible === false);
}
