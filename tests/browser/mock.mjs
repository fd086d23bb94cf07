// A gateway made of paper: serves the page under the real policy, and answers with data of the gateway's shapes from a
// small simulated chain. For tests and for looking at states that a healthy network does not show. Development only.
//
//   node tests/browser/scenes.mjs broken 8099
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { Answers } from './answers.mjs';
import { idOf } from './chain.mjs';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE = new URL('../../services/gateway/page/', import.meta.url);
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};

const read = (name) => readFileSync(new URL(name, PAGE), 'utf8');
const joined = (directory) =>
  readdirSync(new URL(directory, PAGE))
    .sort()
    .map((name) => read(directory + name))
    .join('');
/** As the gateway does: without leading blanks, lines that are only a comment, and ends of lines that mean nothing. */
const lean = (text, isPage = false) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('//') && !(line.startsWith('/*') && line.endsWith('*/')))
    .map((line) => (!isPage && /[,;([{]$/.test(line) && !line.includes('//') ? line : line + '\n'))
    .join('');
const FILES = {
  '/': () => lean(read('index.html'), true),
  '/app.css': () => lean(joined('css/')),
  '/app.js': () => lean(joined('app/')),
  '/hash.js': () => lean(read('hash.js')),
  '/protocol.txt': () => read('../../../docs/protocol.md'),
};

export class Mock extends Answers {
  route(req, res) {
    const url = new URL(req.url, 'http://x');
    const path = url.pathname;
    this.requests.push({ path, headers: req.headers, at: this.now() });
    if (FILES[path]) {
      res.writeHead(200, {
        'content-type': TYPES[extname(path)] || TYPES['.html'],
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-cache',
      });
      return res.end(FILES[path]());
    }
    const json = (value, status = 200) => {
      res.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
      res.end(JSON.stringify(value));
    };
    const no = (status, detail) =>
      json({ type: 'about:blank', title: 'No', status, detail, reason: 'NOT_FOUND' }, status);
    if (path === '/favicon.ico') {
      res.writeHead(204);
      return res.end();
    }
    if (this.silent) return undefined;
    if (path === '/api/overview') return json(this.overview());
    if (path === '/api/mining/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      const at = this.events.findIndex((e) => e.id === req.headers['last-event-id']);
      if (at > 0)
        for (const { event, id, ...data } of this.events.slice(0, at).reverse())
          res.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
      res.write(': hello\n\n');
      this.listeners.add(res);
      this.status();
      return req.on('close', () => this.listeners.delete(res));
    }
    if (this.gone.chain) return no(503, 'the chain service does not answer');
    let found;
    if ((found = /^\/api\/chain\/blocks\/(?:0x)?([0-9a-f]+)$/.exec(path))) {
      const block =
        [...this.blocks, ...this.side].find((b) => b.hash === found[1]) ||
        this.blocks.find((b) => String(b.height) === found[1]);
      if (!block) return no(404, `there is no block ${found[1]}`);
      const { pools, ...rest } = block;
      return json({
        ...rest,
        header: block.header || '',
        signature: block.signature || '',
        transactions: block.transactions || [],
        finalized: block.canonical && block.height <= this.final,
      });
    }
    if (path === '/api/mining/schedule') {
      const height = Number(url.searchParams.get('height') || this.head.height + 1);
      const parent = this.blocks[height - 1];
      if (!parent) return no(404, `there is no block ${height - 1}`);
      const slots = (url.searchParams.get('slots') || '0-6').split(',').flatMap((part) => {
        const [a, b] = part.split('-').map(Number);
        return Array.from({ length: (b ?? a) - a + 1 }, (_, i) => a + i);
      });
      return json(this.schedule(parent, slots, this.blocks[height]?.pools));
    }
    if (path === '/api/transactions') {
      const prefix = url.searchParams.get('data_prefix'),
        sender = url.searchParams.get('sender');
      const list = [...this.records.values()].filter(
        (tx) => tx.height && (!prefix || tx.data?.startsWith(prefix)) && (!sender || tx.sender === sender),
      );
      // Newest first, and every page as short as it may be: an empty one, then one of a single transaction, and so on.
      list.sort((a, b) => b.height - a.height);
      const turn = Number(url.searchParams.get('page_token') || 0);
      const shown = turn % 2 ? list.slice((turn - 1) / 2, (turn + 1) / 2) : [];
      return json({
        transactions: shown.map((tx) => this.txInfo(tx)),
        next_page_token: turn + 1 < 2 * list.length ? String(turn + 1) : null,
        up_to_height: this.head.height,
      });
    }
    if ((found = /^\/api\/transactions\/([0-9a-f]{64})$/.exec(path))) {
      const tx = this.records.get(found[1]);
      return tx ? json(this.txInfo(tx, url.searchParams.has('proof'))) : no(404, 'this transaction is not known');
    }
    if ((found = /^\/api\/accounts\/([0-9a-f]{64})$/.exec(path)))
      return json({
        address: found[1],
        balance: found[1] === idOf('account1') ? '1000000' : '0',
        nonce: 0,
        pending_nonce: 0,
        height: this.head.height,
      });
    return no(404, `there is nothing at ${path}`);
  }

  listen(port = 0) {
    this.server = createServer((req, res) => {
      if (this.refuse) req.socket.destroy();
      else this.route(req, res);
    });
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    return new Promise((done) =>
      this.server.listen(port, '127.0.0.1', () => {
        this.port = this.server.address().port;
        this.url = `http://127.0.0.1:${this.port}`;
        done(this);
      }),
    );
  }

  /** The gateway dies: the port refuses, as that of a killed process does. */
  async die() {
    this.listeners.clear();
    const closed = new Promise((done) => this.server.close(done));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
  revive() {
    return this.listen(this.port);
  }

  async stop() {
    clearInterval(this.beat);
    this.stuck = true;
    for (const timer of this.timers) clearTimeout(timer);
    if (this.server?.listening) await this.die();
  }
}
