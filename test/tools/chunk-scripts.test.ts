/** The scripts that chunks become: what they bind, what they give, and that guests' programs inside them stay as they are. */
import vm from 'node:vm';
import { expect, test } from 'vitest';
import { compiledCode, toScript } from '../../tools/chunk-scripts.mjs';

const chunk = `#!/usr/bin/env node
import path from "outside-the-bundle:node:path";
import {
  one,
  two as second
} from "./chunk-ABCDEFGH.js";
import * as all from "outside-the-bundle:yaml";
import "./chunk-HGFEDCBA.js";
var guest = \`
import x from "node:http";
export { x };
\`;
var place = moduleUrl;
var later = () => import("./chunk-ABCDEFGH.js");
export {
  guest,
  place as default,
  later
};
//# ${'source'}MappingURL=x.js.map
`;

function run(text: string) {
  const asked: string[] = [];
  const ask = (name: string) => {
    asked.push(name);
    return { one: 1, two: 2, default: {} };
  };
  const require = Object.assign(ask, {
    namespace: (name: string) => ask(`${name} as a namespace`),
    later: async (name: string) => `${name} later`,
  });
  const exports: Record<string, unknown> = {};
  vm.runInThisContext(text)(exports, require, 'file:///x.js');
  return { asked, exports };
}

test('a chunk becomes a script that asks for the same modules and gives the same names', async () => {
  const { asked, exports } = run(toScript(chunk));
  expect(asked).toEqual(['node:path as a namespace', './chunk-ABCDEFGH.js', 'yaml as a namespace', './chunk-HGFEDCBA.js']);
  expect(Object.keys(exports)).toEqual(['guest', 'default', 'later']);
  expect(exports['guest']).toBe('\nimport x from "node:http";\nexport { x };\n');
  expect(exports['default']).toBe('file:///x.js');
  expect(await (exports['later'] as () => Promise<string>)()).toBe('./chunk-ABCDEFGH.js later');
});

test('lines keep their numbers, for the source map', () => {
  const lines = toScript(chunk).split('\n');
  const before = chunk.split('\n');
  for (const text of ['var place = moduleUrl;', '  later']) expect(lines.indexOf(text)).toBe(before.indexOf(text));
  expect(lines.at(-2)).toBe(before.at(-2));
});

test('a form that is not known is refused', () => {
  expect(() => toScript('export * from "outside-the-bundle:yaml";\n')).toThrow('A form of import or export is not known.');
});

test('V8 takes the compiled code for its script and for no other', () => {
  const script = toScript(chunk);
  const cachedData = compiledCode(script, 'x.js');
  expect(new vm.Script(script, { cachedData }).cachedDataRejected).toBe(false);
  expect(new vm.Script(`${script} `, { cachedData }).cachedDataRejected).toBe(true);
});
