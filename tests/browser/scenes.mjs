// States of a network by name, for tests and pictures: node tests/browser/scenes.mjs SCENE [PORT]
import { fileURLToPath } from 'node:url';
import { Mock } from './mock.mjs';

export const SCENES = {
  healthy() {
    const mock = new Mock({ height: 1242 });
    mock.named('node2').missed = 0;
    const late = mock.turn(
      (id) =>
        id === mock.owner(mock.head, 0, { active: mock.pool('active'), registered: mock.pool('registered') }).node_id,
    );
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
    mock.tell(
      'contact_lost',
      { at_ms: mock.head.timestamp_ms, node_id: dead.node_id, address: '127.0.0.1:7073' },
      true,
    );
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
  /** One node that was late: three slots of its own passed. */
  late() {
    const mock = new Mock({ nodes: 1, height: 70 });
    mock.make({ ...mock.owner(mock.head, 3, mock.turn().pools), pools: mock.turn().pools });
    return shift(mock);
  },
  /** Two of three owners were silent: each missed a slot, and node1 took over. */
  silent() {
    const mock = new Mock({ height: 70 });
    const first = () => mock.turn((id) => id !== mock.me.node_id);
    while (first().slot !== 2) mock.make(null, true);
    mock.make(first());
    return shift(mock);
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

/** The past ends some time or other. Stamps are in the hashes, so the mock's clock moves, not the chain. */
function shift(mock, dead, ago = 1400) {
  mock.skew = mock.head.timestamp_ms + ago - Date.now();
  if (dead) dead.lostAt = mock.head.timestamp_ms - 64000;
  for (const block of mock.side) block.replaced_at_ms = block.timestamp_ms + 900;
  for (const tx of mock.pendingTxs) tx.since = mock.now() - 400 - 250 * mock.pendingTxs.indexOf(tx);
  mock.startedAt = mock.now() - 43 * 60e3;
  return mock;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [scene = 'healthy', port = '8099'] = process.argv.slice(2);
  const mock = await SCENES[scene]().run().listen(Number(port));
  console.log(`${mock.url} shows "${scene}"; Ctrl-C ends it`);
}
