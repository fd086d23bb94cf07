// Elements, numbers and ages. The files of this directory are served as one module, /app.js, joined in the order of
// their names. Leading blanks and lines that are only a comment are left out there.

import { blockHash, checkProof, checkSchedule, deal, fromHex, hashFile, sha3, toHex, utf8 } from './hash.js';

const $ = (id) => document.getElementById(id);

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
const h = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);
const s = (tag, props, ...kids) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, kids);

/** A table; a head with > stands right. */
const table = (heads, rows, cls) =>
  h(
    'table',
    { class: cls },
    h(
      'thead',
      null,
      h(
        'tr',
        null,
        heads.map((name) =>
          h('th', { scope: 'col', class: name[0] === '>' && 'n' }, name[0] === '>' ? name.slice(1) : name),
        ),
      ),
    ),
    h(
      'tbody',
      null,
      rows.map((row) =>
        row.tagName
          ? row
          : h(
              'tr',
              null,
              row.map((cell) => (cell?.tagName === 'TD' ? cell : h('td', null, cell))),
            ),
      ),
    ),
  );

const mark = (kind) =>
  s(
    'svg',
    { viewBox: '-10 -11 20 22', 'aria-hidden': 'true' },
    s('path', { d: OUTLINE[kind] || 'M-8-7H8V7H-8z', class: 's-' + kind }),
    s('path', { d: STRIPES[kind] || '', class: kind === 'missed' ? 's-hatch' : 's-stripe' }),
  );

const sign = (name, cls) => s('svg', { class: cls, 'aria-hidden': 'true' }, s('use', { href: '#' + name }));

/** What an element says or shows, set only when it is another: setting it again costs as much. */
function attr(el, name, value) {
  if (el.getAttribute(name) !== value) el.setAttribute(name, value);
}

function put(el, now, make) {
  const key = typeof now === 'string' ? now : JSON.stringify(now);
  if (el._shown === key) return false;
  el._shown = key;
  if (!make && now && el.childNodes.length === 1 && el.firstChild.nodeType === Node.TEXT_NODE) {
    el.firstChild.data = now;
    return true;
  }
  el.replaceChildren(...[make ? make() : now].flat().filter(Boolean));
  return true;
}

const grouped = new Intl.NumberFormat('en-US');
const num = (n) => (n === undefined || n === null ? '–' : grouped.format(Number(n)));
const short = (id) => String(id || '').slice(0, 8);
const plural = (n, one, many) => `${num(n)} ${n === 1 ? one : many || one + 's'}`;
const and = (words) =>
  words.length < 2 ? words.join('') : words.slice(0, -1).join(', ') + ' and ' + words[words.length - 1];

const NB = '\u00a0';
function span(ms) {
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
function age(ms, now) {
  const el = h('span', { class: 't' }, span(now - ms));
  el._ms = ms;
  return el;
}

const ages = document.getElementsByClassName('t');
function tickAges(now) {
  for (const el of ages) {
    const text = span(now - el._ms);
    if (el.firstChild.data !== text) el.firstChild.data = text;
  }
}

/** Text with `{ago:MS}` and `commands`. */
function rich(text, now) {
  return String(text)
    .split(/(\{ago:\d+\}|\x60[^\x60]+\x60)/)
    .filter(Boolean)
    .map((part) => {
      const ago = /^\{ago:(\d+)\}$/.exec(part);
      if (ago) return age(Number(ago[1]), now);
      return part[0] === '\x60' && part.length > 2 ? h('code', null, part.slice(1, -1)) : part;
    });
}
