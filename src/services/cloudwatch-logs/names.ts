/** ARNs of log groups and streams, and the two ways in which requests name a group. */
import { parseArn } from '../../base/arn.ts';
import type { Scope } from '../../kernel/context.ts';
import { invalidParameter } from './errors.ts';

/** `arn:aws:logs:region:account:log-group:name`, without the `:*` that older answers end with. */
export function groupArn({ account, region }: Scope, name: string): string {
  return `arn:aws:logs:${region}:${account}:log-group:${name}`;
}

export function streamArn(scope: Scope, group: string, stream: string): string {
  return `${groupArn(scope, group)}:log-stream:${stream}`;
}

/** The name in a group's name or ARN (with or without `:*`). Undefined for the ARN of something else. */
export function groupNameIn(identifier: string): string | undefined {
  if (!identifier.startsWith('arn:')) return identifier;
  const resource = parseArn(identifier)?.resource;
  return resource?.startsWith('log-group:') === true ? resource.slice('log-group:'.length).replace(/:\*$/, '') : undefined;
}

/** The group that an operation with both members names. Throws InvalidParameterException when both or neither are given. */
export function namedGroup(input: { logGroupName?: string | undefined; logGroupIdentifier?: string | undefined }): string {
  const { logGroupName: name, logGroupIdentifier: identifier } = input;
  if (name !== undefined && identifier !== undefined)
    throw invalidParameter('LogGroup name and LogGroup ARN are mutually exclusive parameters.');
  const found = name ?? (identifier === undefined ? undefined : groupNameIn(identifier));
  if (found === undefined) throw invalidParameter('Either LogGroup name or LogGroup ARN should be provided.');
  return found;
}
