/**
 * The SQL of SelectObjectContent: text to a tree ("SQL reference for Amazon S3 Select"). One SELECT over one source, without joins, groups and order. Deep
 * nesting is bounded, so that hostile text costs no stack.
 */
import { s3Error } from '../errors.ts';

/** A step into a value: a member, an element, all of a list (`[*]`), all members (`.*`). */
export type Step = { member: string; quoted: boolean } | { index: number } | { all: 'elements' | 'members' };

export type Expression =
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'column'; steps: readonly Step[] }
  | { kind: 'unary'; operator: 'NOT' | '-' | '+'; operand: Expression }
  | { kind: 'binary'; operator: string; left: Expression; right: Expression }
  | { kind: 'between'; operand: Expression; low: Expression; high: Expression; negated: boolean }
  | { kind: 'in'; operand: Expression; list: readonly Expression[]; negated: boolean }
  | { kind: 'like'; operand: Expression; pattern: Expression; escape: Expression | undefined; negated: boolean }
  | { kind: 'is'; operand: Expression; what: 'NULL' | 'MISSING'; negated: boolean }
  | {
      kind: 'case';
      subject: Expression | undefined;
      branches: readonly { when: Expression; gives: Expression }[];
      otherwise: Expression | undefined;
    }
  | { kind: 'cast'; operand: Expression; type: string }
  | { kind: 'call'; name: string; args: readonly Expression[]; word: string | undefined }
  | { kind: 'aggregate'; name: AggregateName; operand: Expression | undefined };

export type AggregateName = 'COUNT' | 'SUM' | 'AVG' | 'MIN' | 'MAX';

export interface Projection {
  expression: Expression;
  /** Name in JSON; absent where it goes by its place. */
  name: string | undefined;
}

export interface Query {
  /** Undefined for `*`. */
  projections: readonly Projection[] | undefined;
  /** Steps behind `S3Object`. */
  path: readonly Step[];
  /** Name by which columns may be addressed. */
  alias: string | undefined;
  where: Expression | undefined;
  limit: number | undefined;
}

interface Token {
  kind: 'word' | 'quoted' | 'text' | 'number' | 'sign' | 'end';
  text: string;
  at: number;
}

const depthMax = 100;
/** Operators in all: each makes the tree a step deeper at most. */
const operatorsMax = 1000;
const aggregates: ReadonlySet<string> = new Set(['COUNT', 'SUM', 'AVG', 'MIN', 'MAX']);
/** Functions, and how many arguments they take. */
const functions: Readonly<Record<string, readonly [number, number]>> = {
  COALESCE: [1, 100],
  NULLIF: [2, 2],
  CHAR_LENGTH: [1, 1],
  CHARACTER_LENGTH: [1, 1],
  LOWER: [1, 1],
  UPPER: [1, 1],
  TO_TIMESTAMP: [1, 1],
  UTCNOW: [0, 0],
};
const datePartFunctions: ReadonlySet<string> = new Set(['DATE_ADD', 'DATE_DIFF']);
const castTypes: ReadonlySet<string> = new Set([
  ...['BOOL', 'BOOLEAN', 'INT', 'INTEGER', 'STRING', 'VARCHAR', 'CHAR'],
  ...['FLOAT', 'DECIMAL', 'NUMERIC', 'TIMESTAMP'],
]);
const reserved: ReadonlySet<string> = new Set([
  ...['SELECT', 'FROM', 'WHERE', 'LIMIT', 'AS', 'AND', 'OR', 'NOT', 'IN', 'LIKE', 'ESCAPE', 'BETWEEN', 'IS', 'NULL', 'MISSING'],
  ...['CASE', 'WHEN', 'THEN', 'ELSE', 'END', 'TRUE', 'FALSE', 'CAST', 'FOR'],
]);

const tokenPattern =
  /\s*(?:--[^\n]*\n\s*)*(?:([A-Za-z_][A-Za-z0-9_$]*)|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(<>|!=|<=|>=|\|\||[-+*/%=<>(),.[\]])|(\S))/y;

function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  tokenPattern.lastIndex = 0;
  const end = text.trimEnd().length;
  while (tokenPattern.lastIndex < end) {
    const match = tokenPattern.exec(text);
    if (match === null) break;
    const [, word, quoted, literal, number, sign, other] = match;
    const at = tokenPattern.lastIndex;
    if (word !== undefined) tokens.push({ kind: 'word', text: word, at });
    else if (quoted !== undefined) tokens.push({ kind: 'quoted', text: quoted.replaceAll('""', '"'), at });
    else if (literal !== undefined) tokens.push({ kind: 'text', text: literal.replaceAll("''", "'"), at });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, at });
    else throw s3Error('LexerInvalidChar', `The SQL expression contains an invalid character: ${other} at column ${at}.`, 400);
  }
  return [...tokens, { kind: 'end', text: '', at: text.length }];
}

/** Reads a query. Throws ParseUnexpectedToken and its kin (400), UnsupportedFunction, InvalidCast. */
export function parseQuery(text: string): Query {
  return new Parser(tokenise(text)).query();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #operators = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  query(): Query {
    this.#expect('SELECT', 'ParseExpectedKeyword');
    const projections = this.#take('*') ? undefined : this.#list(() => this.#projection());
    if (!this.#takeWord('FROM')) throw s3Error('ParseSelectMissingFrom', 'The SELECT clause is missing a FROM clause.', 400);
    const source = this.#name();
    if (source.toLowerCase() !== 's3object')
      throw s3Error('InvalidDataSource', 'Only S3Object is supported in the FROM clause.', 400);
    const path = this.#steps(false);
    const alias = this.#takeWord('AS') || this.#isName() ? this.#name() : undefined;
    const where = this.#takeWord('WHERE') ? this.#expression() : undefined;
    const limit = this.#takeWord('LIMIT') ? this.#count() : undefined;
    if (this.#peek().kind !== 'end') throw this.#unexpected();
    return { projections, path, alias: alias ?? lastName(path), where, limit };
  }

  #projection(): Projection {
    const expression = this.#expression();
    const alias = this.#takeWord('AS') || this.#isName() ? this.#name() : undefined;
    return { expression, name: alias ?? (expression.kind === 'column' ? lastName(expression.steps) : undefined) };
  }

  #expression(): Expression {
    this.#depth += 1;
    if (this.#depth > depthMax) throw s3Error('ExpressionTooLong', 'The SQL expression is nested too deeply.', 400);
    const read = this.#chain(['OR'], () => this.#chain(['AND'], () => this.#not()));
    this.#depth -= 1;
    return read;
  }

  /** Operators of one precedence, from left to right. */
  #chain(operators: readonly string[], next: () => Expression): Expression {
    let left = next();
    for (;;) {
      const operator = operators.find((one) => (/\w/.test(one) ? this.#takeWord(one) : this.#take(one)));
      if (operator === undefined) return left;
      this.#operators += 1;
      if (this.#operators > operatorsMax) throw s3Error('ExpressionTooLong', 'The SQL expression has too many operators.', 400);
      left = { kind: 'binary', operator, left, right: next() };
    }
  }

  #not(): Expression {
    if (!this.#takeWord('NOT')) return this.#comparison();
    this.#depth += 1;
    if (this.#depth > depthMax) throw this.#unexpected();
    const operand = this.#not();
    this.#depth -= 1;
    return { kind: 'unary', operator: 'NOT', operand };
  }

  #comparison(): Expression {
    const left = this.#sum();
    const operator = ['<=', '>=', '<>', '!=', '=', '<', '>'].find((one) => this.#take(one));
    if (operator !== undefined) return { kind: 'binary', operator, left, right: this.#sum() };
    if (this.#takeWord('IS')) {
      const negated = this.#takeWord('NOT');
      const what = this.#takeWord('MISSING') ? 'MISSING' : 'NULL';
      if (what === 'NULL') this.#expect('NULL');
      return { kind: 'is', operand: left, what, negated };
    }
    const negated = this.#takeWord('NOT');
    if (this.#takeWord('BETWEEN')) {
      const low = this.#sum();
      this.#expect('AND');
      return { kind: 'between', operand: left, low, high: this.#sum(), negated };
    }
    if (this.#takeWord('IN')) {
      this.#sign('(');
      const list = this.#list(() => this.#expression());
      this.#sign(')');
      return { kind: 'in', operand: left, list, negated };
    }
    if (this.#takeWord('LIKE')) {
      const pattern = this.#sum();
      return { kind: 'like', operand: left, pattern, escape: this.#takeWord('ESCAPE') ? this.#sum() : undefined, negated };
    }
    if (negated) throw this.#unexpected();
    return left;
  }

  #sum(): Expression {
    return this.#chain(['+', '-', '||'], () => this.#chain(['*', '/', '%'], () => this.#unary()));
  }

  #unary(): Expression {
    const operator = (['-', '+'] as const).find((one) => this.#take(one));
    return operator === undefined ? this.#primary() : { kind: 'unary', operator, operand: this.#primary() };
  }

  #primary(): Expression {
    const token = this.#peek();
    if (token.kind === 'text' || token.kind === 'number') {
      this.#at += 1;
      return { kind: 'literal', value: token.kind === 'text' ? token.text : Number(token.text) };
    }
    if (this.#take('(')) {
      const inner = this.#expression();
      this.#sign(')');
      return inner;
    }
    if (token.kind === 'quoted') return this.#column();
    if (token.kind !== 'word') throw this.#unexpected();
    const word = token.text.toUpperCase();
    if (word === 'TRUE' || word === 'FALSE' || word === 'NULL') {
      this.#at += 1;
      return { kind: 'literal', value: word === 'NULL' ? null : word === 'TRUE' };
    }
    if (this.#takeWord('CASE')) return this.#case();
    if (this.#tokens[this.#at + 1]?.text === '(' && this.#tokens[this.#at + 1]?.kind === 'sign') return this.#call(word);
    if (reserved.has(word)) throw this.#unexpected();
    return this.#column();
  }

  #column(): Expression {
    const first = this.#peek();
    return { kind: 'column', steps: [{ member: this.#name(), quoted: first.kind === 'quoted' }, ...this.#steps(true)] };
  }

  #case(): Expression {
    const subject = this.#peekWord('WHEN') ? undefined : this.#expression();
    const branches: { when: Expression; gives: Expression }[] = [];
    while (this.#takeWord('WHEN')) {
      const when = this.#expression();
      this.#expect('THEN');
      branches.push({ when, gives: this.#expression() });
    }
    if (branches.length === 0) throw this.#unexpected();
    const otherwise = this.#takeWord('ELSE') ? this.#expression() : undefined;
    this.#expect('END');
    return { kind: 'case', subject, branches, otherwise };
  }

  /** A function, by its name in capitals; its own words between arguments as SQL has them. */
  #call(name: string): Expression {
    this.#at += 1;
    this.#sign('(');
    const made = this.#callBody(name);
    this.#sign(')');
    return made;
  }

  #callBody(name: string): Expression {
    if (aggregates.has(name)) {
      const whole = name === 'COUNT' && this.#take('*');
      return { kind: 'aggregate', name: name as AggregateName, operand: whole ? undefined : this.#expression() };
    }
    if (name === 'CAST') {
      const operand = this.#expression();
      this.#expect('AS', 'ParseExpectedKeyword');
      const type = this.#name().toUpperCase();
      if (!castTypes.has(type)) throw s3Error('ParseExpectedTypeName', `Expected a type name, found ${type}.`, 400);
      return { kind: 'cast', operand, type };
    }
    if (name === 'SUBSTRING') {
      const args = [this.#expression()];
      if (this.#takeWord('FROM') || this.#take(',')) args.push(this.#expression());
      if (args.length === 2 && (this.#takeWord('FOR') || this.#take(','))) args.push(this.#expression());
      return { kind: 'call', name, args, word: undefined };
    }
    if (name === 'TRIM') {
      const word = ['LEADING', 'TRAILING', 'BOTH'].find((one) => this.#takeWord(one)) ?? 'BOTH';
      const first = this.#peekWord('FROM') ? undefined : this.#expression();
      const second = this.#takeWord('FROM') ? this.#expression() : undefined;
      const args = second === undefined ? [first!] : first === undefined ? [second] : [second, first];
      return { kind: 'call', name, args, word };
    }
    if (name === 'EXTRACT') {
      const word = this.#name().toUpperCase();
      this.#expect('FROM');
      return { kind: 'call', name, args: [this.#expression()], word };
    }
    if (datePartFunctions.has(name)) {
      const word = this.#name().toUpperCase();
      this.#sign(',');
      const args = this.#list(() => this.#expression());
      if (args.length !== 2) throw wrongArguments(name);
      return { kind: 'call', name, args, word };
    }
    const count = functions[name];
    if (count === undefined) throw s3Error('UnsupportedFunction', `Encountered an unsupported SQL function: ${name}.`, 400);
    const args = this.#peek().text === ')' ? [] : this.#list(() => this.#expression());
    if (args.length < count[0] || args.length > count[1]) throw wrongArguments(name);
    return { kind: 'call', name, args, word: undefined };
  }

  /** Steps behind a name; columns have no wildcards. */
  #steps(isColumn: boolean): Step[] {
    const steps: Step[] = [];
    for (;;) {
      if (this.#take('.')) {
        if (!isColumn && this.#take('*')) steps.push({ all: 'members' });
        else {
          const token = this.#peek();
          steps.push({ member: this.#name(), quoted: token.kind === 'quoted' });
        }
      } else if (this.#take('[')) {
        const token = this.#peek();
        this.#at += 1;
        if (token.kind === 'number') steps.push({ index: Number(token.text) });
        else if (token.kind === 'text') steps.push({ member: token.text, quoted: true });
        else if (token.text === '*' && !isColumn) steps.push({ all: 'elements' });
        else throw this.#unexpected(-1);
        this.#sign(']');
      } else return steps;
    }
  }

  #list<T>(read: () => T): T[] {
    const items = [read()];
    while (this.#take(',')) items.push(read());
    return items;
  }

  #count(): number {
    const token = this.#peek();
    if (token.kind !== 'number' || !/^\d+$/.test(token.text))
      throw s3Error('ParseExpectedNumber', 'LIMIT must be a number.', 400);
    this.#at += 1;
    return Number(token.text);
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #isName(): boolean {
    const { kind, text } = this.#peek();
    return kind === 'quoted' || (kind === 'word' && !reserved.has(text.toUpperCase()));
  }

  #name(): string {
    const { kind, text } = this.#peek();
    if (kind !== 'word' && kind !== 'quoted') throw this.#unexpected();
    this.#at += 1;
    return text;
  }

  #peekWord(word: string): boolean {
    const { kind, text } = this.#peek();
    return kind === 'word' && text.toUpperCase() === word;
  }

  #takeWord(word: string): boolean {
    const found = this.#peekWord(word);
    if (found) this.#at += 1;
    return found;
  }

  #take(sign: string): boolean {
    const { kind, text } = this.#peek();
    const found = kind === 'sign' && text === sign;
    if (found) this.#at += 1;
    return found;
  }

  #expect(word: string, code = 'ParseUnexpectedToken'): void {
    if (!this.#takeWord(word)) throw this.#unexpected(0, code);
  }

  #sign(sign: string): void {
    if (!this.#take(sign)) throw this.#unexpected();
  }

  #unexpected(offset = 0, code = 'ParseUnexpectedToken'): Error {
    const { kind, text, at } = this.#tokens[this.#at + offset]!;
    return s3Error(code, `Unexpected token found ${kind.toUpperCase()}:"${text}" at line 1, column ${at}.`, 400);
  }
}

function wrongArguments(name: string): Error {
  return s3Error('EvaluatorInvalidArguments', `Incorrect number of arguments in the function call: ${name}.`, 400);
}

function lastName(steps: readonly Step[]): string | undefined {
  const last = steps.at(-1);
  return last !== undefined && 'member' in last ? last.member : undefined;
}
