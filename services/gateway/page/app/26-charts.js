// Who made the blocks, the block interval, the propagation.

function asTable(heads, make) {
  const details = h('details', { class: 'tab' }, h('summary', null, 'As a table'));
  details.addEventListener('toggle', () => {
    if (!details.open || details._made) return;
    details._made = true;
    details.append(h('div', { class: 'over-x' }, table(heads, make())));
  });
  return details;
}

function shares(S, now) {
  const box = $('shares');
  const stats = S.stats;
  if (!stats?.producers?.length || !stats.blocks)
    return put(box, 'none' + (S.missing.stats || ''), () =>
      h('p', { class: 'empty' }, 'The producers’ shares will appear here.'),
    );
  put($('share-sub'), `last ${num(stats.blocks)}`);
  let list = stats.producers.map((row) => ({ ...row, name: nameOf(S, row.node_id) }));
  const many = list.length > 7;
  if (many)
    list.sort(
      (a, b) =>
        b.missed - a.missed ||
        Math.abs(b.share - b.expected_share) - Math.abs(a.share - a.expected_share) ||
        natural(a, b),
    );
  else list.sort(natural);
  list = list.slice(0, 7);
  const most = Math.max(...list.flatMap((row) => [row.share, row.expected_share]), 0.01) * 1.15;
  const scale = many ? most : Math.max(0.6, most);
  put(box, [list, stats.blocks, S.names], () => [
    table(
      ['Node', '▏expected', '>Share', '>Exp.', '>Missed', '>Reward'],
      list.map((row) => {
        const part = (n) => (100 * n) / stats.blocks / scale;
        const svg = s(
          'svg',
          { class: 'mini', 'aria-hidden': 'true', viewBox: '0 0 100 12', preserveAspectRatio: 'none' },
          s('rect', { width: 100, height: 12, class: 'c-track', rx: 2 }),
        );
        let x = 0;
        for (const kind of ['primary', 'backup', 'tail']) {
          if (row[kind]) svg.append(s('rect', { x, width: part(row[kind]), height: 12, class: 'c-' + kind }));
          x += part(row[kind]);
        }
        const tick = (100 * row.expected_share) / scale;
        svg.append(s('path', { d: `M${tick} -3V15`, class: 'c-mark', 'vector-effect': 'non-scaling-stroke' }));
        return h(
          'tr',
          { title: `${row.name}: ${row.primary} primary, ${row.backup} backup, ${row.tail} tail` },
          h('td', null, h('b', null, row.name)),
          h('td', { class: 'w' }, svg),
          h('td', { class: 'n' }, Math.round(100 * row.share) + ' %'),
          h('td', { class: 'n dim' }, Math.round(100 * row.expected_share) + ' %'),
          h('td', { class: 'n' + (row.missed ? ' bad' : '') }, num(row.missed)),
          h('td', { class: 'n' }, num(row.rewards)),
        );
      }),
    ),
    many && h('p', { class: 'note' }, `${num(stats.producers.length - 7)} more; most missed first`),
  ]);
}

const AXES = [6, 12, 30, 60, 120, 300, 600, 1800, 3600, 7200, 86400];

function interval(S) {
  const box = $('interval');
  const blocks = S.blocks.filter((block) => block.height > 0 && block.interval_ms >= 0).slice(-64);
  const told = blocks.filter((block) => block.height > 1);
  const width = box._width;
  if (!width) return;
  if (!told.length) {
    put($('int-sub'), '');
    return put(box, 'none', () => h('p', { class: 'empty' }, 'One bar per block will appear here.'));
  }
  const sorted = told.map((block) => block.interval_ms).sort((a, b) => a - b);
  const typical = sorted[sorted.length >> 1],
    longest = sorted[sorted.length - 1];
  put($('int-sub'), `typical ${span(typical)}, longest ${span(longest)}`);
  put(box, [width, told.map((block) => [block.hash, block.interval_ms])], () => {
    const top = AXES.find((sec) => sec * 1000 >= longest) || longest / 1000;
    const height = 128,
      left = 36,
      floor = 106,
      tall = 98;
    const svg = s('svg', {
      width,
      height,
      role: 'img',
      'aria-label': `From block to block: typically ${span(typical)}, at most ${span(longest)}.`,
    });
    for (let i = 0; i <= 3; i++) {
      const y = floor - (tall * i) / 3,
        sec = (top * i) / 3;
      svg.append(
        s('path', { d: `M${left} ${y}H${width}`, class: 'c-line' }),
        s(
          'text',
          { x: left - 6, y: y + 4, class: 'end' },
          sec < 120 ? `${Math.round(sec)} s` : `${Math.round(sec / 60)} m`,
        ),
      );
    }
    const step = (width - left) / 64;
    const shapes = { primary: '', backup: '', tail: '' };
    told.forEach((block, i) => {
      const x = left + (64 - told.length + i) * step + 0.5;
      const tallness = Math.max(1, (tall * Math.min(block.interval_ms / 1000, top)) / top);
      shapes[kindOf(S, block.slot)] +=
        `M${x.toFixed(1)} ${floor}v${-tallness.toFixed(1)}h${(step - 1.5).toFixed(1)}v${tallness.toFixed(1)}z`;
    });
    for (const kind of Object.keys(shapes))
      if (shapes[kind]) svg.append(s('path', { d: shapes[kind], class: 'c-' + kind }));
    svg.append(
      s('text', { x: left, y: floor + 18 }, num(told[0].height)),
      s('text', { x: width, y: floor + 18, class: 'end' }, num(told[told.length - 1].height)),
    );
    return [
      svg,
      asTable(['Block', 'Outcome', 'After its parent'], () =>
        told.map((block) => [num(block.height), kindName(S, block.slot), span(block.interval_ms)]),
      ),
    ];
  });
}

function propagation(S) {
  const box = $('propagation');
  const width = box._width;
  if (!width) return;
  const known = (S.propagation || []).filter((one) => one.samples?.length);
  if (registered(S).length === 1 && S.nodes.length === 1)
    return put(box, 'one', () => h('p', { class: 'empty' }, 'There is nobody to send blocks to.'));
  if (!known.length)
    return put(box, 'none', () => h('p', { class: 'empty' }, 'How long blocks take to arrive will appear here.'));
  let list = known.map((one) => ({ ...one, name: nameOf(S, one.node_id) })).sort(natural);
  const many = list.length > 7;
  if (many) {
    const delays = list.flatMap((one) => one.samples.map((sample) => sample.delay_ms)).sort((a, b) => a - b);
    const slow = [...list].sort((a, b) => b.p95_ms - a.p95_ms).slice(0, 2);
    list = [
      {
        name: 'all',
        samples: delays.filter((_, i) => i % Math.ceil(delays.length / 64) === 0).map((delay_ms) => ({ delay_ms })),
        median_ms: delays[delays.length >> 1],
        p95_ms: delays[Math.floor(delays.length * 0.95)],
      },
      ...slow,
    ];
  }
  put(box, [width, list], () => {
    // A few late ones do not make the rest a heap at 0: they stand at the right end.
    const most = Math.min(
      Math.max(...list.map((one) => one.p95_ms || 0)),
      10 * Math.max(4, ...list.map((one) => one.median_ms || 0)),
    );
    const top = [10, 40, 100, 200, 400, 1000, 2000, 4000, 10000, 60000].find((ms) => ms >= most) || most;
    const left = Math.min(110, 12 + Math.max(...list.map((one) => one.name.length)) * 7),
      right = width - 116,
      row = 28;
    const height = list.length * row + 26;
    const x = (ms) => left + ((right - left) * Math.min(Math.max(ms, 0), top)) / top;
    const words = list
      .map(
        (one) => `${one.name}: median ${Math.round(one.median_ms)} ms, 95 of 100 within ${Math.round(one.p95_ms)} ms`,
      )
      .join('; ');
    const svg = s('svg', {
      width,
      height,
      role: 'img',
      'aria-label': 'From a block’s stamp to its arrival. ' + words + '.',
    });
    list.forEach((one, i) => {
      const y = 14 + i * row;
      const spot = new Map();
      let dots = '';
      for (const sample of one.samples.slice(-64)) {
        const cx = Math.round(x(sample.delay_ms) / 5) * 5;
        const n = spot.get(cx) || 0;
        spot.set(cx, n + 1);
        dots += `M${cx} ${(y + Math.max(-9, Math.min(9, (n % 2 ? 1 : -1) * Math.ceil(n / 2) * 4.5))).toFixed(1)}h.01`;
      }
      svg.append(
        s('path', { d: `M${left} ${y}H${right}`, class: 'c-line' }),
        s('path', { d: dots, class: 'c-dot' }),
        s('path', { d: `M${x(one.median_ms)} ${y - 9}v18`, class: 'c-mark' }),
        s('text', { x: 0, y: y + 4, class: 'ink' }, one.name.slice(0, 14)),
        s(
          'text',
          { x: width, y: y + 4, class: 'end ink' },
          `${Math.round(one.median_ms)} ms · p95 ${Math.round(one.p95_ms)}`,
        ),
      );
    });
    for (let i = 0; i <= 4; i++)
      svg.append(s('text', { x: x((top * i) / 4), y: height - 4, class: 'mid' }, i < 4 ? (top * i) / 4 : `${top}+ ms`));
    return [
      svg,
      asTable(['Node', 'Median', 'p95', 'Blocks'], () =>
        list.map((one) => [
          one.name,
          Math.round(one.median_ms) + ' ms',
          Math.round(one.p95_ms) + ' ms',
          num(one.samples.length),
        ]),
      ),
    ];
  });
}
