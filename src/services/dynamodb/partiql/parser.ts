/**
 * PartiQL for DynamoDB: SELECT, INSERT, UPDATE, DELETE and EXISTS, parsed into the same conditions and updates that expressions are made of ("PartiQL
 * statements for DynamoDB"). Parameters are put in while parsing.
 */
import { validation } from '../errors.ts';
import type { Comparator, Condition, Operand, Path, SetValue, UpdateAction } from '../expressions/ast.ts';
import { normaliseNumber } from '../numbers.ts';
import { describeNumberProblem, emptyItem, type Item, type Value, type ValueType } from '../values.ts';

export type Statement =
  | {
      kind: 'select';
      table: string;
      index?: string | undefined;
      paths?: Path[] | undefined;
      where?: Condition | undefined;
      exists: boolean;
    }
  | { kind: 'insert'; table: string; item: Item }
  | { kind: 'update'; table: string; actions: UpdateAction[]; where: Condition; returning?: Returning | undefined }
  | { kind: 'delete'; table: string; where: Condition; returning?: Returning | undefined };

export type Returning = 'ALL_OLD' | 'ALL_NEW' | 'UPDATED_OLD' | 'UPDATED_NEW';

type TokenKind = 'word' | 'quoted' | 'text' | 'number' | 'symbol' | 'end';
interface Token {
  kind: TokenKind;
  text: string;
}

const token =
  /\s*(?:([a-zA-Z_][a-zA-Z0-9_]*)|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(<<|>>|<>|!=|<=|>=|[=<>()[\]{},.:*?+-]))/y;
const kinds: readonly TokenKind[] = ['word', 'quoted', 'text', 'number', 'symbol'];
const nestingMax = 32;

function malformed(detail: string): Error {
  return validation(`Statement wasn't well formed, can't be processed: ${detail}`);
}

function tokenise(statement: string): Token[] {
  const tokens: Token[] = [];
  const length = statement.replace(/[\s;]+$/, '').length;
  token.lastIndex = 0;
  while (token.lastIndex < length) {
    const at = token.lastIndex;
    const match = token.exec(statement);
    if (match === null) throw malformed(`Unexpected character at ${at + 1}`);
    const index = match.findIndex((part, position) => position > 0 && part !== undefined);
    const kind = kinds[index - 1]!;
    const text = match[index]!;
    tokens.push({
      kind,
      text: kind === 'text' ? text.replaceAll("''", "'") : kind === 'quoted' ? text.replaceAll('""', '"') : text,
    });
  }
  tokens.push({ kind: 'end', text: 'end of statement' });
  return tokens;
}

/** Parses a statement with its parameters. Throws ValidationException. */
export function parseStatement(statement: string, parameters: readonly Value[]): Statement {
  return new StatementParser(tokenise(statement), parameters).parse();
}

const comparators: Readonly<Record<string, Comparator>> = {
  '=': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};

class StatementParser {
  readonly #tokens: readonly Token[];
  readonly #parameters: readonly Value[];
  #at = 0;
  #used = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], parameters: readonly Value[]) {
    this.#tokens = tokens;
    this.#parameters = parameters;
  }

  parse(): Statement {
    const statement = this.#parseStatement();
    if (this.#peek.kind !== 'end') throw malformed('Unexpected token after expression');
    if (this.#used !== this.#parameters.length) throw validation("Number of parameters in request and statement don't match.");
    return statement;
  }

  #parseStatement(): Statement {
    if (this.#takeWord('SELECT')) return this.#parseSelect(false);
    if (this.#takeWord('INSERT')) return this.#parseInsert();
    if (this.#takeWord('UPDATE')) return this.#parseUpdate();
    if (this.#takeWord('DELETE')) return this.#parseDelete();
    if (!this.#takeWord('EXISTS')) throw this.#unexpected();
    this.#expect('(');
    if (!this.#takeWord('SELECT')) throw this.#unexpected();
    const statement = this.#parseSelect(true);
    this.#expect(')');
    return statement;
  }

  #parseSelect(exists: boolean): Statement {
    let paths: Path[] | undefined;
    if (!this.#take('*')) {
      paths = [];
      do paths.push(this.#parsePath());
      while (this.#take(','));
    }
    this.#expectWord('FROM');
    const table = this.#parseName();
    const index = this.#take('.') ? this.#parseName() : undefined;
    const where = this.#takeWord('WHERE') ? this.#parseOr() : undefined;
    if (this.#isWord('ORDER')) throw validation('ORDER BY is not implemented by Pilvi in ExecuteStatement');
    return { kind: 'select', table, index, paths, where, exists };
  }

  #parseInsert(): Statement {
    this.#expectWord('INTO');
    const table = this.#parseName();
    this.#expectWord('VALUE');
    const value = this.#parseValue();
    if (value.M === undefined) throw malformed('Expected a tuple after VALUE');
    return { kind: 'insert', table, item: value.M };
  }

  #parseUpdate(): Statement {
    const table = this.#parseName();
    const actions: UpdateAction[] = [];
    for (;;) {
      if (this.#takeWord('SET')) {
        do actions.push(this.#parseSet());
        while (this.#take(','));
      } else if (this.#takeWord('REMOVE')) {
        do actions.push({ kind: 'remove', path: this.#parsePath() });
        while (this.#take(','));
      } else break;
    }
    if (actions.length === 0) throw this.#unexpected();
    this.#expectWord('WHERE');
    const where = this.#parseOr();
    return { kind: 'update', table, actions, where, returning: this.#parseReturning() };
  }

  #parseSet(): UpdateAction {
    const path = this.#parsePath();
    this.#expect('=');
    for (const [name, kind] of [
      ['SET_ADD', 'add'],
      ['SET_DELETE', 'delete'],
    ] as const) {
      if (!this.#isCall(name)) continue;
      this.#at += 2;
      this.#parsePath();
      this.#expect(',');
      const value = this.#parseValue();
      this.#expect(')');
      return { kind, path, value };
    }
    const left = this.#parseTerm();
    for (const [symbol, sign] of [
      ['+', 1],
      ['-', -1],
    ] as const)
      if (this.#take(symbol)) return { kind: 'set', path, value: { kind: 'sum', sign, left, right: this.#parseTerm() } };
    return { kind: 'set', path, value: left };
  }

  #parseTerm(): SetValue {
    if (this.#isCall('LIST_APPEND')) {
      this.#at += 2;
      const left = this.#parseTerm();
      this.#expect(',');
      const right = this.#parseTerm();
      this.#expect(')');
      return { kind: 'append', left, right };
    }
    return this.#atPath() ? { kind: 'path', path: this.#parsePath() } : { kind: 'value', value: this.#parseValue() };
  }

  #parseDelete(): Statement {
    this.#expectWord('FROM');
    const table = this.#parseName();
    this.#expectWord('WHERE');
    const where = this.#parseOr();
    return { kind: 'delete', table, where, returning: this.#parseDeleted() };
  }

  #parseReturning(): Returning | undefined {
    if (!this.#takeWord('RETURNING')) return undefined;
    const what = this.#takeWord('ALL') ? 'ALL' : this.#takeWord('MODIFIED') ? 'UPDATED' : undefined;
    const when = this.#takeWord('OLD') ? 'OLD' : this.#takeWord('NEW') ? 'NEW' : undefined;
    if (what === undefined || when === undefined) throw this.#unexpected();
    this.#expect('*');
    return `${what}_${when}`;
  }

  /** What is deleted is as it was. */
  #parseDeleted(): Returning | undefined {
    const returning = this.#parseReturning();
    if (returning === undefined || returning === 'ALL_OLD') return returning;
    const written = returning.replace('UPDATED', 'MODIFIED').replace('_', ' ');
    throw validation(
      `Invalid returning clause: RETURNING ${written} *. Only RETURNING ALL OLD * is allowed in DELETE statements.`,
    );
  }

  #parseOr(): Condition {
    let left = this.#parseAnd();
    while (this.#takeWord('OR')) left = { kind: 'or', left, right: this.#parseAnd() };
    return left;
  }

  #parseAnd(): Condition {
    let left = this.#parseNot();
    while (this.#takeWord('AND')) left = { kind: 'and', left, right: this.#parseNot() };
    return left;
  }

  #parseNot(): Condition {
    this.#depth++;
    if (this.#depth > nestingMax) throw malformed('Too many levels');
    const condition: Condition = this.#takeWord('NOT') ? { kind: 'not', of: this.#parseNot() } : this.#parseTest();
    this.#depth--;
    return condition;
  }

  #parseTest(): Condition {
    if (this.#take('(')) {
      const inner = this.#parseOr();
      this.#expect(')');
      return inner;
    }
    const call = this.#parseConditionCall();
    if (call !== undefined) return call;
    const left = this.#parseOperand();
    const operator = this.#peek.kind === 'symbol' ? comparators[this.#peek.text] : undefined;
    if (operator !== undefined) {
      this.#at++;
      return { kind: 'compare', operator, left, right: this.#parseOperand() };
    }
    if (this.#takeWord('BETWEEN')) {
      const low = this.#parseOperand();
      this.#expectWord('AND');
      return { kind: 'between', of: left, low, high: this.#parseOperand() };
    }
    if (this.#takeWord('IN')) return { kind: 'in', of: left, list: this.#parseList() };
    if (this.#takeWord('IS')) return this.#parseIs(left);
    throw this.#unexpected();
  }

  #parseIs(left: Operand): Condition {
    const not = this.#takeWord('NOT');
    if (left.kind !== 'path') throw this.#unexpected();
    if (this.#takeWord('MISSING')) return { kind: 'exists', path: left.path, wanted: not };
    this.#expectWord('NULL');
    const isNull: Condition = { kind: 'type', of: left, type: 'NULL' };
    return not ? { kind: 'not', of: isNull } : isNull;
  }

  #parseConditionCall(): Condition | undefined {
    const name = ['BEGINS_WITH', 'CONTAINS', 'ATTRIBUTE_TYPE'].find((word) => this.#isCall(word));
    if (name === undefined) return undefined;
    this.#at += 2;
    const of = this.#parseOperand();
    this.#expect(',');
    const second = this.#parseOperand();
    this.#expect(')');
    if (name === 'BEGINS_WITH') return { kind: 'beginsWith', of, prefix: second };
    if (name === 'CONTAINS') return { kind: 'contains', of, part: second };
    return { kind: 'type', of, type: (second.kind === 'value' ? second.value.S : '') as ValueType };
  }

  #parseList(): Operand[] {
    const close = this.#take('[') ? ']' : ')';
    if (close === ')') this.#expect('(');
    const list: Operand[] = [];
    do list.push(this.#parseOperand());
    while (this.#take(','));
    this.#expect(close);
    return list;
  }

  #parseOperand(): Operand {
    if (this.#isCall('SIZE')) {
      this.#at += 2;
      const of = this.#parseOperand();
      this.#expect(')');
      return { kind: 'size', of };
    }
    return this.#atPath() ? { kind: 'path', path: this.#parsePath() } : { kind: 'value', value: this.#parseValue() };
  }

  #atPath(): boolean {
    const { kind, text } = this.#peek;
    return kind === 'quoted' || (kind === 'word' && !['TRUE', 'FALSE', 'NULL'].includes(text.toUpperCase()));
  }

  #parsePath(): Path {
    const path: (string | number)[] = [this.#parseName()];
    for (;;) {
      if (this.#take('.')) path.push(this.#parseName());
      else if (this.#take('[')) {
        const { kind, text } = this.#next();
        if (kind !== 'number' && kind !== 'text') throw this.#unexpected();
        path.push(kind === 'number' ? Number(text) : text);
        this.#expect(']');
      } else return path;
    }
  }

  #parseName(): string {
    const { kind, text } = this.#peek;
    if (kind !== 'word' && kind !== 'quoted') throw this.#unexpected();
    this.#at++;
    return text;
  }

  #parseValue(): Value {
    this.#depth++;
    if (this.#depth > nestingMax) throw validation('Nesting Levels have exceeded supported limits');
    const value = this.#parseLiteral();
    this.#depth--;
    return value;
  }

  #parseLiteral(): Value {
    if (this.#take('?')) return this.#parameter();
    if (this.#take('[')) return { L: this.#parseValues(']') };
    if (this.#take('<<')) return toSet(this.#parseValues('>>'));
    if (this.#take('{')) return { M: this.#parseTuple() };
    const { kind, text } = this.#next();
    if (kind === 'text') return { S: text };
    if (kind === 'number') {
      const number = normaliseNumber(text);
      if (typeof number === 'string') throw validation(describeNumberProblem(number, text));
      return { N: number.text };
    }
    const word = kind === 'word' ? text.toUpperCase() : '';
    if (word === 'TRUE' || word === 'FALSE') return { BOOL: word === 'TRUE' };
    if (word === 'NULL') return { NULL: true };
    this.#at--;
    throw this.#unexpected();
  }

  #parameter(): Value {
    const value = this.#parameters[this.#used++];
    if (value === undefined) throw validation("Number of parameters in request and statement don't match.");
    return value;
  }

  #parseValues(close: string): Value[] {
    const values: Value[] = [];
    if (this.#take(close)) return values;
    do values.push(this.#parseValue());
    while (this.#take(','));
    this.#expect(close);
    return values;
  }

  #parseTuple(): Item {
    const item = emptyItem();
    if (this.#take('}')) return item;
    do {
      const { kind, text } = this.#next();
      if (kind !== 'text' && kind !== 'quoted') throw this.#unexpected();
      this.#expect(':');
      item[text] = this.#parseValue();
    } while (this.#take(','));
    this.#expect('}');
    return item;
  }

  get #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const found = this.#peek;
    if (found.kind !== 'end') this.#at++;
    return found;
  }

  #take(symbol: string): boolean {
    const { kind, text } = this.#peek;
    if (kind !== 'symbol' || text !== symbol) return false;
    this.#at++;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw this.#unexpected();
  }

  #isWord(word: string): boolean {
    return this.#peek.kind === 'word' && this.#peek.text.toUpperCase() === word;
  }

  #isCall(word: string): boolean {
    const next = this.#tokens[this.#at + 1];
    return this.#isWord(word) && next?.kind === 'symbol' && next.text === '(';
  }

  #takeWord(word: string): boolean {
    if (!this.#isWord(word)) return false;
    this.#at++;
    return true;
  }

  #expectWord(word: string): void {
    if (!this.#takeWord(word)) throw this.#unexpected();
  }

  #unexpected(): Error {
    return malformed(`Unexpected ${this.#peek.kind === 'end' ? 'end of statement' : `token '${this.#peek.text}'`}`);
  }
}

function toSet(values: readonly Value[]): Value {
  const type = (['S', 'N', 'B'] as const).find((name) => values.every((value) => value[name] !== undefined));
  if (values.length === 0 || type === undefined) throw malformed('A set holds strings, numbers or binaries, and is not empty');
  const members = values.map((value) => value[type]!);
  if (new Set(members).size < members.length) throw validation('Input collection contains duplicates');
  return { [`${type}S`]: members };
}
