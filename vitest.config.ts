/**
 * The two kinds of tests. `unit`: pure pieces beside their source, the tools, generated wire and policy suites, simulations. `behaviour`: black
 * boxes that drive a running cloud through sockets, and the machine plane on the real kernel. Both have two workers, since that is what the
 * machines of CI have. Forks and not threads: tests open stores, sockets and namespaces, and a crash must take one file with it, not the run.
 */
import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const globalSetup = 'test/support/global-setup.ts';
const shared = { environment: 'node', pool: 'forks', maxWorkers: 2, testTimeout: 30_000, hookTimeout: 30_000 } as const;

export default defineConfig({
  test: {
    reporters: ['default', './tools/test/reporter.ts'],
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/{tools,policy,wire,sim}/**/*.test.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'behaviour',
          include: ['test/{services,gateway,scenarios,console,machine}/**/*.test.ts'],
          globalSetup: existsSync(globalSetup) ? [globalSetup] : [],
        },
      },
    ],
  },
});
