/** Limits and pure checks of Secrets Manager. Sources: User Guide, "Secrets Manager quotas"; API Reference, CreateSecret. */
import type { Tag } from '@aws-sdk/client-secrets-manager';
import { RequestCheck } from '../../kernel/request-check.ts';
import { invalidParameter, invalidRequest, limitExceeded, validation } from './errors.ts';
import type { SecretRow, TagMap } from './state.ts';

export const limits = {
  nameCharsMax: 512,
  valueBytesMax: 65_536,
  descriptionCharsMax: 2048,
  stagesPerVersionMax: 20,
  versionsMax: 100,
  tagsMax: 50,
  policyCharsMax: 20_480,
  recoveryDaysMin: 7,
  recoveryDaysMax: 30,
  secretsMax: 500_000,
  pageItemsMax: 100,
  batchMax: 20,
} as const;

export const current = 'AWSCURRENT';
const previous = 'AWSPREVIOUS';

/** Throws ValidationException. */
export function checkName(name: string): void {
  new RequestCheck().length('name', name, 1, limits.nameCharsMax).done();
  if (!/^[A-Za-z0-9/_+=.@!-]+$/.test(name))
    throw validation('Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!');
}

export interface ValueInput {
  SecretString?: string | undefined;
  SecretBinary?: Uint8Array | undefined;
}

export interface SecretValue {
  kind: 'string' | 'binary';
  bytes: Uint8Array;
}

/** The value of a request, or undefined when it has none. Throws InvalidParameterException, ValidationException. */
export function readValue({ SecretString: text, SecretBinary: binary }: ValueInput): SecretValue | undefined {
  if (text !== undefined && binary !== undefined)
    throw invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.");
  const bytes = binary ?? (text === undefined ? undefined : Buffer.from(text));
  new RequestCheck().size(text === undefined ? 'secretBinary' : 'secretString', bytes, 1, limits.valueBytesMax).done();
  return bytes === undefined ? undefined : { kind: text === undefined ? 'binary' : 'string', bytes };
}

/** The version id of a request: its token, or a new one. Throws InvalidParameterException. */
export function readToken(token: string | undefined, fresh: () => string): string {
  if (token === undefined) return fresh();
  if (token.length < 32 || token.length > 64) throw invalidParameter('ClientRequestToken must be 32-64 characters long.');
  return token;
}

/** Throws InvalidParameterException, LimitExceededException. */
export function readTags(tags: readonly Tag[] | undefined, old: TagMap = {}): TagMap {
  const check = new RequestCheck();
  for (const [index, { Key, Value }] of (tags ?? []).entries()) {
    check.length(`tags.${index + 1}.member.key`, Key, 1, 128).length(`tags.${index + 1}.member.value`, Value, 0, 256);
  }
  check.done();
  const added: Record<string, string> = {};
  for (const { Key = '', Value = '' } of tags ?? []) {
    if (/^aws:/i.test(Key)) throw invalidParameter('Tag keys that start with aws: are reserved for system use.');
    if (Object.hasOwn(added, Key)) throw invalidParameter('Duplicate tag keys found.');
    added[Key] = Value;
  }
  const all = { ...old, ...added };
  if (Object.keys(all).length > limits.tagsMax) throw limitExceeded(`A secret can have at most ${limits.tagsMax} tags.`);
  return all;
}

/**
 * Puts labels on a version, taking each from the version that had it. AWSPREVIOUS follows AWSCURRENT by itself. `versions` must hold the version.
 */
export function moveStages(versions: SecretRow['versions'], to: string, stages: readonly string[]): SecretRow['versions'] {
  const holder = stageHolder(versions, current);
  const moves = new Map(stages.map((stage) => [stage, to]));
  if (stages.includes(current) && holder !== undefined && holder !== to) moves.set(previous, holder);
  const result: Record<string, SecretRow['versions'][string]> = {};
  for (const [id, facts] of Object.entries(versions)) {
    const kept = facts.stages.filter((stage) => !moves.has(stage));
    const gained = [...moves].filter(([, target]) => target === id).map(([stage]) => stage);
    result[id] = { ...facts, stages: [...gained, ...kept] };
  }
  for (const [id, { stages: held }] of Object.entries(result)) {
    if (held.length > limits.stagesPerVersionMax)
      throw limitExceeded(`Version ${id} would have more than ${limits.stagesPerVersionMax} staging labels.`);
  }
  return result;
}

/** The version that has a label. */
export function stageHolder(versions: SecretRow['versions'], stage: string): string | undefined {
  return Object.entries(versions).find(([, { stages }]) => stages.includes(stage))?.[0];
}

/** Versions to forget: "Secrets Manager … removes deprecated versions" beyond a hundred, the oldest first. */
export function surplusVersions(versions: SecretRow['versions']): string[] {
  const surplus = Object.keys(versions).length - limits.versionsMax;
  if (surplus <= 0) return [];
  const deprecated = Object.entries(versions).filter(([, { stages }]) => stages.length === 0);
  const oldest = deprecated.sort(([, a], [, b]) => a.created - b.created).slice(0, surplus);
  return oldest.map(([id]) => id);
}

/** Days of a deletion; undefined when it is forced. Throws InvalidParameterException. */
export function readRecoveryWindow(days: number | undefined, force: boolean | undefined): number | undefined {
  if (force === true) {
    if (days !== undefined)
      throw invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
    return undefined;
  }
  const window = days ?? limits.recoveryDaysMax;
  if (window < limits.recoveryDaysMin || window > limits.recoveryDaysMax)
    throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
  return window;
}

/** Refuses changes to a replica, which only its primary writes. Throws InvalidRequestException. */
export function checkNoReplica(row: SecretRow, region: string): void {
  if (row.primaryRegion !== undefined && row.primaryRegion !== region)
    throw invalidRequest("Operation not permitted on a replica secret. Call must be made in primary secret's region.");
}
