// Turns what esbuild writes as ES modules into scripts that `src/cli/loader.cjs` runs. Node 20 keeps no compiled code between runs, and only scripts can be
// given any (`cachedData`); with it, and without the resolver of ES modules, a start takes half the processor time. Bindings stay plain constants, so
// that code which runs often is as fast as before: esbuild's own CommonJS reads every imported name from an object, at each use.
import vm from 'node:vm';

/** Mark of packages and builtins in what esbuild writes: text that merely looks like an import, in a program for a guest, does not carry it. */
const mark = 'outside-the-bundle:';

/** Keeps packages out of the bundle, as `packages: 'external'` does, under names that can be found again. */
export const outsidePackages = {
  name: 'outside-packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === 'entry-point') return undefined;
      return { path: `${mark}${path}`, external: true };
    });
  },
};

/** A list of `a as b` in braces, as members of an object pattern or literal. */
function renamed(list, swap) {
  return list.replace(/([\w$]+) as ([\w$]+)/g, (_text, from, to) => (swap ? `${to}: ${from}` : `${from}: ${to}`));
}

const source = `"((?:${mark}|\\./)[^"]+)";`;

/**
 * The chunk's text as one function expression, line for line, so that its source map stays right. Throws Error when a form of import or export is left
 * that is not known here.
 */
export function toScript(code) {
  const name = (path) => JSON.stringify(path.replace(mark, ''));
  const body = code
    .replace(/^#!.*/, '')
    .replace(
      new RegExp(`^import (\\{[^}]*\\}) from ${source}`, 'gm'),
      (_text, list, path) => `const ${renamed(list, false)} = require(${name(path)});`,
    )
    .replace(
      new RegExp(`^import \\* as ([\\w$]+) from ${source}`, 'gm'),
      (_text, local, path) => `const ${local} = require.namespace(${name(path)});`,
    )
    .replace(
      new RegExp(`^import ([\\w$]+) from ${source}`, 'gm'),
      (_text, local, path) => `const ${local} = require.namespace(${name(path)}).default;`,
    )
    .replace(
      new RegExp(`^import ([\\w$]+), (\\{[^}]*\\}) from ${source}`, 'gm'),
      (_text, local, list, path) =>
        `const ${local} = require.namespace(${name(path)}).default, ${renamed(list, false)} = require(${name(path)});`,
    )
    .replace(new RegExp(`^import ${source}`, 'gm'), (_text, path) => `require(${name(path)});`)
    .replace(
      new RegExp(`import\\("(${mark}|\\./)([^"]+)"\\)`, 'g'),
      (_text, kind, path) => `require.later(${name(kind === mark ? path : `./${path}`)})`,
    )
    .replace(
      /^export (\{[^}]*\});\n(?=\/\/# sourceMappingURL=|(?![\s\S]))/m,
      (_text, list) => `Object.assign(exports, ${renamed(list, true)});\n`,
    );
  if (body.includes(mark) || /^export [^;]*;\n(?=\/\/# sourceMappingURL=|(?![\s\S]))/m.test(body))
    throw new Error('A form of import or export is not known.');
  const map = body.lastIndexOf('//# sourceMappingURL=');
  const end = map < 0 ? body.length : map;
  return `(function (exports, require, moduleUrl) { "use strict"; ${body.slice(0, end)}})\n${body.slice(end)}`;
}

/**
 * What V8 made of the script, for `cachedData`: what runs when it is loaded. With every function in it (`--no-lazy`) a start took 5 % less processor time,
 * and the idle cloud 9 MB more. V8 refuses it by itself where its version or flags differ, and then compiles as usual.
 */
export function compiledCode(text, filename) {
  return new vm.Script(text, { filename }).createCachedData();
}
