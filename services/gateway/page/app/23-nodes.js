// The table of nodes.

const rows = new Map();
const HEADS = ['Name', 'Role', 'May produce?', 'Head', 'Behind', 'Peers', 'Clock', 'Ping', 'Last block', 'Version'];
const signed = (x) =>
  Math.abs(x) < 0.05
    ? '0 ms'
    : (x > 0 ? '+' : '−') + (Math.abs(x) < 10 ? +Math.abs(x).toFixed(1) : Math.round(Math.abs(x))) + ' ms';
const ping = (x) => (x < 1 ? '<1 ms' : Math.round(x) + ' ms');

function mayProduce(S, node, now) {
  if (!here(node)) {
    const since = node.lost_at_ms ?? node.last_seen_at_ms;
    return {
      cls: node.role === 'follower' ? 'dim' : 'bad',
      icon: node.role === 'follower' ? 'i-unknown' : 'i-bad',
      text: since ? ['No answer for ', age(since, now)] : ['Never heard of'],
    };
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
    const when =
      headOf(S) && node.may_return_at > headOf(S).height ? `, from height ${num(node.may_return_at)} on` : '';
    const since = node.suspended_at ? ' at height ' + num(node.suspended_at) : '';
    return `Suspended${since}${after}. Once it runs and is in sync, it returns by itself${when}.`;
  }
  if (!ill(node)) return '';
  const reason = (S.health?.reasons || []).find((one) => one.node_id === node.node_id);
  if (node.this_node && S.health?.this_node?.remedy) return S.health.this_node.remedy;
  if (reason?.remedy) return /^vision /.test(reason.remedy) ? 'What helps: `' + reason.remedy + '`' : reason.remedy;
  return here(node) ? '' : node.address ? 'Last at ' + node.address + '.' : '';
}

function nodes(S, now) {
  const box = $('nodes');
  if (!S.nodes.length)
    return put(box, S.missing.nodes || 'none', () =>
      h('p', { class: 'empty' }, 'Nodes will appear here: this one, producers and peers.'),
    );
  const sick = S.nodes.filter(ill);
  const fine = S.nodes.length - sick.length;
  put($('nod-sub'), [sick.length, fine], () =>
    sick.length
      ? [
          h('span', { class: 'bad' }, `${num(sick.length)} ${sick.length > 1 ? 'need' : 'needs'} attention`),
          ` · ${num(fine)} fine`,
        ]
      : S.nodes.length > 1
        ? `all ${num(S.nodes.length)} fine`
        : 'one node',
  );
  if (!box._body) {
    box._body = h('tbody');
    box._more = h('button', {
      type: 'button',
      class: 'more',
      onclick: () => {
        S.allNodes = !S.allNodes;
        box._order = null;
        nodes(S, S.now());
      },
    });
    box.replaceChildren(
      h(
        'table',
        { role: 'table' },
        h(
          'thead',
          null,
          h(
            'tr',
            { role: 'row' },
            HEADS.map((name, i) => h('th', { scope: 'col', role: 'columnheader', class: i > 2 && i < 9 && 'n' }, name)),
          ),
        ),
        box._body,
      ),
      box._more,
    );
  }
  // Rows are not sorted anew under the pointer.
  let order = [...S.nodes].sort(
    (a, b) => ill(b) - ill(a) || (a.role === 'follower') - (b.role === 'follower') || natural(a, b),
  );
  if (!S.allNodes && order.length > 8) order = order.slice(0, 8);
  let ids = order.map((node) => node.node_id);
  if (
    box._order &&
    box._body.matches(':hover') &&
    box._order.length === ids.length &&
    box._order.every((id) => nodeOf(S, id))
  )
    ids = box._order;
  const moved = JSON.stringify(ids) !== JSON.stringify(box._order);
  box._order = ids;
  const versions = S.nodes.find((node) => node.this_node)?.version;
  const shown = [];
  for (const id of ids) {
    const node = nodeOf(S, id);
    let row = rows.get(id);
    if (!row) {
      row = {
        tr: h(
          'tr',
          { role: 'row' },
          HEADS.map((name, i) =>
            h('td', { role: 'cell', class: ['', 'role', 'can'][i] ?? (i < 9 ? 'n' : ''), 'data-l': i > 2 && name }),
          ),
        ),
        why: h('tr', { class: 'why', role: 'row' }, h('td', { colspan: '10', role: 'cell' })),
      };
      rows.set(id, row);
    }
    const td = row.tr.children;
    const may = mayProduce(S, node, now);
    const why = secondLine(S, node);
    attr(row.tr, 'class', (ill(node) ? 'ill' : '') + (why ? ' has' : ''));
    put(td[0], [node.name, id, node.this_node], () => [
      h('a', { href: '#/node/' + id, class: 'plain-link' }, h('b', null, node.name || short(id))),
      ' ',
      node.name && node.name !== short(id) && h('span', { class: 'mono dim' }, short(id)),
      node.this_node && h('span', { class: 'dim' }, ' · this node'),
    ]);
    put(td[1], [node.role], () => h('span', { class: node.role === 'suspended' ? 'bad' : 'soft' }, node.role));
    put(td[2], [may.cls, may.icon, String(may.text.map((one) => one._ms || one)), node.not_eligible_because], () =>
      h(
        'span',
        { class: 'may ' + may.cls, title: node.not_eligible_because },
        sign(may.icon, may.icon === 'i-good' ? 'good' : ''),
        h('span', null, may.text),
      ),
    );
    put(td[3], num(node.height));
    put(td[4], [node.behind], () => (node.behind > 2 ? h('b', { class: 'bad' }, num(node.behind)) : num(node.behind)));
    put(td[5], here(node) ? num(node.peers) : '–');
    put(
      td[6],
      node.this_node
        ? '0 ms'
        : here(node) && node.clock_offset_ms !== undefined && node.clock_offset_ms !== null
          ? signed(node.clock_offset_ms)
          : '–',
    );
    put(
      td[7],
      !node.this_node && here(node) && node.rtt_ms !== undefined && node.rtt_ms !== null ? ping(node.rtt_ms) : '–',
    );
    put(td[8], [node.last_block_at_ms], () => (node.last_block_at_ms ? age(node.last_block_at_ms, now) : '–'));
    put(td[9], [node.version, versions], () =>
      node.version && versions && node.version !== versions
        ? h('span', { class: 'warn', title: `This node runs ${versions}` }, node.version + ' differs')
        : node.version || '–',
    );
    put(row.why.firstChild, why, () => rich(why, now));
    shown.push(row.tr, ...(why ? [row.why] : []));
  }
  if (moved || box._body.children.length !== shown.length || shown.some((tr, i) => box._body.children[i] !== tr))
    box._body.replaceChildren(...shown);
  for (const id of rows.keys()) if (!nodeOf(S, id)) rows.delete(id);
  box._more.hidden = S.nodes.length <= 8;
  put(box._more, S.allNodes ? 'Show the first 8' : `Show all ${num(S.nodes.length)}`);
}
