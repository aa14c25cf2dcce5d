/** Names, ARNs and limits. Source: Developer Guide, "Quotas"; API reference, "CreateStateMachine". */
import { parseArn } from '../../base/arn.ts';
import type { Scope } from '../../kernel/context.ts';
import { validation, invalidArn, invalidName } from './errors.ts';
import type { ExecutionRow } from './state.ts';

/** Largest input, output and result, in bytes of JSON. */
export const payloadBytesMax = 262_144;
export const eventsMax = 25_000;
const nameCharsMax = 80;
export const tagsMax = 50;
/** Days after which AWS ends any standard execution: one year; express ones after five minutes. */
export const standardMillisMax = 31_536_000_000;
export const expressMillisMax = 300_000;
const pageItemsMax = 1000;
/** Iterations of an inline Map at once when it sets no limit. */
export const inlineConcurrency = 40;
/** Children of a distributed Map that this cloud runs at once; AWS's bound is 10,000. */
export const distributedConcurrency = 40;
export const redriveMillisMax = 1_209_600_000;

const nameLetters = /^[^\s<>{}[\]?*"#%\\^|~`$&,;:/\p{Cc}]+$/u;

/** Throws InvalidName. */
export function checkName(name: string): string {
  if (name === '' || name.length > nameCharsMax || !nameLetters.test(name)) throw invalidName(name);
  return name;
}

export function machineArn({ account, region }: Scope, name: string): string {
  return `arn:aws:states:${region}:${account}:stateMachine:${name}`;
}

export function activityArn({ account, region }: Scope, name: string): string {
  return `arn:aws:states:${region}:${account}:activity:${name}`;
}

export function executionArn(
  { account, region }: Scope,
  { machine, name, type }: Pick<ExecutionRow, 'machine' | 'name' | 'type'>,
): string {
  const kind = type === 'EXPRESS' && !machine.includes('/') ? 'express' : 'execution';
  return `arn:aws:states:${region}:${account}:${kind}:${machine}:${name}`;
}

export function mapRunArn({ account, region }: Scope, machine: string, id: string): string {
  return `arn:aws:states:${region}:${account}:mapRun:${machine}:${id}`;
}

/** The parts of an ARN of this service: its kind and what follows. Throws InvalidArn. */
export function readArn(arn: string, ...kinds: string[]): { kind: string; parts: string[]; scope: Scope } {
  const parsed = parseArn(arn);
  const [kind = '', ...parts] = parsed?.resource.split(':') ?? [];
  if (parsed === undefined || parsed.service !== 'states' || !kinds.includes(kind) || parts[0] === undefined || parts[0] === '')
    throw invalidArn(arn);
  return { kind, parts, scope: { account: parsed.account, region: parsed.region } };
}

/** Name of a machine, and the version or alias after it. */
export function readMachineArn(arn: string): { name: string; qualifier: string | undefined } {
  const { parts } = readArn(arn, 'stateMachine');
  if (parts.length > 2) throw invalidArn(arn);
  return { name: parts[0]!, qualifier: parts[1] };
}

/** Machine and name of an execution. Throws InvalidArn. */
export function readExecutionArn(arn: string): { machine: string; name: string } {
  const { parts } = readArn(arn, 'execution', 'express');
  if (parts.length < 2) throw invalidArn(arn);
  return { machine: parts[0]!, name: parts.slice(1).join(':') };
}

/** Throws ValidationException for more than a page may hold. */
export function pageSize(given: number | undefined): number {
  if (given !== undefined && (given < 0 || given > pageItemsMax))
    throw validation(
      `1 validation error detected: Value '${given}' at 'maxResults' failed to satisfy constraint: Member must have value ${given < 0 ? 'greater than or equal to 0' : `less than or equal to ${pageItemsMax}`}`,
    );
  return given === undefined || given === 0 ? 100 : given;
}
