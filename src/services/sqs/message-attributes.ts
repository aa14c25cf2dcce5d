/** Message attributes: AWS's checks, their size, and their MD5 ("Calculating the MD5 message digest for message attributes", SQS Developer Guide). */
import type { MessageAttributeValue, MessageSystemAttributeValue } from '@aws-sdk/client-sqs';
import { createHash } from 'node:crypto';
import { invalidParameter, unsupportedOperation } from './errors.ts';
import { checkCharacters } from './rules.ts';
import type { AttributeValue } from './state.ts';

const attributesMax = 10;
const nameForm = /^[A-Za-z0-9_\-.]{1,256}$/;
const typeForm = /^(String|Number|Binary)(\..{1,249})?$/;

/** Reads attributes as kept. Throws InvalidParameterValue in AWS's words. */
export function readAttributes(
  given: Readonly<Record<string, MessageAttributeValue>> | undefined,
): Record<string, AttributeValue> | undefined {
  const entries = Object.entries(given ?? {});
  if (entries.length === 0) return undefined;
  if (entries.length > attributesMax)
    throw invalidParameter(`Number of message attributes [${entries.length}] exceeds the allowed maximum [${attributesMax}].`);
  const attributes: Record<string, AttributeValue> = {};
  for (const [name, value] of entries) attributes[name] = readAttribute(name, value);
  return attributes;
}

function readAttribute(name: string, value: MessageAttributeValue): AttributeValue {
  if (!nameForm.test(name) || /^\.|\.$|\.\./.test(name) || /^(aws|amazon)\./i.test(name)) {
    throw invalidParameter(
      `The message attribute name '${name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.`,
    );
  }
  const { DataType: type, StringValue: text, BinaryValue: bytes } = value;
  if ((value.StringListValues ?? []).length > 0 || (value.BinaryListValues ?? []).length > 0)
    throw unsupportedOperation('Message attribute list values in SendMessage operation are not supported.');
  if (type === undefined || type === '')
    throw invalidParameter(`The message attribute '${name}' must contain non-empty message attribute type.`);
  if (!typeForm.test(type)) {
    throw invalidParameter(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    );
  }
  const binary = type.startsWith('Binary');
  if (binary ? bytes === undefined || bytes.byteLength === 0 : text === undefined || text === '') {
    throw invalidParameter(
      `The message attribute '${name}' must contain non-empty message attribute value for message attribute type '${type}'.`,
    );
  }
  if (binary) return { type, bytes };
  checkCharacters(text ?? '');
  if (type.startsWith('Number') && !(text?.trim() === text && Number.isFinite(Number(text))))
    throw invalidParameter(`Can't cast the value of message (user) attribute '${name}' to a number.`);
  return { type, text };
}

/** The one system attribute that may be sent. Throws InvalidParameterValue for any other. */
export function readTraceHeader(given: Readonly<Record<string, MessageSystemAttributeValue>> | undefined): string | undefined {
  for (const [name, { DataType, StringValue }] of Object.entries(given ?? {})) {
    if (name !== 'AWSTraceHeader') throw invalidParameter(`Message system attribute name '${name}' is invalid.`);
    if (DataType !== 'String' || StringValue === undefined || StringValue === '') {
      throw invalidParameter(
        `The message system attribute 'AWSTraceHeader' must contain non-empty message system attribute value for message system attribute type 'String'.`,
      );
    }
    return StringValue;
  }
  return undefined;
}

/** Bytes that attributes add to a message: names, types and values count. */
export function attributeBytes(attributes: Readonly<Record<string, AttributeValue>> | undefined): number {
  let bytes = 0;
  for (const [name, { type, text, bytes: value }] of Object.entries(attributes ?? {}))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(type) + (value?.byteLength ?? Buffer.byteLength(text ?? ''));
  return bytes;
}

/** MD5 over attributes by name: length and bytes of name, type, and value, which a byte marks as text (1) or binary (2). */
export function attributesMd5(attributes: Readonly<Record<string, AttributeValue>>): string {
  const hash = createHash('md5');
  const part = (bytes: Uint8Array): void => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.byteLength);
    hash.update(length).update(bytes);
  };
  for (const name of Object.keys(attributes).sort()) {
    const { type, text, bytes } = attributes[name]!;
    part(Buffer.from(name));
    part(Buffer.from(type));
    hash.update(bytes === undefined ? '\x01' : '\x02');
    part(bytes ?? Buffer.from(text ?? ''));
  }
  return hash.digest('hex');
}

/** The attributes that a receive asks for: by name, by `prefix.*`, or all. */
export function selectAttributes(
  attributes: Readonly<Record<string, AttributeValue>> | undefined,
  wanted: readonly string[] | undefined,
): Record<string, AttributeValue> | undefined {
  if (attributes === undefined || wanted === undefined || wanted.length === 0) return undefined;
  const chosen = Object.entries(attributes).filter(([name]) =>
    wanted.some(
      (want) => want === 'All' || want === '.*' || want === name || (want.endsWith('.*') && name.startsWith(want.slice(0, -2))),
    ),
  );
  return chosen.length === 0 ? undefined : Object.fromEntries(chosen);
}

/** As the API shows them. */
export function describeAttributes(attributes: Readonly<Record<string, AttributeValue>>): Record<string, MessageAttributeValue> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { type, text, bytes }]) => [
      name,
      { DataType: type, ...(bytes === undefined ? { StringValue: text } : { BinaryValue: bytes }) },
    ]),
  );
}
