// The page of a block: why this producer, recomputed here.

async function blockView(id) {
  const [block] = await Promise.all([ask('api/chain/blocks/' + encodeURIComponent(id)), ready()]);
  const H = block.height;
  view.near = [H > 0 ? H - 1 : null, H < (headOf(S)?.height ?? H) ? H + 1 : null];
  const final = () => block.canonical && (block.finalized || H <= finalHeight(S));
  const kind = H ? kindOf(S, block.slot) : 'primary';
  const tag = h('span', { class: 'tag' });
  const paint = () =>
    put(tag, [final()], () =>
      block.canonical === false
        ? ['replaced, not on the chain']
        : final()
          ? [sign('i-good', 'good'), 'final']
          : [sign('i-unknown'), 'not final yet'],
    );
  paint();
  view.redraw = paint;
  const arrow = (at, text, label) => at !== null && h('a', { class: 'ctl', href: '#/block/' + at, title: label }, text);
  const title = h(
    'section',
    { class: 'card' },
    h(
      'div',
      { class: 'title' },
      h('h2', null, 'Block ' + num(H)),
      tag,
      H > 0 && h('span', { class: 'tag' }, mark(kind), kindName(S, block.slot)),
      h(
        'nav',
        { 'aria-label': 'Other blocks' },
        arrow(view.near[0], '← ' + num(H - 1), 'Previous block'),
        arrow(view.near[1], num(H + 1) + ' →', 'Next block'),
      ),
    ),
  );
  if (H === 0)
    return [
      title,
      card(
        'Genesis',
        h('p', null, 'Block 0 is the genesis: nobody made it, and all nodes have it in common.'),
        facts([
          ['Hash', mono(block.hash)],
          ['Time', when(block.timestamp_ms)],
        ]),
      ),
    ];
  const why = h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', null, 'Why this producer')));
  const out = [title, why];
  try {
    await fillWhy(why, block);
  } catch (error) {
    why.append(
      h(
        'div',
        { class: 'verdict wait' },
        sign('i-unknown'),
        h('p', null, `Cannot tell: the schedule of height ${num(H)} is not to be had (${error.message}).`),
      ),
    );
  }
  const data = h(
    'section',
    { class: 'card' },
    h('div', { class: 'head' }, h('h2', null, 'Facts')),
    facts([
      ['Hash', mono(block.hash)],
      ['Parent', h('a', { class: 'mono', href: '#/block/' + block.parent }, block.parent)],
      ['Made', `${when(block.timestamp_ms)}, slot ${block.slot}`],
      block.arrived_ms && [
        'Here',
        `${when(block.arrived_ms)}, ${Math.max(0, block.arrived_ms - block.timestamp_ms)} ms after its stamp`,
      ],
      ['Producer', h('span', null, nameOf(S, block.producer), ' ', mono(block.producer))],
      ['Weight', num(block.weight)],
      ['Size', num(block.size_bytes) + ' bytes'],
      ['Transactions root', mono(block.tx_root)],
      ['State root', mono(block.state_root)],
      ['Pool root', mono(block.pool_root)],
      ['Trace', mono(block.trace_id)],
    ]),
  );
  commandButton(data, () => curl('/api/chain/blocks/' + H), 'this block');
  const list = (block.transactions || []).slice(0, 200);
  const txs = h(
    'section',
    { class: 'card' },
    h('div', { class: 'head' }, h('h2', null, 'Transactions'), ' ', h('span', { class: 'sub' }, num(block.tx_count))),
    list.length
      ? h(
          'div',
          { class: 'over-x' },
          table(
            ['Transaction', 'Kind', 'Sender', 'What', 'Fee'],
            list.map((tx) => [txLink(tx.hash), kindOfTx(tx.type), account(tx.sender), what(tx), num(tx.fee)]),
            'pend',
          ),
        )
      : h('p', { class: 'empty' }, 'This block has no transactions.'),
  );
  if (block.tx_count > list.length)
    txs.append(h('p', { class: 'soft' }, `and ${num(block.tx_count - list.length)} more`));
  return [...out, data, txs];
}

const what = (tx) => {
  if (tx.to) return h('span', null, `${num(tx.amount)} to `, account(tx.to));
  if (tx.data !== undefined)
    return tx.data.startsWith(DIGEST)
      ? `record of a file, sha256 ${tx.data.substr(32, 8)}`
      : plural(tx.data.length / 2, 'byte');
  return tx.block_height !== undefined ? `follows the chain at block ${num(tx.block_height)}` : '';
};

/** The list below it as a picture, where there is room: windows from the parent's stamp on, stamp and arrival. */
function timePicture(S, rows, block, base) {
  const shown = rows.filter((row) => row.slot <= block.slot + 1 && row.slot >= block.slot - 8);
  const width = $('content').clientWidth - 110;
  const end = shown.at(-1).closes_at_ms;
  const x = (ms) => Math.round(4 + ((width - 8) * (ms - base)) / (end - base));
  const svg = s('svg', { width, height: 66, class: 'picture', 'aria-hidden': 'true' });
  svg.append(s('path', { d: `M4 26H${width}M4 20v12`, class: 'c-axis' }), s('text', { x: 4, y: 62 }, 'parent'));
  for (const row of shown) {
    const used = row.slot === block.slot;
    const box = { x: x(row.opens_at_ms), y: 16, width: x(row.closes_at_ms) - x(row.opens_at_ms), height: 20, rx: 3 };
    const kind = used ? 's-' + kindOf(S, row.slot) : row.slot < block.slot ? 's-missed over' : 's-coming';
    const words = { x: box.x + box.width / 2, y: 30, class: 'digit ' + (used ? kindOf(S, row.slot) : 'ink') };
    svg.append(s('rect', { ...box, class: kind }), s('text', words, nameOf(S, row.owner)));
    svg.append(s('text', { x: box.x, y: 12 }, kindName(S, row.slot)));
  }
  const at = x(block.timestamp_ms);
  svg.append(s('path', { d: `M${at} 14v32`, class: 'c-mark' }), s('text', { x: at + 5, y: 47, class: 'ink' }, 'stamp'));
  if (block.arrived_ms) {
    const here = x(Math.min(block.arrived_ms, end));
    svg.append(
      s('path', { d: `M${here} 36v22`, class: 'c-axis' }),
      s('text', { x: here + 5, y: 62, class: 'ink' }, 'here'),
    );
  }
  return svg;
}

async function fillWhy(panel, block) {
  const H = block.height,
    m = S.chain.params.backup_slots + 1;
  const last = Math.max(m - 1, block.slot);
  const from = block.slot - m > 40 ? `0-${m - 1},${block.slot}` : `0-${last}`;
  const answer = await ask(`api/mining/schedule?height=${H}&slots=${from}`);
  // The header says which parent and which pool; its own hash says that it is the block's.
  const header = block.header ? fromHex(block.header) : null;
  const parent = header ? toHex(header.subarray(10, 42)) : block.parent;
  const check = checkSchedule(answer, S.chain, parent);
  const wrong = check.wrong;
  if (header && blockHash(S.chain.genesis_hash, block.header) !== block.hash)
    wrong.unshift({
      what: 'hash of the header',
      said: block.hash,
      computed: blockHash(S.chain.genesis_hash, block.header),
    });
  if (header && toHex(header.subarray(58, 90)) !== block.producer)
    wrong.push({ what: 'producer in the header', said: block.producer, computed: toHex(header.subarray(58, 90)) });
  const poolHash = toHex(sha3(...[...answer.active].sort().map(fromHex)));
  if (header && poolHash !== toHex(header.subarray(154, 186)))
    wrong.unshift({ what: 'active pool', said: poolHash, computed: toHex(header.subarray(154, 186)) });
  const own = check.rows.find((row) => row.slot === block.slot);
  if (own && own.owner !== block.producer)
    wrong.push({ what: `owner of slot ${block.slot}`, said: block.producer, computed: own.owner });
  if (own && !(block.timestamp_ms >= own.opens_at_ms && block.timestamp_ms < own.closes_at_ms))
    wrong.push({
      what: 'stamp within the window',
      said: block.timestamp_ms,
      computed: `${own.opens_at_ms} to ${own.closes_at_ms}`,
    });
  const digit = digits(S);
  const N = (id) => nameOf(S, id);
  const missed = [...new Set((block.missed || []).map((slot) => slot.node_id))].map(N);
  const owner = N(block.producer);
  const before = `the ${plural(block.slot, 'slot')} before it ${block.slot > 1 ? 'were' : 'was'} drawn for`;
  const sentence =
    block.slot === 0
      ? `The draw of height ${num(H)} gave the primary slot to ${owner}, and ${owner} used it.`
      : `${owner} made the block as ${kindName(S, block.slot)}: ${before} ` +
        `${and(missed) || 'others'}, and passed unused.`;
  panel.append(h('p', null, sentence));
  const text = `Recomputed in this browser: same seed, same ${check.rows.length} owners`;
  panel.append(
    wrong.length
      ? h(
          'div',
          { class: 'verdict bad', id: 'verdict', role: 'status' },
          sign('i-bad'),
          h(
            'div',
            null,
            h(
              'p',
              null,
              'Recomputed in this browser: ' +
                `${plural(wrong.length, 'thing differs', 'things differ')} from what the node says`,
            ),
            wrong
              .slice(0, 6)
              .map((one) =>
                h(
                  'p',
                  null,
                  `${one.what}: the node says ${N(String(one.said))}, computed is ${N(String(one.computed))}`,
                ),
              ),
          ),
        )
      : h('div', { class: 'verdict', id: 'verdict', role: 'status' }, sign('i-good'), h('p', null, text)),
  );
  const pool = [...answer.active].sort();
  panel.append(
    facts([
      ['Parent’s hash', mono(parent)],
      ['Height', num(H)],
      ['Salt', h('span', null, mono(check.salt), ` of ${S.chain.chain_id}`)],
      ['Seed', mono(check.seed)],
      [
        'Sorted pool',
        pool.length > 12
          ? `${num(pool.length)} active producers`
          : pool.map((id, i) => (i ? ', ' : '') + `${i} ${N(id)}`).join(''),
      ],
    ]),
  );
  const base = answer.parent_timestamp_ms;
  const at = (ms) => ((ms - base) / 1000).toFixed(2);
  const rows = check.rows.map((row) => {
    const dealt = row.lap.map((id) => digit.get(id) || N(id)).join(' ');
    const lap = row.size > 9 ? `… ${N(row.owner)} at ${row.at}` : dealt;
    const used = row.slot === block.slot;
    const outcome = used
      ? `made the block at ${at(block.timestamp_ms)} s`
      : row.slot < block.slot
        ? 'missed'
        : 'not needed';
    return h(
      'tr',
      { class: row.wrong ? 'wrong' : used ? 'used' : '' },
      h('td', null, kindName(S, row.slot)),
      h('td', { class: 'mono' }, row.draw.toString(16).padStart(16, '0').slice(0, 8) + '…'),
      h('td', null, `${row.at} + u64 mod ${row.left} = ${row.j}`),
      h('td', null, lap),
      h('td', null, h('b', null, N(row.owner))),
      h('td', null, `${at(row.opens_at_ms)} to ${at(row.closes_at_ms)} s`),
      h('td', { class: !used && row.slot < block.slot ? 'bad' : '' }, outcome),
    );
  });
  panel.append(
    h('h3', null, 'Slots'),
    h(
      'div',
      { class: 'over-x', tabindex: '0', role: 'region', 'aria-label': 'Slots of this height' },
      table(
        ['Slot', 'Draw', 'Place', 'Lap after the swap', 'Owner', 'Window after the parent', 'Outcome'],
        rows,
        'draws',
      ),
    ),
  );
  const line = [[base, 'stamp of the parent', 'parent']];
  for (const row of check.rows.filter((one) => one.slot <= block.slot).slice(-8))
    line.push([
      row.opens_at_ms,
      `window of ${N(row.owner)}, ${kindName(S, row.slot)}, opens`,
      row.slot < block.slot ? 'missed' : '',
    ]);
  line.push([block.timestamp_ms, `stamp of this block, by ${N(block.producer)}`, 'stamp']);
  if (block.arrived_ms) line.push([block.arrived_ms, `it arrives at ${meName(S)}`, 'here']);
  line.sort((a, b) => a[0] - b[0]);
  panel.append(
    h('h3', null, 'Time line'),
    timePicture(S, check.rows, block, base),
    h(
      'ol',
      { class: 'time' },
      line.map(([ms, words, cls]) => h('li', { class: cls }, h('b', null, at(ms) + ' s'), ' ', words)),
    ),
  );
  const p = S.chain.params;
  commandButton(
    panel,
    () =>
      grpc(S.selection, 'vision.selection.v1.SelectionService/GetSchedule', {
        chain_id: S.chain.chain_id,
        entropy: parent,
        height: H,
        active: answer.active,
        registered: answer.registered,
        slots: check.rows.map((row) => row.slot),
        parent_timestamp_ms: base,
        params: {
          block_interval_ms: p.block_interval_ms,
          claim_timeout_ms: p.claim_timeout_ms,
          backup_slots: p.backup_slots,
          jitter_min_ms: p.jitter_min_ms,
          jitter_max_ms: p.jitter_max_ms,
        },
      }),
    'the schedule',
    () =>
      S.selection
        ? `where ${meName(S)}’s gateway runs: it asks the service there`
        : 'the gateway did not tell where the service listens',
  );
}
