// What the tests look at: the mock gateway, or with BASE_URL the first node of a real test network.
//
//   BASE_URL=http://127.0.0.1:8080 VISION=target/debug/vision TESTNET=.vision/testnet tests/browser/run
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import puppeteer from 'puppeteer-core';
import { Mock } from './mock.mjs';

const run = promisify(execFile);
export const REAL = process.env.BASE_URL?.replace(/\/$/, '');
/** How long anything may take that the tests wait for. */
export const PATIENCE = REAL ? 120_000 : 20_000;

const VISION = process.env.VISION || 'target/debug/vision';

class RealNetwork {
  url = REAL;
  vision(...args) {
    return run(VISION, ['testnet', ...args, '--dir', process.env.TESTNET || '.vision/testnet']);
  }
  kill(name) {
    return this.vision('kill', name.replace('node', ''));
  }
  start(name) {
    return this.vision('start', name.replace('node', ''));
  }
  die() {
    return this.kill('node1');
  }
  revive() {
    return this.start('node1');
  }
  /** Publishes bytes, given as hex, and gives the transaction's hash once it is in a block. */
  async record(hex) {
    const key = `${process.env.TESTNET || '.vision/testnet'}/accounts/account1.key`;
    const { stdout } = await run(VISION, [
      'tx',
      'data',
      '--key',
      key,
      '--hex',
      hex,
      '--wait',
      '--node',
      REAL,
      '-o',
      'json',
    ]);
    return JSON.parse(stdout).hash;
  }
  async stop() {}
}

/** A network that makes blocks: about three a second in the mock. */
export async function network(options = {}) {
  if (REAL) return new RealNetwork();
  // A node's clock is not the reader's.
  const mock = new Mock({ interval: 250, speed: 0.2, height: 70, clock: 3_600_000, ...options });
  mock.skew = mock.head.timestamp_ms + 200 - Date.now();
  mock.record = async (hex) => {
    const tx = mock.addTx('data', hex);
    await eventually('in a block', () => tx.height);
    return tx.hash;
  };
  return mock.run().listen();
}

let browser;
export async function launch() {
  browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
}
export const quit = () => browser?.close();

/** A page, and what went wrong on it. */
export async function open(
  url,
  { width = 1440, height = 900, scheme = 'light', motion = 'no-preference', touch = false, hash = '', before } = {},
) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.faults = [];
  page.asked = [];
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) page.faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => page.faults.push(`error: ${error.message}`));
  page.on('request', (request) => page.asked.push(request.url()));
  await page.setViewport({ width, height, hasTouch: touch, isMobile: touch });
  await page.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: scheme },
    { name: 'prefers-reduced-motion', value: motion },
  ]);
  await page.evaluateOnNewDocument(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  await before?.(page);
  await page.goto(`${url}/${hash}`);
  page.done = () => context.close();
  return page;
}

/** Waits until the expression holds in the page, and says what was there if it never does. */
export async function until(page, what, test, ...args) {
  try {
    await page.waitForFunction(test, { timeout: PATIENCE, polling: 50 }, ...args);
  } catch (error) {
    const text = await page.evaluate(() => document.body.innerText.slice(0, 1500)).catch(() => '');
    throw new Error(`never: ${what} (${error.message})\n${text}`);
  }
}
/** Waits until it holds here. */
export async function eventually(what, test) {
  for (const end = Date.now() + PATIENCE; !test(); await new Promise((done) => setTimeout(done, 20)))
    if (Date.now() > end) throw new Error(`never: ${what}`);
}
export const live = (page) =>
  until(page, 'live', () => document.querySelector('#live').dataset.s === 'on' && document.querySelector('#ribbon a'));
