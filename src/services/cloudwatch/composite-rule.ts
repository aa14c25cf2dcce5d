/** Rules of composite alarms: `ALARM("a") AND NOT (OK(b) OR INSUFFICIENT_DATA("c"))` (PutCompositeAlarm, AlarmRule). Pure. */
import type { AlarmState } from './state.ts';

/** The rule cannot be read. */
export class RuleError extends Error {
  override readonly name = 'RuleError';
}

export interface CompositeRule {
  /** Names of the alarms in it. */
  children: readonly string[];
  /** Whether it holds; alarms that are not there count as being in no state. */
  holds(stateOf: (name: string) => AlarmState | undefined): boolean;
}

type Test = (stateOf: (name: string) => AlarmState | undefined) => boolean;

/** Reads a rule. Throws RuleError. */
export function parseRule(text: string): CompositeRule {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[()]|[^\s()"]+/g) ?? [];
  const children = new Set<string>();
  let at = 0;
  const take = (word: string): boolean => {
    if (tokens[at]?.toUpperCase() !== word) return false;
    at += 1;
    return true;
  };
  const need = (word: string): void => {
    if (!take(word)) throw new RuleError(`'${word}' expected`);
  };
  const unit = (): Test => {
    if (take('NOT')) {
      const inner = unit();
      return (stateOf) => !inner(stateOf);
    }
    if (take('(')) {
      const inner = either();
      need(')');
      return inner;
    }
    if (take('TRUE')) return () => true;
    if (take('FALSE')) return () => false;
    const state = (['ALARM', 'OK', 'INSUFFICIENT_DATA'] as const).find((word) => take(word));
    if (state === undefined) throw new RuleError(`Unexpected ${tokens[at] ?? 'end'}`);
    need('(');
    const word = tokens[at++];
    if (word === undefined || /^[()]$/.test(word)) throw new RuleError('The name of an alarm expected');
    need(')');
    const name = nameIn(word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, '$1') : word);
    children.add(name);
    return (stateOf) => stateOf(name) === state;
  };
  const both = (): Test => {
    let left = unit();
    while (take('AND')) {
      const [a, b] = [left, unit()];
      left = (stateOf) => a(stateOf) && b(stateOf);
    }
    return left;
  };
  const either = (): Test => {
    let left = both();
    while (take('OR')) {
      const [a, b] = [left, both()];
      left = (stateOf) => a(stateOf) || b(stateOf);
    }
    return left;
  };
  const test = either();
  if (at < tokens.length) throw new RuleError(`Unexpected ${tokens[at]}`);
  return { children: [...children], holds: test };
}

/** The name in an alarm's name or ARN. */
function nameIn(text: string): string {
  return text.startsWith('arn:') ? text.split(':').slice(6).join(':') : text;
}
