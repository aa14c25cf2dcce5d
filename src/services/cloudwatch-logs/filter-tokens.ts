/** Reads the bracketed forms of filter patterns piece by piece. */
import { expressionOf, type Operand, type Operator, PatternError } from './filter-values.ts';

/** A position in a pattern. */
export class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Skips white space, then takes the text if it comes next. */
  take(text: string): boolean {
    this.#skip();
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** Takes the text or throws PatternError. */
  need(text: string): void {
    if (!this.take(text)) throw new PatternError();
  }

  /** Skips white space, then takes what the expression (sticky) matches. */
  match(expression: RegExp): string | undefined {
    this.#skip();
    const sticky = new RegExp(expression.source, `${expression.flags.replace('y', '')}y`);
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  get ended(): boolean {
    this.#skip();
    return this.#at >= this.#text.length;
  }

  operator(): Operator | undefined {
    return this.match(/!=|<=|>=|=|<|>/) as Operator | undefined;
  }

  /** A value: `"quoted"`, `%expression%`, or bare up to white space and punctuation. */
  operand(): Operand {
    const quoted = this.match(/"(?:[^"\\]|\\.)*"/);
    if (quoted !== undefined) return { text: quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1') };
    const expression = this.match(/%[^%]*%/);
    if (expression !== undefined) return { expression: expressionOf(expression.slice(1, -1)) };
    const bare = this.match(/[^\s"%(){}[\],&|=<>!]+/);
    if (bare === undefined) throw new PatternError();
    return { text: bare };
  }

  #skip(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }
}

/** `a && b || (c)`, `&&` before `||`. `one` reads a single condition. */
export function readConditions<Subject>(reader: Reader, one: () => (subject: Subject) => boolean): (subject: Subject) => boolean {
  const unit = (): ((subject: Subject) => boolean) => {
    if (!reader.take('(')) return one();
    const inner = readConditions(reader, one);
    reader.need(')');
    return inner;
  };
  const both = (): ((subject: Subject) => boolean) => {
    let left = unit();
    while (reader.take('&&')) {
      const [a, b] = [left, unit()];
      left = (subject) => a(subject) && b(subject);
    }
    return left;
  };
  let left = both();
  while (reader.take('||')) {
    const [a, b] = [left, both()];
    left = (subject) => a(subject) || b(subject);
  }
  return left;
}
