// The real server, as its own process with its own data.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../bin/hexfleet', import.meta.url));

export class Server {
  dir = mkdtempSync(join(tmpdir(), 'hexfleet-board-'));
  listen = '127.0.0.1:0';
  url = '';
  out = '';
  log = '';
  process = null;

  /** start waits for the address; a second start takes the same port. */
  async start() {
    this.out = this.log = '';
    const args = ['serve', '--demo', '--data-dir', this.dir, '--listen', this.listen, '--time-scale', '2'];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    child.stdout.on('data', (d) => (this.out += d));
    child.stderr.on('data', (d) => (this.log += d));
    const [, address] = await this.said(/listening on http:\/\/(\S+)/);
    this.listen = address;
    this.url = `http://${address}`;
  }

  /** said waits until the server printed what matches, on either output. */
  async said(pattern, ms = 30_000) {
    for (const until = Date.now() + ms; Date.now() < until; ) {
      const found = pattern.exec(this.out) ?? pattern.exec(this.log);
      if (found) return found;
      if (this.process.exitCode !== null) throw new Error(`the server ended with ${this.process.exitCode}:\n${this.log}`);
      await new Promise((wake) => setTimeout(wake, 50));
    }
    throw new Error(`the server did not print ${pattern}; it printed:\n${this.out}${this.log}`);
  }

  token(role, sub) {
    return execFileSync(program, ['token', '--role', role, '--sub', sub, '--data-dir', this.dir], { encoding: 'utf8' }).trim();
  }

  /** stop ends the server: SIGTERM drains it, SIGKILL takes it away from under the page. */
  async stop(signal = 'SIGTERM') {
    if (this.process === null || this.process.exitCode !== null) return;
    const ended = new Promise((end) => this.process.once('exit', end));
    this.process.kill(signal);
    const late = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
  }

  remove() {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
