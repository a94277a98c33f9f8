// The board in a real browser against the real server with its demo city: what it shows, that it moves, what
// staff can do, and that it finds back when the server was away. Run: node browser/run.mjs [picture.png]
import assert from 'node:assert/strict';
import { appendFileSync, existsSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import { Pictures } from './picture.mjs';
import { Server } from './server.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
// Software rendering draws two to four pictures a second: nothing here is about speed.
const patience = 30_000;
// The part of the window that no panel covers.
const clip = { x: 380, y: 100, width: 560, height: 560 };
// The colours of drivers available, reserved and on a trip, as src/app.css has them.
const light = [[0, 0x87, 0x5f], [0xd9, 0x8e, 0], [0x16, 0x68, 0xb0]];
const dark = [[0x2c, 0xc2, 0x95], [0xf0, 0xb0, 0x3c], [0x62, 0xb5, 0xf0]];

const server = new Server();
let browser;
let passed = 0;

async function step(name, act) {
  const began = Date.now();
  await act();
  passed++;
  console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}

async function call(method, path, token, body) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', 'Idempotency-Key': `t${Date.now()}` };
  const answer = await fetch(server.url + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

/** connected waits for a live board with drivers drawn and orders listed. */
async function connected(page) {
  await page.waitForSelector('[data-testid=connection][data-state=connected]', { timeout: patience });
  await page.waitForFunction(
    () => Number(document.querySelector('[data-testid=map]')?.dataset.drawn) >= 50
      && document.querySelectorAll('[data-testid=orders] .row').length >= 3,
    undefined, { timeout: patience },
  );
}

/** drivers asks a picture of the map for many colours, the drivers' among them. */
async function drivers(pictures, png, colors) {
  const seen = await pictures.read(png, colors);
  assert.ok(seen.colors > 200, `${seen.colors} colours`);
  assert.ok(seen.near.reduce((a, b) => a + b, 0) > 300, `${seen.near} pixels of the drivers' colours`);
}

const counter = async (page, name) => Number(await page.textContent(`[data-counter=${name}]`));

async function main() {
  await server.start();
  browser = await chromium.launch({
    executablePath,
    chromiumSandbox: false, // tests run as root too
    args: ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-quic',
      '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (m) => m.type() === 'error' && errors.push(m.text()));
  page.on('pageerror', (e) => errors.push(e.stack ?? e.message));
  page.on('request', (r) => r.url().startsWith(server.url) || /^(data|blob):/.test(r.url()) || errors.push(`asked for ${r.url()}`));
  const pictures = await Pictures.open(browser);
  const token = server.token('dispatcher', 'board-test');

  await step('a wrong token is told so, a right one opens the board', async () => {
    await page.goto(server.url);
    await page.fill('#token', 'nonsense');
    await page.click('text=Open the board');
    await page.waitForSelector('[role=alert]', { timeout: patience });
    await page.fill('#token', token);
    await page.click('text=Open the board');
    await connected(page);
    await page.evaluate(() => (window.notReloaded = true));
  });

  await step('the map shows drivers, and they move', async () => {
    const size = await page.locator('[data-testid=map] canvas').first().boundingBox();
    assert.ok(size.width > 1000 && size.height > 600, `the map is ${size.width} x ${size.height}`);
    const first = await page.screenshot({ clip });
    await drivers(pictures, first, light);
    await page.waitForTimeout(4000);
    const moved = await pictures.differ(first, await page.screenshot({ clip }));
    assert.ok(moved > 300, `${moved} pixels changed in 4 s`);
  });

  await step('the counters add up to the fleet', async () => {
    const states = ['available', 'reserved', 'on_trip', 'stopped', 'non_contactable'];
    const counts = await Promise.all(states.map((s) => counter(page, s)));
    const all = counts.reduce((a, b) => a + b, 0);
    assert.ok(all >= 100 && all <= 400, `${counts} drivers`);
    assert.ok((await counter(page, 'pickup')) + (await counter(page, 'trip')) > 0, 'no order has a driver');
    assert.equal(await counter(page, 'broken'), 0);
  });

  const order = await call('POST', '/v1/orders', token, {
    market: 'sf', kind: 'ride', rider_id: 'board-rider', pickup_at: new Date(Date.now() + 12 * 3600e3).toISOString(),
    stops: [{ type: 'pickup', lat: 37.78, lng: -122.415 }, { type: 'dropoff', lat: 37.765, lng: -122.43 }],
  });

  await step('an order is assigned to a driver nearby', async () => {
    await page.click(`[data-order="${order.id}"]`, { timeout: patience });
    await page.click('[data-testid=order-card] >> text=Assign');
    // Who is free when listed may be reserved when pressed: then the next is tried.
    for (let i = 0; i < 4; i++) {
      await page.locator('.picker [data-driver]', { hasText: 'Available' }).nth(i).click({ timeout: patience });
      const done = await page.waitForFunction(
        () => document.querySelector('[data-testid=card-driver]')?.textContent !== 'none' ? 'yes'
          : document.querySelector('[data-testid=order-card] .error') ? 'no' : false,
        undefined, { timeout: patience },
      );
      if ((await done.jsonValue()) === 'yes') break;
    }
    const told = await call('GET', `/v1/orders/${order.id}`, token);
    assert.ok(told.driver_id, 'the order has no driver');
  });

  await step('its driver is taken off after a confirmation', async () => {
    await page.click('[data-testid=order-card] >> text=Unassign', { timeout: patience });
    await page.click('text=Take it off');
    await page.waitForFunction(
      async ([url, bearer]) => {
        const told = await (await fetch(url, { headers: { authorization: `Bearer ${bearer}` } })).json();
        return told.items.some((e) => e.to === 'searching' && e.from !== null && e.by.role === 'dispatcher');
      },
      [`${server.url}/v1/orders/${order.id}/events`, token], { timeout: patience, polling: 250 },
    );
  });

  await step('an order is cancelled after a confirmation', async () => {
    await page.click('[data-testid=order-card] >> text=Cancel');
    await page.click('text=Cancel the order');
    await page.waitForSelector(`[data-order="${order.id}"]`, { state: 'detached', timeout: patience });
    const told = await call('GET', `/v1/orders/${order.id}`, token);
    assert.equal(told.state, 'cancelled');
  });

  await step('what assistive technology finds is in order', async () => {
    const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa']).analyze();
    const grave = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ').slice(0, 300)}`);
    assert.deepEqual(grave, []);
  });

  await step('the page finds back by itself', async () => {
    await server.stop('SIGKILL');
    await page.waitForSelector('[data-state=reconnecting]', { timeout: patience });
    await server.start();
    await connected(page);
    assert.equal(await page.evaluate(() => window.notReloaded), true, 'the page was reloaded');
    const first = await page.screenshot({ clip });
    await page.waitForTimeout(3000);
    const moved = await pictures.differ(first, await page.screenshot({ clip }));
    assert.ok(moved > 100, `${moved} pixels changed in 3 s`);
  });

  await step('a staff link opens the board once, in the dark theme too', async () => {
    await context.close(); // two maps drawn in software take each other's time
    const [link] = await server.said(/http:\S+#ticket=\S+/);
    const other = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark' })).newPage();
    other.on('console', (m) => m.type() === 'error' && errors.push(m.text()));
    await other.goto(link);
    await connected(other);
    assert.equal(other.url(), server.url + '/', 'the ticket stays in the address');
    await drivers(pictures, await other.screenshot({ clip }), dark);
    if (process.argv[2]) await other.screenshot({ path: process.argv[2] });
  });

  await step('nothing is in the console', () => assert.deepEqual(errors, []));
}

if (!existsSync(executablePath)) {
  console.error(`${executablePath} is missing (Debian: apt-get install chromium)`);
  process.exit(1);
}
let failed = 0;
try {
  await main();
} catch (e) {
  failed = 1;
  console.error('FAILED', e);
  console.error(server.log.slice(-2000));
} finally {
  await browser?.close();
  await server.stop();
  server.remove();
}
// .ci/parts adds up what each part ran: passed, failed, skipped.
if (process.env.HEXFLEET_TALLY) appendFileSync(process.env.HEXFLEET_TALLY, `${passed} ${failed} 0\n`);
process.exit(failed);
