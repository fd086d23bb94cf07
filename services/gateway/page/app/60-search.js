// Search.

async function searchView(text) {
  await ready();
  const found = await look(text);
  if (found) {
    location.replace('#/' + found);
    return [];
  }
  const me = meName(S);
  let why =
    `Looked among the names of ${plural(S.nodes.length, 'node')}, the last ${plural(S.blocks.length, 'block')} and ` +
    `the waiting transactions of ${me}. A hash or an address in full has 64 hexadecimal digits.`;
  if (/^(0x)?[0-9a-f]{64}$/i.test(text))
    why = `No block, transaction, recorded file or account in use has this value on ${me}.`;
  else if (/^[\d,]+$/.test(text)) why = `${me} has no block of this height; its head is ${num(headOf(S)?.height)}.`;
  const back = h('p', null, h('a', { href: '#/' }, 'Back to the dashboard'));
  return [card(`Nothing found for “${text}”`, h('p', null, why), back)];
}

async function look(text) {
  const plain = text.trim().toLowerCase();
  const named = S.nodes.find((node) => node.name?.toLowerCase() === plain);
  if (named) return 'node/' + named.node_id;
  const height = /^[\d,]{1,20}$/.test(plain) ? plain.replace(/,/g, '') : '';
  if (height)
    return (
      (await ask('api/chain/blocks/' + height).then(
        () => true,
        () => false,
      )) && 'block/' + height
    );
  const hex = plain.replace(/^0x/, '');
  if (/^[0-9a-f]{64}$/.test(hex)) {
    if (S.nodes.some((node) => node.node_id === hex)) return 'node/' + hex;
    const none = () => null;
    const [record, block, tx, holder] = await Promise.all([
      records(hex).catch(none),
      ...['chain/blocks/', 'transactions/', 'accounts/'].map((kind) => ask('api/' + kind + hex).catch(none)),
    ]);
    if (block) return 'block/' + hex;
    if (tx) return 'tx/' + hex;
    if (record?.oldest) return 'tx/' + record.oldest.hash;
    return holder && (String(holder.balance) !== '0' || holder.nonce > 0) && 'account/' + hex;
  }
  if (/^[0-9a-f]{6,63}$/.test(hex)) {
    const node = S.nodes.find((one) => one.node_id.startsWith(hex));
    if (node) return 'node/' + node.node_id;
    const block = [...S.blocks, ...S.tree].find((one) => one.hash.startsWith(hex));
    if (block) return 'block/' + block.hash;
    const tx = (S.pending?.transactions || []).find((one) => one.hash.startsWith(hex));
    if (tx) return 'tx/' + tx.hash;
  }
  return null;
}
