// When what is drawn, and what is spoken.

let planned = false;
function changed() {
  if (planned) return;
  planned = true;
  // A hidden tab is drawn when it is looked at; only its title is kept true. What comes over the line waits for the next
  // tick: one frame shows it and the countdown.
  if (document.hidden) setTimeout(draw, 1000);
  else if (S.link !== 'on') requestAnimationFrame(draw);
}

/** Panels below the ribbon are drawn at most this often, however fast blocks come. */
const PANELS_EVERY_MS = 500;
let drawnAt = -PANELS_EVERY_MS,
  postponed = 0;
function panels(now) {
  const wait = drawnAt + PANELS_EVERY_MS - performance.now();
  if (S.link === 'on' && wait > 0) {
    postponed ||= setTimeout(() => {
      postponed = 0;
      changed();
    }, wait);
    return;
  }
  if (S.link === 'on') drawnAt = performance.now();
  nodes(S, now);
  events(S, now);
  tree(S, now);
  shares(S, now);
  interval(S);
  propagation(S);
  pending(S, now);
}

/** Widths that drawings need: told by the browser, since asking for one in between makes it lay out the page at once. */
const widths = new ResizeObserver((list) => {
  for (const { target, contentRect } of list) {
    const width = Math.floor(contentRect.width);
    if (target._width === width) continue;
    target._width = width;
    if (width) {
      drawnAt = -PANELS_EVERY_MS;
      changed();
    }
  }
});

/**
 * Nothing is drawn under a finger: a link that is replaced, or moves, between press and release loses the click. Held for a
 * second at most, so that a long press or a scroll stops nothing, and a moment after the release, when a touch's click comes.
 */
let heldUntil = 0;
const held = () => performance.now() < heldUntil;
document.addEventListener('pointerdown', () => (heldUntil = performance.now() + 1000), true);
for (const name of ['pointerup', 'pointercancel'])
  document.addEventListener(name, () => (heldUntil = performance.now() + 100), true);
document.addEventListener('click', () => (heldUntil = 0));

let last = '';
function draw() {
  if (held()) {
    // The next tick tries again.
    planned = true;
    return;
  }
  planned = false;
  const now = S.now();
  guardServices();
  const state = status(S, now);
  if (document.hidden) return;
  put($('chain'), S.chain?.chain_id || '');
  put($('me'), meName(S));
  const live = {
    on: ['on', 'Live'],
    wait: ['wait', 'Connecting'],
    lost: ['wait', 'Connecting'],
    off: ['off', 'Offline'],
  }[S.quiet ? 'off' : S.link];
  attr($('live'), 'data-s', live[0]);
  put($('live'), live[1]);
  const pages = otherPages(S);
  put($('pages'), pages, () =>
    pages.length
      ? pages.map(([name, url]) => h('a', { href: url }, 'as seen by ' + name))
      : h('span', { class: 'dim' }, 'No page of another node is known'),
  );
  put($('foot'), [meName(S), S.version, Math.round(S.startedAt / 60000)], () =>
    S.version ? [`${meName(S)} runs Vision ${S.version}, up `, age(S.startedAt, now)] : '',
  );
  put($('genesis'), S.chain ? 'Genesis ' + short(S.chain.genesis_hash) : '');
  if (!$('board').hidden) {
    next(S, now, S.link !== 'on' || S.quiet);
    ribbon(S, now);
    panels(now);
    failures();
  } else if (view.redraw) view.redraw();
  if (state !== last && last && S.health) say(strip(S.health.headline, now));
  last = state;
}
const strip = (text, now) => text.replace(/\{ago:(\d+)\}/g, (_, ms) => span(now - Number(ms)));

/** A service of this node that does not answer is never told under a green sign. */
function guardServices() {
  const gone = Object.entries(S.services || {}).filter(([, text]) => text !== 'serving');
  const base = S.health;
  if (!gone.length || !base || base.state !== 'fine') return;
  const reasons = gone.map(([name, text]) => ({
    code: 'SERVICE_MISSING',
    text: `The ${name} service of ${meName(S)} does not answer: ${text}`,
    remedy: '',
  }));
  S.health = { ...base, state: 'trouble', reasons };
}

const PANEL_PARTS = {
  next: 'schedule',
  blocks: 'blocks',
  nodes: 'nodes',
  events: 'events',
  tree: 'tree',
  stats: 'stats',
  interval: 'blocks',
  propagation: 'propagation',
  pending: 'pending',
};
function failures() {
  for (const panel of document.querySelectorAll('#board [data-p]')) {
    const why = S.link === 'on' && S.missing[PANEL_PARTS[panel.dataset.p]];
    let line = panel.querySelector('.fail');
    if (!why) {
      line?.remove();
      continue;
    }
    if (!line) {
      line = h('p', { class: 'fail' });
      panel.querySelector('.head').after(line);
      line._since = S.now();
      line._empty = panel.querySelector('.empty') || !S.blocks.length;
    }
    const from = line._empty ? 'Nothing came before.' : `What is shown is from ${clock(line._since)}.`;
    put(line, `${String(why).replace(/\.$/, '')}. ${from}`);
  }
}

const calm = matchMedia('(prefers-reduced-motion: reduce)');
let ticks = 0;
function tick() {
  if (document.hidden) {
    if (++ticks % 50 === 0) watchSilence();
    return;
  }
  if (held()) return;
  const now = S.now();
  const seconds = ++ticks % 10 === 0;
  if (seconds) {
    tickAges(now);
    watchSilence();
    if (S.link === 'off' && S.nextTry) changed();
  }
  if (planned) draw();
  if ($('board').hidden || S.link !== 'on' || S.quiet) return;
  if (!calm.matches || seconds) countdown(S, now);
  if (ticks % 5 === 0) next(S, now, false);
}

/* spoken: changes only, at most one in 5 s */
let saidAt = -5000,
  waiting = '';
function say(text) {
  waiting = waiting && text !== waiting ? `${waiting}. ${text}` : text;
  const wait = Math.max(0, saidAt + 5000 - performance.now());
  setTimeout(() => {
    if (!waiting) return;
    $('spoken').textContent = waiting;
    waiting = '';
    saidAt = performance.now();
  }, wait);
}
const speak = (name, event) =>
  say(`${nameOf(S, event.node_id)} ${name === 'suspended' ? 'is suspended' : 'is active again'}`);
