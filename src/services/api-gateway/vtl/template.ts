/**
 * Mapping templates as API Gateway runs them: the variables `$input`, `$context`, `$stageVariables` and `$util` ("API Gateway mapping template and access
 * logging variable reference"). Templates are compiled once; the cache is bounded and can be rebuilt.
 */
import { jsonpath } from 'json-p3';
import { fromJson, HostObject, runTemplate, toJson, type Value } from './evaluate.ts';
import { type Node, parseTemplate } from './syntax.ts';

export { TemplateError } from './syntax.ts';

/** What a template is run over. */
export interface TemplateInput {
  body: string;
  path: Readonly<Record<string, string>>;
  querystring: Readonly<Record<string, string>>;
  header: Readonly<Record<string, string>>;
  context: unknown;
  stageVariables: Readonly<Record<string, string>>;
}

/** What a template may leave behind for the gateway (`$context.responseOverride.status`, `$context.requestOverride…`). */
export interface TemplateResult {
  text: string;
  /** `$context` as the template left it. */
  context: unknown;
}

const templatesMax = 2000;
const templatesCache = new Map<string, readonly Node[]>();

function compile(text: string): readonly Node[] {
  let nodes = templatesCache.get(text);
  if (nodes === undefined) {
    nodes = parseTemplate(text);
    if (templatesCache.size >= templatesMax) templatesCache.clear();
    templatesCache.set(text, nodes);
  }
  return nodes;
}

/** Runs a template. Throws TemplateError for one that cannot be read or goes beyond its bounds. */
export function renderTemplate(text: string, input: TemplateInput): TemplateResult {
  // Most templates of mocks are plain text.
  if (!/[$#]/.test(text)) return { text, context: input.context };
  const context = fromJson(input.context);
  const variables = new Map<string, Value>([
    ['input', inputObject(input)],
    ['context', context],
    ['stageVariables', fromJson(input.stageVariables)],
    ['util', util],
  ]);
  const rendered = runTemplate(compile(text), variables);
  return { text: rendered, context: toJson(context) };
}

function inputObject(input: TemplateInput): HostObject {
  const { body, path, querystring, header } = input;
  let parsed: { value: unknown } | undefined;
  const payload = (): unknown => {
    parsed ??= { value: parseBody(body) };
    return parsed.value;
  };
  const params = (name: Value): Value => {
    if (name === undefined) return fromJson({ path, querystring, header });
    const key = String(name);
    // "Searches the path, query string, or header value in that order"; header names in any case are the client's business.
    for (const from of [path, querystring, header]) if (Object.hasOwn(from, key)) return from[key];
    return '';
  };
  return new HostObject(
    { body },
    {
      params,
      json: (at) => JSON.stringify(findPath(payload(), String(at ?? '$')) ?? ''),
      path: (at) => fromJson(findPath(payload(), String(at ?? '$')) ?? ''),
      body: () => body,
    },
  );
}

function parseBody(body: string): unknown {
  if (body.trim() === '') return {};
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

const simpleSteps = /\.([^.[\]*?()\s]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]/y;

/** What a JSONPath finds: one value for a path to one place, a list for others; undefined when there is nothing, or no such path. */
export function findPath(value: unknown, path: string): unknown {
  const text = path.startsWith('$') ? path : `$.${path}`;
  let at = 1;
  let found = value;
  while (at < text.length) {
    simpleSteps.lastIndex = at;
    const step = simpleSteps.exec(text);
    if (step === null) return query(value, text);
    at = simpleSteps.lastIndex;
    const [, name, index, single, double] = step;
    found = member(found, index === undefined ? (name ?? single ?? double ?? '') : Number(index));
  }
  return found;
}

function member(of: unknown, key: string | number): unknown {
  if (typeof of !== 'object' || of === null) return undefined;
  if (typeof key === 'number') return Array.isArray(of) ? of[key] : undefined;
  // Jayway: a name on a list is asked of each item.
  if (Array.isArray(of)) return undefined;
  return Object.hasOwn(of, key) ? (of as Record<string, unknown>)[key] : undefined;
}

function query(value: unknown, path: string): unknown {
  try {
    return jsonpath.query(path, value as never).values();
  } catch {
    return undefined;
  }
}

/** As `StringEscapeUtils.escapeJavaScript` does, which API Gateway uses: single quotes too. */
export function escapeJavaScript(text: string): string {
  const short: Readonly<Record<string, string>> = { '\b': '\\b', '\n': '\\n', '\t': '\\t', '\f': '\\f', '\r': '\\r' };
  return text.replace(/["'\\/]|[^\x20-\x7e]/g, (char) => {
    if (char === '"' || char === "'" || char === '\\' || char === '/') return `\\${char}`;
    return short[char] ?? `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  });
}

const textOf = (value: Value): string => (value === undefined || value === null ? '' : String(value));

const util = new HostObject(
  {},
  {
    escapeJavaScript: (text) => escapeJavaScript(textOf(text)),
    parseJson: (text) => {
      try {
        return fromJson(JSON.parse(textOf(text)));
      } catch {
        return null;
      }
    },
    urlEncode: (text) =>
      encodeURIComponent(textOf(text))
        .replace(/%20/g, '+')
        .replace(/[!'()~]/g, encodeMark),
    urlDecode: (text) => {
      try {
        return decodeURIComponent(textOf(text).replaceAll('+', ' '));
      } catch {
        return textOf(text);
      }
    },
    base64Encode: (text) => Buffer.from(textOf(text), 'utf8').toString('base64'),
    base64Decode: (text) => Buffer.from(textOf(text), 'base64').toString('utf8'),
  },
);

function encodeMark(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}
