/** Deals the services to the test files of the proof, so that two workers have equally much to do; and declares one test for each. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { indexOf } from '../../src/model/load.ts';
import type { ServiceIndexEntry } from '../../src/model/types.ts';
import { loadModel } from '../../src/model/wire.ts';
import { proveService } from './official-clients.ts';
import { startWireServer } from './wire-server.ts';

const entries = JSON.parse(readFileSync(new URL('../../models/index.json', import.meta.url), 'utf8')) as ServiceIndexEntry[];

/** Declares the tests of one of `count` shards. */
export function proveShard(shard: number, count: number): void {
  const dealt = [...entries].sort((a, b) => b.operations - a.operations);
  for (const [position, entry] of dealt.entries()) if (position % count === shard) proveEntry(entry);
}

function proveEntry(entry: ServiceIndexEntry): void {
  test(`${entry.name}: all ${entry.operations} operations and every error go through the official client unchanged`, {
    timeout: 300_000,
  }, async () => {
    // Requests to Neptune and DocumentDB look like requests to RDS; their own models are proven without RDS in the index.
    const index = indexOf(entry.yieldsTo === undefined ? entries : [entry]);
    const server = await startWireServer(index);
    try {
      const { operations, errors, problems } = await proveService({ service: entry.name, server });
      expect(problems).toEqual([]);
      const model = await loadModel(entry.name);
      const spoken = model.operationNames.filter((name) => !model.operation(name)!.isEventStream);
      expect({ operations, errors }).toEqual({ operations: spoken.length, errors: new Set(model.errors.values()).size });
    } finally {
      await server.close();
    }
  });
}
