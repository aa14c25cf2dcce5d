/**
 * What a document says: parameters and steps, read from JSON or YAML of the schemas 1.2 and 2.x (Command) and 0.3 (Automation). Source: User Guide, "Data
 * elements and parameters", "Command document plugin reference".
 */
import { parse as parseYaml } from 'yaml';
import { invalidDocumentContent, invalidParameters } from '../errors.ts';
import type { DocumentFormat } from './state.ts';

export interface ParameterSpec {
  type: string;
  description?: string | undefined;
  default?: unknown;
  allowedValues?: readonly unknown[] | undefined;
  allowedPattern?: string | undefined;
}

export interface Step {
  name: string;
  action: string;
  inputs: Readonly<Record<string, unknown>>;
  /** Everything else that the step says, for the engine that knows it. */
  rest: Readonly<Record<string, unknown>>;
}

export interface Content {
  schemaVersion: string;
  description?: string | undefined;
  assumeRole?: string | undefined;
  parameters: Readonly<Record<string, ParameterSpec>>;
  steps: readonly Step[];
  outputs: readonly string[];
}

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Reads a document. Throws InvalidDocumentContent. */
export function readContent(content: string, format: DocumentFormat): Content {
  let read: unknown;
  try {
    read = format === 'YAML' ? parseYaml(content, { maxAliasCount: 100 }) : JSON.parse(content);
  } catch {
    throw invalidDocumentContent(`The content is not well-formed ${format}.`);
  }
  if (!isFields(read)) throw invalidDocumentContent('The content is not a document.');
  const schemaVersion = text(read['schemaVersion']);
  if (schemaVersion === undefined || !['0.3', '1.2', '2.0', '2.2'].includes(schemaVersion))
    throw invalidDocumentContent('The schemaVersion is missing or not supported: 0.3, 1.2, 2.0 and 2.2 are.');
  const parameters = (isFields(read['parameters']) ? read['parameters'] : {}) as Record<string, ParameterSpec>;
  for (const [name, spec] of Object.entries(parameters))
    if (!isFields(spec) || typeof spec.type !== 'string') throw invalidDocumentContent(`The parameter ${name} has no type.`);
  const steps = schemaVersion === '1.2' ? oldSteps(read['runtimeConfig']) : newSteps(read['mainSteps']);
  if (steps.length === 0) throw invalidDocumentContent('The document has no steps.');
  const names = new Set(steps.map(({ name }) => name));
  if (names.size !== steps.length) throw invalidDocumentContent('Names of steps must be unique.');
  const outputs = Array.isArray(read['outputs']) ? read['outputs'].filter((one) => typeof one === 'string') : [];
  const { description, assumeRole } = read;
  return { schemaVersion, description: text(description), assumeRole: text(assumeRole), parameters, steps, outputs };
}

/** Schema 1.2: plugins by name, each with a list of properties; the name is that of the plugin. */
function oldSteps(config: unknown): Step[] {
  return Object.entries(isFields(config) ? config : {}).flatMap(([action, plugin]) => {
    const properties = isFields(plugin) ? plugin['properties'] : undefined;
    const list = Array.isArray(properties) ? properties : [properties];
    return list.map((one: unknown, at) => {
      if (!isFields(one)) throw invalidDocumentContent(`The plugin ${action} has no properties.`);
      return { name: list.length === 1 ? action : `${at}.${action}`, action, inputs: one, rest: {} };
    });
  });
}

function newSteps(steps: unknown): Step[] {
  return (Array.isArray(steps) ? steps : []).map((step: unknown) => {
    if (!isFields(step)) throw invalidDocumentContent('A step is not an object.');
    const { name, action, inputs, ...rest } = step;
    if (typeof name !== 'string' || typeof action !== 'string' || !/^[a-zA-Z0-9_]{1,128}$/.test(name))
      throw invalidDocumentContent('A step needs a name of letters, digits and _, and an action.');
    return { name, action, inputs: isFields(inputs) ? inputs : {}, rest };
  });
}

/**
 * Values of all parameters of a document for a request: what was given, else defaults. Throws InvalidParameters for those that are missing, unknown or not
 * allowed.
 */
export function readParameters(
  { parameters }: Content,
  given: Readonly<Record<string, readonly string[]>> | undefined,
): Record<string, unknown> {
  for (const name of Object.keys(given ?? {}))
    if (parameters[name] === undefined) throw invalidParameters(`Parameter "${name}" is not defined in the document.`);
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(parameters)) {
    const list = given?.[name];
    if (list === undefined && spec.default === undefined) throw invalidParameters(`Parameter "${name}" must have a value.`);
    const value = list === undefined ? spec.default : typed(spec, list);
    for (const one of Array.isArray(value) ? value : [value]) checkAllowed(name, spec, one);
    values[name] = value;
  }
  return values;
}

function typed({ type }: ParameterSpec, list: readonly string[]): unknown {
  if (/List|Array/i.test(type)) return [...list];
  const one = list[0] ?? '';
  if (/^(StringMap|MapList)$/i.test(type)) return JSON.parse(one) as unknown;
  if (/^Integer$/i.test(type)) return Number(one);
  return /^Boolean$/i.test(type) ? one.toLowerCase() === 'true' : one;
}

function checkAllowed(name: string, spec: ParameterSpec, value: unknown): void {
  const listed = spec.allowedValues === undefined || spec.allowedValues.map(String).includes(String(value));
  const fits = spec.allowedPattern === undefined || new RegExp(spec.allowedPattern).test(String(value));
  if (!listed || !fits) throw invalidParameters(`Parameter "${name}" has a value that is not allowed: ${String(value)}`);
}

/**
 * Puts values in place of `{{ name }}`. A string that is nothing else becomes the value itself; a list's item that means a list is spread, as the
 * commands of AWS-RunShellScript are. Names that `lookUp` does not know stay.
 */
export function substitute(input: unknown, lookUp: (name: string) => unknown): unknown {
  if (Array.isArray(input))
    return input.flatMap((item) => {
      const put = substitute(item, lookUp);
      return typeof item === 'string' && Array.isArray(put) ? put : [put];
    });
  if (isFields(input)) return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, substitute(value, lookUp)]));
  if (typeof input !== 'string') return input;
  const whole = /^\s*\{\{\s*([\w.:-]+)\s*\}\}\s*$/.exec(input)?.[1];
  if (whole !== undefined) return lookUp(whole) ?? input;
  return input.replace(/\{\{\s*([\w.:-]+)\s*\}\}/g, (mark, name: string) => {
    const value = lookUp(name);
    if (value === undefined) return mark;
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
}
