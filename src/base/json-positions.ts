/**
 * JSON with positions: the same values as JSON.parse, each with the column that AWS's parsers name in their messages (`line: 1, column: 22`): one
 * behind the opening character of a text, list or object, one behind the end of anything else. Duplicate keys stay, in order.
 */

export interface JsonNode {
  column: number;
  value: JsonValue;
}
export type JsonValue =
  | { kind: 'text'; text: string }
  | { kind: 'number'; number: number; text: string }
  | { kind: 'literal'; literal: boolean | null }
  | { kind: 'list'; items: readonly JsonNode[]; endColumn: number }
  | { kind: 'object'; members: readonly { name: string; node: JsonNode }[] };

/** Deepest nesting that is read. */
const depthMax = 64;

/** Not JSON, or nested too deep. */
export class JsonPositionError extends Error {}

/** Reads a text. Throws JsonPositionError. */
export function parseWithPositions(text: string): JsonNode {
  const reader = new Reader(text);
  const node = reader.node(0);
  reader.end();
  return node;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  end(): void {
    this.#skip();
    if (this.#at < this.#text.length) throw this.#wrong();
  }

  node(depth: number): JsonNode {
    if (depth > depthMax) throw new JsonPositionError('Nested too deep.');
    this.#skip();
    const start = this.#at;
    const letter = this.#text[start];
    if (letter === '"') return { value: { kind: 'text', text: this.#string() }, column: start + 2 };
    if (letter === '[') return { value: this.#list(depth), column: start + 2 };
    if (letter === '{') return { value: this.#object(depth), column: start + 2 };
    const [word] =
      /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(this.#text.slice(start, start + 64)) ?? [];
    if (word === undefined) throw this.#wrong();
    this.#at += word.length;
    const parsed = JSON.parse(word) as number | boolean | null;
    const value: JsonValue =
      typeof parsed === 'number' ? { kind: 'number', number: parsed, text: word } : { kind: 'literal', literal: parsed };
    return { value, column: this.#at + 1 };
  }

  #list(depth: number): JsonValue {
    this.#at += 1;
    const items: JsonNode[] = [];
    if (!this.#take(']')) {
      do items.push(this.node(depth + 1));
      while (this.#take(','));
      this.#need(']');
    }
    return { kind: 'list', items, endColumn: this.#at + 1 };
  }

  #object(depth: number): JsonValue {
    this.#at += 1;
    const members: { name: string; node: JsonNode }[] = [];
    if (this.#take('}')) return { kind: 'object', members };
    do {
      this.#skip();
      if (this.#text[this.#at] !== '"') throw this.#wrong();
      const name = this.#string();
      this.#need(':');
      members.push({ name, node: this.node(depth + 1) });
    } while (this.#take(','));
    this.#need('}');
    return { kind: 'object', members };
  }

  #string(): string {
    const start = this.#at;
    for (let at = start + 1; at < this.#text.length; at++) {
      const letter = this.#text[at];
      if (letter === '\\') at += 1;
      else if (letter === '"') {
        this.#at = at + 1;
        try {
          return JSON.parse(this.#text.slice(start, at + 1)) as string;
        } catch {
          throw this.#wrong();
        }
      }
    }
    throw this.#wrong();
  }

  #skip(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #take(letter: string): boolean {
    this.#skip();
    if (this.#text[this.#at] !== letter) return false;
    this.#at += 1;
    return true;
  }

  #need(letter: string): void {
    if (!this.#take(letter)) throw this.#wrong();
  }

  #wrong(): JsonPositionError {
    return new JsonPositionError(`Unexpected character at ${this.#at}.`);
  }
}
