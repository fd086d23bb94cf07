// What happened.

const missedCount = (e) => (e.missed ? ': ' + plural(e.missed, 'missed slot') : '');

/** All slots of a height were missed. */
function tailWords(S, list) {
  const { height, made_by } = list[0];
  const block = S.blocks.find((one) => one.height === height);
  const long = block?.interval_ms ? ' for ' + span(block.interval_ms) : '';
  const missed = `${plural(list.length, 'slot')} missed`;
  return `No block${long} at height ${num(height)}: ${missed}; ${nameOf(S, made_by)} made it in the open tail`;
}

/** What one node missed, newest first. */
function missWords(S, list) {
  const { node_id, made_by, made_in_slot } = list[0];
  const name = nameOf(S, node_id);
  const heights = [...new Set(list.map((one) => one.height))].sort((a, b) => a - b);
  if (heights.length === 1) {
    const made = `${nameOf(S, made_by)} made the block as ${kindName(S, made_in_slot)}`;
    const slots = list.map((one) => one.slot).sort((a, b) => a - b);
    const which = slots.length > 1 ? and(slots.map((slot) => kindName(S, slot))) : 'its slot';
    return `${name} missed ${which} at height ${num(heights[0])}; ${made}`;
  }
  const few = heights.length > 6 ? [`${num(heights[0])} to ${num(heights[heights.length - 1])}`] : heights.map(num);
  return `${name} missed ${plural(list.length, 'slot')}, at heights ${few.join(', ')}; backups made the blocks`;
}

function reorgWords(S, e) {
  // Both are told highest first.
  const left = e.left?.at(-1);
  const joined = e.joined?.at(-1);
  const N = (block) => nameOf(S, block.producer);
  const earlier = left?.producer === joined?.producer ? 'earlier ' : '';
  const who =
    left && joined
      ? `${N(left)}’s ${earlier}block was replaced by ${N(joined)}’s`
      : `${plural(e.depth || 1, 'block')} replaced`;
  const deep = e.depth > 1 ? e.depth + ' blocks deep, ' : '';
  const count = e.transactions_returned;
  const back = count ? `; ${plural(count, 'transaction')} ${count === 1 ? 'is' : 'are'} pending again` : '';
  return `Reorganisation at height ${num(left?.height ?? e.height)}: ${deep}${who}${back}`;
}

/** Events as lines: repeats of one node are one line, of final blocks only the newest is kept. */
function lines(S) {
  const out = [];
  let finals = false,
    txs = false;
  const misses = new Map();
  const tails = new Map();
  const N = (id) => nameOf(S, id);
  for (const e of S.events) {
    const at = e.at_ms;
    const add = (icon, cls, text, more) => {
      const line = { key: e.id || e.event + at, icon, cls, text, at, ...more };
      out.push(line);
      return line;
    };
    switch (e.event) {
      case 'finalized':
        if (!finals) add('i-good', 'good', `Block ${num(e.height)} is final`, { key: 'final' });
        finals = true;
        break;
      case 'block':
        if (!txs && e.tx_count)
          add('i-dot', '', `${plural(e.tx_count, 'transaction')} included in block ${num(e.height)}`, {
            key: 'txs',
            at: at || e.timestamp_ms,
          });
        txs = txs || Boolean(e.tx_count);
        break;
      case 'missed_slot': {
        const inTail = kindOf(S, e.made_in_slot) === 'tail';
        const group = inTail ? tails.get(e.height) : misses.get(e.node_id);
        if (group) {
          group.list.push(e);
          group.redo();
          break;
        }
        const line = add('i-missed', 'missed', '', { list: [e] });
        (inTail ? tails : misses).set(inTail ? e.height : e.node_id, line);
        line.redo = () => {
          line.text = inTail ? tailWords(S, line.list) : missWords(S, line.list);
        };
        line.redo();
        break;
      }
      case 'suspended':
        misses.delete(e.node_id);
        add('i-missed', 'missed', `${N(e.node_id)} is suspended at height ${num(e.height)}${missedCount(e)}`);
        break;
      case 'returned': {
        misses.delete(e.node_id);
        const where = `at height ${num(e.height)}`;
        const words = e.first_time ? `is active for the first time, ${where}` : `returned ${where} and is active again`;
        add('i-good', '', `${N(e.node_id)} ${words}`);
        break;
      }
      case 'reorg':
        add('i-fork', 'reorg', reorgWords(S, e));
        break;
      case 'contact_lost':
        add('i-missed', 'missed', `Lost contact with ${N(e.node_id)}${e.address ? ` (${e.address})` : ''}`);
        break;
      case 'contact_found':
        add('i-dot', '', `Contact with ${N(e.node_id)}${e.address ? ` (${e.address})` : ''}`);
        break;
      case 'caught_up':
        add('i-dot', '', `Caught up from height ${num(e.from)} to ${num(e.to)}`);
        break;
      case 'stopped':
        add('i-bad', 'missed', `No block for long: ${plural(e.producing, 'node')} may produce`);
        break;
      case 'gap':
        add('i-unknown', '', 'What happened meanwhile is not known here');
        break;
      case 'connected':
        add('i-dot', '', `This page connected to ${meName(S)}`);
        break;
    }
  }
  return out;
}

const items = new Map();
function events(S, now) {
  const all = lines(S);
  const list = S.allEvents ? all : all.slice(0, 24);
  const box = $('events');
  const order = list.map((line) => {
    let li = items.get(line.key);
    if (!li) {
      li = h('li');
      items.set(line.key, li);
    }
    attr(li, 'class', line.cls + (now - line.at > 300e3 ? ' old' : ''));
    put(li, [line.text, line.at], () => [
      sign(line.icon),
      h('span', null, line.text),
      line.at ? h('time', null, age(line.at, now)) : h('time'),
    ]);
    return li;
  });
  if (order.length !== box.children.length || order.some((li, i) => box.children[i] !== li))
    box.replaceChildren(...order);
  for (const key of items.keys()) if (!list.some((line) => line.key === key)) items.delete(key);
  const scroll = $('events-box');
  if (!scroll._more)
    scroll.append(
      (scroll._more = h('button', {
        type: 'button',
        class: 'more',
        onclick: () => {
          S.allEvents = true;
          events(S, S.now());
        },
      })),
    );
  scroll._more.hidden = S.allEvents || all.length <= 24;
  put(scroll._more, `Show all ${all.length}`);
  if (!all.length)
    put(box, 'none', () => h('li', null, sign('i-dot'), h('span', { class: 'dim' }, 'What happens will appear here.')));
  else box._shown = null;
}
