/** Which rule a request falls under. Patterns are compiled once for each spec. */
import { BlockList, isIPv6 } from 'node:net';
import type { ActionSpec, ConditionSpec, RuleSpec } from '../types.ts';
import type { RequestHead } from './http-head.ts';

export interface Question {
  head: RequestHead;
  /** Path without the query, and the query without its mark. */
  path: string;
  query: string;
  client: string;
}

export interface CompiledRule {
  priority: number;
  action: ActionSpec;
  matches: (question: Question) => boolean;
}

/** Compiles rules, keeping their order. */
export function compileRules(rules: readonly RuleSpec[]): CompiledRule[] {
  return rules.map(({ priority, action, conditions }) => {
    const tests = conditions.map(compile);
    return { priority, action, matches: (question) => tests.every((test) => test(question)) };
  });
}

/** `*` stands for any characters, `?` for one; `\` takes the meaning away from the next. */
function wildcard(pattern: string, ignoreCase: boolean): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const letter = pattern[at]!;
    if (letter === '*') source += '.*';
    else if (letter === '?') source += '.';
    else source += (letter === '\\' && at + 1 < pattern.length ? pattern[++at]! : letter).replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  }
  return new RegExp(`^${source}$`, ignoreCase ? 'is' : 's');
}

function compile(condition: ConditionSpec): (question: Question) => boolean {
  switch (condition.kind) {
    case 'path': {
      const patterns = condition.values.map((value) => wildcard(value, false));
      return ({ path }) => patterns.some((pattern) => pattern.test(path));
    }
    case 'host': {
      const patterns = condition.values.map((value) => wildcard(value, true));
      return ({ head }) => {
        const host = head.host.replace(/:\d+$/, '');
        return patterns.some((pattern) => pattern.test(host));
      };
    }
    case 'method':
      return ({ head }) => condition.values.includes(head.method);
    case 'header': {
      const name = condition.name.toLowerCase();
      const patterns = condition.values.map((value) => wildcard(value, true));
      return ({ head }) =>
        head.headers.some(({ lower, value }) => lower === name && patterns.some((pattern) => pattern.test(value)));
    }
    case 'query': {
      const pairs = condition.pairs.map(({ key, value }) => ({ key: key?.toLowerCase(), pattern: wildcard(value, true) }));
      return ({ query }) => {
        const given = parseQuery(query);
        return pairs.some(({ key, pattern }) =>
          given.some(([name, value]) =>
            key === undefined ? pattern.test(value) || pattern.test(name) : name.toLowerCase() === key && pattern.test(value),
          ),
        );
      };
    }
    case 'source': {
      const blocks = new BlockList();
      for (const value of condition.values) {
        const [address = '', prefix = ''] = value.split('/');
        blocks.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4');
      }
      return ({ client }) => blocks.check(client, isIPv6(client) ? 'ipv6' : 'ipv4');
    }
  }
}

function parseQuery(query: string): [string, string][] {
  if (query === '') return [];
  return query.split('&').map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
  });
}
