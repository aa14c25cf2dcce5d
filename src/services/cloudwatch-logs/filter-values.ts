/** What the three forms of filter patterns share: comparisons with text (wildcards), numbers and regular expressions. */

/** The pattern cannot be read; services answer InvalidParameterException. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
  constructor() {
    super('Invalid filter pattern');
  }
}

export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** The right side of a comparison as written: quoted, bare, or between percent signs. */
export type Operand = { text: string } | { expression: RegExp };

/**
 * A regular expression of a pattern. AWS takes a small syntax (characters, classes, anchors, quantifiers, groups without references), of which
 * this refuses what could run for ever: lookaround and backreferences.
 */
export function expressionOf(source: string): RegExp {
  if (/\(\?|\\[1-9]/.test(source) || /[+*}]\)[+*{]/.test(source)) throw new PatternError();
  try {
    return new RegExp(source);
  } catch {
    throw new PatternError();
  }
}

const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Whether `text` is written as a number. */
export function isNumber(text: string): boolean {
  return number.test(text);
}

/** A test of one value. Ordering operators compare numbers only; `=` with asterisks is a wildcard. Throws PatternError for an order of text. */
export function comparison(operator: Operator, operand: Operand): (value: string) => boolean {
  if ('expression' in operand) {
    if (operator !== '=' && operator !== '!=') throw new PatternError();
    return (value) => operand.expression.test(value) === (operator === '=');
  }
  const { text } = operand;
  if (operator === '=' || operator === '!=') {
    const equal = equality(text);
    return (value) => equal(value) === (operator === '=');
  }
  if (!isNumber(text)) throw new PatternError();
  const bound = Number(text);
  return (value) => isNumber(value) && ordered(operator, Number(value), bound);
}

function ordered(operator: '<' | '<=' | '>' | '>=', value: number, bound: number): boolean {
  if (operator === '<') return value < bound;
  if (operator === '<=') return value <= bound;
  return operator === '>' ? value > bound : value >= bound;
}

function equality(text: string): (value: string) => boolean {
  if (isNumber(text)) return (value) => value === text || (isNumber(value) && Number(value) === Number(text));
  if (!text.includes('*')) return (value) => value === text;
  const parts = text.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const wildcard = new RegExp(`^${parts.join('.*')}$`, 's');
  return (value) => wildcard.test(value);
}
