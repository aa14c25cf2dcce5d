/**
 * A policy document as its JSON says, in one shape: single values and lists alike become lists. Nothing is checked here beyond what reading
 * needs; validate.ts judges documents, compile.ts makes matchers of them.
 *
 * The text is scanned before it is parsed. `JSON.parse` keeps the last of two members of one name, so a document could show a reader one
 * Effect and give the engine another; IAM's grammar forbids that ("Individual elements must not contain multiple instances of the same
 * key"). The scan also bounds nesting and finds where each statement stands, which the policy simulator reports.
 */

/** Longest document read, in characters: the longest any API takes (IAM `policyDocumentType`). */
export const documentCharsMax = 131_072;
/** A document nests five levels (document, statement, condition, operator, list); the rest is slack. */
export const documentDepthMax = 16;
export const documentStatementsMax = 4_000;

/** Line and column, both counted from 1, of a statement's first character and of the one after its last. */
export interface Span {
  start: { line: number; column: number };
  end: { line: number; column: number };
}

export interface PrincipalElement {
  /** `"Principal": "*"`. */
  everyone: boolean;
  /** Values by kind (`AWS`, `Service`, `Federated`, `CanonicalUser`). */
  byKind: ReadonlyMap<string, readonly string[]>;
}

export interface ConditionElement {
  operator: string;
  key: string;
  values: readonly string[];
}

export interface StatementElement {
  sid: string | undefined;
  effect: string;
  principal: PrincipalElement | undefined;
  notPrincipal: PrincipalElement | undefined;
  actions: readonly string[] | undefined;
  notActions: readonly string[] | undefined;
  resources: readonly string[] | undefined;
  notResources: readonly string[] | undefined;
  conditions: readonly ConditionElement[];
}

export interface PolicyDocument {
  /** `2008-10-17` when the document does not say. */
  version: string;
  id: string | undefined;
  statements: readonly StatementElement[];
}

export type JsonObject = { readonly [member: string]: unknown };

/** The text is no JSON, repeats a member, or nests too deeply. */
export class DocumentError extends Error {}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Open {
  array: boolean;
  members: Set<string>;
  /** Whether this is the Statement list, the Statement object, or the document. */
  role: 'document' | 'statements' | 'other';
  key: string | undefined;
}

/** One pass over the text with a stack of open brackets. Relies on `JSON.parse` having accepted the text. */
class Scan {
  readonly spans: { start: number; end: number }[] = [];
  readonly #open: Open[] = [];
  #start = -1;

  constructor(text: string) {
    for (let at = 0; at < text.length; at++) {
      const character = text[at]!;
      if (character === '"') at = this.#string(text, at);
      else if (character === '{' || character === '[') this.#enter(character === '[', at);
      else if (character === '}' || character === ']') this.#leave(at);
    }
  }

  #string(text: string, start: number): number {
    let end = start + 1;
    while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    const top = this.#open.at(-1);
    if (top === undefined || top.array) return end;
    let after = end + 1;
    while (/\s/.test(text[after] ?? '')) after++;
    if (text[after] !== ':') return end;
    const member: string = JSON.parse(text.slice(start, end + 1));
    if (top.members.has(member)) throw new DocumentError(`The member ${member} stands twice in one object.`);
    top.members.add(member);
    top.key = member;
    return after;
  }

  #enter(array: boolean, at: number): void {
    const top = this.#open.at(-1);
    const inStatement = top?.role === 'document' && top.key === 'Statement';
    if ((inStatement && !array) || (top?.role === 'statements' && !array)) this.#start = at;
    const role = top === undefined ? 'document' : inStatement && array ? 'statements' : 'other';
    this.#open.push({ array, members: new Set(), role, key: undefined });
    if (this.#open.length > documentDepthMax) throw new DocumentError('The document nests too deeply.');
  }

  #leave(at: number): void {
    const closed = this.#open.pop();
    const top = this.#open.at(-1);
    const statement =
      closed?.array === false && (top?.role === 'statements' || (top?.role === 'document' && top.key === 'Statement'));
    if (!statement) return;
    this.spans.push({ start: this.#start, end: at + 1 });
    if (this.spans.length > documentStatementsMax) throw new DocumentError('The document has too many statements.');
  }
}

/**
 * Parses a document's JSON.
 * @throws DocumentError when the text is too long, no JSON object, repeats a member of an object, or nests too deeply
 */
export function parseJson(text: string): JsonObject {
  if (text.length > documentCharsMax) throw new DocumentError('The document is too long.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DocumentError('The document is no JSON.', { cause: error });
  }
  if (!isObject(value)) throw new DocumentError('The document is no JSON object.');
  new Scan(text);
  return value;
}

/** Where each statement of a document stands. Empty for a text that `parseJson` refuses. */
export function statementSpans(text: string): Span[] {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof DocumentError) return [];
    throw error;
  }
  const position = (offset: number): { line: number; column: number } => {
    const before = text.slice(0, offset);
    const lineStart = before.lastIndexOf('\n') + 1;
    return { line: before.split('\n').length, column: offset - lineStart + 1 };
  };
  return new Scan(text).spans.map(({ start, end }) => ({ start: position(start), end: position(end) }));
}

/** A value or list of values as text; numbers and booleans as JSON writes them. Undefined when it is something else. */
export function textList(value: unknown): string[] | undefined {
  const list = Array.isArray(value) ? value : [value];
  const texts: string[] = [];
  for (const item of list) {
    if (typeof item !== 'string' && typeof item !== 'number' && typeof item !== 'boolean') return undefined;
    texts.push(String(item));
  }
  return texts;
}

function readPrincipal(value: unknown): PrincipalElement | undefined {
  if (value === undefined) return undefined;
  if (value === '*') return { everyone: true, byKind: new Map() };
  const entries = isObject(value) ? Object.entries(value) : [];
  return { everyone: false, byKind: new Map(entries.map(([kind, values]) => [kind, textList(values) ?? []])) };
}

function readConditions(value: unknown): ConditionElement[] {
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([operator, keys]) =>
    isObject(keys) ? Object.entries(keys).map(([key, values]) => ({ operator, key, values: textList(values) ?? [] })) : [],
  );
}

function readStatement(value: JsonObject): StatementElement {
  const list = (member: string): string[] | undefined => (value[member] === undefined ? undefined : textList(value[member]));
  return {
    sid: typeof value['Sid'] === 'string' && value['Sid'] !== '' ? value['Sid'] : undefined,
    effect: String(value['Effect']),
    principal: readPrincipal(value['Principal']),
    notPrincipal: readPrincipal(value['NotPrincipal']),
    actions: list('Action'),
    notActions: list('NotAction'),
    resources: list('Resource'),
    notResources: list('NotResource'),
    conditions: readConditions(value['Condition']),
  };
}

/** The document of parsed JSON. Members of the wrong type read as absent; validate.ts refuses them. */
export function readDocument(json: JsonObject): PolicyDocument {
  const statements = Array.isArray(json['Statement']) ? json['Statement'] : [json['Statement']];
  return {
    version: typeof json['Version'] === 'string' ? json['Version'] : '2008-10-17',
    id: typeof json['Id'] === 'string' ? json['Id'] : undefined,
    statements: statements.filter(isObject).map(readStatement),
  };
}

/** Reads a document from its text. @throws DocumentError as `parseJson` */
export function parseDocument(text: string): PolicyDocument {
  return readDocument(parseJson(text));
}
