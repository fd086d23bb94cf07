// The panels: each brings its part of the document up to date with the state. Nothing here asks the node.
import { deal, fromHex } from './hash.js';

// ---- small tools

export const $ = (id) => document.getElementById(id);

function fill(el, props, kids) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value);
    else el.setAttribute(key, value === true ? '' : value);
  }
  el.append(...kids.flat(Infinity).filter((kid) => kid !== null && kid !== undefined && kid !== false && kid !== ''));
  return el;
}

/** An element; text is always text, never markup. */
export const h = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);
const s = (tag, props, ...kids) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, kids);

/** A table; a head with > stands right. */
export const table = (heads, rows, cls) => h('table', { class: cls },
  h('thead', null, h('tr', null, heads.map((name) => h('th', { scope: 'col', class: name[0] === '>' && 'n' }, name[0] === '>' ? name.slice(1) : name)))),
  h('tbody', null, rows.map((row) => (row.tagName ? row : h('tr', null, row.map((cell) => (cell?.tagName === 'TD' ? cell : h('td', null, cell))))))));

export const mark = (kind) => s('svg', { viewBox: '-10 -11 20 22', 'aria-hidden': 'true' }, s('path', { d: OUTLINE[kind] || 'M-8-7H8V7H-8z', class: 's-' + kind }), s('path', { d: STRIPES[kind] || '', class: kind === 'missed' ? 's-hatch' : 's-stripe' }));

export const sign = (name, cls) => s('svg', { class: cls, 'aria-hidden': 'true' }, s('use', { href: '#' + name }));

export function put(el, now, make) {
  const key = typeof now === 'string' ? now : JSON.stringify(now);
  if (el._shown === key) return false;
  el._shown = key;
  el.replaceChildren(...[make ? make() : now].flat().filter(Boolean));
  return true;
}

export const num = (n) => (n === undefined || n === null ? '–' : Number(n).toLocaleString('en-US'));
export const short = (id) => String(id || '').slice(0, 8);
export const plural = (n, one, many) => `${num(n)} ${n === 1 ? one : many || one + 's'}`;
const and = (words) => (words.length < 2 ? words.join('') : words.slice(0, -1).join(', ') + ' and ' + words[words.length - 1]);

const NB = '\u00a0';
export function span(ms) {
  const sec = Math.max(0, ms) / 1000;
  if (sec < 9.95) return sec.toFixed(1) + NB + 's';
  const whole = Math.round(sec);
  if (whole < 60) return whole + NB + 's';
  const min = Math.floor(whole / 60);
  if (min < 5) return whole % 60 ? `${min}${NB}min ${whole % 60}${NB}s` : `${min}${NB}min`;
  if (min < 60) return min + NB + 'min';
  const hours = Math.floor(min / 60);
  if (hours < 24) return min % 60 ? `${hours}${NB}h ${min % 60}${NB}min` : `${hours}${NB}h`;
  return hours % 24 ? `${Math.floor(hours / 24)}${NB}d ${hours % 24}${NB}h` : `${hours / 24}${NB}d`;
}

/** An age that ticks. */
export function age(ms, now) {
  const el = h('span', { class: 't' }, span(now - ms));
  el._ms = ms;
  return el;
}

const ages = document.getElementsByClassName('t');
export function tickAges(now) {
  for (const el of ages) {
    const text = span(now - el._ms);
    if (el.firstChild.data !== text) el.firstChild.data = text;
  }
}

/** Text with `{ago:MS}` and `commands`. */
export function rich(text, now) {
  return String(text).split(/(\{ago:\d+\}|`[^`]+`)/).filter(Boolean).map((part) => {
    const ago = /^\{ago:(\d+)\}$/.exec(part);
    if (ago) return age(Number(ago[1]), now);
    return part[0] === '`' && part.length > 2 ? h('code', null, part.slice(1, -1)) : part;
  });
}

// ---- what the state says

export const nodeOf = (S, id) => S.nodes.find((node) => node.node_id === id);
export const nameOf = (S, id) => nodeOf(S, id)?.name || short(id);
export const meName = (S) => S.node?.name || (S.node ? short(S.node.node_id) : 'this node');
export const finalHeight = (S) => Math.max(S.finalized, S.health?.finalized_height || 0);
const main = (S) => (S.chain?.params.backup_slots ?? 6) + 1;
export const kindOf = (S, slot) => (slot === 0 ? 'primary' : slot < main(S) ? 'backup' : 'tail');
export const kindName = (S, slot) => (slot === 0 ? 'primary' : slot < main(S) ? 'backup ' + slot : 'tail ' + (slot - main(S) + 1));
const registered = (S) => S.nodes.filter((node) => node.role === 'producer' || node.role === 'suspended');
const here = (node) => node.this_node || node.connected;
const isUp = (S, id) => {
  const node = nodeOf(S, id);
  return !node || (here(node) && node.eligible !== false);
};

/** The digits that names end with, if they tell the nodes apart. */
export function digits(S) {
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

const natural = (a, b) => String(a.name).localeCompare(String(b.name), 'en', { numeric: true }) || (a.node_id < b.node_id ? -1 : 1);
export const inWords = (because) => 'No: ' + (because?.split(': ').slice(1).join(': ') || because?.toLowerCase().replaceAll('_', ' ') || 'not told why');

export function ill(node) {
  if (node.role === 'suspended' || (node.behind || 0) > 2) return true;
  if (node.role === 'follower') return false;
  return !here(node) || (node.role === 'producer' && node.eligible === false);
}

// ---- 1. status

export function status(S, now) {
  const card = $('status');
  const off = S.link !== 'on';
  const health = S.health;
  const state = !off && S.quiet ? 'unknown' : off ? (S.offSince ? 'off' : 'wait') : health?.state || 'unknown';
  card.dataset.s = state;
  $('sign').setAttribute('href', { fine: '#i-good', trouble: '#i-bad', stopped: '#i-bad' }[state] || '#i-unknown');
  document.documentElement.classList.toggle('cold', state === 'off' || (state === 'unknown' && Boolean(S.quiet)));
  document.title = title(S, state);
  let text, reasons = [];
  const me = meName(S);
  if (state === 'wait') text = `Asking ${me}…`;
  else if (state === 'off') text = `No answer from ${me} for {ago:${Math.round(S.offSince)}}`;
  else if (S.quiet) text = `No word from ${me} for {ago:${Math.round(S.heard)}}`;
  else if (!health) text = S.missing.health ? `No judgement: ${S.missing.health[0].toLowerCase() + S.missing.health.slice(1)}` : 'No judgement yet';
  else if (!S.blocks.some((block) => block.height > 0) && state !== 'fine') text = 'No block yet; ' + lower(health.headline, me);
  else text = health.headline;
  if (!off && !S.quiet) reasons = (health?.reasons || []).slice(0, 3);
  const self = S.nodes.find((node) => node.this_node);
  const target = Math.max(0, ...S.nodes.map((node) => node.height || 0), S.mining?.network_height || 0);
  const own = self?.height ?? health?.height ?? 0;
  const behind = off || !self ? 0 : self.behind ?? target - own;
  put($('sentence'), [state, text], () => {
    const cut = ['fine', 'trouble', 'stopped'].includes(state) ? text.search(/, | with |; /) : -1;
    if (cut < 0) return rich(text, now);
    return [h('span', { class: 'first' }, rich(text.slice(0, cut), now)), ...rich(text.slice(cut), now)];
  });
  put($('reasons'), [state, reasons, off && [S.dataAt, S.nextTry, S.pages], S.quiet, S.missing, behind > 2 && [own, target], headOf(S)?.height === 0 && S.nodes.map(here)], () => {
    const out = [];
    if (off && S.offSince) {
      if (S.dataAt) out.push(h('p', null, `What is shown is from ${clock(S.dataAt)}, before that.`));
      out.push(h('p', { class: 'soft' }, S.nextTry ? `Next try at ${clock(S.nextTry)}.` : 'Trying now.'));
      const links = otherPages(S).flatMap(([name, url]) => [' ', h('a', { href: url }, name)]);
      if (links.length) out.push(h('p', { class: 'soft' }, 'Pages of other nodes:', links));
    } else if (S.quiet) {
      out.push(h('p', null, `The line is open but silent. What is shown is from ${clock(S.heard)}.`));
    }
    for (const reason of reasons) {
      out.push(h('p', { title: reason.code }, boldName(S, reason.text, now)));
      if (reason.remedy) out.push(h('p', { class: 'soft' }, remedy(reason.remedy, now)));
    }
    const tried = !off && headOf(S)?.height === 0 ? S.nodes.filter((node) => !here(node) && node.address).slice(0, 8).map((node) => node.address) : [];
    if (tried.length) out.push(h('p', { class: 'soft' }, `It tries ${and(tried)}.`));
    if (behind > 2) {
      const bar = h('i');
      bar.style.width = Math.round((100 * own) / Math.max(1, own + behind)) + '%';
      out.push(h('p', { class: 'soft' }, `This node is ${plural(behind, 'block')} behind; it has ${num(own)} of ${num(own + behind)}.`));
      out.push(h('div', { class: 'lag', role: 'img', 'aria-label': `${num(own)} of ${num(own + behind)} blocks` }, bar));
    }
    return out;
  });
  const median = health?.interval_median_ms ?? S.stats?.interval_median_ms;
  const spare = health?.spare;
  const figures = [
    ['Height', num(headOf(S)?.height)], ['Final', num(S.blocks.length ? finalHeight(S) : undefined)], ['Interval', median ? (median / 1000).toFixed(1) + ' s' : '–'],
    ['Spare', spare ? plural(spare, 'node') : spare === 0 ? 'none' : '–'], ['Pending', num(S.pending?.count ?? health?.pending)],
  ];
  put($('figures'), figures, () => figures.map(([name, value]) =>
    h('div', null, h('dt', null, name), h('dd', { class: name === 'Spare' && value === 'none' && registered(S).length > 1 && 'bad' }, value))));
  const strip = $('strip');
  strip.dataset.s = state;
  if (!strip.hidden) put(strip, [state, text], () => rich(text, now));
  return state;
}
const lower = (text, me) => text ? text[0].toLowerCase() + text.slice(1) : `${me} waits for other nodes`;
export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');
export const headOf = (S) => S.blocks[S.blocks.length - 1];
const title = (S, state) => {
  if (state === 'fine') return `✓ ${num(headOf(S)?.height)} Vision`;
  if (state === 'trouble' || state === 'stopped') return `! ${S.health.producing} of ${S.health.registered} Vision`;
  return '? Vision';
};
const remedy = (text, now) => (/^vision /.test(text) ? [h('code', null, text)] : rich(text, now));
function boldName(S, text, now) {
  const node = S.nodes.find((one) => one.name && text.startsWith(one.name) && !/[\w.-]/.test(text[one.name.length] || ' '));
  return node ? [h('b', null, node.name), ...rich(text.slice(node.name.length), now)] : rich(text, now);
}
export const otherPages = (S) => Object.entries(S.pages || {})
  .filter(([id, url]) => id !== S.node?.node_id && /^https?:\/\//.test(url)).map(([id, url]) => [nameOf(S, id), url])
  .sort((a, b) => a[0].localeCompare(b[0], 'en', { numeric: true }));

// ---- 2. next

const timing = (S) => {
  const p = S.chain.params;
  return { wait: p.block_interval_ms, turn: p.claim_timeout_ms, m: p.backup_slots + 1 };
};

/** Turns of the tail: not in the answer, but they follow from it. */
function tailTurn(S, now) {
  const { wait, turn, m } = timing(S), d = S.schedule;
  const begin = d.parent_timestamp_ms + wait + turn * m;
  const k = m + Math.max(0, Math.floor((now - begin) / (4 * turn)));
  const rows = deal(fromHex(d.seed), d.active, d.registered, m, [k, k + 1]);
  return rows.map((row, i) => ({ slot: k + i, node_id: row.owner, from: begin + 4 * turn * (k + i - m) }));
}

function nextUp(S, now) {
  const open = S.schedule.slots.filter((slot) => slot.closes_at_ms > now && slot.slot < main(S));
  return { slot: open.find((slot) => isUp(S, slot.node_id)), open };
}

export function next(S, now, off) {
  const d = S.schedule;
  const say = $('next-say');
  if (!d || !S.chain) {
    put(say, S.missing.schedule ? 'Next: unknown' : 'Next: …');
    put($('next-what'), ''); put($('then'), ''); put($('cells'), '');
    $('needle').hidden = true;
    return;
  }
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
      cell('wait', wait, h('b', null, 'wait'), h('span', { class: 'ink' }, 'slot'), h('span', { class: 'full' }, 'opens in, s'), h('span', { class: 'abbr' }, 'in, s')),
      ...d.slots.filter((slot) => slot.slot < m).map((slot, i) => cell((i ? '' : 'p') + (down[i] ? ' down' : ''), turn,
        h('b', null, h('span', { class: 'full' }, big ? '' : nameOf(S, slot.node_id)), h('span', { class: 'abbr' }, digit.get(slot.node_id) || ''), foot(slot.jitter_ms, turn)),
        h('span', { class: 'full' }, big ? '' : i ? 'backup ' + i : 'primary'), h('span', { class: 'abbr' }, i ? 'b' + i : 'p'), h('span', { class: 'o' }, '–'))),
      cell('end', turn * 0.8, h('b', null, 'tail', foot(0, 1))),
    ];
  });
  if (off) { put(say, 'Next: unknown'); put($('next-what'), `while ${meName(S)} does not answer`); put($('then'), ''); return; }
  const { slot, open } = nextUp(S, now);
  const what = `block ${num(d.height)}, ${slot ? kindName(S, slot.slot) : open.length ? 'no slot has an owner that is up' : 'open tail'}`;
  put($('next-what'), what);
  $('cells').querySelectorAll('.o').forEach((el, i) => {
    const left = (d.slots[i].opens_at_ms - now) / 1000;
    const text = left > 0 ? left.toFixed(1) : d.slots[i].closes_at_ms > now ? 'open' : '–';
    if (el.firstChild.data !== text) el.firstChild.data = text;
    const cell = el.parentNode;
    cell.classList.toggle('gone', text === '–');
    cell.classList.toggle('now', text === 'open');
  });
  const then = $('then');
  const absent = registered(S).filter((node) => node.role === 'suspended').map((node) => node.name);
  const tail = absent.length ? ` ${and(absent)} ${absent.length > 1 ? 'are' : 'is'} suspended and ${absent.length > 1 ? 'hold' : 'holds'} none of these slots.` : '';
  if (registered(S).length === 1) return put(then, 'One node holds every slot: if it stops, the chain stops.');
  if (!slot) {
    const turns = tailTurn(S, now);
    const at = (one) => (one.from > now ? `opens in ${span(one.from - now)}` : 'is open');
    return put(then, `${open.length ? 'Those who own the slots left do not answer.' : 'All slots of the height have passed.'} In the tail the turn of ${nameOf(S, turns[0].node_id)} ${at(turns[0])}, ` +
      `that of ${nameOf(S, turns[1].node_id)} opens in ${span(turns[1].from - now)}; each is ${span(4 * turn)} long.`);
  }
  const passed = open.filter((one) => one.slot < slot.slot);
  const other = d.slots.find((one) => one.slot > slot.slot && one.node_id !== slot.node_id && isUp(S, one.node_id));
  const words = passed.length ? `${and([...new Set(passed.map((one) => nameOf(S, one.node_id)))])} ${passed.length > 1 ? 'own the slots' : 'owns the slot'} before that and may not produce now.` : '';
  const after = other ? `If ${nameOf(S, slot.node_id)} stays silent, ${nameOf(S, other.node_id)} takes over in ${span(other.opens_at_ms - now)} as ${kindName(S, other.slot)}.`
    : `If ${nameOf(S, slot.node_id)} stays silent, the open tail begins in ${span(d.parent_timestamp_ms + wait + turn * m - now)}.`;
  put(then, [words, after].filter(Boolean).join(' ') + tail);
}

export function countdown(S, now) {
  const d = S.schedule;
  if (!d || !S.chain) return;
  const { wait, turn, m } = timing(S);
  const { slot } = nextUp(S, now);
  let text = 'Next: nobody';
  if (slot) {
    const left = slot.opens_at_ms - now;
    text = left > 0 ? `Next: ${nameOf(S, slot.node_id)} in ${span(left)}` : `${nameOf(S, slot.node_id)} may make it now, ${span(slot.closes_at_ms - now)} left`;
  }
  put($('next-say'), text);
  const all = wait + turn * m + turn * 0.8;
  const at = Math.min(1, Math.max(0, (now - d.parent_timestamp_ms) / all));
  $('needle').style.transform = `translateX(${(at * barWidth).toFixed(1)}px)`;
}
let barWidth = 0;

// ---- 3. ribbon

const cols = [];
let coming;

const replacedAt = (S, height) => S.tree.filter((block) => !block.canonical && block.height === height);
const missedIds = (block) => (block.missed || []).map((slot) => slot.node_id);
function missedWords(S, block) {
  const slots = block.missed || [];
  const names = [...new Set(missedIds(block))].map((id) => nameOf(S, id));
  if (!slots.length) return '';
  if (slots.length > 3) return `${slots.length} slots missed, by ${and(names)}`;
  return `${and(names)} missed ${names.length > 1 ? 'their slots' : slots.length > 1 ? slots.length + ' slots' : 'its slot'}`;
}
export const blockName = (S, block) =>
  `Block ${num(block.height)}, ${kindName(S, block.slot)} ${nameOf(S, block.producer)}` + (block.missed?.length ? ', ' + missedWords(S, block) : '');

function paintColumn(S, col, block, digit, final) {
  const replaced = replacedAt(S, block.height);
  const missed = missedIds(block);
  const key = JSON.stringify([block.hash, block.slot, missed, replaced.length, digit.get(block.producer), block.height <= final, S.names]);
  if (col.key === key) return;
  col.key = key;
  const chips = [];
  if (missed.length) {
    const distinct = [...new Set(missed)];
    const text = missed.length > 1 ? '×' + missed.length : digit.get(distinct[0]) || '';
    chips.push(h('span', { class: 'chip' + (missed.length > 1 ? ' many' : '') }, text));
  }
  if (replaced.length) chips.push(h('span', { class: 'chip replaced' + (chips.length ? ' two' : '') }, chips.length ? '' : digit.get(replaced[0].producer) || ''));
  col.el.className = 'col' + (block.height <= final ? ' fin' : '');
  col.el.setAttribute('href', '#/block/' + block.height);
  col.el.setAttribute('aria-label', blockName(S, block) + (replaced.length ? `, replaced a block of ${nameOf(S, replaced[0].producer)}` : ''));
  const box = col.box || (col.box = h('span', {}));
  box.className = 'box ' + kindOf(S, block.slot);
  box.textContent = digit.get(block.producer) || '';
  col.el.replaceChildren(...chips, box);
}

const column = () => ({ el: h('a', { class: 'col', tabindex: '-1' }), key: '' });
const blank = () => ({ el: h('span', { class: 'col' }, h('span', { class: 'box none' })), hash: undefined });

/** Drops columns on the left and adds them on the right; it is never built anew. */
export function ribbon(S, now, focusMoved) {
  const el = $('ribbon');
  if (!coming) {
    for (let i = 0; i < 64; i++) { const col = blank(); cols.push(col); el.append(col.el); }
    coming = h('span', { class: 'col coming', role: 'img', 'aria-label': 'The coming block' }, h('span', { class: 'box' }));
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
  for (const col of dropRight) { col.el.remove(); cols.splice(cols.indexOf(col), 1); }
  for (const block of blocks.slice(keep)) {
    const col = column();
    col.hash = block.hash;
    cols.push(col);
    el.insertBefore(col.el, coming);
  }
  while (cols.length > 64) cols.shift().el.remove();
  while (cols.length < 64) { const col = blank(); cols.unshift(col); el.prepend(col.el); }
  if (held && !held.isConnected) cols.find((col) => col.hash)?.el.focus();
  const final = finalHeight(S);
  const offset = 64 - blocks.length;
  blocks.forEach((block, i) => { cols[offset + i].height = block.height; paintColumn(S, cols[offset + i], block, digit, final); });
  const upcoming = S.schedule?.slots?.[0];
  put(coming.firstChild, (upcoming && digit.get(upcoming.node_id)) || ' ');
  [...$('axis').children].forEach((div, i) => {
    const block = blocks[i * 8 - offset];
    put(div, [block?.height, block?.timestamp_ms], () => (block ? [num(block.height), h('span', null, age(block.timestamp_ms, now))] : []));
  });
  const count = (kind) => blocks.filter((block) => kindOf(S, block.slot) === kind).length;
  const missed = blocks.reduce((sum, block) => sum + (block.missed?.length || 0), 0);
  const low = blocks[0]?.height || 0;
  const replaced = S.tree.filter((block) => !block.canonical && block.height >= low).length;
  put($('rib-sub'), blocks.length === 0 ? 'no block yet' : digit.size ? 'The digit names the node' : '');
  put($('legend'), [count('primary'), count('backup'), count('tail'), missed, replaced], () => [
    ...['primary', 'backup', 'tail'].map((kind) => [kind, count(kind)]), ['missed', missed], replaced ? ['replaced', replaced] : null, ['final', ''],
  ].filter(Boolean).map(([kind, n]) => h('li', null, kind === 'final' ? h('span', { class: 'fin' }) : mark(kind), `${kind} ${n}`)));
  select(S, now, focusMoved);
}

export function select(S, now, focus) {
  const shown = S.blocks.filter((block) => block.height > 0).slice(-64);
  const low = shown[0]?.height;
  if (S.sel !== null && (S.sel < low || S.sel > headOf(S)?.height)) S.sel = null;
  const block = S.sel === null ? shown[shown.length - 1] : shown.find((one) => one.height === S.sel);
  for (const col of cols) {
    if (!col.hash) continue;
    const on = block && col.hash === block.hash;
    if (on && S.sel !== null) col.el.dataset.on = ''; else delete col.el.dataset.on;
    col.el.tabIndex = on ? 0 : -1;
    if (on && focus) col.el.focus();
  }
  const final = finalHeight(S);
  const tells = $('tells');
  put(tells, [block, block && block.height <= final, S.names, S.link], () => {
    if (!block) return [h('span', null, S.link === 'on' ? 'No block yet. Blocks appear here as they are made.' : 'Asking this node…')];
    const missed = missedWords(S, block);
    return [
      h('b', null, 'Block ' + num(block.height)),
      h('span', null, 'made by ', h('b', null, nameOf(S, block.producer)), ' as ' + kindName(S, block.slot)),
      missed && h('span', { class: 'bad' }, missed),
      block.interval_ms !== undefined && block.interval_ms !== null && h('span', null, span(block.interval_ms) + ' after its parent'),
      h('span', null, plural(block.tx_count, 'transaction')),
      h('span', null, age(block.timestamp_ms, now), ' ago'),
      h('span', null, block.height <= final ? 'final' : 'not final yet'),
      h('a', { href: '#/block/' + block.height }, 'Why this producer? →'),
    ];
  });
}

// ---- 4. nodes

const rows = new Map();
const HEADS = ['Name', 'Role', 'May produce?', 'Head', 'Behind', 'Peers', 'Clock', 'Ping', 'Last block', 'Version'];
const signed = (x) => (Math.abs(x) < 0.05 ? '0 ms' : (x > 0 ? '+' : '−') + (Math.abs(x) < 10 ? +Math.abs(x).toFixed(1) : Math.round(Math.abs(x))) + ' ms');
const ping = (x) => (x < 1 ? '<1 ms' : Math.round(x) + ' ms');

function mayProduce(S, node, now) {
  if (!here(node)) {
    const since = node.lost_at_ms ?? node.last_seen_at_ms;
    return { cls: node.role === 'follower' ? 'dim' : 'bad', icon: node.role === 'follower' ? 'i-unknown' : 'i-bad', text: since ? ['No answer for ', age(since, now)] : ['Never heard of'] };
  }
  if (node.role === 'follower') return { cls: 'dim', icon: 'i-dot', text: ['No, it follows'] };
  if (node.role === 'suspended') return { cls: 'bad', icon: 'i-bad', text: ['No, suspended'] };
  if (node.role === 'candidate') return { cls: 'dim', icon: 'i-unknown', text: ['Not yet'] };
  if (node.eligible === true) return { cls: '', icon: 'i-good', text: ['Yes'] };
  if (node.eligible === false) return { cls: 'bad', icon: 'i-bad', text: [inWords(node.not_eligible_because)] };
  return { cls: 'dim', icon: 'i-unknown', text: ['Unknown'] };
}

function secondLine(S, node) {
  if (node.role === 'suspended') {
    const after = node.missed ? ` after ${plural(node.missed, 'missed slot')}` : '';
    const when = headOf(S) && node.may_return_at > headOf(S).height ? `, from height ${num(node.may_return_at)} on` : '';
    return `Suspended${node.suspended_at ? ' at height ' + num(node.suspended_at) : ''}${after}. Once it runs and is in sync, it returns by itself${when}.`;
  }
  if (!ill(node)) return '';
  const reason = (S.health?.reasons || []).find((one) => one.node_id === node.node_id);
  if (node.this_node && S.health?.this_node?.remedy) return S.health.this_node.remedy;
  if (reason?.remedy) return /^vision /.test(reason.remedy) ? 'What helps: `' + reason.remedy + '`' : reason.remedy;
  return here(node) ? '' : node.address ? 'Last at ' + node.address + '.' : '';
}

export function nodes(S, now) {
  const box = $('nodes');
  if (!S.nodes.length) return put(box, S.missing.nodes || 'none', () => h('p', { class: 'empty' }, 'Nodes will stand here: this one, producers and peers.'));
  const sick = S.nodes.filter(ill);
  const fine = S.nodes.length - sick.length;
  put($('nod-sub'), [sick.length, fine], () => (sick.length
    ? [h('span', { class: 'bad' }, `${num(sick.length)} ${sick.length > 1 ? 'need' : 'needs'} attention`), ` · ${num(fine)} fine`]
    : S.nodes.length > 1 ? `all ${num(S.nodes.length)} fine` : 'one node'));
  if (!box._body) {
    box._body = h('tbody');
    box._more = h('button', { type: 'button', class: 'more', onclick: () => { S.allNodes = !S.allNodes; box._order = null; nodes(S, S.now()); } });
    box.replaceChildren(h('table', { role: 'table' }, h('thead', null, h('tr', { role: 'row' }, HEADS.map((name, i) => h('th', { scope: 'col', role: 'columnheader', class: i > 2 && i < 9 && 'n' }, name)))), box._body), box._more);
  }
  // Rows are not sorted anew under the pointer.
  let order = [...S.nodes].sort((a, b) => ill(b) - ill(a) || (a.role === 'follower') - (b.role === 'follower') || natural(a, b));
  if (!S.allNodes && order.length > 8) order = order.slice(0, 8);
  let ids = order.map((node) => node.node_id);
  if (box._order && box._body.matches(':hover') && box._order.length === ids.length && box._order.every((id) => nodeOf(S, id))) ids = box._order;
  const moved = JSON.stringify(ids) !== JSON.stringify(box._order);
  box._order = ids;
  const versions = S.nodes.find((node) => node.this_node)?.version;
  const shown = [];
  for (const id of ids) {
    const node = nodeOf(S, id);
    let row = rows.get(id);
    if (!row) {
      row = { tr: h('tr', { role: 'row' }, HEADS.map((name, i) => h('td', { role: 'cell', class: ['', 'role', 'can'][i] ?? (i < 9 ? 'n' : ''), 'data-l': i > 2 && name }))), why: h('tr', { class: 'why', role: 'row' }, h('td', { colspan: '10', role: 'cell' })) };
      rows.set(id, row);
    }
    const td = row.tr.children;
    const may = mayProduce(S, node, now);
    const why = secondLine(S, node);
    row.tr.className = (ill(node) ? 'ill' : '') + (why ? ' has' : '');
    put(td[0], [node.name, id, node.this_node], () => [h('a', { href: '#/node/' + id, class: 'plain-link' }, h('b', null, node.name || short(id))), ' ', node.name && node.name !== short(id) && h('span', { class: 'mono dim' }, short(id)), node.this_node && h('span', { class: 'dim' }, ' · this node')]);
    put(td[1], [node.role], () => h('span', { class: node.role === 'suspended' ? 'bad' : 'soft' }, node.role));
    put(td[2], [may.cls, may.icon, String(may.text.map((one) => one._ms || one)), node.not_eligible_because], () => h('span', { class: 'may ' + may.cls, title: node.not_eligible_because }, sign(may.icon, may.icon === 'i-good' ? 'good' : ''), h('span', null, may.text)));
    put(td[3], num(node.height));
    put(td[4], [node.behind], () => (node.behind > 2 ? h('b', { class: 'bad' }, num(node.behind)) : num(node.behind)));
    put(td[5], here(node) ? num(node.peers) : '–');
    put(td[6], node.this_node ? '0 ms' : here(node) && node.clock_offset_ms !== undefined && node.clock_offset_ms !== null ? signed(node.clock_offset_ms) : '–');
    put(td[7], !node.this_node && here(node) && node.rtt_ms !== undefined && node.rtt_ms !== null ? ping(node.rtt_ms) : '–');
    put(td[8], [node.last_block_at_ms], () => (node.last_block_at_ms ? age(node.last_block_at_ms, now) : '–'));
    put(td[9], [node.version, versions], () => (node.version && versions && node.version !== versions ? h('span', { class: 'warn', title: `This node runs ${versions}` }, node.version + ' differs') : node.version || '–'));
    put(row.why.firstChild, why, () => rich(why, now));
    shown.push(row.tr, ...(why ? [row.why] : []));
  }
  if (moved || box._body.children.length !== shown.length || shown.some((tr, i) => box._body.children[i] !== tr)) box._body.replaceChildren(...shown);
  for (const id of rows.keys()) if (!nodeOf(S, id)) rows.delete(id);
  box._more.hidden = S.nodes.length <= 8;
  put(box._more, S.allNodes ? 'Show the first 8' : `Show all ${num(S.nodes.length)}`);
}

// ---- 5. events

/** Events as lines: repeats of one node are one line, of final blocks only the newest is kept. */
export function lines(S) {
  const out = [];
  let finals = false, txs = false;
  const misses = new Map();
  const tails = new Map();
  const N = (id) => nameOf(S, id);
  for (const e of S.events) {
    const at = e.at_ms;
    const add = (icon, cls, text, more) => { const line = { key: e.id || e.event + at, icon, cls, text, at, ...more }; out.push(line); return line; };
    switch (e.event) {
      case 'finalized':
        if (!finals) add('i-good', 'good', `Block ${num(e.height)} is final`, { key: 'final' });
        finals = true;
        break;
      case 'block':
        if (!txs && e.tx_count) add('i-dot', '', `${plural(e.tx_count, 'transaction')} included in block ${num(e.height)}`, { key: 'txs', at: at || e.timestamp_ms });
        txs = txs || Boolean(e.tx_count);
        break;
      case 'missed_slot': {
        const inTail = kindOf(S, e.made_in_slot) === 'tail';
        const group = inTail ? tails.get(e.height) : misses.get(e.node_id);
        if (group) { group.list.push(e); group.redo(); break; }
        const line = add('i-missed', 'missed', '', { list: [e] });
        if (inTail) {
          tails.set(e.height, line);
          const block = S.blocks.find((one) => one.height === e.height);
          line.redo = () => { line.text = `No block${block?.interval_ms ? ' for ' + span(block.interval_ms) : ''} at height ${num(e.height)}: ${plural(line.list.length, 'slot')} missed; ${N(e.made_by)} made it in the open tail`; };
        } else {
          misses.set(e.node_id, line);
          line.redo = () => {
            const heights = [...new Set(line.list.map((one) => one.height))].sort((a, b) => a - b);
            line.text = heights.length === 1 && line.list.length === 1
              ? `${N(e.node_id)} missed its slot at height ${num(e.height)}; ${N(e.made_by)} made the block as ${kindName(S, e.made_in_slot)}`
              : `${N(e.node_id)} missed ${plural(line.list.length, 'slot')}, at ${heights.length > 1 ? 'heights' : 'height'} ${heights.length > 6 ? num(heights[0]) + ' to ' + num(heights[heights.length - 1]) : heights.map(num).join('; ')}; backups made the blocks`;
          };
        }
        line.redo();
        break;
      }
      case 'suspended':
        misses.delete(e.node_id);
        add('i-missed', 'missed', `${N(e.node_id)} is suspended at height ${num(e.height)}${e.missed ? ': ' + plural(e.missed, 'missed slot') : ''}`);
        break;
      case 'returned':
        misses.delete(e.node_id);
        add('i-good', '', `${N(e.node_id)} returned at height ${num(e.height)} and is active again`);
        break;
      case 'reorg': {
        const left = e.left?.[0], joined = e.joined?.[0];
        const who = left && joined ? `${N(left.producer)}’s ${left.producer === joined.producer ? 'earlier ' : ''}block was replaced by ${N(joined.producer)}’s` : `${plural(e.depth || 1, 'block')} replaced`;
        const back = e.transactions_returned ? `; ${plural(e.transactions_returned, 'transaction')} ${e.transactions_returned === 1 ? 'is' : 'are'} pending again` : '';
        add('i-fork', 'reorg', `Reorganisation at height ${num(left?.height ?? e.height)}: ${e.depth > 1 ? e.depth + ' blocks deep, ' : ''}${who}${back}`);
        break;
      }
      case 'contact_lost': add('i-missed', 'missed', `Lost contact with ${N(e.node_id)}${e.address ? ` (${e.address})` : ''}`); break;
      case 'contact_found': add('i-dot', '', `Contact with ${N(e.node_id)}${e.address ? ` (${e.address})` : ''}`); break;
      case 'caught_up': add('i-dot', '', `Caught up from height ${num(e.from)} to ${num(e.to)}`); break;
      case 'stopped': add('i-bad', 'missed', `No block for long: ${plural(e.producing, 'node')} may produce`); break;
      case 'gap': add('i-unknown', '', 'What happened meanwhile is not known here'); break;
      case 'connected': add('i-dot', '', `This page connected to ${meName(S)}`); break;
    }
  }
  return out;
}

const items = new Map();
export function events(S, now) {
  const all = lines(S);
  const list = S.allEvents ? all : all.slice(0, 24);
  const box = $('events');
  const order = list.map((line) => {
    let li = items.get(line.key);
    if (!li) { li = h('li'); items.set(line.key, li); }
    li.className = line.cls + (now - line.at > 300e3 ? ' old' : '');
    put(li, [line.text, line.at], () => [sign(line.icon), h('span', null, line.text), line.at ? h('time', null, age(line.at, now)) : h('time')]);
    return li;
  });
  if (order.length !== box.children.length || order.some((li, i) => box.children[i] !== li)) box.replaceChildren(...order);
  for (const key of items.keys()) if (!list.some((line) => line.key === key)) items.delete(key);
  const scroll = $('events-box');
  if (!scroll._more) scroll.append(scroll._more = h('button', { type: 'button', class: 'more', onclick: () => { S.allEvents = true; events(S, S.now()); } }));
  scroll._more.hidden = S.allEvents || all.length <= 24;
  put(scroll._more, `Show all ${all.length}`);
  if (!all.length) put(box, 'none', () => h('li', null, sign('i-dot'), h('span', { class: 'dim' }, 'What happens will stand here.')));
  else box._shown = null;
}

// ---- 6. fork tree

const OUTLINE = {
  primary: 'M-6-9H6a3 3 0 0 1 3 3V6a3 3 0 0 1-3 3H-6a3 3 0 0 1-3-3V-6a3 3 0 0 1 3-3z',
  backup: 'M-6-9H4l5 5V6a3 3 0 0 1-3 3H-6a3 3 0 0 1-3-3V-6a3 3 0 0 1 3-3z',
  tail: 'M0-11 9-5V6a3 3 0 0 1-3 3H-6a3 3 0 0 1-3-3V-5z',
};
const STRIPES = { backup: 'M-8-1 0-9M-8 6 6-8M0 8 8 0', tail: 'M-8 2H8M-8 6H8', missed: 'M-7 3 3-7M-3 7 7-3' };

export function tree(S, now) {
  const box = $('tree');
  const width = box.clientWidth;
  if (!width) return;
  const head = headOf(S);
  if (!head || !head.height) { put($('tree-sub'), ''); put($('tree-note'), ''); return put(box, 'empty', () => h('p', { class: 'empty' }, 'Blocks and what they replaced will stand here.')); }
  const want = width < 460 ? Math.max(8, Math.min(11, Math.floor(width / 38))) : 16;
  const chain = S.blocks.filter((block) => block.height > 0).slice(-want);
  const low = chain[0].height;
  const side = S.tree.filter((block) => !block.canonical && block.height >= low && block.height <= head.height);
  const digit = digits(S);
  const final = finalHeight(S);
  const heads = new Map();
  const left = [];
  for (const node of S.nodes) {
    if (node.height === undefined || node.height === null) continue;
    if (node.height < low) left.push(node);
    else { const at = Math.min(node.height, head.height); heads.set(at, [...(heads.get(at) || []), node.name]); }
  }
  put($('tree-sub'), [chain.length, side.length], () => [`last ${plural(chain.length, 'height')} · `, side.length ? h('span', { class: 'warn' }, plural(side.length, 'replaced block')) : 'one branch, no forks']);
  const notes = left.slice(0, 4).map((node) => `${node.name} is ${plural(node.behind ?? head.height - node.height, 'block')} behind, left of this picture (head ${num(node.height)}).`);
  if (left.length > 4) notes.push(`So are ${left.length - 4} more.`);
  put($('tree-note'), notes.join(' '));
  put(box, [width, low, chain.map((block) => block.hash), side, final, [...heads], [...digit]], () => {
    const gap = (width - 40) / Math.max(1, want - 1);
    const x = (height) => 20 + (height - low) * gap;
    const levels = new Map();
    for (const block of side) levels.set(block, side.filter((one) => one.height === block.height).indexOf(block) + 1);
    const up = Math.max(0, ...levels.values());
    const base = 26 + up * 32;
    const marks = [...heads].filter(([height]) => height >= low).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const total = base + 32 + marks.length * 18;
    const svg = s('svg', { width, height: total, role: 'img', 'aria-label': treeWords(S, chain, side, final) });
    const cut = Math.min(Math.max(final, low - 1), head.height);
    svg.append(s('path', { d: `M${x(low)} ${base}H${x(Math.max(low, cut))}`, class: 'c-axis' }));
    if (cut < head.height) svg.append(s('path', { d: `M${x(Math.max(low, cut))} ${base}H${x(head.height)}`, class: 'c-dash' }));
    const node = (block, cx, cy, replaced) => {
      const kind = kindOf(S, block.slot);
      svg.append(s('path', { d: OUTLINE[kind], transform: `translate(${cx} ${cy})`, class: replaced ? 's-replaced over' : 's-' + kind }));
      if (STRIPES[kind] && !replaced) svg.append(s('path', { d: STRIPES[kind], transform: `translate(${cx} ${cy})`, class: 's-stripe' }));
      const text = digit.get(block.producer);
      if (text) svg.append(s('text', { x: cx, y: cy + 4, class: 'digit ' + (replaced ? 'replaced' : kind) }, text));
    };
    for (const block of side) {
      const cy = base - levels.get(block) * 32, cx = x(block.height);
      const from = block.height > low ? x(block.height - 1) : cx - gap;
      const onSide = side.find((one) => one.hash === block.parent);
      const py = onSide ? base - levels.get(onSide) * 32 : base;
      svg.append(s('path', { d: onSide ? `M${from + 9} ${py}L${cx - 9} ${cy}` : `M${from + 7} ${py - 7}C${from + gap / 2} ${py - 20} ${cx - gap / 2} ${cy} ${cx - 9} ${cy}`, class: 'c-warn' }));
      node(block, cx, cy, true);
    }
    for (const block of chain) node(block, x(block.height), base, false);
    const newest = side.reduce((best, block) => ((block.replaced_at_ms || 0) > (best?.replaced_at_ms || -1) ? block : best), null);
    if (newest) {
      const because = String(newest.replaced_because || '').replace(/^[A-Z_]+: /, '');
      const cx = x(newest.height), right = cx < width * 0.6;
      const text = s('text', { x: right ? cx + 16 : cx - 16, y: base - levels.get(newest) * 32 + 4, class: 'ink' + (right ? '' : ' end') });
      text.append('replaced');
      if (newest.replaced_at_ms) {
        const ago = s('tspan', { class: 't' }, span(now - newest.replaced_at_ms));
        ago._ms = newest.replaced_at_ms;
        text.append(' ', ago, ' ago');
      }
      if (because && width > 460) text.append(': ' + because);
      text.append(s('title', null, `${newest.replaced_because || 'replaced'}`));
      svg.append(text);
    }
    if (final >= low && final < head.height) {
      const cx = x(final) + gap / 2;
      svg.append(s('path', { d: `M${cx} ${base - 17}v34`, class: 'c-axis' }), s('text', { x: cx - 5, y: base - 13, class: 'end' }, width < 460 ? 'final' : 'final up to here'));
    }
    const step = want > 11 ? 3 : 4;
    for (const block of chain) if ((block.height - low) % step === 0 && (head.height - block.height >= 2 || !marks.length)) svg.append(s('text', { x: x(block.height), y: base + 25, class: 'mid' }, num(block.height)));
    marks.forEach(([height, names], i) => {
      const cx = x(height), y = base + 38 + i * 18;
      const who = names.length > 4 ? plural(names.length, 'node') : [...names].sort().join(', ');
      const right = cx > width * 0.4;
      svg.append(s('path', { d: `M${cx} ${base + 11}V${y}h${right ? -6 : 6}`, class: 'c-axis' }), s('text', { x: right ? cx - 10 : cx + 10, y: y + 4, class: 'ink' + (right ? ' end' : '') }, `head ${num(height)} of ${who}`));
    });
    return svg;
  });
}
const treeWords = (S, chain, side, final) => `Blocks ${num(chain[0].height)} to ${num(chain[chain.length - 1].height)} in one line, final up to ${num(final)}; ` +
  (side.length ? side.map((block) => `block ${num(block.height)} of ${nameOf(S, block.producer)} was replaced`).join('; ') : 'no forks') + '.';

// ---- 7. who made the blocks, interval, propagation

function asTable(heads, make) {
  const details = h('details', { class: 'tab' }, h('summary', null, 'As a table'));
  details.addEventListener('toggle', () => {
    if (!details.open || details._made) return;
    details._made = true;
    details.append(h('div', { class: 'over-x' }, table(heads, make())));
  });
  return details;
}

export function shares(S, now) {
  const box = $('shares');
  const stats = S.stats;
  if (!stats?.producers?.length || !stats.blocks) return put(box, 'none' + (S.missing.stats || ''), () => h('p', { class: 'empty' }, 'The producers’ shares will stand here.'));
  put($('share-sub'), `last ${num(stats.blocks)}`);
  let list = stats.producers.map((row) => ({ ...row, name: nameOf(S, row.node_id) }));
  const many = list.length > 7;
  if (many) list.sort((a, b) => b.missed - a.missed || Math.abs(b.share - b.expected_share) - Math.abs(a.share - a.expected_share) || natural(a, b));
  else list.sort(natural);
  list = list.slice(0, 7);
  const most = Math.max(...list.flatMap((row) => [row.share, row.expected_share]), 0.01) * 1.15;
  const scale = many ? most : Math.max(0.6, most);
  put(box, [list, stats.blocks, S.names], () => [
    table(['Node', '▏expected', '>Share', '>Exp.', '>Missed', '>Reward'], list.map((row) => {
        const part = (n) => (100 * n) / stats.blocks / scale;
        const svg = s('svg', { class: 'mini', 'aria-hidden': 'true', viewBox: '0 0 100 12', preserveAspectRatio: 'none' }, s('rect', { width: 100, height: 12, class: 'c-track', rx: 2 }));
        let x = 0;
        for (const kind of ['primary', 'backup', 'tail']) {
          if (row[kind]) svg.append(s('rect', { x, width: part(row[kind]), height: 12, class: 'c-' + kind }));
          x += part(row[kind]);
        }
        const tick = (100 * row.expected_share) / scale;
        svg.append(s('path', { d: `M${tick} -3V15`, class: 'c-mark', 'vector-effect': 'non-scaling-stroke' }));
        return h('tr', { title: `${row.name}: ${row.primary} primary, ${row.backup} backup, ${row.tail} tail` }, h('td', null, h('b', null, row.name)), h('td', { class: 'w' }, svg), h('td', { class: 'n' }, Math.round(100 * row.share) + ' %'),
          h('td', { class: 'n dim' }, Math.round(100 * row.expected_share) + ' %'), h('td', { class: 'n' + (row.missed ? ' bad' : '') }, num(row.missed)), h('td', { class: 'n' }, num(row.rewards)));
      })),
    many && h('p', { class: 'note' }, `${num(stats.producers.length - 7)} more; most missed first`),
  ]);
}

const AXES = [6, 12, 30, 60, 120, 300, 600, 1800, 3600, 7200, 86400];

export function interval(S) {
  const box = $('interval');
  const blocks = S.blocks.filter((block) => block.height > 0 && block.interval_ms >= 0).slice(-64);
  const told = blocks.filter((block) => block.height > 1);
  const width = box.clientWidth;
  if (!width) return;
  if (!told.length) { put($('int-sub'), ''); return put(box, 'none', () => h('p', { class: 'empty' }, 'One bar per block will stand here.')); }
  const sorted = told.map((block) => block.interval_ms).sort((a, b) => a - b);
  const typical = sorted[sorted.length >> 1], longest = sorted[sorted.length - 1];
  put($('int-sub'), `typical ${span(typical)}, longest ${span(longest)}`);
  put(box, [width, told.map((block) => [block.hash, block.interval_ms])], () => {
    const top = AXES.find((sec) => sec * 1000 >= longest) || longest / 1000;
    const height = 128, left = 36, floor = 106, tall = 98;
    const svg = s('svg', { width, height, role: 'img', 'aria-label': `Time from block to block: typically ${span(typical)}, at most ${span(longest)}, over the last ${told.length} blocks.` });
    for (let i = 0; i <= 3; i++) {
      const y = floor - (tall * i) / 3, sec = (top * i) / 3;
      svg.append(s('path', { d: `M${left} ${y}H${width}`, class: 'c-line' }), s('text', { x: left - 6, y: y + 4, class: 'end' }, sec < 120 ? `${Math.round(sec)} s` : `${Math.round(sec / 60)} m`));
    }
    const step = (width - left) / 64;
    const shapes = { primary: '', backup: '', tail: '' };
    told.forEach((block, i) => {
      const tallness = Math.max(1, (tall * Math.min(block.interval_ms / 1000, top)) / top);
      shapes[kindOf(S, block.slot)] += `M${(left + (64 - told.length + i) * step + 0.5).toFixed(1)} ${floor}v${-tallness.toFixed(1)}h${(step - 1.5).toFixed(1)}v${tallness.toFixed(1)}z`;
    });
    for (const kind of Object.keys(shapes)) if (shapes[kind]) svg.append(s('path', { d: shapes[kind], class: 'c-' + kind }));
    svg.append(s('text', { x: left, y: floor + 18 }, num(told[0].height)), s('text', { x: width, y: floor + 18, class: 'end' }, num(told[told.length - 1].height)));
    return [svg, asTable(['Block', 'Outcome', 'After its parent'], () => told.map((block) => [num(block.height), kindName(S, block.slot), span(block.interval_ms)]))];
  });
}

export function propagation(S) {
  const box = $('propagation');
  const width = box.clientWidth;
  if (!width) return;
  const known = (S.propagation || []).filter((one) => one.samples?.length);
  if (registered(S).length === 1 && S.nodes.length === 1) return put(box, 'one', () => h('p', { class: 'empty' }, 'There is nobody to send blocks to.'));
  if (!known.length) return put(box, 'none', () => h('p', { class: 'empty' }, 'How long blocks take to arrive will stand here.'));
  let list = known.map((one) => ({ ...one, name: nameOf(S, one.node_id) })).sort(natural);
  const many = list.length > 7;
  if (many) {
    const delays = list.flatMap((one) => one.samples.map((sample) => sample.delay_ms)).sort((a, b) => a - b);
    const slow = [...list].sort((a, b) => b.p95_ms - a.p95_ms).slice(0, 2);
    list = [{ name: 'all', samples: delays.filter((_, i) => i % Math.ceil(delays.length / 64) === 0).map((delay_ms) => ({ delay_ms })), median_ms: delays[delays.length >> 1], p95_ms: delays[Math.floor(delays.length * 0.95)] }, ...slow];
  }
  put(box, [width, list], () => {
    const most = Math.max(...list.map((one) => one.p95_ms || 0));
    const top = [10, 40, 100, 200, 400, 1000, 2000, 4000, 10000, 60000].find((ms) => ms >= most) || most;
    const left = Math.min(110, 12 + Math.max(...list.map((one) => one.name.length)) * 7), right = width - 100, row = 28;
    const height = list.length * row + 26;
    const x = (ms) => left + ((right - left) * Math.min(Math.max(ms, 0), top)) / top;
    const words = list.map((one) => `${one.name}: median ${Math.round(one.median_ms)} ms, 95 of 100 within ${Math.round(one.p95_ms)} ms`).join('; ');
    const svg = s('svg', { width, height, role: 'img', 'aria-label': 'From a block’s stamp to its arrival. ' + words + '.' });
    list.forEach((one, i) => {
      const y = 14 + i * row;
      const spot = new Map();
      let dots = '';
      for (const sample of one.samples.slice(-64)) {
        const cx = Math.round(x(sample.delay_ms) / 5) * 5;
        const n = spot.get(cx) || 0;
        spot.set(cx, n + 1);
        dots += `M${cx} ${(y + Math.max(-9, Math.min(9, ((n % 2 ? 1 : -1) * Math.ceil(n / 2)) * 4.5))).toFixed(1)}h.01`;
      }
      svg.append(s('path', { d: `M${left} ${y}H${right}`, class: 'c-line' }), s('path', { d: dots, class: 'c-dot' }), s('path', { d: `M${x(one.median_ms)} ${y - 9}v18`, class: 'c-mark' }),
        s('text', { x: 0, y: y + 4, class: 'ink' }, one.name.slice(0, 14)), s('text', { x: width, y: y + 4, class: 'end ink' }, `${Math.round(one.median_ms)} ms · p95 ${Math.round(one.p95_ms)}`));
    });
    for (let i = 0; i <= 4; i++) svg.append(s('text', { x: x((top * i) / 4), y: height - 4, class: 'mid' }, i < 4 ? (top * i) / 4 : `${top}+ ms`));
    return [svg, asTable(['Node', 'Median', 'p95', 'Blocks'], () => list.map((one) => [one.name, Math.round(one.median_ms) + ' ms', Math.round(one.p95_ms) + ' ms', num(one.samples.length)]))];
  });
}

// ---- 8. pending

export const txLink = (hash) => h('a', { class: 'mono', href: '#/tx/' + hash }, short(hash));
export const kindOfTx = (kind) => ({ data: 'record', register_producer: 'registration', exit_producer: 'exit', sync_proof: 'sync proof' }[kind] || kind || '');

export function pending(S, now) {
  const box = $('pending');
  const list = S.pending?.transactions || [];
  const count = S.pending?.count || 0;
  put($('pen-sub'), [count, S.pending?.oldest_since_ms, Boolean(S.pending)], () => (count ? [`${num(count)}, oldest `, S.pending.oldest_since_ms ? age(S.pending.oldest_since_ms, now) : ''] : S.pending ? 'none waits' : ''));
  put(box, [list.slice(0, 4), count, S.names], () => {
    if (!list.length) return h('p', { class: 'empty' }, 'Transactions that wait for a block will stand here.');
    return [
      table(['Transaction', 'Kind', '>Age'], list.slice(0, 4).map((tx) => [txLink(tx.hash), [kindOfTx(tx.kind), ' ', h('span', { class: 'dim' }, nameOf(S, tx.sender))], h('td', { class: 'n soft' }, age(tx.since_ms, now))]), 'pend'),
      count > 4 && h('p', { class: 'soft' }, `and ${num(count - Math.min(4, list.length))} more`),
    ];
  });
}

export function measure() { barWidth = $('bar').clientWidth; }
