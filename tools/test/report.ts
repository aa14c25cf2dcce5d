/**
 * What the last run of each test said. One file, .pilvi/test-report.json, into which every run merges what it ran, so that running one test
 * file does not make the facts of all others unproven. A file whose text has changed since is stale and says nothing. Rejected: vitest's own
 * JSON report, which knows only the latest run and counts tests left out by a filter as skipped.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface TestResult {
  /** Names of the enclosing describes and the test's own title, outermost first. */
  name: readonly string[];
  state: 'passed' | 'failed' | 'skipped';
  /** Why it was skipped, where the test said so. */
  reason?: string | undefined;
}

export interface FileReport {
  /** Digest of the test file's text when it ran. */
  digest: string;
  tests: readonly TestResult[];
}

/** Reports by path of the test file, relative to the root, with forward slashes. */
export type TestReport = Readonly<Record<string, FileReport>>;

const reportPath = '.pilvi/test-report.json';

/** Digest by which a report is matched to the text of a test file. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The merged report; empty when no test has run yet or the file cannot be read. */
export function readReport(root: string): TestReport {
  try {
    return JSON.parse(readFileSync(join(root, reportPath), 'utf8')) as TestReport;
  } catch {
    return {};
  }
}

/** Adds a run to what is known: tests that did not run keep their former result as long as their file is the same. */
export function mergeReport(before: TestReport, run: TestReport): TestReport {
  const merged: Record<string, FileReport> = { ...before };
  for (const [path, now] of Object.entries(run)) {
    const then = before[path];
    const names = new Set(now.tests.map((test) => test.name.join('\n')));
    const kept = then?.digest === now.digest ? then.tests.filter((test) => !names.has(test.name.join('\n'))) : [];
    merged[path] = { digest: now.digest, tests: [...kept, ...now.tests] };
  }
  return merged;
}

/** Writes the report in one step, so that a reader never sees half of it. */
export function writeReport(root: string, report: TestReport): void {
  const path = join(root, reportPath);
  const draft = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(draft, JSON.stringify(report, null, 1));
  renameSync(draft, path);
}
