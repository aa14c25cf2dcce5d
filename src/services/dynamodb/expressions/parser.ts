/**
 * What the parsers of conditions, projections and updates share: the position in the tokens, document paths, placeholders, and errors in the order in
 * which AWS reports them. Syntax and redundant parentheses end the parse where they are met. What is wrong with words (functions, reserved names,
 * indexes of lists) is told next, the first in the text; then what is wrong with meanings, in the order in which AWS works them out: operands
 * before what uses them, and in updates and projections from the last part to the first; the number of operators last.
 */
import type { Value } from '../values.ts';
import { formatPath, type Path } from './ast.ts';
import { ExpressionError, syntaxError, type Token, tokenise } from './lexer.ts';
import type { Placeholders } from './placeholders.ts';
import { isReserved } from './reserved-words.ts';

/** "Expression parameters": 300 operators or functions in one expression. */
const operatorsMax = 300;
/** Document paths: "dereference operators". */
const pathPartsMax = 32;
/** Elements of a list are counted with 32 bits. */
const listIndexMax = 2 ** 31 - 1;
/** Where each function may stand, and with how many operands. */
const functions: Readonly<Record<string, { in: ExpressionKind; operands: number }>> = {
  attribute_exists: { in: 'condition', operands: 1 },
  attribute_not_exists: { in: 'condition', operands: 1 },
  attribute_type: { in: 'condition', operands: 2 },
  begins_with: { in: 'condition', operands: 2 },
  contains: { in: 'condition', operands: 2 },
  size: { in: 'condition', operands: 1 },
  if_not_exists: { in: 'update', operands: 2 },
  list_append: { in: 'update', operands: 2 },
};

export type ExpressionKind = 'condition' | 'update';

/** A path, and what is wrong with its names or its length. */
export interface PathRead {
  path: Path;
  problem: string | undefined;
}

export class ExpressionParser {
  readonly text: string;
  readonly tokens: readonly Token[];
  protected at = 0;
  readonly #placeholders: Placeholders;
  /** The first error of words, and where it is. */
  #early: { at: number; message: string } | undefined;
  /** Errors of meanings as they are met. */
  #late: string[] = [];
  #operators = 0;

  constructor(text: string, placeholders: Placeholders) {
    this.text = text;
    this.tokens = tokenise(text);
    this.#placeholders = placeholders;
  }

  /** Remembers what is wrong with the word at a token. */
  protected wrongWord(message: string, at: number): void {
    if (this.#early === undefined || at < this.#early.at) this.#early = { at, message };
  }

  /** Remembers what is wrong with a meaning. */
  protected wrongMeaning(message: string | undefined): void {
    if (message !== undefined) this.#late.push(message);
  }

  /** Errors of meanings that this part has, apart from those of others. */
  protected apart<T>(parse: () => T): { result: T; problem: string | undefined } {
    const others = this.#late;
    this.#late = [];
    const result = parse();
    const problem = this.#late[0];
    this.#late = others;
    return { result, problem };
  }

  /** Ends the parse: nothing may follow, and no error may have been met. `check` looks at the whole between words and meanings. */
  protected finish(check: () => void = () => undefined): void {
    if (this.peek.kind !== 'end') throw this.unexpected();
    if (this.#early !== undefined) throw new ExpressionError(this.#early.message);
    check();
    if (this.#late[0] !== undefined) throw new ExpressionError(this.#late[0]);
    if (this.#operators > operatorsMax)
      throw new ExpressionError(`The expression contains too many operators; operator count: ${operatorsMax + 1}`);
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
    return kind === 'keyword' && text.toUpperCase() === word;
  }

  protected takeWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.at++;
    return true;
  }

  /** Counts an operator or function. */
  protected countOperator(): void {
    this.#operators++;
  }

  /** The function whose name is here, if one is called here. */
  protected get calls(): boolean {
    const follows = this.tokens[this.at + 1];
    return this.peek.kind === 'name' && follows?.kind === 'symbol' && follows.text === '(';
  }

  /** Reads a call up to its closing parenthesis. Gives no operands when the function may not stand in this kind of expression or lacks some. */
  protected parseCall<T>(kind: ExpressionKind, parseOperand: () => T): { name: string; at: number; operands: T[] | undefined } {
    const { at } = this;
    const name = this.next().text;
    this.at++;
    this.countOperator();
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (known === undefined) this.wrongWord(`Invalid function name; function: ${name}`, at);
    else if (known.in !== kind)
      this.wrongWord(
        `The function is not allowed in ${kind === 'update' ? 'an' : 'a'} ${kind} expression; function: ${name}`,
        at,
      );
    const operands: T[] = [];
    do operands.push(parseOperand());
    while (this.takeSymbol(','));
    this.expectSymbol(')');
    if (known?.in !== kind) return { name, at, operands: undefined };
    if (known.operands === operands.length) return { name, at, operands };
    this.wrongMeaning(
      `Incorrect number of operands for operator or function; operator or function: ${name}, number of operands: ${operands.length}`,
    );
    return { name, at, operands: undefined };
  }

  /** A function that stands where its result is no use. */
  protected misused(name: string, at: number): void {
    this.wrongWord(`The function is not allowed to be used this way in an expression; function: ${name}`, at);
  }

  /** Closes parentheses; `again` when what is inside is in parentheses as a whole. */
  protected closeParentheses(again: boolean): void {
    this.expectSymbol(')');
    if (again) throw new ExpressionError('The expression has redundant parentheses;');
  }

  /** `a.b[1].#c`, names resolved; its problem is one of meaning, for the caller to tell in its time. */
  protected readPath(): PathRead {
    const path: (string | number)[] = [];
    const unknown: string[] = [];
    path.push(this.#parseName(unknown));
    for (;;) {
      if (this.takeSymbol('.')) path.push(this.#parseName(unknown));
      else if (this.takeSymbol('[')) path.push(this.#parseIndex());
      else break;
    }
    const deep = `The document path has too many nesting levels; nesting levels: ${path.length}`;
    return { path, problem: path.length > pathPartsMax ? deep : unknown[0] };
  }

  /** A path where its problem counts at once. */
  protected parsePath(): Path {
    const { path, problem } = this.readPath();
    this.wrongMeaning(problem);
    return path;
  }

  #parseIndex(): number {
    if (this.peek.kind !== 'integer') throw this.unexpected();
    const { at } = this;
    const { text } = this.next();
    this.expectSymbol(']');
    if (Number(text) > listIndexMax) this.wrongWord(`List index is not within the allowable range; index: [${text}]`, at);
    return Number(text);
  }

  #parseName(unknown: string[]): string {
    const { kind, text } = this.peek;
    if (kind === 'name') {
      if (isReserved(text)) this.wrongWord(`Attribute name is a reserved keyword; reserved keyword: ${text}`, this.at);
      this.at++;
      return text;
    }
    if (kind !== 'nameRef') throw this.unexpected();
    this.at++;
    const name = this.#placeholders.name(text);
    if (name === undefined)
      unknown.push(`An expression attribute name used in the document path is not defined; attribute name: ${text}`);
    return name ?? text;
  }

  /** The value behind `:v`; undefined when it is not defined, which has been noted. */
  protected parseValueRef(): Value | undefined {
    const { text } = this.next();
    const value = this.#placeholders.value(text);
    if (value === undefined)
      this.wrongMeaning(`An expression attribute value used in expression is not defined; attribute value: ${text}`);
    return value;
  }

  /**
   * Paths that stand beside each other, the last first: names that are not defined, and two paths of which one is, or leads to, the other, or that need
   * one thing to be both map and list. Throws ExpressionError.
   */
  protected checkPaths(reads: readonly PathRead[]): void {
    const seen: Path[] = [];
    for (const { path, problem } of reads.toReversed()) {
      if (problem !== undefined) throw new ExpressionError(problem);
      for (const other of seen) checkApart(path, other);
      seen.push(path);
    }
  }

  protected wrongOperand(name: string, type: string): void {
    this.wrongMeaning(`Incorrect operand type for operator or function; operator or function: ${name}, operand type: ${type}`);
  }
}

function checkApart(one: Path, two: Path): void {
  const rewrite = `must remove or rewrite one of these paths; path one: ${formatPath(one)}, path two: ${formatPath(two)}`;
  const at = firstDifference(one, two);
  if (at === undefined) throw new ExpressionError(`Two document paths overlap with each other; ${rewrite}`);
  if (typeof one[at] !== typeof two[at]) throw new ExpressionError(`Two document paths conflict with each other; ${rewrite}`);
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
