/**
 * The kinds of tests. `unit`: pure pieces beside their source, the tools, generated wire and policy suites, simulations. `behaviour`: black
 * boxes that drive a running cloud through sockets, and the machine plane on the real kernel. Units have two workers, since that is how many
 * processors the machines of CI have; behaviour, which runs after them, has a third, because it waits more than it computes. `measured`: behaviour
 * that needs the processors for itself, one file at a time at the end. Forks and not
 * threads: tests open stores, sockets and namespaces, and a crash must take one file with it, not the run.
 */
import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { requiredClients } from './tools/test/required-clients.ts';

const globalSetup = 'test/support/global-setup.ts';
const measured = 'test/**/*.measured.test.ts';
const shared = { environment: 'node', pool: 'forks', testTimeout: 30_000, hookTimeout: 30_000 } as const;

export default defineConfig({
  plugins: [requiredClients],
  test: {
    reporters: ['default', './tools/test/reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: 'unit',
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          include: ['src/**/*.test.ts', 'test/{tools,policy,wire,sim}/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'behaviour',
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          include: ['test/{services,gateway,scenarios,console,machine}/**/*.test.ts'],
          exclude: [measured],
          globalSetup: existsSync(globalSetup) ? [globalSetup] : [],
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'measured',
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          include: [measured],
          globalSetup: existsSync(globalSetup) ? [globalSetup] : [],
        },
      },
    ],
  },
});
