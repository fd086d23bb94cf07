// What the dashboard costs: node tests/browser/cpu.mjs [BLOCKS_A_SECOND] [SECONDS]
// Prints the CPU time of the page's process, as a share of one core, and what its main thread did.
import puppeteer from 'puppeteer-core';
import { Mock } from './mock.mjs';

const [rate = '2', seconds = '20'] = process.argv.slice(2).map(Number);
/** Blocks come after the interval and a jitter of 45 ms on average. */
const mock = await new Mock({ interval: Math.round(1000 / rate) - 45, speed: 0.2, height: 80 }).run().listen();
mock.skew = mock.head.timestamp_ms + 200 - Date.now();
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const page = await browser.newPage();
await page.setViewport({ width: 1440, height: 900 });
const system = await browser.target().createCDPSession();
const cdp = await page.createCDPSession();
await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
await page.goto(mock.url);
await page.waitForFunction(() => document.querySelector('#live').dataset.s === 'on');

async function read() {
  const { processInfo } = await system.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter((one) => one.type === 'renderer');
  const { metrics } = await cdp.send('Performance.getMetrics');
  return {
    cpu: renderers.reduce((sum, one) => sum + one.cpuTime, 0),
    at: performance.now() / 1000,
    head: mock.head.height,
    ...Object.fromEntries(metrics.map((one) => [one.name, one.value])),
  };
}
const pause = (s) => new Promise((done) => setTimeout(done, 1000 * s));
await pause(5);
const before = await read();
await pause(seconds);
const after = await read();
const took = after.at - before.at;
const share = (name) => `${((100 * (after[name] - before[name])) / took).toFixed(2)} %`;
const perSecond = (name) => ((after[name] - before[name]) / took).toFixed(1);
console.log(
  `${perSecond('head')} blocks/s: process ${share('cpu')}, main thread ${share('TaskDuration')} ` +
    `(script ${share('ScriptDuration')}, style ${share('RecalcStyleDuration')}, layout ${share('LayoutDuration')}; ` +
    `${perSecond('RecalcStyleCount')} styles/s, ${perSecond('LayoutCount')} layouts/s, ${after.Nodes} nodes)`,
);
await browser.close();
await mock.stop();
