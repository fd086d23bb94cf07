// Is this file recorded? Does this proof hold?

const DIGEST = toHex(utf8('vision/digest/v1'));
/** Records in a page, and pages read, when a file is looked up. */
const RECORDS = 500;
const RECORD_PAGES = 20;
let job = 0;
function answer(icon, cls, words, more) {
  put($('answer'), 'x' + Math.random(), () =>
    h('div', { role: 'status' }, sign(icon, cls), h('div', null, words), more && h('div', { class: 'dim' }, more)),
  );
}

/** The oldest record of a digest, and how many there are. Pages are newest first; one may be empty before others. */
async function records(hex) {
  let oldest = null,
    count = 0,
    token = '';
  for (let i = 0; i < RECORD_PAGES; i++) {
    const page = await ask(`api/transactions?data_prefix=${DIGEST}${hex}&limit=${RECORDS}${token}`);
    count += page.transactions.length;
    oldest = page.transactions.at(-1) || oldest;
    if (!page.next_page_token) return { oldest, count, height: page.up_to_height };
    token = '&page_token=' + encodeURIComponent(page.next_page_token);
  }
  return { oldest, count, height: null };
}

async function lookUp(file) {
  const mine = ++job;
  const large = file.size > 64 << 20;
  answer('i-unknown', 'dim', `Hashing ${file.name}…`);
  try {
    if (file.size && file.size < 4 << 20) {
      const proof = await file
        .text()
        .then((text) => (text.trimStart()[0] === '{' ? JSON.parse(text) : null))
        .catch(() => null);
      if (proof && proof.hash && (proof.header || proof.proof?.header)) return await proofAnswer(file, proof);
    }
    let told = 0;
    const digest = await hashFile(file, (done) => {
      if (large && performance.now() - told > 200) {
        told = performance.now();
        answer('i-unknown', 'dim', `Hashing ${file.name}: ${Math.round((100 * done) / file.size)} %`);
      }
      return mine === job;
    });
    if (!digest || mine !== job) return;
    const hex = toHex(digest);
    const name = `${file.name}, sha256 ${short(hex)}…`;
    let found;
    try {
      found = await records(hex);
    } catch (error) {
      return answer(
        'i-unknown',
        'dim',
        [h('b', null, 'Cannot tell'), `: ${meName(S)} ${error.status ? 'says: ' + error.message : 'does not answer'}`],
        name,
      );
    }
    if (mine !== job) return;
    if (found.height === null)
      return answer(
        'i-unknown',
        'dim',
        [h('b', null, 'Cannot tell'), ': more records than this page reads; `vision recorded` finds the first'],
        name,
      );
    const tx = found.oldest;
    if (!tx)
      return answer(
        'i-dot',
        'dim',
        [h('b', null, 'Not recorded'), ` up to block ${num(found.height)}`],
        name,
      );
    const block =
      S.blocks.find((one) => one.height === tx.height) ||
      (await ask('api/chain/blocks/' + tx.height).catch(() => null));
    answer(
      'i-good',
      'good',
      [
        h('b', { class: '' }, 'Recorded'),
        ' in ',
        h('a', { href: '#/block/' + tx.height }, 'block ' + num(tx.height)),
        ...(block ? [', ', age(block.timestamp_ms, S.now()), ' ago'] : []),
        tx.finalized || tx.height <= finalHeight(S) ? ', final' : ', not final yet',
      ],
      h(
        'span',
        null,
        file.name,
        ' by ',
        tx.transaction?.sender ? account(tx.transaction.sender) : 'an unknown sender',
        ', ',
        txLink(tx.hash),
        found.count > 1 && `; the first of ${num(found.count)} records`,
      ),
    );
  } catch (error) {
    answer('i-unknown', 'dim', `${file.name} could not be read: ${error.message}`);
  }
}

async function proofAnswer(file, proof) {
  let check;
  try {
    check = checkProof(proof);
  } catch (error) {
    return answer('i-bad', 'bad', [h('b', null, 'No valid proof'), `: ${error.message}`], file.name);
  }
  let known = null,
    unsure = '';
  try {
    known = (await ask('api/chain/blocks/' + check.height)).hash;
  } catch (error) {
    if (error.status !== 404) unsure = `${meName(S)} does not answer`;
  }
  const steps = [...check.steps];
  if (S.chain)
    steps.push({
      text: `It is of this chain, genesis ${short(S.chain.genesis_hash)}`,
      ok: (proof.proof || proof).genesis_hash === S.chain.genesis_hash,
    });
  if (!unsure)
    steps.push({ text: `Block ${num(check.height)} of ${meName(S)} is the one it names`, ok: known === check.hash });
  const ok = steps.every((step) => step.ok);
  answer(
    !ok ? 'i-bad' : unsure ? 'i-unknown' : 'i-good',
    !ok ? 'bad' : unsure ? 'dim' : 'good',
    [
      h(
        'b',
        null,
        !ok
          ? 'The proof does not hold'
          : unsure
            ? `The proof holds in itself; cannot tell about the block: ${unsure}`
            : 'The proof holds',
      ),
      ok && !unsure
        ? [
            ': transaction ',
            mono(short(proof.hash)),
            ' is in ',
            h('a', { href: '#/block/' + check.height }, 'block ' + num(check.height)),
          ]
        : '',
      h(
        'ol',
        null,
        steps.map((step) => h('li', { class: step.ok ? '' : 'bad' }, `${step.ok ? '✓' : '✗'} ${step.text}`)),
      ),
    ],
    file.name,
  );
}

function fileDrop() {
  const drop = $('drop');
  const stop = (event) => {
    event.preventDefault();
    drop.classList.toggle('over', event.type === 'dragover');
  };
  for (const type of ['dragover', 'dragleave', 'drop']) drop.addEventListener(type, stop);
  for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault());
  drop.addEventListener('drop', (event) => {
    const file = event.dataTransfer.files[0];
    if (file) lookUp(file);
  });
  $('file').addEventListener('change', () => {
    const file = $('file').files[0];
    if (file) lookUp(file);
    $('file').value = '';
  });
}
