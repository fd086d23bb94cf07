// The status: a sentence, reasons, figures.

function status(S, now) {
  const card = $('status');
  const off = S.link !== 'on';
  const health = S.health;
  const state = !off && S.quiet ? 'unknown' : off ? (S.offSince ? 'off' : 'wait') : health?.state || 'unknown';
  attr(card, 'data-s', state);
  attr($('sign'), 'href', { fine: '#i-good', trouble: '#i-bad', stopped: '#i-bad' }[state] || '#i-unknown');
  document.documentElement.classList.toggle('cold', state === 'off' || (state === 'unknown' && Boolean(S.quiet)));
  if (document.title !== title(S, state)) document.title = title(S, state);
  let text,
    reasons = [];
  const me = meName(S);
  if (state === 'wait') text = `Asking ${me}…`;
  else if (state === 'off') text = `No answer from ${me} for {ago:${Math.round(S.offSince)}}`;
  else if (S.quiet) text = `No word from ${me} for {ago:${Math.round(S.heard)}}`;
  else if (!health)
    text = S.missing.health
      ? `No judgement: ${S.missing.health[0].toLowerCase() + S.missing.health.slice(1)}`
      : 'No judgement yet';
  else if (!S.blocks.some((block) => block.height > 0) && state !== 'fine')
    text = 'No block yet; ' + lower(health.headline, me);
  else text = health.headline;
  if (!off && !S.quiet) reasons = (health?.reasons || []).slice(0, 3);
  const self = S.nodes.find((node) => node.this_node);
  const target = Math.max(0, ...S.nodes.map((node) => node.height || 0), S.mining?.network_height || 0);
  const own = self?.height ?? health?.height ?? 0;
  const behind = off || !self ? 0 : (self.behind ?? target - own);
  put($('sentence'), [state, text], () => {
    const cut = ['fine', 'trouble', 'stopped'].includes(state) ? text.search(/, | with |; /) : -1;
    if (cut < 0) return rich(text, now);
    return [h('span', { class: 'first' }, rich(text.slice(0, cut), now)), ...rich(text.slice(cut), now)];
  });
  put(
    $('reasons'),
    [
      state,
      reasons,
      off && [S.dataAt, S.nextTry, otherPages(S)],
      S.quiet,
      S.missing,
      behind > 2 && [own, target],
      headOf(S)?.height === 0 && S.nodes.map(here),
    ],
    () => {
      const out = [];
      if (off && S.offSince) {
        if (S.dataAt) out.push(h('p', null, `What is shown is from ${clock(S.dataAt)}.`));
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
      const tried =
        !off && headOf(S)?.height === 0
          ? S.nodes
              .filter((node) => !here(node) && node.address)
              .slice(0, 8)
              .map((node) => node.address)
          : [];
      if (tried.length) out.push(h('p', { class: 'soft' }, `It tries ${and(tried)}.`));
      if (behind > 2) {
        const bar = h('i');
        bar.style.width = Math.round((100 * own) / Math.max(1, own + behind)) + '%';
        out.push(
          h(
            'p',
            { class: 'soft' },
            `This node is ${plural(behind, 'block')} behind; it has ${num(own)} of ${num(own + behind)}.`,
          ),
        );
        out.push(
          h('div', { class: 'lag', role: 'img', 'aria-label': `${num(own)} of ${num(own + behind)} blocks` }, bar),
        );
      }
      return out;
    },
  );
  const median = health?.interval_median_ms ?? S.stats?.interval_median_ms;
  const spare = health?.spare;
  const figures = [
    ['Height', num(headOf(S)?.height)],
    ['Final', num(S.blocks.length ? finalHeight(S) : undefined)],
    ['Interval', median ? (median / 1000).toFixed(1) + ' s' : '–'],
    ['Spare', spare ? plural(spare, 'node') : spare === 0 ? 'none' : '–'],
    ['Pending', num(S.pending?.count ?? health?.pending)],
  ];
  put($('figures'), figures, () =>
    figures.map(([name, value]) =>
      h(
        'div',
        null,
        h('dt', null, name),
        h('dd', { class: name === 'Spare' && value === 'none' && registered(S).length > 1 && 'bad' }, value),
      ),
    ),
  );
  const strip = $('strip');
  attr(strip, 'data-s', state);
  // Shown with its text, never before: a link that says nothing leads nowhere for who cannot see it.
  strip.hidden = $('view').hidden;
  if (!strip.hidden) put(strip, [state, text], () => rich(text, now));
  return state;
}
const lower = (text, me) => (text ? text[0].toLowerCase() + text.slice(1) : `${me} waits for other nodes`);
const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');
const headOf = (S) => S.blocks[S.blocks.length - 1];
const title = (S, state) => {
  if (state === 'fine') return `✓ ${num(headOf(S)?.height)} Vision`;
  if (state === 'trouble' || state === 'stopped') return `! ${S.health.producing} of ${S.health.registered} Vision`;
  return '? Vision';
};
const remedy = (text, now) => (/^vision /.test(text) ? [h('code', null, text)] : rich(text, now));
function boldName(S, text, now) {
  const node = S.nodes.find(
    (one) => one.name && text.startsWith(one.name) && !/[\w.-]/.test(text[one.name.length] || ' '),
  );
  return node ? [h('b', null, node.name), ...rich(text.slice(node.name.length), now)] : rich(text, now);
}
const otherPages = (S) =>
  S.nodes
    .filter((node) => !node.this_node && /^https?:\/\//.test(node.page_url || ''))
    .map((node) => [node.name, node.page_url])
    .sort((a, b) => a[0].localeCompare(b[0], 'en', { numeric: true }));
