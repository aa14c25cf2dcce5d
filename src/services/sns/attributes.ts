/** Message attributes of SNS: checks in AWS's words, and their forms on the way to subscribers. */
import type { MessageAttributeValue } from '@aws-sdk/client-sns';
import { AwsError } from '../../kernel/errors.ts';
import type { AttributeRow } from './state.ts';

function invalid(message: string): AwsError {
  return new AwsError('ParameterValueInvalid', message);
}

/** Reads attributes as kept. Throws ParameterValueInvalid. */
export function readAttributes(
  given: Readonly<Record<string, MessageAttributeValue>> | undefined,
): Record<string, AttributeRow> | undefined {
  const entries = Object.entries(given ?? {});
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.map(([name, value]) => [name, readAttribute(name, value)]));
}

function readAttribute(
  name: string,
  { DataType: type = '', StringValue: text, BinaryValue: bytes }: MessageAttributeValue,
): AttributeRow {
  if (!/^[A-Za-z0-9_\-.]{1,256}$/.test(name) || /^\.|\.$|\.\.|^(aws|amazon)\./i.test(name))
    throw invalid(`The message attribute name '${name}' is invalid.`);
  if (type === '') throw invalid(`The message attribute '${name}' must contain non-empty message attribute type.`);
  if (!/^(String|Number|Binary)(\..{1,249})?$/.test(type)) {
    throw invalid(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    );
  }
  const binary = type.startsWith('Binary');
  if (binary ? bytes === undefined : text === undefined || text === '')
    throw invalid(
      `The message attribute '${name}' must contain non-empty message attribute value for message attribute type '${type}'.`,
    );
  if (binary) return { type, bytes };
  if (type.startsWith('Number') && !(text?.trim() === text && Number.isFinite(Number(text))))
    throw invalid(`Could not cast message attribute '${name}' value to number.`);
  return { type, text };
}

/** Bytes that attributes add to a message. */
export function attributeBytes(attributes: Readonly<Record<string, AttributeRow>> | undefined): number {
  let sum = 0;
  for (const [name, { type, text = '', bytes }] of Object.entries(attributes ?? {}))
    sum += Buffer.byteLength(name) + Buffer.byteLength(type) + (bytes?.byteLength ?? Buffer.byteLength(text));
  return sum;
}

/** As the JSON of a notification shows them. */
export function shownAttributes(
  attributes: Readonly<Record<string, AttributeRow>>,
): Record<string, { Type: string; Value: string }> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { type, text, bytes }]) => [
      name,
      { Type: type, Value: bytes === undefined ? (text ?? '') : Buffer.from(bytes).toString('base64') },
    ]),
  );
}

/** As filter policies see them: numbers as numbers, `String.Array` as lists. */
export function filterableAttributes(attributes: Readonly<Record<string, AttributeRow>> | undefined): Record<string, unknown> {
  const event: Record<string, unknown> = {};
  for (const [name, { type, text = '' }] of Object.entries(attributes ?? {})) {
    if (type.startsWith('Number')) event[name] = Number(text);
    else if (type === 'String.Array') event[name] = parseList(text);
    else if (type.startsWith('String')) event[name] = text;
    else event[name] = {};
  }
  return event;
}

function parseList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
