/**
 * `npm run spec`: how much of spec/ is proven. A fact is proven when tests whose titles begin with its id passed in the last run and none of them
 * failed. Test files that have not run since they changed are stale: their facts are not proven, and the report says so.
 */
import { specFindings } from '../check/spec-ids.ts';
import { loadTree, type Tree } from '../check/tree.ts';
import { digestOf, readReport, type TestReport } from '../test/report.ts';
import { type Fact, readFacts } from './facts.ts';
import { idsOf, proves, titlesOf } from './titles.ts';

export interface TopicCount {
  all: number;
  proven: number;
  unproven: string[];
}

export interface SpecCount {
  topics: Record<string, TopicCount>;
  /** Why an id is unproven although a test names it: `failed`, `skipped: …`, `not run`. */
  troubles: ReadonlyMap<string, string>;
  /** True when no report exists, so that titles alone were counted. */
  titlesOnly: boolean;
}

/** Prints the count; `--json` prints it as JSON. Exit code 1 when a title names an id that is in no file. */
export async function spec(root: string, parameters: readonly string[]): Promise<number> {
  const tree = await loadTree(root);
  const findings = specFindings(tree);
  for (const { path, line, message } of findings) console.error(`${path}:${line} ${message}`);
  const count = countSpec(tree, readReport(root));
  if (parameters.includes('--json')) console.log(JSON.stringify(count.topics, null, 2));
  else printCount(count, readFacts(tree.spec).facts);
  return findings.length === 0 ? 0 : 1;
}

/** Counts what the report proves of the tree's spec. */
export function countSpec(tree: Tree, report: TestReport): SpecCount {
  const { facts } = readFacts(tree.spec);
  const titlesOnly = Object.keys(report).length === 0;
  const named = new Set(titlesOf(tree).flatMap(({ path, ids }) => (proves(path) ? ids : [])));
  const verdicts = titlesOnly ? new Map<string, string>() : verdictsOf(tree, report);
  const topics: Record<string, TopicCount> = {};
  const troubles = new Map<string, string>();
  for (const { id, topic } of facts.values()) {
    topics[topic] ??= { all: 0, proven: 0, unproven: [] };
    topics[topic].all += 1;
    const verdict = titlesOnly
      ? named.has(id)
        ? 'passed'
        : undefined
      : (verdicts.get(id) ?? (named.has(id) ? 'not run' : undefined));
    if (verdict === 'passed') topics[topic].proven += 1;
    else {
      topics[topic].unproven.push(id);
      if (verdict) troubles.set(id, verdict);
    }
  }
  return { topics, troubles, titlesOnly };
}

/** `passed`, `failed` or `skipped: why` for each id that a test of an unchanged file named. A failure outweighs everything, a pass a skip. */
function verdictsOf(tree: Tree, report: TestReport): Map<string, string> {
  const verdicts = new Map<string, string>();
  for (const [path, { digest, tests }] of Object.entries(report)) {
    const file = tree.sources.get(path);
    if (!proves(path) || !file || digestOf(file.text) !== digest) continue;
    for (const { name, state, reason } of tests) {
      const verdict = state === 'skipped' ? `skipped: ${reason ?? 'no reason given'}` : state;
      for (const id of idsOf(name.at(-1) ?? '')) {
        const before = verdicts.get(id);
        if (before !== 'failed' && (before !== 'passed' || verdict === 'failed')) verdicts.set(id, verdict);
      }
    }
  }
  return verdicts;
}

function printCount({ topics, troubles, titlesOnly }: SpecCount, facts: ReadonlyMap<string, Fact>): void {
  if (titlesOnly) console.log('No test has run here yet (npm test): counting titles only.');
  let all = 0;
  let proven = 0;
  for (const [topic, count] of Object.entries(topics)) {
    all += count.all;
    proven += count.proven;
    console.log(`${topic} ${count.proven}/${count.all}`);
    for (const id of count.unproven) console.log(`  ${id} ${troubles.get(id) ?? facts.get(id)?.unproven ?? 'no test names it'}`);
  }
  console.log(`all ${proven}/${all}`);
}
