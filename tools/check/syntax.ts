/** Files that the parser cannot read; all other rules would pass over them in silence. */
import type { Rule } from './finding.ts';

export const syntax: Rule = {
  name: 'syntax',
  run(tree) {
    return [...tree.sources.values()].flatMap((file) =>
      file.broken ? [{ path: file.path, line: 1, message: file.broken }] : [],
    );
  },
};
