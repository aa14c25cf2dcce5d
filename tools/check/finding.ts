/** What a rule found, and the shape of a rule. */
import type { Tree } from './tree.ts';

export interface Finding {
  path: string;
  /** Counted from 1. */
  line: number;
  message: string;
}

export interface Rule {
  name: string;
  run(tree: Tree): readonly Finding[] | Promise<readonly Finding[]>;
}
