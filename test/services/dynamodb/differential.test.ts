/** Random requests to this cloud and to dynalite, which was written against AWS: the same answers, but for what dynalite is known to have wrong. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freshAccount } from '../../support/cloud.ts';
import { compare, Peer, unexplained } from './differential/compare.ts';

describe('beside dynalite', () => {
  let child: ChildProcess;
  let ours: Peer;
  let theirs: Peer;

  beforeAll(async () => {
    const probe = createServer();
    const port = await new Promise<number>((resolve) => {
      probe.listen(0, '127.0.0.1', () => resolve((probe.address() as AddressInfo).port));
    });
    await new Promise((resolve) => probe.close(resolve));
    const program = createRequire(import.meta.url).resolve('dynalite/cli.js');
    const options = ['--host', '127.0.0.1', '--port', String(port), '--createTableMs', '0'];
    child = spawn(process.execPath, [program, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on('data', (text: Buffer) => text.includes('listening') && resolve());
      child.once('exit', () => reject(new Error('dynalite ended')));
    });
    ours = new Peer(inject('endpoint'), freshAccount().id);
    theirs = new Peer(`http://127.0.0.1:${port}`, 'test');
    await ours.createTables();
    await theirs.createTables();
  });

  afterAll(() => {
    ours?.close();
    theirs?.close();
    child?.kill('SIGKILL');
  });

  it('answers random requests alike', { timeout: 60_000 }, async () => {
    expect(unexplained(await compare({ ours, theirs }, 1, 900))).toEqual([]);
  });
});
