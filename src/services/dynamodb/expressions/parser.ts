/**
 * What the parsers of conditions, projections and updates share: the position in the tokens, document paths, placeholders, and errors in the order in
 * which AWS reports them. Syntax errors end the parse; all others are collected, and the first of the weightiest kind is told.
 */
import type { Value } from '../values.ts';
import { formatPath, type Path } from './ast.ts';
import { ExpressionError, syntaxError, type Token, tokenise } from './lexer.ts';
import type { Placeholders } from './placeholders.ts';
import { isReserved } from './reserved-words.ts';

/** Kinds of errors, weightiest first. */
const errorOrder = [
  'parens',
  'unknownFunction',
  'misusedFunction',
  'reserved',
  'section',
  'name',
  'operand',
  'distinct',
  'overlap',
  'conflict',
  'type',
] as const;
type ErrorKind = (typeof errorOrder)[number];

/** "Expression parameters": 300 operators or functions in one expression. */
const operatorsMax = 300;
/** Document paths: "dereference operators". */
const pathPartsMax = 32;

export class ExpressionParser {
  readonly text: string;
  readonly tokens: readonly Token[];
  protected at = 0;
  readonly #placeholders: Placeholders;
  readonly #errors = new Map<ErrorKind, string>();
  #operators = 0;

  constructor(text: string, placeholders: Placeholders) {
    this.text = text;
    this.tokens = tokenise(text);
    this.#placeholders = placeholders;
  }

  /** Remembers an error; of each kind the first counts. */
  protected fault(kind: ErrorKind, message: string): void {
    if (!this.#errors.has(kind)) this.#errors.set(kind, message);
  }

  /** Ends the parse: nothing may follow, and no error may have been met. */
  protected finish(): void {
    if (this.peek.kind !== 'end') throw this.unexpected();
    for (const kind of errorOrder) {
      const message = this.#errors.get(kind);
      if (message !== undefined) throw new ExpressionError(message);
    }
  }

  protected get peek(): Token {
    return this.tokens[this.at]!;
  }

  protected next(): Token {
    const token = this.tokens[this.at]!;
    if (token.kind !== 'end') this.at++;
    return token;
  }

  protected unexpected(): ExpressionError {
    return syntaxError(this.text, this.tokens, this.at);
  }

  protected isSymbol(text: string): boolean {
    const { kind, text: found } = this.peek;
    return kind === 'symbol' && found === text;
  }

  protected takeSymbol(text: string): boolean {
    if (!this.isSymbol(text)) return false;
    this.at++;
    return true;
  }

  protected expectSymbol(text: string): void {
    if (!this.takeSymbol(text)) throw this.unexpected();
  }

  /** A keyword, in any case. */
  protected isWord(word: string): boolean {
    const { kind, text } = this.peek;
    return kind === 'name' && text.toUpperCase() === word;
  }

  protected takeWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.at++;
    return true;
  }

  /** Counts an operator or function. */
  protected countOperator(): void {
    this.#operators++;
    if (this.#operators > operatorsMax)
      throw new ExpressionError(
        `The expression contains too many operators; operator count: ${this.#operators}, maximum: ${operatorsMax}`,
      );
  }

  /** `a.b[1].#c`, names resolved. */
  protected parsePath(): Path {
    const path: (string | number)[] = [this.#parseName()];
    for (;;) {
      if (this.takeSymbol('.')) path.push(this.#parseName());
      else if (this.takeSymbol('[')) {
        if (this.peek.kind !== 'integer') throw this.unexpected();
        path.push(Number(this.next().text));
        this.expectSymbol(']');
      } else break;
      if (path.length > pathPartsMax) throw new ExpressionError('The document path has too many nesting elements');
    }
    return path;
  }

  #parseName(): string {
    const { kind, text } = this.peek;
    if (kind === 'name') {
      this.at++;
      if (isReserved(text)) this.fault('reserved', `Attribute name is a reserved keyword; reserved keyword: ${text}`);
      return text;
    }
    if (kind !== 'nameRef') throw this.unexpected();
    this.at++;
    const name = this.#placeholders.name(text);
    if (name === undefined)
      this.fault('name', `An expression attribute name used in the document path is not defined; attribute name: ${text}`);
    return name ?? text;
  }

  /** The value behind `:v`. One that is not defined is an error, and the empty string meanwhile. */
  protected parseValueRef(): Value | undefined {
    const { text } = this.next();
    const value = this.#placeholders.value(text);
    if (value === undefined)
      this.fault('name', `An expression attribute value used in expression is not defined; attribute value: ${text}`);
    return value;
  }

  /** Two paths of which one is, or leads to, the other, or that need one thing to be both map and list. */
  protected checkOverlap(paths: readonly Path[], path: Path): void {
    const tell = (a: Path, b: Path): string =>
      `must remove or rewrite one of these paths; path one: ${formatPath(a)}, path two: ${formatPath(b)}`;
    for (const other of paths) {
      const at = firstDifference(other, path);
      if (at === undefined) this.fault('overlap', `Two document paths overlap with each other; ${tell(other, path)}`);
      else if (typeof other[at] !== typeof path[at])
        this.fault('conflict', `Two document paths conflict with each other; ${tell(other, path)}`);
    }
  }

  protected wrongOperand(name: string, type: string): void {
    this.fault('type', `Incorrect operand type for operator or function; operator or function: ${name}, operand type: ${type}`);
  }

  protected wrongCount(name: string, count: number): void {
    this.fault(
      'operand',
      `Incorrect number of operands for operator or function; operator or function: ${name}, number of operands: ${count}`,
    );
  }
}

/** Where two paths part; undefined when one leads to the other. */
function firstDifference(a: Path, b: Path): number | undefined {
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return at;
  return undefined;
}

/** Whether two paths are the same. */
export function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && firstDifference(a, b) === undefined;
}
