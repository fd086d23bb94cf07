// The last 64 blocks.

const cols = [];
let coming;

const replacedAt = (S, height) => S.tree.filter((block) => !block.canonical && block.height === height);
function missedWords(S, block) {
  const slots = block.missed || [];
  const owners = [...Map.groupBy(slots, (slot) => slot.node_id)].map(([id, own]) => [nameOf(S, id), own]);
  if (slots.length === 1) return `${owners[0][0]} missed its slot`;
  if (slots.length > 3)
    return `${slots.length} slots missed: ${and(owners.map(([name, own]) => `${own.length} of ${name}`))}`;
  const which = (own) => and(own.map((one) => kindName(S, one.slot)));
  return owners.map(([name, own]) => `${name} missed ${which(own)}`).join('; ');
}
const blockName = (S, block) =>
  `Block ${num(block.height)}, ${kindName(S, block.slot)} ${nameOf(S, block.producer)}` +
  (block.missed?.length ? ', ' + missedWords(S, block) : '');

function paintColumn(S, col, block, digit, final) {
  const replaced = replacedAt(S, block.height);
  const missed = (block.missed || []).map((slot) => slot.node_id);
  const key = JSON.stringify([
    block.hash,
    block.slot,
    missed,
    replaced.length,
    digit.get(block.producer),
    block.height <= final,
    S.names,
  ]);
  if (col.key === key) return;
  col.key = key;
  const chips = [];
  if (missed.length) {
    // A cell for each slot, with its owner's digit.
    const many = missed.length > 3 || (missed.length > 1 && !digit.size);
    const cells = many || missed.length === 1 ? [] : missed.map((id) => h('i', { 'data-d': digit.get(id) }));
    const text = many ? '×' + missed.length : cells.length ? '' : digit.get(missed[0]);
    chips.push(h('span', { class: 'chip' + (missed.length > 1 ? ' many' : ''), 'data-d': text }, cells));
  }
  if (replaced.length)
    chips.push(
      h('span', {
        class: 'chip replaced' + (chips.length ? ' two' : ''),
        'data-d': chips.length ? '' : digit.get(replaced[0].producer),
      }),
    );
  col.el.className = 'col' + (block.height <= final ? ' fin' : '');
  col.el.setAttribute('href', '#/block/' + block.height);
  col.el.setAttribute(
    'aria-label',
    blockName(S, block) + (replaced.length ? `, replaced a block of ${nameOf(S, replaced[0].producer)}` : ''),
  );
  const box = col.box || (col.box = h('span', {}));
  box.className = 'box ' + kindOf(S, block.slot);
  box.dataset.d = digit.get(block.producer) || '';
  col.el.replaceChildren(...chips, box);
}

const column = () => ({ el: h('a', { class: 'col', tabindex: '-1' }), key: '' });
const blank = () => ({ el: h('span', { class: 'col' }, h('span', { class: 'box none' })), hash: undefined });

/** Drops columns on the left and adds them on the right; it is never built anew. */
function ribbon(S, now, focusMoved) {
  const el = $('ribbon');
  if (!coming) {
    for (let i = 0; i < 64; i++) {
      const col = blank();
      cols.push(col);
      el.append(col.el);
    }
    coming = h(
      'span',
      { class: 'col coming', role: 'img', 'aria-label': 'The coming block' },
      h('span', { class: 'box' }),
    );
    el.append(coming);
    for (let i = 0; i < 8; i++) $('axis').append(h('div', null, h('b', { class: 'soft' }), h('span', null)));
  }
  const blocks = S.blocks.filter((block) => block.height > 0).slice(-64);
  const digit = digits(S);
  el.classList.toggle('plain', S.nodes.length > 0 && !digit.size);
  // What stands on the right of the first difference goes; what is too old goes on the left.
  const known = cols.filter((col) => col.hash);
  const start = known.length ? blocks.findIndex((block) => block.hash === known[0].hash) : -1;
  let keep = 0;
  const oldest = blocks[0]?.hash;
  const from = known.findIndex((col) => col.hash === oldest);
  const base = from >= 0 ? from : start > 0 ? 0 : -1;
  if (base >= 0) while (known[base + keep] && blocks[keep] && known[base + keep].hash === blocks[keep].hash) keep++;
  const dropRight = known.slice(base >= 0 ? base + keep : 0);
  const held = document.activeElement?.closest?.('.ribbon .col');
  for (const col of dropRight) {
    col.el.remove();
    cols.splice(cols.indexOf(col), 1);
  }
  for (const block of blocks.slice(keep)) {
    const col = column();
    col.hash = block.hash;
    cols.push(col);
    el.insertBefore(col.el, coming);
  }
  while (cols.length > 64) cols.shift().el.remove();
  while (cols.length < 64) {
    const col = blank();
    cols.unshift(col);
    el.prepend(col.el);
  }
  if (held && !held.isConnected) cols.find((col) => col.hash)?.el.focus();
  const final = finalHeight(S);
  const offset = 64 - blocks.length;
  blocks.forEach((block, i) => {
    cols[offset + i].height = block.height;
    paintColumn(S, cols[offset + i], block, digit, final);
  });
  const upcoming = S.schedule?.slots?.[0];
  attr(coming.firstChild, 'data-d', (upcoming && digit.get(upcoming.node_id)) || '');
  [...$('axis').children].forEach((div, i) => {
    const block = blocks[i * 8 - offset];
    put(div, [block?.height, block?.timestamp_ms], () =>
      block ? [num(block.height), h('span', null, age(block.timestamp_ms, now))] : [],
    );
  });
  const count = (kind) => blocks.filter((block) => kindOf(S, block.slot) === kind).length;
  const missed = blocks.reduce((sum, block) => sum + (block.missed?.length || 0), 0);
  const low = blocks[0]?.height || 0;
  const replaced = S.tree.filter((block) => !block.canonical && block.height >= low).length;
  put($('rib-sub'), blocks.length === 0 ? 'no block yet' : digit.size ? 'The digit names the node' : '');
  put($('legend'), [count('primary'), count('backup'), count('tail'), missed, replaced], () =>
    [
      ...['primary', 'backup', 'tail'].map((kind) => [kind, count(kind)]),
      ['missed', missed],
      replaced ? ['replaced', replaced] : null,
      ['final', ''],
    ]
      .filter(Boolean)
      .map(([kind, n]) => h('li', null, kind === 'final' ? h('span', { class: 'fin' }) : mark(kind), `${kind} ${n}`)),
  );
  select(S, now, focusMoved);
}

function select(S, now, focus) {
  const shown = S.blocks.filter((block) => block.height > 0).slice(-64);
  const low = shown[0]?.height;
  if (S.sel !== null && (S.sel < low || S.sel > headOf(S)?.height)) S.sel = null;
  const block = S.sel === null ? shown[shown.length - 1] : shown.find((one) => one.height === S.sel);
  for (const col of cols) {
    if (!col.hash) continue;
    const on = block && col.hash === block.hash;
    const marked = Boolean(on && S.sel !== null);
    if (marked !== 'on' in col.el.dataset) col.el.toggleAttribute('data-on', marked);
    attr(col.el, 'tabindex', on ? '0' : '-1');
    if (on && focus) col.el.focus();
  }
  const final = finalHeight(S);
  const tells = $('tells');
  put(tells, [block, block && block.height <= final, S.names, S.link], () => {
    if (!block)
      return [
        h('span', null, S.link === 'on' ? 'No block yet. Blocks appear here as they are made.' : 'Asking this node…'),
      ];
    const missed = missedWords(S, block);
    return [
      h('b', null, 'Block ' + num(block.height)),
      h('span', null, 'made by ', h('b', null, nameOf(S, block.producer)), ' as ' + kindName(S, block.slot)),
      missed && h('span', { class: 'bad' }, missed),
      block.interval_ms !== undefined &&
        block.interval_ms !== null &&
        h('span', null, span(block.interval_ms) + ' after its parent'),
      h('span', null, plural(block.tx_count, 'transaction')),
      h('span', null, age(block.timestamp_ms, now), ' ago'),
      h('span', null, block.height <= final ? 'final' : 'not final yet'),
      h('a', { href: '#/block/' + block.height }, 'Why this producer? →'),
    ];
  });
}
