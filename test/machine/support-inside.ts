/**
 * Runs a test file inside namespaces of its own, through Pilvi's launcher, so that it can make interfaces and rules without touching the host, and
 * whatever it leaves dies with it. Outside, the file starts itself again inside and shows each inner test under its own name; where the kernel
 * refuses, there is one skipped test that says why.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { launchInside, readInside, superviseInside } from '../../src/machine/launch.ts';

interface InnerResults {
  testResults: readonly {
    message: string;
    assertionResults: readonly { fullName: string; status: string; failureMessages: readonly string[] }[];
  }[];
}

/** Defines the file's tests: inside as they are, outside as reports of the run inside. `url` is the file's `import.meta.url`. */
export async function insideNamespaces(url: string, define: () => void): Promise<void> {
  if (readInside(process.env) !== undefined) {
    define();
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'pilvi-test-'));
  try {
    await reportInside(fileURLToPath(url), join(folder, 'results.json'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function reportInside(file: string, output: string): Promise<void> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const launched = await launchInside({
    entry: [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      file,
      ...['--root', root, '--config', fileURLToPath(new URL('./support-vitest.ts', import.meta.url))],
      ...['--reporter', 'json', '--outputFile', output],
    ],
    sockets: [],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'))),
  });
  if (launched.mode === 'none') {
    const { reason } = launched;
    test('runs inside namespaces', (context) => context.skip(true, reason));
    console.log(`skipped ${file}: ${reason}`);
    return;
  }
  const status = await superviseInside(launched);
  const text = await readFile(output, 'utf8').catch(() => undefined);
  test(`runs inside namespaces (${launched.mode})`, () => {
    expect(text, `the run inside ended with status ${status} and no results`).toBeDefined();
  });
  for (const { message, assertionResults } of text === undefined ? [] : (JSON.parse(text) as InnerResults).testResults) {
    // A hook that fails inside leaves its tests as skipped; its message is the only trace.
    if (assertionResults.length === 0 || message !== '')
      test('is collected inside, with its hooks', () => {
        throw new Error(message);
      });
    for (const { fullName, status: result, failureMessages } of assertionResults)
      test(fullName, (context) => {
        context.skip(result !== 'passed' && result !== 'failed', `${result} inside`);
        if (result === 'failed') throw new Error(failureMessages.join('\n'));
      });
  }
}
