/**
 * `npm run bench [topic] [-- --json]`: runs the modules of test/bench/ one after another and prints what they measured. Each exports
 * `bench()`, which resolves to its numbers. They are bundled first, since they are TypeScript.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { importSource } from '../bundle.ts';

export interface Measurement {
  name: string;
  value: number;
  unit: string;
}

/** Runs one topic or all; prints a table, or with `--json` the list of all measurements. Exit code 1 when a topic fails or is unknown. */
export async function bench(root: string, parameters: readonly string[]): Promise<number> {
  const json = parameters.includes('--json');
  const wanted = parameters.filter((parameter) => !parameter.startsWith('--'));
  const topics = topicsOf(root).filter((topic) => wanted.length === 0 || wanted.includes(topic));
  const unknown = wanted.filter((topic) => !topics.includes(topic));
  if (unknown.length > 0 || topics.length === 0) {
    console.error(`No bench ${unknown.join(' ')}; topics: ${topicsOf(root).join(' ')}`);
    return 1;
  }
  const measured: Measurement[] = [];
  let failed = 0;
  for (const topic of topics) {
    try {
      const results = await measure(root, topic);
      measured.push(...results);
      if (!json) printTable(topic, results);
    } catch (error) {
      failed += 1;
      console.error(`${topic} failed:`, error);
    }
  }
  if (json) console.log(JSON.stringify(measured, null, 2));
  return failed === 0 ? 0 : 1;
}

function topicsOf(root: string): string[] {
  try {
    return readdirSync(join(root, 'test/bench'))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => name.slice(0, -'.ts'.length))
      .sort();
  } catch {
    return [];
  }
}

async function measure(root: string, topic: string): Promise<Measurement[]> {
  const path = `test/bench/${topic}.ts`;
  const module = await importSource<{ bench?: () => Promise<Measurement[]> }>(root, path, 'bench');
  if (!module.bench) throw new Error(`${path} exports no bench().`);
  return module.bench();
}

function printTable(topic: string, results: readonly Measurement[]): void {
  const width = Math.max(...results.map(({ name }) => name.length), 0);
  console.log(topic);
  for (const { name, value, unit } of results) console.log(`  ${name.padEnd(width)}  ${round(value).padStart(12)} ${unit}`);
}

/** Three digits that count; whole numbers stay whole. */
function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
