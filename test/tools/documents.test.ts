import { describe, expect, test } from 'vitest';
import { documents } from '../../tools/check/documents.ts';
import { findingsOf } from './rules.ts';

describe('paths in documents', () => {
  test('a path that is not there is found with its line', async () => {
    const files = { 'ARCHITECTURE.md': '# A\n`src/kernel/` and `src/gone.ts`\n', 'src/kernel/a.ts': '' };
    expect(await findingsOf(documents, files)).toEqual(['ARCHITECTURE.md:2 src/gone.ts does not exist']);
  });

  test('relative links are followed from the document', async () => {
    const files = {
      'docs/a.md': '[here](b.md) [up](../README.md#top) [away](https://x.org/y) [gone](c.md) [self](#part)',
      'docs/b.md': '',
      'README.md': '',
    };
    expect(await findingsOf(documents, files)).toEqual(['docs/a.md:1 c.md does not exist']);
  });

  test('places to fill in and other code are left alone', async () => {
    expect(
      await findingsOf(documents, {
        'README.md': '`src/services/<name>/index.ts` `npm test` `test/services/*.ts` `source/a.ts`',
      }),
    ).toEqual([]);
  });
});

describe('the catalogue of errors', () => {
  const catalogue = "export const hostErrors = {\n  PortTaken: 'a',\n  NotRunning: 'b',\n} as const;\n";
  const user = { 'src/cli/a.ts': "throw new PilviError('PortTaken', ''); throw new PilviError('NotRunning', '');" };

  test('in step', async () => {
    expect(
      await findingsOf(documents, {
        ...user,
        'src/base/errors.ts': catalogue,
        'docs/errors.md': '## PortTaken\n\n## NotRunning\n',
      }),
    ).toEqual([]);
  });

  test('a code without a section, a section without a code, a code that nothing raises', async () => {
    const files = {
      'src/cli/a.ts': "throw new PilviError('PortTaken', '');",
      'src/base/errors.ts': catalogue,
      'docs/errors.md': '## PortTaken\n\n## Other\n',
    };
    expect(await findingsOf(documents, files)).toEqual([
      'src/base/errors.ts:3 NotRunning has no section "## NotRunning" in docs/errors.md',
      'src/base/errors.ts:3 nothing raises NotRunning: take it out of the catalogue',
      'docs/errors.md:3 Other is not in the catalogue (src/base/errors.ts)',
    ]);
  });
});
