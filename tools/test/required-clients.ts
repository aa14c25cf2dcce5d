/**
 * Tests take the official clients by `require`. These are CommonJS, and Node's `import` of such a package reads its text twice more, to find out what it is and
 * what it exports: EC2's, of two megabytes, takes 480 ms of processor time by `import` and 220 by `require`, and most test files begin with it.
 */
import type { Plugin } from 'vitest/config';

/** One import of names, types among them. What lies between the braces may take several lines. */
const clientImport = /^import (\{[^}]*\}) from '(@aws-sdk\/client-[a-z0-9-]+)';/gm;

/** Where a file begins: comments and imports. What looks like an import further down is a program in a text. */
const beginning = /^(?:\s+|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/|import [^;]*;)*/;

/** The same text with the imports of clients with which it begins made `require`, on the same lines. */
export function requireClients(code: string): string {
  let found = 0;
  const head = beginning.exec(code)![0];
  const text = head.replace(clientImport, (_text, list: string, name: string) => {
    found += 1;
    const values = list.replace(/\btype [\w$]+,?/g, '').replace(/([\w$]+) as ([\w$]+)/g, '$1: $2');
    return `const ${values} = requireClient('${name}');`;
  });
  const make = "const requireClient = (await import('node:module')).createRequire(import.meta.url); ";
  return found === 0 ? code : `${make}${text}${code.slice(head.length)}`;
}

export const requiredClients: Plugin = {
  name: 'required-clients',
  enforce: 'pre',
  transform: (code, id) => (/\/test\/.*\.ts$/.test(id) ? { code: requireClients(code), map: null } : undefined),
};
