// What the dashboard must do, in a real browser. The same checks run against the mock and, with BASE_URL, a real
// network.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sha3 } from './chain.mjs';
import { launch, live, network, open, quit, REAL, until } from './driver.mjs';
import { SCENES } from './scenes.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const onlyMock = { skip: REAL ? 'only the mock can be made to do this' : false };
const text = (page, selector) => page.$eval(selector, (el) => el.innerText.replace(/\u00a0/g, ' '));
const scratch = mkdtempSync(join(tmpdir(), 'vision-page-'));

before(launch);
after(async () => {
  await quit();
  rmSync(scratch, { recursive: true });
});

/** Where a finger meets it. An element's own `tap` asks several times, and the page may draw it anew in between. */
const middle = (page, selector) =>
  page.$eval(selector, (el) => {
    el.scrollIntoView({ block: 'center', behavior: 'instant' });
    const { x, y, width, height } = el.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  });

/** A check on a fresh page of a fresh network; afterwards nothing may have gone wrong on it. */
function check(name, options, body) {
  test(name, { skip: options.skip, timeout: REAL ? 400_000 : 90_000 }, async () => {
    const net = options.scene ? await SCENES[options.scene]().run().listen() : await network(options.net);
    const page = await open(net.url, options);
    try {
      await body(page, net);
      const faults = page.faults.filter((fault) => !(options.faults || /^$/).test(fault));
      assert.deepEqual(faults, [], 'nothing on the console');
      assert.deepEqual(await page.evaluate(() => window.violations), [], 'nothing against the policy');
      const own = new URL(net.url).origin;
      assert.deepEqual(
        page.asked.filter((url) => new URL(url).origin !== own),
        [],
        'no other host is asked',
      );
    } finally {
      await page.done();
      await net.stop();
    }
  });
}
/** What a browser says of a line that broke, which these tests break on purpose. */
const BROKEN_LINE = /net::ERR_|Failed to load resource/;

async function serious(page) {
  // Not as a script element: the page's policy forbids it.
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations
    .filter((one) => ['serious', 'critical'].includes(one.impact))
    .map(
      (one) =>
        `${one.id}: ${one.nodes
          .map((node) => `${node.target} ${node.failureSummary}`)
          .slice(0, 3)
          .join(' | ')}`,
    );
}

check('it starts with few requests, and stays within its budget', {}, async (page) => {
  await live(page);
  const start = page.asked.map((url) => new URL(url).pathname);
  assert.equal(start.filter((path) => path === '/api/mining/events').length, 1);
  assert.ok(start.indexOf('/api/mining/events') <= 6, `at most 6 requests before the stream: ${start}`);
  const files = [...new Set(start.filter((path) => !path.startsWith('/api/')))];
  assert.ok(files.length <= 5, `${files}`);
  const bodies = await Promise.all(
    files.map(async (path) => Buffer.from(await (await fetch(new URL(path, page.url()))).arrayBuffer())),
  );
  const plain = bodies.reduce((sum, body) => sum + body.length, 0);
  const packed = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0);
  assert.ok(plain <= 150 * 1024, `${plain} bytes`);
  assert.ok(packed <= 40 * 1024, `${packed} bytes with gzip`);
  const policy = (await fetch(page.url())).headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"])
    assert.ok(policy.includes(part), policy);
  assert.ok((await page.$$('*')).length <= 1500);
});

check('the ribbon drops a column and adds one', {}, async (page) => {
  await live(page);

  await page.evaluate(() => {
    window.moves = { added: 0, removed: 0 };
    window.kept = document.querySelectorAll('#ribbon .col')[32];
    new MutationObserver((list) => {
      for (const one of list)
        if (one.target.id === 'ribbon') {
          window.moves.added += one.addedNodes.length;
          window.moves.removed += one.removedNodes.length;
        }
    }).observe(document.querySelector('#ribbon'), { childList: true });
    window.first = Number(document.querySelector('#ribbon a:last-of-type').getAttribute('href').split('/').pop());
  });
  await until(
    page,
    'three more blocks',
    () =>
      Number([...document.querySelectorAll('#ribbon a')].pop().getAttribute('href').split('/').pop()) >=
      window.first + 3,
  );
  const seen = await page.evaluate(() => ({
    ...window.moves,
    columns: document.querySelectorAll('#ribbon .col').length,
    kept: window.kept.isConnected,
    made:
      Number([...document.querySelectorAll('#ribbon a')].pop().getAttribute('href').split('/').pop()) - window.first,
  }));
  assert.equal(seen.columns, 65);
  assert.ok(seen.kept, 'a column in the middle is the same element as before');
  assert.ok(seen.added === seen.removed && seen.added >= 3 && seen.added <= seen.made + 1, JSON.stringify(seen));
  const heights = await page.$$eval('#ribbon a', (all) =>
    all.map((one) => Number(one.getAttribute('href').split('/').pop())),
  );
  assert.ok(
    heights.every((height, i) => !i || height === heights[i - 1] + 1),
    `no height is left out: ${heights}`,
  );
  const names = await page.$$eval('#ribbon a', (all) => all.map((one) => one.getAttribute('aria-label')));
  assert.match(names[names.length - 1], /^Block [\d,]+, (primary|backup \d|tail \d+) node\d/);
});

check('a killed node is missed, then suspended, and returns', { faults: BROKEN_LINE }, async (page, net) => {
  await live(page);
  await until(page, 'green at first', () => document.querySelector('#status').dataset.s === 'fine');
  assert.match(await text(page, '#sentence'), /^3 of 3 nodes producing, last block [\d.]+ s ago, final/);
  await net.kill('node2');
  await until(page, 'red', () => document.querySelector('#status').dataset.s === 'trouble');
  await until(page, 'two of three', () =>
    /^2 of 3 nodes producing/.test(document.querySelector('#sentence').innerText),
  );
  await until(page, 'the reason', () => /node2/.test(document.querySelector('#reasons').innerText));
  await until(page, 'its row on top', () =>
    /^node2/.test(document.querySelector('#nodes tbody tr.ill')?.innerText || ''),
  );
  await until(
    page,
    'a missed slot in the ribbon',
    () =>
      document.querySelector('#ribbon .chip') &&
      /missed by node2|node2 missed/.test(document.querySelector('#ribbon').innerHTML),
  );
  await until(page, 'a missed slot among the events', () =>
    /node2 missed/.test(document.querySelector('#events').innerText),
  );
  await until(page, 'suspended in the table', () =>
    /suspended/.test(document.querySelector('#nodes tbody tr.ill')?.innerText || ''),
  );
  await until(page, 'suspended among the events', () =>
    /node2 is suspended/.test(document.querySelector('#events').innerText),
  );
  assert.match(await page.title(), /^! 2 of 3 Vision/);
  await net.start('node2');
  await until(page, 'returned among the events', () =>
    /node2 returned/.test(document.querySelector('#events').innerText),
  );
  await until(page, 'green again', () => document.querySelector('#status').dataset.s === 'fine');
  await until(page, 'nobody ill', () => !document.querySelector('#nodes tbody tr.ill'));
});

check('a reorganisation appears', { ...onlyMock }, async (page, net) => {
  await live(page);
  const { left, joined } = net.reorg();
  await until(page, 'the event', () => /Reorganisation at height/.test(document.querySelector('#events').innerText));
  await until(
    page,
    'a replaced block in the tree',
    () =>
      /1 replaced block/.test(document.querySelector('#tree-sub').innerText) &&
      document.querySelector('#tree .s-replaced'),
  );
  await until(page, 'counted', () => /replaced 1/.test(document.querySelector('#legend').innerText));
  await until(page, 'the reason', () => /it came 0.9 s late/.test(document.querySelector('#tree').textContent));
  assert.match(await text(page, '#events'), /2 transactions are pending again/);
  const shown = await page.$$eval(
    '#ribbon a',
    (all, height) =>
      all
        .filter((one) => one.getAttribute('href') === '#/block/' + height)
        .map((one) => one.getAttribute('aria-label')),
    left.height,
  );
  assert.equal(shown.length, 1, 'the replaced block is not among the good ones');
  assert.ok(shown[0].includes(net.nodes.find((one) => one.node_id === joined.producer).name));
});

/** The newest column with a missed slot: what it shows, and its name. */
const missedColumn = (page) =>
  page.$eval('#ribbon a:has(.chip)', (col) => ({
    cells: [...col.querySelectorAll('.chip i')].map((cell) => cell.dataset.d),
    text: col.querySelector('.chip').dataset.d,
    name: col.getAttribute('aria-label'),
    href: col.getAttribute('href'),
  }));

check('three slots missed by one node at one height are told one by one', { ...onlyMock, scene: 'late' }, async (page) => {
  await live(page);
  const { cells, name, href } = await missedColumn(page);
  assert.deepEqual(cells, ['1', '1', '1'], 'a cell for each');
  assert.match(name, /^Block 71, backup 3 node1, node1 missed primary, backup 1 and backup 2$/);
  await page.hover('#ribbon a:has(.chip)');
  await until(page, 'told below', () =>
    /node1 missed primary, backup 1 and backup 2/.test(document.querySelector('#tells').innerText),
  );
  const event = /node1 missed primary, backup 1 and backup 2 at height 71; node1 made the block as backup 3/;
  assert.match(await text(page, '#events'), event);
  const narrow = await page.$$eval('.chip i', (all) => all.filter((cell) => cell.scrollWidth > cell.clientWidth).length);
  assert.equal(narrow, 0, 'every digit has room');
  assert.equal(href, '#/block/71');
});

check('slots missed by two nodes name both', { ...onlyMock, scene: 'silent' }, async (page, net) => {
  await live(page);
  const { cells, name, href } = await missedColumn(page);
  const { missed } = net.blocks[Number(href.split('/').pop())];
  const owners = missed.map((slot) => net.nodes.find((node) => node.node_id === slot.node_id).name);
  assert.equal(new Set(owners).size, 2);
  assert.deepEqual(cells, owners.map((owner) => owner.slice(-1)));
  assert.ok(name.endsWith(`${owners[0]} missed primary; ${owners[1]} missed backup 1`), name);
});

check('pages of other nodes are linked', {}, async (page, net) => {
  await live(page);
  const { nodes } = await (await fetch(net.url + '/api/overview')).json();
  const urls = nodes.filter((node) => !node.this_node && node.page_url).map((node) => `${node.name} ${node.page_url}`);
  assert.equal(urls.length, 2);
  await page.click('#others summary');
  await until(
    page,
    'the links',
    (urls) =>
      urls.join() ===
      [...document.querySelectorAll('#pages a')]
        .map((one) => `${one.innerText.split(' ').pop()} ${one.getAttribute('href')}`)
        .join(),
    urls.sort(),
  );
});

check('commands name where the node listens, and links lead nowhere else', {}, async (page, net) => {
  await live(page);
  const links = await page.$$eval('footer a', (all) => all.map((one) => one.href));
  assert.equal(links.length, 3);
  for (const link of links) assert.equal(new URL(link).origin, new URL(net.url).origin);
  for (const link of links.filter((one) => /protocol/.test(one))) {
    const answer = await fetch(link);
    assert.match(answer.headers.get('content-type'), /^text\/plain/);
    assert.match(await answer.text(), /^# /);
  }
  for (const button of await page.$$('#board .cmd')) await button.evaluate((el) => el.click());
  const commands = await page.$$eval('#board .line code', (all) => all.map((one) => one.textContent));
  assert.ok(commands.length >= 9);
  for (const command of commands) {
    assert.ok(command.startsWith('curl ') && command.includes(net.url), command);
    const path = /http:\/\/[^/]+(\/[^\s'"$]*)/.exec(command)[1];
    if (REAL && !/events|data_prefix/.test(path)) assert.equal((await fetch(net.url + path)).status, 200, path);
  }
  await page.evaluate(
    (h) => {
      location.hash = '#/block/' + h;
    },
    await lastHeight(page),
  );
  await until(page, 'a verdict', () => document.querySelector('#verdict'));
  await page.click('#view .cmd');
  const told = (await (await fetch(net.url + '/api/overview')).json()).selection_address;
  assert.match(told, /^http:\/\/127\.0\.0\.1:\d+$/);
  const command = await page.$eval('#view .line', (line) => line.innerText);
  assert.ok(command.includes(` ${told.replace('http://', '')} vision.selection.v1.SelectionService/GetSchedule`), command);
  assert.match(command, /where node1’s gateway runs/);
});

test('the page computes the frozen selections of the protocol', async () => {
  const file = readFileSync(new URL('../../crates/schedule/tests/vectors/selection.json', import.meta.url), 'utf8');
  const { cases } = JSON.parse(file.replace(/"height": ?(\d+)/g, '"height":"$1"'));
  assert.ok(cases.length >= 12);
  const net = await network();
  const page = await open(net.url);
  try {
    const wrong = await page.evaluate(async (cases) => {
      const H = await import('/hash.js');
      const wrong = [];
      const same = (what, a, b) => {
        if (a !== b) wrong.push(`${what}: ${a} is not ${b}`);
      };
      cases.forEach((one, i) => {
        const salt = H.epochSalt(one.chain_id);
        const seed = H.seedOf(one.entropy, one.height, salt);
        same(`case ${i} salt`, H.toHex(salt), one.epoch_salt);
        same(`case ${i} seed`, H.toHex(seed), one.seed);
        H.deal(
          seed,
          one.active,
          one.registered,
          7,
          one.winners.map((_, k) => k),
        ).forEach((row, k) => same(`case ${i} winner ${k}`, row.owner, one.winners[k]));
        const slots = Object.keys(one.slot_owners).map(Number);
        H.deal(seed, one.active, one.registered, 7, slots).forEach((row) =>
          same(`case ${i} slot ${row.slot}`, row.owner, one.slot_owners[row.slot]),
        );
        for (const [id, ms] of Object.entries(one.jitter_ms))
          same(`case ${i} jitter`, H.jitterOf(seed, id, 50, 400), ms);
        const p = { block_interval_ms: 1800, claim_timeout_ms: 1200, backup_slots: 6 };
        for (const [k, ms] of Object.entries(one.slot_start_ms))
          same(`case ${i} start ${k}`, H.startOf(Number(k), 1700000000000, p), ms);
      });
      return wrong;
    }, cases);
    assert.deepEqual(wrong, []);
    const lengths = [0, 1, 55, 56, 63, 64, 65, 119, 135, 136, 137, 1000];
    const hashes = await page.evaluate(async (lengths) => {
      const H = await import('/hash.js');
      return lengths.map((n) => {
        const bytes = Uint8Array.from({ length: n }, (_, i) => (i * 7) & 255);
        const inPieces = new H.Sha256();
        for (let at = 0; at < n; at += 37) inPieces.update(bytes.subarray(at, at + 37));
        return [H.toHex(H.sha3(bytes)), H.toHex(inPieces.digest())];
      });
    }, lengths);
    lengths.forEach((n, i) => {
      const bytes = Buffer.from(Array.from({ length: n }, (_, k) => (k * 7) & 255));
      assert.deepEqual(
        hashes[i],
        ['sha3-256', 'sha256'].map((name) => createHash(name).update(bytes).digest('hex')),
        `${n} bytes`,
      );
    });
  } finally {
    await page.done();
    await net.stop();
  }
});

const lastHeight = (page) =>
  page.$$eval('#ribbon a', (all) => Number(all[all.length - 2].getAttribute('href').split('/').pop()));

check('a block page recomputes who was to make it, and agrees', {}, async (page) => {
  await live(page);
  const height = await lastHeight(page);
  await page.evaluate((h) => {
    location.hash = '#/block/' + h;
  }, height);
  await until(page, 'a verdict', () => document.querySelector('#verdict'));
  assert.match(await text(page, '#verdict'), /^Recomputed in this browser: same seed, same \d+ owners$/);
  assert.ok((await page.$$('.draws tbody tr')).length >= 7);
  assert.match(await text(page, '.draws tbody tr'), /0 \+ u64 mod \d+ = \d+/);
  assert.match(await text(page, '#view'), /made the block|used it/);
  await page.click('#view .card:nth-of-type(2) .cmd');
  const command = await text(page, '#view .line code');
  for (const part of [
    'grpcurl',
    'GetSchedule',
    '"chain_id"',
    '"entropy"',
    `"height":${height}`,
    '"active"',
    '"registered"',
    '"params"',
  ])
    assert.ok(command.includes(part), command);
  await page.keyboard.press('Escape');
  await until(page, 'back at the dashboard', () => !document.querySelector('#board').hidden);
});

/** What a node may say wrong of a schedule, and what the page then says of it. */
const forged = (hex) => hex.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
const forgeries = {
  'another owner': [
    /owner of slot 0/,
    (answer) => {
      const [a, b] = [answer.slots[0], answer.slots.find((slot) => slot.node_id !== answer.slots[0].node_id)];
      [a.node_id, b.node_id] = [b.node_id, a.node_id];
    },
  ],
  'another seed': [
    /seed: the node says/,
    (answer) => {
      answer.seed = forged(answer.seed);
    },
  ],
  'another salt': [
    /salt: the node says/,
    (answer) => {
      answer.epoch_salt = forged(answer.epoch_salt);
    },
  ],
  'another parent': [
    /parent: the node says/,
    (answer) => {
      answer.entropy = forged(answer.entropy);
    },
  ],
  'another draw': [
    /draw of slot 1: the node says/,
    (answer) => {
      answer.slots[1].draw = forged(answer.slots[1].draw);
    },
  ],
  'a window that opens early': [
    /start of slot 0: the node says/,
    (answer) => {
      answer.slots[0].opens_at_ms -= 1000;
    },
  ],
  'a window that closes late': [
    /end of slot 0: the node says/,
    (answer) => {
      answer.slots[0].closes_at_ms += 1000;
    },
  ],
  'another pool': [
    /active pool: the node says/,
    (answer) => {
      answer.active = answer.active.slice(1);
    },
  ],
};
const forgedBlocks = {
  'another producer': [
    /producer in the header: the node says/,
    (block) => {
      block.producer = forged(block.producer);
    },
  ],
  'another producer, with a header and a hash to match': [
    /owner of slot \d+: the node says/,
    async (block, origin) => {
      const { chain, nodes } = await (await fetch(origin + '/api/overview')).json();
      block.producer = nodes.find((node) => node.node_id !== block.producer).node_id;
      block.header = block.header.slice(0, 116) + block.producer + block.header.slice(180);
      const parts = [chain.genesis_hash, block.header].map((hex) => Buffer.from(hex, 'hex'));
      block.hash = sha3('vision/header/v1', ...parts).toString('hex');
    },
  ],
  'another header': [
    /hash of the header: the node says/,
    (block) => {
      // Its weight, of which nothing else depends.
      block.header = block.header.slice(0, 372) + forged(block.header.slice(372));
    },
  ],
  'a stamp after its window': [
    /stamp within the window: the node says/,
    (block) => {
      block.timestamp_ms += 60_000;
    },
  ],
};
const FORGED = [
  ['schedule', '/api/mining/schedule', forgeries],
  ['block', '/api/chain/blocks/', forgedBlocks],
];
for (const [what, path, list] of FORGED)
  for (const [name, [told, forge]] of Object.entries(list)) {
    const before = async (page) => {
      await page.setRequestInterception(true);
      page.on('request', async (request) => {
        if (!request.url().includes(path)) return request.continue();
        const answer = await (await fetch(request.url())).json();
        await forge(answer, new URL(request.url()).origin);
        return request.respond({ status: 200, contentType: 'application/json', body: JSON.stringify(answer) });
      });
    };
    check(`a forged ${what} is caught in red: ${name}`, { before }, async (page) => {
      await live(page);
      const height = await lastHeight(page);
      await page.evaluate((h) => {
        location.hash = '#/block/' + h;
      }, height);
      await until(page, 'a verdict', () => document.querySelector('#verdict'));
      const verdict = await text(page, '#verdict');
      assert.match(verdict, /differs? from what the node says/);
      assert.match(verdict, told);
      assert.ok(await page.$('#verdict.bad'));
    });
  }

check('no stale green: the gateway goes away, and comes back', { faults: BROKEN_LINE }, async (page, net) => {
  await live(page);
  await until(page, 'green at first', () => document.querySelector('#status').dataset.s === 'fine');
  const cursorBefore = await page.evaluate(() => import('/app.js').then((app) => app.S?.cursor));
  await net.die();
  await until(page, 'no answer', () => document.querySelector('#status').dataset.s === 'off');
  assert.match(await text(page, '#sentence'), /^No answer from node1 for/);
  assert.match(await page.title(), /^\?/);
  assert.equal(await text(page, '#live'), 'Offline');
  assert.match(await text(page, '#reasons'), /What is shown is from \d\d:\d\d:\d\d/);
  assert.equal(await text(page, '#next-say'), 'Next: unknown');
  assert.ok(await page.$eval('html', (el) => el.classList.contains('cold')));
  assert.ok(await page.$eval('#nodes', (el) => el.innerText.includes('node1')), 'what was known stays, in grey');
  await net.revive();
  await live(page);
  await until(page, 'green again', () => document.querySelector('#status').dataset.s === 'fine');
  if (!REAL) {
    const again = net.requests.filter((one) => one.path === '/api/mining/events').pop();
    assert.ok(cursorBefore && again.headers['last-event-id'], 'the stream goes on from its cursor');
  }
});

check('no stale green: the line is open but silent', { ...onlyMock, faults: BROKEN_LINE }, async (page, net) => {
  await live(page);
  await until(page, 'green at first', () => document.querySelector('#status').dataset.s === 'fine');
  net.silent = true;
  await until(page, 'grey', () => document.querySelector('#status').dataset.s === 'unknown');
  assert.match(await text(page, '#sentence'), /^No word from node1 for/);
  net.silent = false;
  await until(page, 'green again', () => document.querySelector('#status').dataset.s === 'fine');
});

check('no stale green: a service goes away', { ...onlyMock }, async (page, net) => {
  await live(page);
  await until(page, 'green at first', () => document.querySelector('#status').dataset.s === 'fine');
  net.gone = { producer: 'connection refused' };
  await until(
    page,
    'red, and why',
    () =>
      document.querySelector('#status').dataset.s === 'trouble' &&
      /producer service/.test(document.querySelector('#reasons').innerText),
  );
  net.gone = { chain: 'connection refused' };
  await until(page, 'no judgement', () => document.querySelector('#status').dataset.s === 'unknown');
  await until(page, 'the panels say so', () =>
    /chain service/.test(document.querySelector('.card.nodes .fail')?.innerText || ''),
  );
  assert.match(await text(page, '.card.nodes'), /node1/, 'the last data stay');
  net.gone = {};
  await until(page, 'green again', () => document.querySelector('#status').dataset.s === 'fine');
  await until(page, 'the panels too', () => !document.querySelector('.fail'));
});

check('the keyboard alone reaches everything', {}, async (page, net) => {
  await live(page);
  const all = await page.evaluate(() => {
    const shown = [...document.querySelectorAll('a[href], button, input, summary, [tabindex]')].filter(
      (el) =>
        el.tabIndex >= 0 &&
        !el.disabled &&
        el.checkVisibility({ visibilityProperty: true }) &&
        !el.closest('details:not([open]) > :not(summary)'),
    );
    shown.forEach((el, i) => {
      el.dataset.n = i;
    });
    return shown.length;
  });
  const seen = new Set();
  const bare = [];
  for (let i = 0; i < all + 20; i++) {
    await page.keyboard.press('Tab');
    const one = await page.evaluate(() => {
      const el = document.activeElement;
      const ring = (node, pseudo) => {
        const style = getComputedStyle(node, pseudo);
        return (
          (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) ||
          (pseudo && style.content !== 'none' && style.borderTopStyle !== 'none')
        );
      };
      const drawn =
        ring(el) || ring(el, '::before') || (el.id === 'file' && ring(document.querySelector('label[for=file]')));
      return { n: el.dataset.n ?? (el.closest('.ribbon') ? 'ribbon' : ''), drawn, name: el.outerHTML.slice(0, 80) };
    });
    seen.add(one.n);
    if (!one.drawn && !one.name.startsWith('<body')) bare.push(one.name);
  }
  assert.deepEqual(bare, [], 'focus is always seen');
  // Blocks come and go meanwhile; the ribbon is one stop.
  const missed = await page.evaluate(
    (seen) =>
      [...document.querySelectorAll('[data-n]')]
        .filter(
          (el) => !seen.includes(el.dataset.n) && !el.closest('.ribbon') && el.tabIndex >= 0 && el.checkVisibility(),
        )
        .map((el) => el.outerHTML.slice(0, 100)),
    [...seen],
  );
  assert.deepEqual(missed, []);

  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'q');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  assert.match(await text(page, '#help'), /previous and next block/);
  await page.keyboard.press('Escape');
  assert.ok(await page.$eval('#help', (el) => el.hidden));
  await page.keyboard.press('t');
  assert.equal(await page.$eval('html', (el) => el.dataset.theme), 'light');
  // The oldest block goes when one comes.
  net.stuck = true;
  await page.focus('#ribbon a[tabindex="0"]');
  await page.keyboard.press('Home');
  const first = await page.evaluate(() => [
    document.activeElement.getAttribute('href'),
    document.querySelector('#tells b').innerText,
  ]);
  await page.keyboard.press('ArrowRight');
  const second = await page.evaluate(() => document.activeElement.getAttribute('href'));
  assert.equal(Number(second.split('/').pop()), Number(first[0].split('/').pop()) + 1);
  assert.equal(first[1].replace(/,/g, ''), 'Block ' + first[0].split('/').pop());
  net.stuck = false;
  await page.keyboard.press('Enter');
  await until(page, 'the block page', (hash) => location.hash === hash && document.querySelector('#verdict'), second);
  await page.keyboard.press(']');
  await until(page, 'the next block', (n) => location.hash === '#/block/' + n, Number(second.split('/').pop()) + 1);
  await until(page, 'its page', () => document.querySelector('#verdict'));
  await page.keyboard.press('[');
  await until(page, 'the one before', (hash) => location.hash === hash, second);
  await page.goBack();
  await until(page, 'Back works', (n) => location.hash === '#/block/' + n, Number(second.split('/').pop()) + 1);
  await page.keyboard.press('Escape');
  await until(page, 'the dashboard', () => !document.querySelector('#board').hidden);
  await page.keyboard.press('c');
  await until(page, 'a command', () => /curl -s http/.test(document.querySelector('.line code')?.innerText || ''));
  await page.focus('.line .copy');
  await page.keyboard.press('Enter');
  await until(page, 'copied', () => document.querySelector('.line .copy').innerText === 'Copied');
});

for (const scheme of ['light', 'dark']) {
  check(`axe has nothing serious, ${scheme}`, { scheme, ...(REAL ? {} : { scene: 'broken' }) }, async (page) => {
    await live(page);
    for (const button of await page.$$('#board .cmd')) await button.evaluate((el) => el.click());
    assert.deepEqual(await serious(page), []);
    const height = await lastHeight(page);
    await page.evaluate((h) => {
      location.hash = '#/block/' + h;
    }, height);
    await until(page, 'a verdict', () => document.querySelector('#verdict'));
    assert.deepEqual(await serious(page), []);
  });
}
check('axe has nothing serious on a phone', { width: 390, height: 844, touch: true }, async (page) => {
  await live(page);
  assert.deepEqual(await serious(page), []);
});

for (const width of [1440, 1024, 700, 390, 320]) {
  check(
    `nothing sticks out at ${width} px`,
    { width, touch: width < 700, ...(REAL ? {} : { scene: 'broken' }) },
    async (page) => {
      await live(page);
      const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok((await wide()) <= width, `${await wide()} px wide`);
      if (width < 700) {
        const small = await page.$$eval('button, summary, #q, label.ctl', (all) =>
          all
            .filter((el) => el.checkVisibility() && el.getBoundingClientRect().height < 43.5)
            .map((el) => el.outerHTML.slice(0, 80)),
        );
        assert.deepEqual(small, [], 'targets are 44 px');
      }
      await page.evaluate(
        (h) => {
          location.hash = '#/block/' + h;
        },
        await lastHeight(page),
      );
      await until(page, 'a verdict', () => document.querySelector('#verdict'));
      assert.ok((await wide()) <= width, `the block page is ${await wide()} px wide`);
    },
  );
}

check(
  'the first tap tells of a block, the link there opens it',
  { width: 390, height: 844, touch: true },
  async (page) => {
    await live(page);
    const place = (el) => {
      const { left, top } = el.getBoundingClientRect();
      return `${left} ${top + scrollY}`;
    };
    // Whatever moves the column under the finger makes it meet another one: a new block, or a line more above.
    let href, moved;
    for (let tries = 0; tries === 0 || moved; tries++) {
      assert.ok(tries < 20, 'the columns never rest');
      const col = (await page.$$('#ribbon a')).at(-4);
      href = await col.evaluate((el) => el.getAttribute('href'));
      const before = await col.evaluate(place);
      await col.tap();
      moved = (await col.evaluate(place)) !== before;
    }
    await until(
      page,
      'told of',
      (n) => document.querySelector('#tells b').innerText.replace(/,/g, '') === 'Block ' + n,
      href.split('/').pop(),
    );
    assert.ok(!(await page.$eval('#board', (el) => el.hidden)));
    await page.touchscreen.tap(...(await middle(page, '#tells a')));
    await until(page, 'opened', () => document.querySelector('#verdict'));
  },
);
check(
  'nothing is drawn under a finger',
  { width: 390, height: 844, touch: true, ...onlyMock },
  async (page, net) => {
    await live(page);
    const newest = () => page.$eval('#ribbon a:nth-last-child(2)', (el) => el.getAttribute('href'));
    const finger = await page.touchscreen.touchStart(...(await middle(page, '#tells a')));
    const before = await newest();
    // The head moves while the finger is down, and there is time to draw it.
    net.make();
    await page.evaluate(() => new Promise((done) => setTimeout(done, 300)));
    const under = await newest();
    await finger.end();
    assert.equal(under, before);
    await until(page, 'opened', () => document.querySelector('#verdict'));
  },
);

check(
  'search finds heights, hashes and names, and says when it finds nothing',
  { faults: /status of 404/ },
  async (page, net) => {
    await live(page);
    const find = async (what) => {
      await page.evaluate(() => {
        location.hash = '#/';
      });
      await page.focus('#q');
      await page.keyboard.type(what);
      await page.keyboard.press('Enter');
    };
    const height = await lastHeight(page);
    const block = await (await fetch(`${net.url}/api/chain/blocks/${height}`)).json();
    await find(String(height));
    await until(page, 'by height', (n) => location.hash === '#/block/' + n, height);
    await find(block.hash);
    await until(
      page,
      'by hash',
      (hash) => location.hash === '#/block/' + hash && document.querySelector('#verdict'),
      block.hash,
    );
    await find('node2');
    await until(
      page,
      'by name',
      () => /^#\/node\//.test(location.hash) && /node2/.test(document.querySelector('#view').innerText),
    );
    await find('f'.repeat(64));
    await until(page, 'nothing', () =>
      /No block, transaction, recorded file or account/.test(document.querySelector('#view').innerText),
    );
    await find('999999999');
    await until(page, 'no height', () => /has no block of this height/.test(document.querySelector('#view').innerText));
    const digest = createHash('sha256').update('found by its digest').digest('hex');
    const record = await net.record(Buffer.from('vision/digest/v1').toString('hex') + digest);
    await find(digest);
    await until(page, 'a recorded file', (hash) => location.hash === '#/tx/' + hash, record);
    if (!net.addTx) return;
    const tx = net.addTx('transfer');
    await find(tx.hash);
    await until(page, 'a transaction', () => /Transaction [0-9a-f]{8}/.test(document.querySelector('#view').innerText));
  },
);

async function choose(page, path) {
  await (await page.$('#file')).uploadFile(path);
}

check('is this file recorded?', { faults: BROKEN_LINE }, async (page, net) => {
  await live(page);
  const path = (name, content) => {
    writeFileSync(join(scratch, name), content);
    return join(scratch, name);
  };
  const digest = (bytes) =>
    Buffer.from('vision/digest/v1').toString('hex') + createHash('sha256').update(bytes).digest('hex');
  const answers = (what, pattern) =>
    until(page, what, (text) => new RegExp(text).test(document.querySelector('#answer').innerText), pattern);
  const hash = await net.record(digest('a delivery'));
  const known = path('delivery.pdf', 'a delivery');
  await choose(page, known);
  await answers('recorded', 'Recorded in block [\\d,]+, .*ago');
  assert.doesNotMatch(await page.$eval('#answer', (box) => box.innerText), /first of/);
  const again = await net.record(digest('a delivery'));
  assert.notEqual(again, hash);
  await choose(page, known);
  await answers('recorded twice', `${hash.slice(0, 8)}; the first of 2 records`);
  await choose(page, path('other.pdf', 'something else'));
  await answers('not recorded', 'Not recorded up to block \\d+');

  const proof = await (await fetch(`${net.url}/api/transactions/${hash}?proof=true`)).json();
  await choose(page, path('proof.json', JSON.stringify(proof)));
  await answers('the proof holds', 'The proof holds: transaction');
  const other = (text) => text.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  const forgeries = [
    { ...proof, hash: other(proof.hash) },
    { ...proof, proof: { ...proof.proof, header: other(proof.proof.header) } },
  ];
  for (const forged of forgeries) {
    await choose(page, path('proof.json', JSON.stringify(forged)));
    await answers('caught', 'The proof does not hold');
    await choose(page, known);
    await answers('something else again', 'Recorded in block');
  }
  if (REAL) return;

  await net.record(digest(Buffer.alloc(70 << 20)));
  const large = path('large.bin', '');
  truncateSync(large, 70 << 20);
  await page.evaluate(() => {
    window.told = [];
    const answer = document.querySelector('#answer');
    new MutationObserver(() => window.told.push(answer.innerText)).observe(answer, { childList: true, subtree: true });
  });
  await choose(page, large);
  await answers('the large one', 'large\\.bin by');
  assert.ok(
    (await page.evaluate(() => window.told)).some((line) => /large\.bin: \d+ %/.test(line)),
    'progress is told',
  );
  await net.die();
  await choose(page, known);
  await answers('cannot tell', 'Cannot tell: node1');
  await net.revive();
});

check(
  'what nodes say of themselves is text',
  { ...onlyMock, net: { names: ['<img src=x>', 'node2', '"><script>x</script>'] } },
  async (page) => {
    await live(page);
    await until(page, 'the names', () => /<img src=x>/.test(document.querySelector('#nodes').innerText));
    assert.equal(await page.$('#board img, #board script'), null);
  },
);

check('motion is reduced when asked for', { ...onlyMock, motion: 'reduce' }, async (page) => {
  await live(page);
  const steps = () =>
    page.evaluate(
      () =>
        new Promise((done) => {
          let n = 0;
          const seen = new MutationObserver((list) => {
            n += list.length;
          });
          seen.observe(document.querySelector('#needle'), { attributes: true });
          setTimeout(() => {
            seen.disconnect();
            done(n);
          }, 3000);
        }),
    );
  assert.ok((await steps()) <= 5);
  await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'no-preference' }]);
  assert.ok((await steps()) > 10);
});

check('no block for long turns the sentence round', { ...onlyMock, scene: 'stopped' }, async (page) => {
  await live(page);
  await until(page, 'stopped', () => document.querySelector('#status').dataset.s === 'stopped');
  assert.match(await text(page, '#sentence'), /^No block for \d+ s, \d of 3 nodes may produce/);
  assert.equal(await text(page, '#next-say'), 'Next: nobody');
  assert.match(await text(page, '#then'), /In the tail the turn of node\d/);
});

check('a node that is behind says how far', { ...onlyMock, scene: 'partition' }, async (page) => {
  await live(page);
  await until(page, 'behind', () =>
    /This node is 120 blocks behind; it has 1,\d\d\d of 1,\d\d\d/.test(document.querySelector('#reasons').innerText),
  );
  assert.ok(await page.$('.lag i'));
});

check('no block yet', { ...onlyMock, scene: 'empty' }, async (page) => {
  await until(page, 'said', () =>
    /^No block yet; node1 waits for 1 more node/.test(document.querySelector('#sentence').innerText),
  );
  assert.match(await text(page, '#reasons'), /It tries 127\.0\.0\.1:7073 and 127\.0\.0\.1:7074/);
  assert.notEqual(await page.$eval('#status', (el) => el.dataset.s), 'fine');
});

check('one node', { ...onlyMock, scene: 'one' }, async (page) => {
  await live(page);
  await until(page, 'said', () =>
    /One node holds every slot: if it stops, the chain stops\./.test(document.querySelector('#then').innerText),
  );
  assert.match(await text(page, '#figures'), /none/);
  assert.match(await text(page, '#propagation'), /nobody to send/);
});

check('a hundred producers', { ...onlyMock, scene: 'hundred' }, async (page) => {
  await live(page);
  assert.equal(await page.$$eval('#nodes tbody tr:not(.why)', (all) => all.length), 8);
  assert.equal(await page.$$eval('#ribbon a .box', (all) => all.filter((el) => el.dataset.d).length), 0, 'no digits');
  assert.ok((await page.$$('*')).length <= 1500);
  assert.match(await text(page, '#nodes .more'), /Show all 100/);
  await page.click('#nodes .more');
  await until(page, 'all of them', () => document.querySelectorAll('#nodes tbody tr:not(.why)').length === 100);
  assert.deepEqual(await serious(page), []);
});
