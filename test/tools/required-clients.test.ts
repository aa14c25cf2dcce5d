/** How tests take the official clients: `require` in place of `import`, line for line. */
import { expect, test } from 'vitest';
import { requireClients } from '../../tools/test/required-clients.ts';

const from = (name: string) => `from '@aws-sdk/${name}';`;

test('imports of clients become require, on the same lines', () => {
  const code = [
    'import {',
    '  AClient,',
    '  type B,',
    '  C as D,',
    `} ${from('client-a')}`,
    `import { type E } ${from('client-e')}`,
    'end();',
  ];
  const lines = requireClients(code.join('\n')).split('\n');
  expect(lines).toHaveLength(code.length);
  expect(lines[0]).toMatch(/^const requireClient = .*; const \{$/);
  expect(lines.slice(1, 5).map((line) => line.trim())).toEqual([
    'AClient,',
    '',
    'C: D,',
    "} = requireClient('@aws-sdk/client-a');",
  ]);
  expect(lines[5]).toBe("const {  } = requireClient('@aws-sdk/client-e');");
});

test('a program in a text keeps its imports', () => {
  const rest = `const source = \`\nimport { A } ${from('client-a')}\nexport const handler = 1;\`;\n`;
  const code = `/** A file. */\nimport { B } ${from('client-b')}\n// More.\nimport type { C } from './c.ts';\n\n`;
  expect(requireClients(code + rest)).toBe(requireClients(code) + rest);
  expect(requireClients(code)).toContain("requireClient('@aws-sdk/client-b')");
});

test('all else stays as it is', () => {
  const code = `import type { A } ${from('client-a')}\nimport { B } ${from('lib-storage')}\nimport * as c ${from('client-c')}\n`;
  expect(requireClients(code)).toBe(code);
});
