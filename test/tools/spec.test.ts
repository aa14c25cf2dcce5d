import { describe, expect, test } from 'vitest';
import { specIds } from '../../tools/check/spec-ids.ts';
import { treeOf } from '../../tools/check/tree.ts';
import { countSpec } from '../../tools/spec/spec.ts';
import { idsOf } from '../../tools/spec/titles.ts';
import { digestOf, mergeReport, type TestResult } from '../../tools/test/report.ts';
import { findingsOf } from './rules.ts';

const fact = (id: string): string => `- id: ${id}\n  fact: "f"\n  kind: rule\n  check: "c"\n`;
const topic = { 'spec/iam.yaml': fact('IAM-001') + fact('IAM-002') + fact('IAM-003') };
const path = 'test/services/iam/users.test.ts';
const text = "test('IAM-001 IAM-002 users', f);\ntest('IAM-003 keys', f);\n";

function ran(...tests: TestResult[]) {
  return { [path]: { digest: digestOf(text), tests } };
}

describe('ids in titles', () => {
  test.each([
    ['IAM-004 a new user', ['IAM-004']],
    ['IAM-004 IAM-010 a new user', ['IAM-004', 'IAM-010']],
    ['IAM-004, EC2-010: a new user', ['IAM-004', 'EC2-010']],
    ['a new user, as in IAM-004', []],
    ['UTF-8 names', []],
    ['IAM-0044 is no id', []],
  ])('%s', (title, ids) => {
    expect(idsOf(title)).toEqual(ids);
  });
});

describe('check of the spec', () => {
  test('known ids, in any spelling of a test, are right', async () => {
    expect(await findingsOf(specIds, { ...topic, [path]: `${text}test.each(x)(\`IAM-001 \${a}\`, f);` })).toEqual([]);
  });

  test('an unknown id in a title is found, also in a describe and outside the behaviour tests', async () => {
    const files = { ...topic, 'src/a.test.ts': "\ndescribe('IAM-009 users', f);", [path]: "test.each(x)('IAM-010 users', f);" };
    expect(await findingsOf(specIds, files)).toEqual([
      'src/a.test.ts:2 IAM-009 is in no file of spec/',
      `${path}:1 IAM-010 is in no file of spec/`,
    ]);
  });

  test('SHA-256 in a unit test is no id, since no topic begins so; in a behaviour test it is one', async () => {
    expect(await findingsOf(specIds, { ...topic, 'src/a.test.ts': "test('SHA-256 of nothing', f);" })).toEqual([]);
    expect(await findingsOf(specIds, { ...topic, [path]: "test('SHA-256 of nothing', f);" })).toHaveLength(1);
  });

  test('malformed and repeated facts, and a reason that is no text', async () => {
    const files = {
      'spec/iam.yaml': `${fact('IAM-001')}${fact('IAM-001')}- id: IAM-002\n  fact: "f"\n  kind: wish\n  check: "c"\n- id: IAM-003\n  kind: rule\n  check: "c"\n- id: iam4\n${fact('IAM-005')}  unproven: [1]\n`,
      'spec/sts.yaml': 'a: [',
    };
    const found = await findingsOf(specIds, files);
    expect(found).toHaveLength(6);
    expect(found[0]).toBe('spec/iam.yaml:1 IAM-001: the id is taken by spec/iam.yaml:1');
    expect(found[1]).toContain('spec/iam.yaml:9 IAM-002: kind is one of');
    expect(found[2]).toContain('IAM-003: has no fact');
    expect(found[4]).toContain('unproven gives its reason as text');
  });
});

describe('counting', () => {
  const tree = treeOf({ ...topic, [path]: text });

  test('a fact is proven when a test that names it passed', () => {
    const report = ran({ name: ['IAM-001 IAM-002 users'], state: 'passed' }, { name: ['IAM-003 keys'], state: 'failed' });
    const { topics, troubles } = countSpec(tree, report);
    expect(topics).toEqual({ iam: { all: 3, proven: 2, unproven: ['IAM-003'] } });
    expect(troubles.get('IAM-003')).toBe('failed');
  });

  test('a failure outweighs a pass, a pass outweighs a skip', () => {
    const report = ran(
      { name: ['IAM-001 a'], state: 'failed' },
      { name: ['IAM-001 b'], state: 'passed' },
      { name: ['IAM-002 a'], state: 'passed' },
      { name: ['IAM-002 b'], state: 'skipped', reason: 'needs root' },
      { name: ['IAM-003 a'], state: 'skipped', reason: 'needs root' },
    );
    const { topics, troubles } = countSpec(tree, report);
    expect(topics['iam']).toEqual({ all: 3, proven: 1, unproven: ['IAM-001', 'IAM-003'] });
    expect(troubles.get('IAM-003')).toBe('skipped: needs root');
  });

  test('what ran before the file changed proves nothing', () => {
    const report = { [path]: { digest: 'other', tests: [{ name: ['IAM-001 users'], state: 'passed' as const }] } };
    const { topics, troubles } = countSpec(tree, report);
    expect(topics['iam']?.proven).toBe(0);
    expect(troubles.get('IAM-001')).toBe('not run');
  });

  test('a unit test proves nothing', () => {
    const unit = 'src/services/iam/rules.test.ts';
    const report = { [unit]: { digest: digestOf(text), tests: [{ name: ['IAM-001 users'], state: 'passed' as const }] } };
    expect(countSpec(treeOf({ ...topic, [unit]: text }), report).topics['iam']?.proven).toBe(0);
  });

  test('without a report titles are counted, and it says so', () => {
    expect(countSpec(tree, {})).toMatchObject({ titlesOnly: true, topics: { iam: { all: 3, proven: 3 } } });
  });
});

describe('merging runs', () => {
  const passed = (name: string): TestResult => ({ name: [name], state: 'passed' });

  test('tests left out of a run keep their result while the file is the same', () => {
    const merged = mergeReport(
      { a: { digest: '1', tests: [passed('x'), passed('y')] } },
      { a: { digest: '1', tests: [{ name: ['x'], state: 'failed' }] } },
    );
    expect(merged['a']?.tests).toEqual([passed('y'), { name: ['x'], state: 'failed' }]);
  });

  test('a changed file forgets, other files stay', () => {
    const merged = mergeReport(
      { a: { digest: '1', tests: [passed('x')] }, b: { digest: '1', tests: [passed('z')] } },
      { a: { digest: '2', tests: [] } },
    );
    expect(merged).toEqual({ a: { digest: '2', tests: [] }, b: { digest: '1', tests: [passed('z')] } });
  });
});
