/** The parts that run others: the reporter in a real vitest, and the bench runner. In folders inside the repository, so that packages are found. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { bench } from '../../tools/bench/bench.ts';

let root = '';

beforeEach(() => {
  mkdirSync('.pilvi', { recursive: true });
  root = resolve(mkdtempSync('.pilvi/tools-test-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

describe('the reporter', () => {
  const vitest = (...parameters: string[]): string[] => {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')));
    const { stdout } = spawnSync('node_modules/.bin/vitest', ['run', '--root', root, ...parameters], {
      encoding: 'utf8',
      env: environment,
    });
    return stdout.trimEnd().split('\n');
  };
  const states = (): string[] => {
    const report = JSON.parse(readFileSync(join(root, '.pilvi/test-report.json'), 'utf8'));
    return report['a.test.ts'].tests
      .map(({ name, state }: { name: string[]; state: string }) => `${name.join(' > ')} ${state}`)
      .sort();
  };

  test('prints skipped tests with reasons and the last line; a filtered run keeps what it left out', () => {
    write('vitest.config.ts', `export default { test: { reporters: ['default', '${resolve('tools/test/reporter.ts')}'] } };`);
    write(
      'a.test.ts',
      `import { describe, expect, test } from 'vitest';
describe('users', () => {
  test('IAM-001 pass', () => {});
  test('IAM-002 fail', () => expect(1).toBe(2));
  test('IAM-003 skip', (context) => context.skip(true, 'needs root'));
});`,
    );
    const whole = vitest();
    expect(whole.at(-1)).toBe('1 passed, 1 failed, 1 skipped');
    expect(whole).toContain('skipped a.test.ts: users > IAM-003 skip: needs root');
    const all = ['users > IAM-001 pass passed', 'users > IAM-002 fail failed', 'users > IAM-003 skip skipped'];
    expect(states()).toEqual(all);
    expect(vitest('-t', 'IAM-001').at(-1)).toBe('1 passed, 0 failed, 0 skipped');
    expect(states()).toEqual(all);
  });

  test('a file that cannot be loaded is a failure', () => {
    write('vitest.config.ts', `export default { test: { reporters: ['${resolve('tools/test/reporter.ts')}'] } };`);
    write('a.test.ts', "throw new Error('broken');");
    expect(vitest().at(-1)).toBe('0 passed, 1 failed, 0 skipped');
  });
});

describe('the bench runner', () => {
  const run = async (...parameters: string[]): Promise<{ status: number; said: string[] }> => {
    const said: string[] = [];
    const listen = (text: unknown): void => void said.push(String(text));
    const spies = [vi.spyOn(console, 'log').mockImplementation(listen), vi.spyOn(console, 'error').mockImplementation(listen)];
    const status = await bench(root, parameters);
    for (const spy of spies) spy.mockRestore();
    return { status, said };
  };

  test('prints a table, or JSON; knows its topics', async () => {
    write('test/bench/one.ts', "export const bench = async () => [{ name: 'a', value: 12.3456, unit: 'ms' }];");
    write('test/bench/two.ts', "export const bench = async () => [{ name: 'b', value: 1234.5, unit: '/s' }];");
    expect((await run()).said).toEqual(['one', '  a          12.3 ms', 'two', '  b          1235 /s']);
    expect(JSON.parse((await run('two', '--json')).said.join(''))).toEqual([{ name: 'b', value: 1234.5, unit: '/s' }]);
    const unknown = await run('three');
    expect(unknown).toEqual({ status: 1, said: ['No bench three; topics: one two'] });
  });

  test('a topic that fails does not hide the others', async () => {
    write('test/bench/one.ts', "export const bench = async () => { throw new Error('no'); };");
    write('test/bench/two.ts', "export const bench = async () => [{ name: 'b', value: 1, unit: '/s' }];");
    const { status, said } = await run();
    expect(status).toBe(1);
    expect(said).toContain('  b             1 /s');
  });
});
