/** Configuration of the test run inside namespaces (support-inside.ts): no shared cloud, no reporter of our own, one process. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { environment: 'node', pool: 'forks', maxWorkers: 1, testTimeout: 30_000, hookTimeout: 30_000 },
});
