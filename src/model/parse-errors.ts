/**
 * What AWS answers to a request that cannot be read, by protocol. Sources: the "Common errors" pages of the query services; the Smithy protocol
 * pages; wordings as the services send them (the JSON ones are those of AWS's own server framework, the same in DynamoDB, Kinesis, KMS, …).
 */
import type { OperationModel, SimpleSchema } from './service-model.ts';
import { ParseError, type Protocol } from './types.ts';

const malformedXmlMessage = 'The XML you provided was not well-formed or did not validate against our published schema';

/** The body is not of its protocol's form, or a value in it is not of its member's type. `detail` is shown where AWS shows one. */
export function malformedBody(protocol: Protocol, operation: OperationModel, detail: string): ParseError {
  switch (protocol) {
    case 'restXml':
      return operation.service.name === 's3' || operation.service.name === 's3-control'
        ? new ParseError('MalformedXML', malformedXmlMessage)
        : new ParseError('MalformedInput', detail);
    case 'awsQuery':
      return new ParseError('MalformedInput', detail);
    case 'ec2Query':
      return new ParseError('MalformedQueryString', detail);
    default:
      return new ParseError('SerializationException', detail);
  }
}

const typeNames: Record<SimpleSchema['type'], string> = {
  string: 'String',
  boolean: 'Boolean',
  blob: 'Blob',
  timestamp: 'Timestamp',
  document: 'Document',
  number: 'Double',
  integer: 'Integer',
  long: 'Long',
  float: 'Float',
  double: 'Double',
};

/** A text of the URL, a header or a query body is not of its member's type. */
export function malformedText(
  protocol: Protocol,
  operation: OperationModel,
  member: string,
  type: SimpleSchema['type'],
  text: string,
): ParseError {
  const shown = text.length > 256 ? `${text.slice(0, 256)}…` : text;
  switch (protocol) {
    case 'ec2Query':
      return new ParseError('InvalidParameterValue', `Invalid value '${shown}' for ${member}. Expected: '${typeNames[type]}'`);
    case 'awsQuery':
      return new ParseError('MalformedInput', malformedTextDetail(type, shown));
    case 'restXml':
      return operation.service.name === 's3'
        ? s3Malformed(member, type)
        : new ParseError('InvalidInput', malformedTextDetail(type, shown));
    default:
      return new ParseError('SerializationException', malformedTextDetail(type, shown));
  }
}

/** S3 names its counts by their query parameters, which are their members' names with hyphens. */
function s3Malformed(member: string, type: SimpleSchema['type']): ParseError {
  if (/^Max[A-Z]/.test(member)) {
    const name = member.replace(/(?!^)[A-Z]/g, '-$&').toLowerCase();
    return new ParseError('InvalidArgument', `Provided ${name} not an integer or within integer range`);
  }
  return new ParseError('InvalidArgument', `Provided ${member} not of the type ${typeNames[type]}.`);
}

function malformedTextDetail(type: SimpleSchema['type'], text: string): string {
  if (type === 'boolean') return 'boolean must follow xsd1.1 definition';
  if (type === 'timestamp') return 'timestamp must follow ISO8601';
  if (type === 'blob') return 'blob must be base64';
  return `For input string: "${text}"`;
}

/** Where a member is: names of members, numbers of list elements from 1, keys of maps as `{ key }`. */
export type MemberPath = readonly (string | number | { key: string })[];

/**
 * Required members are absent. The usual words are those of AWS's own server framework: first letters in lower case, list elements by number and
 * `member` (`keySchema.1.member.attributeName`).
 */
export function missingMembers(protocol: Protocol, operation: OperationModel, paths: readonly MemberPath[]): ParseError {
  const special = operation.missingMember;
  if (special !== undefined) {
    const messages = paths.map((path) =>
      special.message.replaceAll('{name}', String(path.at(-1))).replaceAll('{path}', queryPath(path)),
    );
    return new ParseError(special.code, special.join === undefined ? messages[0]! : messages.join(special.join));
  }
  const details = paths
    .map((path) => `Value null at '${frameworkPath(path)}' failed to satisfy constraint: Member must not be null`)
    .join('; ');
  const message = `${paths.length} validation error${paths.length === 1 ? '' : 's'} detected: ${details}`;
  return new ParseError(protocol === 'awsQuery' ? 'ValidationError' : 'ValidationException', message);
}

function frameworkPath(path: MemberPath): string {
  return path
    .map((part) => {
      if (typeof part === 'number') return `${part}.member`;
      return typeof part === 'string' ? part.charAt(0).toLowerCase() + part.slice(1) : `${part.key}.member`;
    })
    .join('.');
}

function queryPath(path: MemberPath): string {
  return path
    .map((part) => (typeof part === 'number' ? `member.${part}` : typeof part === 'string' ? part : `entry.${part.key}`))
    .join('.');
}
