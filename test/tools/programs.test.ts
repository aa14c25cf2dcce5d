import { expect, test } from 'vitest';
import { biomeFindings, typeFindings } from '../../tools/check/programs.ts';

test('output of tsc becomes findings; its indented explanations do not', () => {
  const output =
    "src/a.ts(3,5): error TS2322: Type 'a' is not assignable.\n  Type 'b' is wrong.\nsrc/b.ts(10,1): error TS1005: ';' expected.\n";
  expect(typeFindings(output)).toEqual([
    { path: 'src/a.ts', line: 3, message: "TS2322: Type 'a' is not assignable." },
    { path: 'src/b.ts', line: 10, message: "TS1005: ';' expected." },
  ]);
});

test('output of biome becomes findings', () => {
  const output =
    '::error title=lint/suspicious/noExplicitAny,file=/work/src/a.ts,line=7,endLine=7,col=3,endColumn=6::Unexpected any.%0AUse unknown.\nChecked 3 files.\n';
  expect(biomeFindings(output, '/work')).toEqual([
    { path: 'src/a.ts', line: 7, message: 'lint/suspicious/noExplicitAny: Unexpected any. Use unknown.' },
  ]);
});
