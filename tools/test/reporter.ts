/**
 * Vitest reporter: merges the run into the test report, lists every skipped test with its reason and ends with the line
 * `N passed, N failed, N skipped` that CI reads. Tests that a filter left out are neither. Files with failures are named, so that CI can run
 * them once more alone; with PILVI_TEST_AGAIN set that second run counts what is known of all files.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';
import { digestOf, type FileReport, mergeReport, readReport, type TestReport, type TestResult, writeReport } from './report.ts';

export default class RunReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const root = this.#vitest?.config.root ?? process.cwd();
    const run: Record<string, FileReport> = {};
    const skipped: string[] = [];
    const failed = new Set<string>();
    let broken = unhandled.length;
    let count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      const path = relative(root, module.moduleId).replaceAll('\\', '/');
      if (module.errors().length > 0) broken += 1;
      if (!module.ok()) failed.add(path);
      const tests: TestResult[] = [];
      for (const test of module.children.allTests()) {
        const result = this.#resultOf(test);
        if (!result) continue;
        tests.push(result);
        count[result.state] += 1;
        if (result.state === 'skipped')
          skipped.push(`${path}: ${result.name.join(' > ')}: ${result.reason ?? 'no reason given'}`);
      }
      if (existsSync(module.moduleId)) run[path] = { digest: digestOf(readFileSync(module.moduleId, 'utf8')), tests };
    }
    const before = Object.entries(readReport(root)).filter(([path]) => existsSync(join(root, path)));
    const merged = mergeReport(Object.fromEntries(before), run);
    writeReport(root, merged);
    for (const line of skipped) console.log(`skipped ${line}`);
    for (const path of failed) console.log(`failed in ${path}`);
    if (process.env['PILVI_TEST_AGAIN'] !== undefined) count = countsOf(merged);
    console.log(`${count.passed} passed, ${count.failed + broken} failed, ${count.skipped} skipped`);
  }

  /** Undefined for a test that a name filter (`-t`) left out, or that did not come to its turn. */
  #resultOf(test: TestCase): TestResult | undefined {
    const pattern = this.#vitest?.config.testNamePattern;
    if (pattern && !pattern.test(test.fullName.replaceAll(' > ', ' '))) return undefined;
    const name: string[] = [test.name];
    for (let parent = test.parent; parent.type === 'suite'; parent = parent.parent) name.unshift(parent.name);
    const result = test.result();
    if (result.state === 'pending') return undefined;
    const reason = result.state === 'skipped' ? result.note : undefined;
    return { name, state: result.state, reason };
  }
}

/** How many tests of all files passed, failed and were skipped when they last ran. */
function countsOf(report: TestReport): Record<TestResult['state'], number> {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const { tests } of Object.values(report)) for (const { state } of tests) count[state] += 1;
  return count;
}
