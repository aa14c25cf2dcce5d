import { describe, expect, test } from 'vitest';
import { SourceFile, walk } from '../../tools/check/tree.ts';

describe('imports of a file', () => {
  const importsOf = (text: string) => new SourceFile('src/a/b.ts', text).imports;

  test('types are told from values', () => {
    const made = importsOf(
      "import type { A } from './a.ts';\nimport { type B, c } from '../d.ts';\nimport * as e from 'node:fs';",
    );
    expect(made).toEqual([
      { specifier: './a.ts', target: 'src/a/a.ts', line: 1, typeOnly: true, names: ['A'] },
      { specifier: '../d.ts', target: 'src/d.ts', line: 2, typeOnly: false, names: ['B', 'c'] },
      { specifier: 'node:fs', target: undefined, line: 3, typeOnly: false, names: '*' },
    ]);
  });

  test('a re-export, a dynamic import and an import in a type are imports', () => {
    const made = importsOf(
      "export { x as y } from './x.ts';\nexport * from './z.ts';\nawait import('./lazy.ts');\ntype T = import('./t.ts').T;",
    );
    expect(made.map(({ target, typeOnly, names }) => [target, typeOnly, names])).toEqual([
      ['src/a/x.ts', false, ['x']],
      ['src/a/z.ts', false, '*'],
      ['src/a/lazy.ts', false, '*'],
      ['src/a/t.ts', true, '*'],
    ]);
  });

  test('import in a comment or a string is no import', () => {
    expect(importsOf("// import { a } from './a.ts'\nexport const text = `import('./b.ts')`;")).toEqual([]);
  });
});

describe('a file', () => {
  test('lines are counted in characters, also after characters of several bytes', () => {
    const file = new SourceFile('src/a.ts', "const a = 'ä€😀';\n// second\nexport const b = 1;\n");
    expect(file.comments).toEqual([{ text: ' second', line: 2 }]);
    expect(file.exports).toEqual([{ name: 'b', line: 3, typeOnly: false }]);
    expect(file.lineCount).toBe(3);
  });

  test('exports: default, types, patterns, renamed', () => {
    const file = new SourceFile(
      'src/a.ts',
      'export default 1;\nexport interface I {}\nexport const { x, y: z } = o;\nconst q = 1;\nexport { q as r };',
    );
    expect(file.exports.map(({ name, typeOnly }) => [name, typeOnly])).toEqual([
      ['default', false],
      ['I', true],
      ['x', false],
      ['z', false],
      ['r', false],
    ]);
  });

  test('what is not TypeScript is said to be broken', () => {
    expect(new SourceFile('src/a.ts', 'const = ;').broken).toBeDefined();
    expect(new SourceFile('src/a.ts', 'const a = 1;').broken).toBeUndefined();
  });

  test('walk gives the ancestors, nearest last', () => {
    const seen: string[] = [];
    walk(new SourceFile('src/a.ts', 'f(() => 1);').program, (node, ancestors) => {
      if (node.type === 'Literal') seen.push(...ancestors.map(({ type }) => type));
    });
    expect(seen).toEqual(['Program', 'ExpressionStatement', 'CallExpression', 'ArrowFunctionExpression']);
  });
});
