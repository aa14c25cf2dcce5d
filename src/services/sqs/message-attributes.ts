/** Message attributes: AWS's checks, their size, and their MD5 ("Calculating the MD5 message digest for message attributes", SQS Developer Guide). */
import type { MessageAttributeValue, MessageSystemAttributeValue } from '@aws-sdk/client-sqs';
import { createHash } from 'node:crypto';
import { invalidParameter, unsupportedOperation } from './errors.ts';
import { checkCharacters } from './rules.ts';
import type { AttributeValue } from './state.ts';

const attributesMax = 10;
const nameCharsMax = 256;
const typeCharsMax = 256;
const typeForm = /^(String|Number|Binary)(\..+)?$/;

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

/** Checks a name. Throws InvalidParameterValue. */
function checkName(name: string): void {
  if (name === '') throw invalidParameter('The request must contain non-empty message (user) attribute names.');
  if (name.length > nameCharsMax) throw invalidParameter('Message (user) attribute name must be shorter than 256 bytes.');
  if (/^(aws|amazon)\./i.test(name)) {
    throw invalidParameter(
      "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use.",
    );
  }
  if (name.startsWith('.')) throw invalidParameter("Message (user) attribute name must not begin with character '.'.");
  if (name.endsWith('.')) throw invalidParameter("Message (user) attribute name must not end with character '.'.");
  if (name.includes('..')) throw invalidParameter("Message (user) attribute name must not have successive '.' characters.");
  if (!/^[A-Za-z0-9_\-.]+$/.test(name)) {
    throw invalidParameter(
      'Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. ',
    );
  }
}

function readAttribute(name: string, value: MessageAttributeValue): AttributeValue {
  checkName(name);
  const { DataType: type, StringValue: text, BinaryValue: bytes } = value;
  if ((value.StringListValues ?? []).length > 0 || (value.BinaryListValues ?? []).length > 0)
    throw unsupportedOperation('Message attribute list values in SendMessage operation are not supported.');
  if (type === undefined || type === '')
    throw invalidParameter(`The message (user) attribute '${name}' must contain a non-empty message attribute type.`);
  const [, kind] = typeForm.exec(type) ?? [];
  if (kind === undefined) {
    throw invalidParameter(
      `The type of message (user) attribute '${name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String.`,
    );
  }
  if (type.length > typeCharsMax) throw invalidParameter('Message (user) attribute type must be shorter than 256 bytes.');
  if ((text === undefined && bytes === undefined) || text === '' || bytes?.byteLength === 0)
    throw invalidParameter(`Message (user) attribute '${name}' must contain a non-empty value of type '${type}'.`);
  if (text !== undefined && bytes !== undefined)
    throw invalidParameter(`Message (user) attribute '${name}' must have a single value.`);
  const field = kind === 'Binary' ? 'Binary' : 'String';
  if ((field === 'Binary') !== (bytes !== undefined))
    throw invalidParameter(`Message (user) attribute '${name}' with type '${type}' must use field '${field}'.`);
  if (bytes !== undefined) return { type, bytes };
  checkCharacters(text ?? '');
  if (kind === 'Number' && !(text?.trim() === text && Number.isFinite(Number(text))))
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
