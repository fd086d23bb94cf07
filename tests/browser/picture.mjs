// A picture of the page: node tests/browser/picture.mjs SCENE|URL WIDTH light|dark FILE.png [HASH]
// With ALL=1 of its whole length, with SCALE=2 in twice as many points. Scenes are those of scenes.mjs.
import puppeteer from 'puppeteer-core';
import { SCENES } from './scenes.mjs';

const [what, width, scheme, path, hash = ''] = process.argv.slice(2);
const mock = SCENES[what] && (await SCENES[what]().run().listen());
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const page = await browser.newPage();
const phone = width < 700;
await page.setViewport({
  width: Number(width),
  height: Number(process.env.HEIGHT || (phone ? 844 : 900)),
  deviceScaleFactor: Number(process.env.SCALE || 1),
  hasTouch: phone,
  isMobile: phone,
});
await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
await page.goto(`${mock ? mock.url : what}/${hash}`);
await page.waitForFunction(() => document.querySelector('#live').dataset.s === 'on', { timeout: 15000 });
await new Promise((done) => setTimeout(done, Number(process.env.WAIT || 900)));
await page.screenshot({ path, fullPage: Boolean(process.env.ALL) });
await browser.close();
await mock?.stop();
