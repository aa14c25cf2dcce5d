/** TypeScript and Biome, run as children beside the other rules; their output becomes findings. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Finding, Rule } from './finding.ts';

interface Outcome {
  status: number | null;
  output: string;
}

/** Runs a program in the root to its end. `output` is what it said on both streams. Rejects when it cannot be started. */
export function run(root: string, program: string, parameters: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}

/** What a program said when it failed without a line that we can read. */
function rest(program: string, { status, output }: Outcome, findings: readonly Finding[]): Finding[] {
  if (status === 0 || findings.length > 0) return [...findings];
  return [{ path: '.', line: 1, message: `${program} failed: ${output.trim().slice(0, 2000)}` }];
}

/** `src/a.ts(3,5): error TS2322: …` */
export function typeFindings(output: string): Finding[] {
  return [...output.matchAll(/^(.+?)\((\d+),\d+\): error (TS\d+: .*)$/gm)].map(([, path = '', line, message = '']) => ({
    path,
    line: Number(line),
    message,
  }));
}

/** `::error title=lint/x,file=src/a.ts,line=3,endLine=3,col=5,endColumn=8::message` */
export function biomeFindings(output: string, root: string): Finding[] {
  return [...output.matchAll(/^::(?:error|warning) (.*?)::(.*)$/gm)].map(([, properties = '', message = '']) => {
    const of = (name: string): string => new RegExp(`(?:^|,)${name}=([^,]*)`).exec(properties)?.[1] ?? '';
    const text = message.replaceAll('%0A', ' ').replaceAll('%25', '%');
    return { path: of('file').replace(`${root}/`, ''), line: Number(of('line') || 1), message: `${of('title')}: ${text}` };
  });
}

export const types: Rule = {
  name: 'types',
  async run({ root }) {
    // What was checked is remembered, so that the next run looks at what has changed.
    const outcome = await run(root, join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.json', '--pretty', 'false']);
    return rest('tsc', outcome, typeFindings(outcome.output));
  },
};

export const lint: Rule = {
  name: 'lint',
  async run({ root }) {
    const parameters = [
      'check',
      '--reporter=github',
      '--max-diagnostics=none',
      '--error-on-warnings',
      '--no-errors-on-unmatched',
      '.',
    ];
    const outcome = await run(root, join(root, 'node_modules/.bin/biome'), parameters);
    return rest('biome', outcome, biomeFindings(outcome.output, root));
  },
};
