/**
 * The grammar of mapping templates: Apache Velocity 1.7 as far as API Gateway's templates go (references, #set, #if, #foreach, comments, literals;
 * no macros, no includes). Text in, a tree out; `evaluate.ts` runs it. Own code, because the interpreters on npm let a template reach
 * JavaScript's own properties (`$x.constructor`), which would be a way out of the cloud into its process.
 */

export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'print'; reference: Reference; quiet: boolean; source: string }
  | { kind: 'set'; target: Reference; value: Expression }
  | { kind: 'if'; branches: readonly { when: Expression | undefined; body: readonly Node[] }[] }
  | { kind: 'foreach'; variable: string; over: Expression; body: readonly Node[] }
  | { kind: 'break' | 'stop' };

export type Step =
  | { kind: 'property'; name: string }
  | { kind: 'call'; name: string; args: readonly Expression[] }
  | { kind: 'index'; at: Expression };

export interface Reference {
  root: string;
  steps: readonly Step[];
}

export type Expression =
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'template'; body: readonly Node[] }
  | { kind: 'reference'; reference: Reference }
  | { kind: 'list'; items: readonly Expression[] }
  | { kind: 'range'; from: Expression; to: Expression }
  | { kind: 'map'; entries: readonly (readonly [Expression, Expression])[] }
  | { kind: 'not'; of: Expression }
  | { kind: 'negative'; of: Expression }
  | { kind: 'binary'; operator: string; left: Expression; right: Expression };

/** A template that is not well-formed. */
export class TemplateError extends Error {}

/** Nested directives and brackets; deeper ones are refused rather than overflow the stack. */
const depthMax = 100;

/** Parses a template. Throws TemplateError. */
export function parseTemplate(text: string): readonly Node[] {
  const parser = new Parser(text);
  const body = parser.block(0);
  if (parser.ending !== '') throw new TemplateError(`Unexpected #${parser.ending} at ${parser.at}.`);
  return body;
}

const identifier = /[A-Za-z_][\w-]*/y;
const directive = /#(?:\{(set|if|elseif|else|end|foreach|break|stop)\}|(set|if|elseif|else|end|foreach|break|stop)(?![\w]))/y;

class Parser {
  readonly #text: string;
  at = 0;
  /** The directive that ended the last block. */
  ending = '';

  constructor(text: string) {
    this.#text = text;
  }

  /** Nodes up to #end, #else, #elseif or the end of the text. */
  block(depth: number): Node[] {
    if (depth > depthMax) throw new TemplateError('The template is nested too deeply.');
    const nodes: Node[] = [];
    let text = '';
    const flush = (): void => {
      if (text !== '') nodes.push({ kind: 'text', text });
      text = '';
    };
    this.ending = '';
    while (this.at < this.#text.length) {
      const char = this.#text[this.at]!;
      if (char === '\\' && /[$#\\]/.test(this.#text[this.at + 1] ?? '')) {
        const next = this.#text[this.at + 1]!;
        text += next === '\\' ? '\\\\' : next;
        this.at += 2;
      } else if (char === '$') {
        const print = this.#reference();
        if (print === undefined) text += this.#text[this.at++];
        else {
          flush();
          nodes.push(print);
        }
      } else if (char === '#') {
        const literal = this.#unparsed();
        if (literal !== undefined) {
          text += literal;
          continue;
        }
        const name = this.#match(directive);
        if (name === undefined) {
          text += this.#text[this.at++];
          continue;
        }
        const [whole, braced, plain] = name;
        const word = braced ?? plain ?? '';
        text = this.#aloneBefore(whole, word, text);
        flush();
        if (word === 'end' || word === 'else' || word === 'elseif') {
          this.ending = word;
          return nodes;
        }
        nodes.push(this.#directive(word, depth));
      } else {
        text += char;
        this.at += 1;
      }
    }
    flush();
    this.ending = '';
    return nodes;
  }

  /** White space before a directive goes when nothing else stands on its line. */
  #aloneBefore(whole: string, word: string, text: string): string {
    const start = this.at - whole.length;
    const lineStart = this.#text.lastIndexOf('\n', start - 1) + 1;
    if (!/^[ \t]*$/.test(this.#text.slice(lineStart, start))) return text;
    if (word === 'end' || word === 'else' || word === 'break' || word === 'stop') this.#skipLineEnd();
    return text.replace(/[ \t]*$/, '');
  }

  #skipLineEnd(): void {
    const end = /[ \t]*(?:\r?\n)/y;
    this.#match(end);
  }

  /** Comments (nothing) and `#[[ … ]]#` (as it stands). */
  #unparsed(): string | undefined {
    const rest = this.#text;
    const until = (start: string, end: string): string | undefined => {
      if (!rest.startsWith(start, this.at)) return undefined;
      const close = rest.indexOf(end, this.at + start.length);
      const inside = rest.slice(this.at + start.length, close < 0 ? undefined : close);
      this.at = close < 0 ? rest.length : close + end.length;
      return inside;
    };
    const raw = until('#[[', ']]#');
    if (raw !== undefined) return raw;
    if (until('#*', '*#') !== undefined || until('##', '\n') !== undefined) return '';
    return undefined;
  }

  #directive(word: string, depth: number): Node {
    if (word === 'break' || word === 'stop') return { kind: word };
    if (word === 'set') return this.#set();
    if (word === 'foreach') return this.#foreach(depth);
    return this.#if(depth);
  }

  #set(): Node {
    this.#expect('(');
    this.#space();
    const target = this.#reference();
    if (target?.kind !== 'print') throw new TemplateError(`#set needs a reference at ${this.at}.`);
    this.#expect('=');
    const value = this.#expression(0);
    this.#expect(')');
    this.#skipLineEnd();
    return { kind: 'set', target: target.reference, value };
  }

  #foreach(depth: number): Node {
    this.#expect('(');
    this.#space();
    const variable = this.#reference();
    if (variable?.kind !== 'print') throw new TemplateError(`#foreach needs a reference at ${this.at}.`);
    this.#space();
    if (this.#match(/in\b/y) === undefined) throw new TemplateError(`#foreach needs "in" at ${this.at}.`);
    const over = this.#expression(0);
    this.#expect(')');
    this.#skipLineEnd();
    const body = this.block(depth + 1);
    if (this.ending !== 'end') throw new TemplateError('#foreach has no #end.');
    return { kind: 'foreach', variable: variable.reference.root, over, body };
  }

  #if(depth: number): Node {
    const branches: { when: Expression | undefined; body: readonly Node[] }[] = [];
    let hasCondition = true;
    for (;;) {
      let when: Expression | undefined;
      if (hasCondition) {
        this.#expect('(');
        when = this.#expression(0);
        this.#expect(')');
        this.#skipLineEnd();
      }
      const body = this.block(depth + 1);
      branches.push({ when, body });
      if (this.ending === 'end') return { kind: 'if', branches };
      if (this.ending === '' || !hasCondition) throw new TemplateError('#if has no #end.');
      hasCondition = this.ending === 'elseif';
    }
  }

  /** A reference at `$`; undefined when what follows is none, and then nothing is consumed. */
  #reference(): Extract<Node, { kind: 'print' }> | undefined {
    const start = this.at;
    this.at += 1;
    const quiet = this.#take('!');
    const braced = this.#take('{');
    const root = this.#match(identifier)?.[0];
    if (root === undefined) {
      this.at = start;
      return undefined;
    }
    const steps: Step[] = [];
    for (;;) {
      const before = this.at;
      if (this.#take('.')) {
        const name = this.#match(identifier)?.[0];
        if (name === undefined) {
          this.at = before;
          break;
        }
        if (this.#take('(')) steps.push({ kind: 'call', name, args: this.#list(')') });
        else steps.push({ kind: 'property', name });
      } else if (this.#text[this.at] === '[' && this.#isIndex()) {
        this.at += 1;
        const at = this.#expression(0);
        this.#expect(']');
        steps.push({ kind: 'index', at });
      } else break;
    }
    if (braced && !this.#take('}')) {
      this.at = start;
      return undefined;
    }
    return { kind: 'print', reference: { root, steps }, quiet, source: this.#text.slice(start, this.at) };
  }

  /** Whether a bracket after a reference is an index and not text. */
  #isIndex(): boolean {
    return /^\[\s*(?:-?\d+|"[^"]*"|'[^']*'|\$[^\]]*)\s*\]/.test(this.#text.slice(this.at, this.at + 200));
  }

  #list(end: string): Expression[] {
    const items: Expression[] = [];
    this.#space();
    if (this.#take(end)) return items;
    for (;;) {
      items.push(this.#expression(0));
      this.#space();
      if (this.#take(end)) return items;
      this.#expect(',');
    }
  }

  #expression(depth: number): Expression {
    return this.#binary(0, depth);
  }

  /** Operators by precedence, the loosest first. */
  #binary(level: number, depth: number): Expression {
    if (depth > depthMax) throw new TemplateError('The expression is nested too deeply.');
    const operators = precedence[level];
    if (operators === undefined) return this.#unary(depth);
    let left = this.#binary(level + 1, depth);
    for (;;) {
      this.#space();
      const found = this.#match(operators)?.[0];
      if (found === undefined) return left;
      const operator = words[found.trim()] ?? found;
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1, depth) };
    }
  }

  #unary(depth: number): Expression {
    this.#space();
    if (this.#match(/!(?!=)|not\b/y) !== undefined) return { kind: 'not', of: this.#unary(depth + 1) };
    if (this.#match(/-(?=[$(])/y) !== undefined) return { kind: 'negative', of: this.#unary(depth + 1) };
    return this.#primary(depth);
  }

  #primary(depth: number): Expression {
    const char = this.#text[this.at];
    if (char === '$') {
      const found = this.#reference();
      if (found?.kind === 'print') return { kind: 'reference', reference: found.reference };
    } else if (char === '"' || char === "'") return this.#string(char);
    else if (this.#take('(')) {
      const inside = this.#expression(depth + 1);
      this.#expect(')');
      return inside;
    } else if (this.#take('[')) return this.#listOrRange(depth);
    else if (this.#take('{')) return this.#map(depth);
    const word = this.#match(/(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y)?.[0];
    if (word === undefined) throw new TemplateError(`An expression is expected at ${this.at}.`);
    if (word === 'null') return { kind: 'literal', value: null };
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
    return { kind: 'literal', value: Number(word) };
  }

  #listOrRange(depth: number): Expression {
    this.#space();
    if (this.#take(']')) return { kind: 'list', items: [] };
    const first = this.#expression(depth + 1);
    this.#space();
    if (this.#match(/\.\./y) !== undefined) {
      const to = this.#expression(depth + 1);
      this.#expect(']');
      return { kind: 'range', from: first, to };
    }
    if (this.#take(']')) return { kind: 'list', items: [first] };
    this.#expect(',');
    return { kind: 'list', items: [first, ...this.#list(']')] };
  }

  #map(depth: number): Expression {
    const entries: [Expression, Expression][] = [];
    this.#space();
    if (this.#take('}')) return { kind: 'map', entries };
    for (;;) {
      const key = this.#expression(depth + 1);
      this.#expect(':');
      entries.push([key, this.#expression(depth + 1)]);
      this.#space();
      if (this.#take('}')) return { kind: 'map', entries };
      this.#expect(',');
    }
  }

  /** Single quotes hold text as it is; double quotes hold a template. A doubled quote stands for itself. */
  #string(quote: string): Expression {
    this.at += 1;
    let value = '';
    for (;;) {
      const char = this.#text[this.at];
      if (char === undefined) throw new TemplateError('A string has no end.');
      this.at += 1;
      if (char !== quote) value += char;
      else if (this.#text[this.at] === quote) {
        value += quote;
        this.at += 1;
      } else break;
    }
    if (quote === "'" || !/[$#]/.test(value)) return { kind: 'literal', value };
    return { kind: 'template', body: parseTemplate(value) };
  }

  #space(): void {
    this.#match(/\s+/y);
  }

  #take(char: string): boolean {
    if (this.#text[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  #expect(char: string): void {
    this.#space();
    if (!this.#take(char)) throw new TemplateError(`"${char}" is expected at ${this.at}.`);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.at += found[0].length;
    return found;
  }
}

const precedence: readonly RegExp[] = [
  /\|\||or\b/y,
  /&&|and\b/y,
  /==|!=|(?:eq|ne)\b/y,
  /<=|>=|<|>|(?:le|ge|lt|gt)\b/y,
  /[+]|-/y,
  /[*/%]/y,
];

const words: Readonly<Record<string, string>> = {
  or: '||',
  and: '&&',
  eq: '==',
  ne: '!=',
  le: '<=',
  ge: '>=',
  lt: '<',
  gt: '>',
};
