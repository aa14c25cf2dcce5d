/** Starts the one cloud that behaviour tests share, from dist/ as a user would, with every output checked against its model. */
import type { TestProject } from 'vitest/node';
import { startOwnCloud } from './own-cloud.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `http://127.0.0.1:PORT` of the shared cloud. */
    endpoint: string;
    /** Its data folder, with the socket of `pilvi publish`. */
    data: string;
    /** What the host limits, as the cloud says at start; empty when nothing is. */
    limits: readonly string[];
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cloud = await startOwnCloud();
  project.provide('endpoint', cloud.endpoint);
  project.provide('data', cloud.data);
  project.provide('limits', cloud.limits);
  return async () => {
    const output = await cloud.stop();
    // Any 500 is a bug of ours and fails the run, whichever test met it (style, "Errors").
    const bugs = output.split('\n').filter((line) => line.includes('by a bug of Pilvi'));
    if (bugs.length > 0) {
      console.error(bugs.join('\n'));
      process.exitCode = 1;
      throw new Error(`The shared cloud logged ${bugs.length} bug(s) of its own.`);
    }
  };
}
