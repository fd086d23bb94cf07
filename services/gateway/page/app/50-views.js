// Views behind hash routes.

const view = { redraw: null, token: 0, near: null };

function route() {
  const hash = location.hash;
  if (hash && !hash.startsWith('#/')) return;
  const [, kind, ...rest] = hash.split('/');
  const arg = decodeURIComponent(rest.join('/') || '');
  const make = { block: blockView, tx: txView, account: accountView, node: nodeView, search: searchView }[kind];
  const token = ++view.token;
  view.redraw = null;
  view.near = null;
  $('board').hidden = Boolean(make);
  $('view').hidden = !make;
  if (!make) $('strip').hidden = true;
  scrollTo(0, 0);
  changed();
  if (!make) return;
  $('view').replaceChildren(h('div', { class: 'card' }, h('p', { class: 'empty', role: 'status' }, 'Asking…')));
  make(arg).then(
    (content) => {
      if (token !== view.token) return;
      $('view').replaceChildren(...content);
      $('content').focus({ preventScroll: true });
    },
    (error) => {
      if (token !== view.token) return;
      const text =
        error.status === 404 || error.status === 400
          ? `${error.message}`
          : `Cannot tell: ${meName(S)} does not answer (${error.message})`;
      $('view').replaceChildren(
        card(arg, h('p', null, text), h('p', null, h('a', { href: '#/' }, 'Back to the dashboard'))),
      );
    },
  );
}
const card = (title, ...kids) =>
  h('section', { class: 'card' }, h('div', { class: 'title' }, h('h2', null, title)), kids);
const facts = (pairs) =>
  h(
    'dl',
    { class: 'facts' },
    pairs.filter(Boolean).map(([name, value]) => [h('dt', null, name), h('dd', null, value)]),
  );
const mono = (text) => h('code', null, text);
const when = (ms) => new Date(ms).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'long' });
const account = (id) =>
  h(
    'a',
    { class: 'mono', href: '#/account/' + id },
    S.nodes.some((node) => node.node_id === id) ? nameOf(S, id) : short(id),
  );
const ready = async () => {
  for (let i = 0; !S.chain && i < 100; i++) await new Promise((done) => setTimeout(done, 50));
};

async function txView(hash) {
  const [info] = await Promise.all([ask('api/transactions/' + encodeURIComponent(hash)), ready()]);
  const tx = info.transaction || {};
  const place =
    info.status === 'included'
      ? [
          'In block',
          h(
            'span',
            null,
            h('a', { href: '#/block/' + info.height }, num(info.height)),
            `, place ${info.index}, ${info.finalized ? 'final' : 'not final yet'}`,
          ),
        ]
      : info.status === 'pending'
        ? [
            'Waits',
            info.since_ms
              ? h(
                  'span',
                  null,
                  'for ',
                  age(info.since_ms, S.now()),
                  info.missing_nonce !== undefined ? `, behind nonce ${info.missing_nonce}, which is not here` : '',
                )
              : 'yes',
          ]
        : ['Dropped', info.reason];
  const panel = h(
    'section',
    { class: 'card' },
    h(
      'div',
      { class: 'head' },
      h('h2', null, 'Transaction ' + short(info.hash)),
      h('span', { class: 'tag' }, info.status),
    ),
    facts([
      ['Hash', mono(info.hash)],
      place,
      tx.sender && ['Sender', account(tx.sender)],
      tx.type && ['Kind', kindOfTx(tx.type)],
      tx.type && ['What', what(tx)],
      tx.fee !== undefined && ['Fee', num(tx.fee)],
      tx.nonce !== undefined && ['Nonce', num(tx.nonce)],
      tx.data && ['Data', mono(tx.data.length > 512 ? tx.data.slice(0, 512) + '…' : tx.data)],
    ]),
  );
  commandButton(panel, () => curl(`/api/transactions/${info.hash}?proof=true`), 'this transaction and its proof');
  return [panel];
}

async function accountView(address) {
  const [info] = await Promise.all([ask('api/accounts/' + encodeURIComponent(address)), ready()]);
  const panel = h(
    'section',
    { class: 'card' },
    h('div', { class: 'head' }, h('h2', null, 'Account ' + nameOf(S, info.address))),
    facts([
      ['Address', mono(info.address)],
      ['Balance', num(info.balance)],
      ['Next nonce', num(info.nonce)],
      info.height !== undefined && ['As of block', h('a', { href: '#/block/' + info.height }, num(info.height))],
    ]),
  );
  commandButton(panel, () => curl('/api/accounts/' + info.address), 'this account');
  return [panel];
}

async function nodeView(id) {
  await ready();
  const node = S.nodes.find((one) => one.node_id === id || one.name === id);
  if (!node) throw Object.assign(new Error(`No node ${id} is known to ${meName(S)}.`), { status: 404 });
  const url = node.page_url;
  const row = (S.stats?.producers || []).find((one) => one.node_id === node.node_id);
  return [
    card(
      node.name,
      facts([
        ['Id', mono(node.node_id)],
        ['Role', node.role],
        [
          'May produce',
          node.eligible
            ? 'Yes'
            : node.eligible === false
              ? h('span', { title: node.not_eligible_because }, inWords(node.not_eligible_because))
              : 'Not known',
        ],
        node.address && ['Address', node.address],
        node.height !== undefined && node.height !== null && ['Head', num(node.height)],
        node.version && ['Version', node.version],
        node.missed !== undefined && ['Missed since its last block', num(node.missed)],
        row && [
          'Last blocks',
          `${row.primary} as primary, ${row.backup} as backup, ${row.tail} in the tail, ${row.missed} missed`,
        ],
        /^https?:\/\//.test(url || '') && ['Its page', h('a', { href: url }, url)],
        ['Account', h('a', { href: '#/account/' + node.node_id }, short(node.node_id))],
      ]),
    ),
  ];
}
