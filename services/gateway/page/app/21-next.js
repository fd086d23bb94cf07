// Who may make the next block, and when.

const timing = (S) => {
  const p = S.chain.params;
  return { wait: p.block_interval_ms, turn: p.claim_timeout_ms, m: p.backup_slots + 1 };
};

/** Turns of the tail: not in the answer, but they follow from it. */
function tailTurn(S, now) {
  const { wait, turn, m } = timing(S),
    d = S.schedule;
  const begin = d.parent_timestamp_ms + wait + turn * m;
  const k = m + Math.max(0, Math.floor((now - begin) / (4 * turn)));
  const rows = deal(fromHex(d.seed), d.active, d.registered, m, [k, k + 1]);
  return rows.map((row, i) => ({ slot: k + i, node_id: row.owner, from: begin + 4 * turn * (k + i - m) }));
}

function nextUp(S, now) {
  const open = S.schedule.slots.filter((slot) => slot.closes_at_ms > now && slot.slot < main(S));
  return { slot: open.find((slot) => isUp(S, slot.node_id)), open };
}

const isOver = (S) => S.schedule.height <= headOf(S)?.height;

function next(S, now, off) {
  const d = S.schedule;
  const say = $('next-say');
  if (!d || !S.chain) {
    put(say, S.missing.schedule ? 'Next: unknown' : 'Next: …');
    put($('next-what'), '');
    put($('then'), '');
    put($('cells'), '');
    $('needle').hidden = true;
    return;
  }
  // Its block is here already: the schedule of the next height is on its way.
  if (isOver(S) && !off && say._shown) return;
  const { wait, turn, m } = timing(S);
  $('needle').hidden = false;
  const digit = digits(S);
  const down = d.slots.map((slot) => !isUp(S, slot.node_id));
  const all = wait + turn * m + turn * 0.8;
  put($('cells'), [d.height, d.parent, down, S.nodes.map((node) => node.name)], () => {
    const cell = (cls, ms, ...kids) => {
      const el = h('div', { class: cls }, kids);
      el.style.width = (100 * ms) / all + '%';
      return el;
    };
    const foot = (from, ms) => {
      const el = h('i');
      el.style.left = (100 * from) / ms + '%';
      return el;
    };
    const big = m > 10;
    return [
      cell(
        'wait',
        wait,
        h('b', null, 'wait'),
        h('span', { class: 'ink' }, 'slot'),
        h('span', { class: 'full' }, 'opens in, s'),
        h('span', { class: 'abbr' }, 'in, s'),
      ),
      ...d.slots
        .filter((slot) => slot.slot < m)
        .map((slot, i) =>
          cell(
            (i ? '' : 'p') + (down[i] ? ' down' : ''),
            turn,
            h(
              'b',
              null,
              h('span', { class: 'full' }, big ? '' : nameOf(S, slot.node_id)),
              h('span', { class: 'abbr' }, digit.get(slot.node_id) || ''),
              foot(slot.jitter_ms, turn),
            ),
            h('span', { class: 'full' }, big ? '' : i ? 'backup ' + i : 'primary'),
            h('span', { class: 'abbr' }, i ? 'b' + i : 'p'),
            h('span', { class: 'o' }, '–'),
          ),
        ),
      cell('end', turn * 0.8, h('b', null, 'tail', foot(0, 1))),
    ];
  });
  if (off) {
    put(say, 'Next: unknown');
    put($('next-what'), `while ${meName(S)} does not answer`);
    put($('then'), '');
    return;
  }
  const { slot, open } = nextUp(S, now);
  const which = slot ? kindName(S, slot.slot) : open.length ? 'no slot has an owner that is up' : 'open tail';
  const what = `block ${num(d.height)}, ${which}`;
  put($('next-what'), what);
  $('cells')
    .querySelectorAll('.o')
    .forEach((el, i) => {
      const left = (d.slots[i].opens_at_ms - now) / 1000;
      const text = left > 0 ? left.toFixed(1) : d.slots[i].closes_at_ms > now ? 'open' : '–';
      if (el.firstChild.data !== text) el.firstChild.data = text;
      const cell = el.parentNode;
      cell.classList.toggle('gone', text === '–');
      cell.classList.toggle('now', text === 'open');
    });
  const then = $('then');
  const absent = registered(S)
    .filter((node) => node.role === 'suspended')
    .map((node) => node.name);
  const several = absent.length > 1;
  const tail = absent.length
    ? ` ${and(absent)} ${several ? 'are' : 'is'} suspended and ${several ? 'hold' : 'holds'} none of these slots.`
    : '';
  if (registered(S).length === 1) return put(then, 'One node holds every slot: if it stops, the chain stops.');
  if (!slot) {
    const [first, second] = tailTurn(S, now);
    const when = (one) => (one.from > now ? `opens in ${span(one.from - now)}` : 'is open');
    const at = (one) => `of ${nameOf(S, one.node_id)} ${when(one)}`;
    const why = open.length ? 'Those who own the slots left do not answer.' : 'All slots of the height have passed.';
    const text = `${why} In the tail the turn ${at(first)}, that ${at(second)}; each is ${span(4 * turn)} long.`;
    return put(then, text);
  }
  const passed = open.filter((one) => one.slot < slot.slot);
  const other = d.slots.find((one) => one.slot > slot.slot && one.node_id !== slot.node_id && isUp(S, one.node_id));
  const owners = and([...new Set(passed.map((one) => nameOf(S, one.node_id)))]);
  const owned = passed.length > 1 ? 'own the slots' : 'owns the slot';
  const words = passed.length ? `${owners} ${owned} before that and may not produce now.` : '';
  const silent = `If ${nameOf(S, slot.node_id)} stays silent,`;
  const after = other
    ? `${silent} ${nameOf(S, other.node_id)} takes over in ${span(other.opens_at_ms - now)} as ` +
      `${kindName(S, other.slot)}.`
    : `${silent} the open tail begins in ${span(d.parent_timestamp_ms + wait + turn * m - now)}.`;
  put(then, [words, after].filter(Boolean).join(' ') + tail);
}

function countdown(S, now) {
  const d = S.schedule;
  if (!d || !S.chain || isOver(S)) return;
  const { wait, turn, m } = timing(S);
  const { slot } = nextUp(S, now);
  let text = 'Next: nobody';
  if (slot) {
    const left = slot.opens_at_ms - now;
    text =
      left > 0
        ? `Next: ${nameOf(S, slot.node_id)} in ${span(left)}`
        : `${nameOf(S, slot.node_id)} may make it now, ${span(slot.closes_at_ms - now)} left`;
  }
  put($('next-say'), text);
  const all = wait + turn * m + turn * 0.8;
  const at = Math.min(1, Math.max(0, (now - d.parent_timestamp_ms) / all));
  $('needle').style.transform = `translateX(${(at * ($('bar')._width || 0)).toFixed(1)}px)`;
}
