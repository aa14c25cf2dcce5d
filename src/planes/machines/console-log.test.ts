import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConsoleLog, consoleBytesMax } from './console-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'pilvi-console-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = async (log: ConsoleLog) => Buffer.from(await log.read()).toString();

test('keeps what was printed since the boot, also for a later reader', async () => {
  const path = join(folder, 'one');
  const log = new ConsoleLog(path);
  expect(await text(log)).toBe('');
  await log.clear();
  log.append(Buffer.from('one '));
  log.append(Buffer.from('two'));
  expect(await text(log)).toBe('one two');
  await log.flush();
  expect(await text(new ConsoleLog(path))).toBe('one two');
  await log.clear();
  expect(await text(log)).toBe('');
  await log.remove();
  expect(await text(new ConsoleLog(path))).toBe('');
});

test('gives the last 64 KiB and keeps its file bounded', async () => {
  const path = join(folder, 'two');
  const log = new ConsoleLog(path);
  await log.clear();
  for (let line = 0; line < 20_000; line++) {
    log.append(Buffer.from(`${String(line).padStart(31)}\n`));
    if (line % 1000 === 0) await log.flush();
  }
  await log.flush();
  expect((await log.read()).length).toBe(consoleBytesMax);
  expect((await text(log)).endsWith(' 19999\n')).toBe(true);
  expect(statSync(path).size).toBeLessThan(6 * consoleBytesMax);
  expect(readFileSync(path, 'utf8').endsWith(' 19999\n')).toBe(true);
});
