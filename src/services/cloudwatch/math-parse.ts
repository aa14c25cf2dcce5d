/** Reads metric math expressions into trees. Source: CloudWatch User Guide, "Using math expressions with CloudWatch metrics". */

export type Operator = '+' | '-' | '*' | '/' | '^' | '%' | '==' | '!=' | '<' | '<=' | '>' | '>=' | 'AND' | 'OR';

export type Expression =
  | { kind: 'number'; value: number }
  | { kind: 'text'; value: string }
  | { kind: 'name'; name: string }
  | { kind: 'list'; items: readonly Expression[] }
  | { kind: 'call'; name: string; parameters: readonly Expression[] }
  | { kind: 'negate'; of: Expression }
  | { kind: 'binary'; operator: Operator; left: Expression; right: Expression };

/** The expression cannot be read, or computed; services answer ValidationError. */
export class MathError extends Error {
  override readonly name = 'MathError';
}

const token =
  /\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(==|!=|<=|>=|&&|\|\||[-+*/^%<>(),[\]]))/y;

/** Names that stand between operands rather than for a metric. */
const logical: Readonly<Record<string, Operator>> = { AND: 'AND', OR: 'OR', '&&': 'AND', '||': 'OR' };

/** From the loosest binding to the tightest. */
const levels: readonly (readonly string[])[] = [
  ['OR', '||'],
  ['AND', '&&'],
  ['==', '!=', '<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%'],
];

/** Deepest nesting that is read. */
const depthMax = 100;

class Parser {
  readonly #tokens: string[] = [];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    token.lastIndex = 0;
    while (token.lastIndex < text.trimEnd().length) {
      const found = token.exec(text);
      if (found === null) throw new MathError('Syntax error');
      this.#tokens.push(found[0].trim());
    }
  }

  whole(): Expression {
    const expression = this.#level(0);
    if (this.#at < this.#tokens.length) throw new MathError(`Unexpected '${this.#tokens[this.#at]}'`);
    return expression;
  }

  #level(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.#power();
    let left = this.#level(level + 1);
    for (;;) {
      const next = this.#tokens[this.#at];
      if (next === undefined || !operators.includes(next)) return left;
      this.#at += 1;
      left = { kind: 'binary', operator: logical[next] ?? (next as Operator), left, right: this.#level(level + 1) };
    }
  }

  #power(): Expression {
    const left = this.#unary();
    if (!this.#take('^')) return left;
    return { kind: 'binary', operator: '^', left, right: this.#power() };
  }

  #unary(): Expression {
    return this.#take('-') ? { kind: 'negate', of: this.#unary() } : this.#primary();
  }

  #primary(): Expression {
    const next = this.#tokens[this.#at++];
    if (next === undefined) throw new MathError('Unexpected end of expression');
    this.#depth += 1;
    if (this.#depth > depthMax) throw new MathError('The expression is nested too deeply');
    try {
      if (/^[\d.]/.test(next)) return { kind: 'number', value: Number(next) };
      if (/^["']/.test(next)) return { kind: 'text', value: next.slice(1, -1).replaceAll(/\\(.)/g, '$1') };
      if (next === '(') {
        const inner = this.#level(0);
        this.#need(')');
        return inner;
      }
      if (next === '[') return { kind: 'list', items: this.#items(']') };
      if (!/^[A-Za-z_]/.test(next)) throw new MathError(`Unexpected '${next}'`);
      return this.#take('(')
        ? { kind: 'call', name: next.toUpperCase(), parameters: this.#items(')') }
        : { kind: 'name', name: next };
    } finally {
      this.#depth -= 1;
    }
  }

  #items(end: string): Expression[] {
    const items: Expression[] = [];
    if (this.#take(end)) return items;
    do items.push(this.#level(0));
    while (this.#take(','));
    this.#need(end);
    return items;
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#at] !== text) return false;
    this.#at += 1;
    return true;
  }

  #need(text: string): void {
    if (!this.#take(text)) throw new MathError(`Expected '${text}'`);
  }
}

/** Reads an expression. Throws MathError. */
export function parseMath(text: string): Expression {
  return new Parser(text).whole();
}

/** Ids of other queries that the expression names. */
export function namesIn(expression: Expression): string[] {
  switch (expression.kind) {
    case 'name':
      return /^[a-z]/.test(expression.name) ? [expression.name] : [];
    case 'list':
      return expression.items.flatMap(namesIn);
    case 'call':
      return expression.parameters.flatMap(namesIn);
    case 'negate':
      return namesIn(expression.of);
    case 'binary':
      return [...namesIn(expression.left), ...namesIn(expression.right)];
    default:
      return [];
  }
}
