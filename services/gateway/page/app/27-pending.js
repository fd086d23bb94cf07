// Transactions that wait.

const txLink = (hash) => h('a', { class: 'mono', href: '#/tx/' + hash }, short(hash));
const kindOfTx = (kind) =>
  ({ data: 'record', register_producer: 'registration', exit_producer: 'exit', sync_proof: 'sync proof' })[kind] ||
  kind ||
  '';

function pending(S, now) {
  const box = $('pending');
  const list = S.pending?.transactions || [];
  const count = S.pending?.count || 0;
  put($('pen-sub'), [count, S.pending?.oldest_since_ms, Boolean(S.pending)], () =>
    count
      ? [`${num(count)}, oldest `, S.pending.oldest_since_ms ? age(S.pending.oldest_since_ms, now) : '']
      : S.pending
        ? 'none waits'
        : '',
  );
  put(box, [list.slice(0, 4), count, S.names], () => {
    if (!list.length) return h('p', { class: 'empty' }, 'Transactions that wait for a block will appear here.');
    return [
      table(
        ['Transaction', 'Kind', '>Age'],
        list
          .slice(0, 4)
          .map((tx) => [
            txLink(tx.hash),
            [kindOfTx(tx.kind), ' ', h('span', { class: 'dim' }, nameOf(S, tx.sender))],
            h('td', { class: 'n soft' }, age(tx.since_ms, now)),
          ]),
        'pend',
      ),
      count > 4 && h('p', { class: 'soft' }, `and ${num(count - Math.min(4, list.length))} more`),
    ];
  });
}
