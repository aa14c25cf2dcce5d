/**
 * No measure of speed: `npm run bench -- dynamodb-differential` sends random requests to Pilvi and to dynalite, far more of them than the test does, and prints
 * the answers that differ for no known reason. Other seeds each day; the seed of a difference is printed with it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Comparison, compare, Peer, unexplained } from '../services/dynamodb/differential/compare.ts';
import { type Measurement, ourUrl, startServer } from './cloud.ts';

const rounds = 40;
const requestsEach = 500;
const shownMax = 10;

/** Starts clouds from dist/, so run `npm run build` first; `npm run bench` does. */
export async function bench(): Promise<Measurement[]> {
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const program = createRequire(import.meta.url).resolve('dynalite/cli.js');
  const cloud = await startServer([process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data], ourUrl);
  const dynalite = await startServer(
    [process.execPath, program, '--host', '127.0.0.1', '--port', '14711', '--createTableMs', '0'],
    (output) => /listening at: (http:\/\/\S+)/.exec(output)?.[1],
  );
  const peers = { ours: new Peer(cloud.url.href, 'test'), theirs: new Peer(dynalite.url.href, 'test') };
  const all: Comparison = { differences: [], agreed: new Set() };
  try {
    await peers.ours.createTables();
    await peers.theirs.createTables();
    const first = Math.floor(Date.now() / 86_400_000) * rounds;
    for (let seed = first; seed < first + rounds; seed++) {
      const { differences, agreed } = await compare(peers, seed, requestsEach);
      all.differences.push(...differences);
      for (const kind of agreed) all.agreed.add(kind);
    }
  } finally {
    for (const peer of Object.values(peers)) peer.close();
    for (const server of [cloud, dynalite]) await server.stop();
    await rm(data, { recursive: true, force: true });
  }
  const left = unexplained(all);
  for (const difference of left.slice(0, shownMax)) console.error(JSON.stringify(difference));
  return [
    { name: 'random requests', value: rounds * requestsEach, unit: 'requests' },
    { name: 'answers that differ', value: all.differences.length, unit: 'answers' },
    { name: 'of them for no known reason', value: left.length, unit: 'answers' },
  ];
}
