import { expect, test } from 'vitest';
import { uses } from '../../tools/check/uses.ts';
import { findingsOf } from './rules.ts';

const service = (name: string, declared: string, more = ''): string =>
  `export default defineService({ name: '${name}', uses: [${declared}], ${more} });\n`;

test('a partner reached by call, internal or event must be declared', async () => {
  const files = {
    'src/services/sns/index.ts': service('sns', '', "events: { 'aws.states:Execution Status Change': onEnd }"),
    'src/services/sns/topics.ts': "await ctx.call('sqs').sendMessage({});\nconst kms = await ctx.internal<KmsApi>('kms');\n",
    'src/services/sfn/index.ts': service('sfn', ''),
  };
  expect((await findingsOf(uses, files)).sort()).toEqual([
    'src/services/sns/index.ts:1 src/services/sns/index.ts must name sfn in uses',
    'src/services/sns/topics.ts:1 src/services/sns/index.ts must name sqs in uses',
    'src/services/sns/topics.ts:2 src/services/sns/index.ts must name kms in uses',
  ]);
});

test('a partner that nothing reaches must not be; tests, other calls and the service itself do not count', async () => {
  const files = {
    'src/services/sns/index.ts': service('sns', "'kms', 'sqs'"),
    'src/services/sns/a.ts': "await ctx.call('sqs').x({});\nawait ctx.call('sns').y({});\nrun('lambda');\n",
    'src/services/sns/a.test.ts': "await ctx.call('kms').x({});\n",
  };
  expect(await findingsOf(uses, files)).toEqual(['src/services/sns/index.ts:1 uses names kms, which nothing here reaches']);
});

test('a partner chosen at run time counts by its name', async () => {
  const files = {
    'src/services/sns/index.ts': service('sns', "'sqs'"),
    'src/services/sns/targets.ts': "const targets = { queue: 'sqs' };\nawait ctx.call(targets.queue).x({});\n",
  };
  expect(await findingsOf(uses, files)).toEqual([]);
});

test('the document shows what is declared', async () => {
  const section = '## 8. Who uses whom\n\n| service | partners |\n|---|---|\n| kms | none |\n| sqs | kms |\n\n';
  const files = {
    'src/services/sqs/index.ts': service('sqs', "'kms'", "before: () => ctx.call('kms')"),
    'src/services/kms/index.ts': service('kms', ''),
    'ARCHITECTURE.md': `# A\n\n${section}## 9. What else\n`,
  };
  expect(await findingsOf(uses, files)).toEqual([]);
  const stale = { ...files, 'ARCHITECTURE.md': files['ARCHITECTURE.md'].replace('| sqs | kms |', '| sqs | none |') };
  expect(await findingsOf(uses, stale)).toEqual(['ARCHITECTURE.md:1 "## 8. Who uses whom" is not fresh, run npm run graph']);
});
