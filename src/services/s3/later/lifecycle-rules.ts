/**
 * Rules of a lifecycle configuration, pure: checked as S3 checks them, asked whom they concern and when they are due ("Managing the lifecycle of objects",
 * "Lifecycle configuration elements", "Transitioning objects using Amazon S3 Lifecycle").
 */
import type { LifecycleRule, LifecycleRuleFilter } from '@aws-sdk/client-s3';
import type { Millis } from '../../../base/clock.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidArgument, invalidRequest, malformedXml } from '../errors.ts';
import type { LifecycleConfig, StoredRule, VersionRow } from '../state.ts';

export const dayMillis = 86_400_000;
const rulesMax = 1000;
/** "By default, objects smaller than 128 KB don't transition to any storage class." */
const transitionBytesMin = 128 * 1024;

/** The waterfall: objects only ever move down, never up ("Supported lifecycle transitions"). */
const waterfall = ['STANDARD', 'STANDARD_IA', 'INTELLIGENT_TIERING', 'ONEZONE_IA', 'GLACIER_IR', 'GLACIER', 'DEEP_ARCHIVE'];
const forbidden: ReadonlySet<string> = new Set(['INTELLIGENT_TIERING>STANDARD_IA', 'ONEZONE_IA>GLACIER_IR']);
const days30: ReadonlySet<string> = new Set(['STANDARD_IA', 'ONEZONE_IA']);

/** Whether lifecycle may move an object from one class to another. */
export function mayMove(from: string, to: string): boolean {
  const start = from === 'REDUCED_REDUNDANCY' ? 0 : waterfall.indexOf(from);
  return waterfall.indexOf(to) > start && !forbidden.has(`${from}>${to}`);
}

/** When something becomes due that is so many days after a moment: "rounding the resulting time up to the next day at midnight UTC". */
export function dueAfter(at: Millis, days: number): Millis {
  return Math.ceil((at + days * dayMillis) / dayMillis) * dayMillis;
}

/** How S3's refusals name a rule's filter. */
function filterText(rule: LifecycleRule): string {
  const { Filter: filter } = rule;
  return `filter '(prefix=${rule.Prefix ?? filter?.Prefix ?? filter?.And?.Prefix ?? ''})'`;
}

function checkFilter(filter: LifecycleRuleFilter): void {
  const given = Object.values(filter).filter((value) => value !== undefined).length;
  if (given > 1) throw malformedXml();
  if (filter.And === undefined) return;
  const { Prefix, Tags = [], ObjectSizeGreaterThan: above, ObjectSizeLessThan: below } = filter.And;
  const parts = [Prefix, above, below].filter((value) => value !== undefined).length + Tags.length;
  if (parts < 2) throw malformedXml();
  if (new Set(Tags.map(({ Key }) => Key)).size < Tags.length) throw invalidRequest('Duplicate Tag Keys are not allowed.');
  if (above !== undefined && below !== undefined && below - above < 2) {
    throw invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.");
  }
}

function checkDate(date: Date | undefined): void {
  if (date !== undefined && date.getTime() % dayMillis !== 0) throw invalidArgument("'Date' must be at midnight GMT");
}

function checkExpiration(rule: LifecycleRule): void {
  const { Expiration: expiration, NoncurrentVersionExpiration: old, AbortIncompleteMultipartUpload: abort } = rule;
  if (expiration !== undefined) {
    const given = [expiration.Days, expiration.Date, expiration.ExpiredObjectDeleteMarker].filter((v) => v !== undefined);
    if (given.length !== 1) throw malformedXml();
    if (expiration.Days !== undefined && expiration.Days < 1) {
      throw invalidArgument("'Days' for Expiration action must be a positive integer");
    }
    checkDate(expiration.Date);
  }
  if (old !== undefined && (old.NoncurrentDays ?? 0) < 1) {
    throw invalidArgument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer");
  }
  checkNewer(old?.NewerNoncurrentVersions);
  const tagged = (rule.Filter?.Tag ?? rule.Filter?.And?.Tags?.[0]) !== undefined;
  if (abort !== undefined) {
    if ((abort.DaysAfterInitiation ?? 0) < 1) {
      throw invalidArgument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer");
    }
    if (tagged) throw invalidRequest('AbortIncompleteMultipartUpload cannot be specified with Tags.');
  }
  if (expiration?.ExpiredObjectDeleteMarker !== undefined && tagged) {
    throw invalidRequest('ExpiredObjectDeleteMarker cannot be specified with Tags.');
  }
}

function checkNewer(count: number | undefined): void {
  if (count !== undefined && (count < 1 || count > 100)) {
    throw invalidArgument("'NewerNoncurrentVersions' must be a positive integer not greater than 100");
  }
}

interface Step {
  days: number | undefined;
  name: string;
  storageClass: string;
}

/** Bounds of transitions: 30 days before the infrequent classes, 30 days in them before the next class, all before the expiration. */
function checkSteps(rule: LifecycleRule, steps: readonly Step[], expires: number | undefined, action: string): void {
  const where = filterText(rule);
  if (new Set(steps.map(({ storageClass }) => storageClass)).size < steps.length) {
    throw invalidArgument(`'StorageClass' must be different for '${action}' actions in same 'Rule' with ${where}`);
  }
  for (const { days, name, storageClass } of steps) {
    if (!waterfall.includes(storageClass) || storageClass === 'STANDARD') throw malformedXml();
    if (days === undefined) continue;
    if (days < 0) throw invalidArgument(`'${name}' in ${action} action must be nonnegative`);
    if (days30.has(storageClass) && days < 30) {
      throw invalidArgument(
        `'${name}' in ${action} action must be greater than or equal to 30 for storageClass '${storageClass}'`,
      );
    }
    if (expires !== undefined && expires <= days) {
      const expiry = action === 'Transition' ? 'Expiration' : 'NoncurrentVersionExpiration';
      throw invalidArgument(
        `'${name}' in the ${expiry} action for ${where} must be greater than '${name}' in the ${action} action`,
      );
    }
    for (const later of steps) {
      if (later.days === undefined || waterfall.indexOf(later.storageClass) <= waterfall.indexOf(storageClass)) continue;
      const apart = days30.has(storageClass) ? 30 : 1;
      if (later.days >= days + apart) continue;
      const demand = apart === 30 ? 'must be 30 days more than' : 'must be greater than';
      throw invalidArgument(
        `'${name}' in the '${later.storageClass}' ${action} action for ${where} ${demand} '${name}' in the '${storageClass}' ${action} action`,
      );
    }
  }
}

function checkTransitions(rule: LifecycleRule): void {
  const { Transitions: moves = [], NoncurrentVersionTransitions: oldMoves = [], Expiration: expiration } = rule;
  for (const { Days: days, Date: date } of moves) {
    if ((days === undefined) === (date === undefined)) throw malformedXml();
    checkDate(date);
  }
  const dated = [...moves, ...(expiration === undefined ? [] : [expiration])];
  if (dated.some(({ Date: date }) => date !== undefined) && dated.some(({ Days: days }) => days !== undefined)) {
    throw invalidRequest(
      `Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for ${filterText(rule)}`,
    );
  }
  const steps = moves.map(({ Days: days, StorageClass: storageClass = '' as 'GLACIER' }) => ({
    days,
    name: 'Days',
    storageClass,
  }));
  checkSteps(rule, steps, expiration?.Days, 'Transition');
  const oldSteps = oldMoves.map(({ NoncurrentDays: days, StorageClass: storageClass = '' as 'GLACIER' }) => ({
    days: days ?? 0,
    name: 'NoncurrentDays',
    storageClass,
  }));
  checkSteps(rule, oldSteps, rule.NoncurrentVersionExpiration?.NoncurrentDays, 'NoncurrentVersionTransition');
  for (const { NewerNoncurrentVersions: newer } of oldMoves) checkNewer(newer);
}

/** Throws what S3 refuses in a rule. */
function checkRule(rule: LifecycleRule): void {
  if (rule.Status !== 'Enabled' && rule.Status !== 'Disabled') throw malformedXml();
  if ((rule.ID ?? '').length > 255) throw invalidArgument('ID length should not exceed allowed limit of 255');
  if ((rule.Prefix === undefined) === (rule.Filter === undefined)) throw malformedXml();
  if (rule.Filter !== undefined) checkFilter(rule.Filter);
  const actions = [rule.Expiration, rule.NoncurrentVersionExpiration, rule.AbortIncompleteMultipartUpload];
  const moves = (rule.Transitions?.length ?? 0) + (rule.NoncurrentVersionTransitions?.length ?? 0);
  if (moves === 0 && actions.every((action) => action === undefined)) {
    throw invalidRequest('At least one action needs to be specified in a rule');
  }
  checkExpiration(rule);
  checkTransitions(rule);
}

/** Reads the rules of a request. `makeId` names those without an ID. Throws MalformedXML, InvalidArgument, InvalidRequest. */
export function readLifecycle(rules: readonly LifecycleRule[] | undefined, makeId: () => string): StoredRule[] {
  if (rules === undefined || rules.length === 0 || rules.length > rulesMax) throw malformedXml();
  for (const rule of rules) checkRule(rule);
  const ids = rules.flatMap(({ ID: id }) => (id === undefined ? [] : [id]));
  if (new Set(ids).size < ids.length) {
    throw invalidArgument('Rule ID must be unique. Found same ID for more than one rule');
  }
  return rules.map((rule) => storeRule(rule, makeId));
}

/** Rows hold no dates. */
function storeRule(rule: LifecycleRule, makeId: () => string): StoredRule {
  const { Expiration: expiration, Transitions: moves } = rule;
  return {
    ...rule,
    ID: rule.ID === undefined || rule.ID === '' ? makeId() : rule.ID,
    Expiration: expiration && { ...expiration, Date: expiration.Date?.getTime() },
    Transitions: moves?.map((move) => ({ ...move, Date: move.Date?.getTime() })),
  } as StoredRule;
}

/** A stored rule in the API's form. */
export function describeRule(rule: StoredRule): LifecycleRule {
  const dateOf = (at: number | undefined) => (at === undefined ? {} : { Date: new Date(at) });
  const { Expiration: expiration, Transitions: moves, ...rest } = rule;
  return {
    ...rest,
    ...(expiration === undefined ? {} : { Expiration: { ...expiration, Date: undefined, ...dateOf(expiration.Date) } }),
    ...(moves === undefined ? {} : { Transitions: moves.map((move) => ({ ...move, Date: undefined, ...dateOf(move.Date) })) }),
  } as LifecycleRule;
}

/** What rules look at of an object or an upload. */
export type Subject = Pick<VersionRow, 'key' | 'tags' | 'bytes'>;

function matchesFilter(rule: StoredRule, { key, tags, bytes }: Subject): boolean {
  const { Filter: filter } = rule;
  const {
    Prefix: prefix = rule.Prefix ?? '',
    ObjectSizeGreaterThan: above,
    ObjectSizeLessThan: below,
  } = {
    ...filter,
    ...filter?.And,
  };
  const wanted = [...(filter?.Tag === undefined ? [] : [filter.Tag]), ...(filter?.And?.Tags ?? [])];
  return (
    key.startsWith(prefix) &&
    wanted.every(({ Key: name = '', Value: value }) => tags[name] === value) &&
    (above === undefined || bytes > above) &&
    (below === undefined || bytes < below)
  );
}

/** The enabled rules that concern an object. */
export function rulesFor(config: LifecycleConfig, subject: Subject): StoredRule[] {
  return config.rules.filter((rule) => rule.Status === 'Enabled' && matchesFilter(rule, subject));
}

/** Whether the size of an object lets a rule move it there: a size filter of the rule's own goes before the default minimum. */
export function largeEnough(config: LifecycleConfig, rule: StoredRule, bytes: number, to: string): boolean {
  const sizes = { ...rule.Filter, ...rule.Filter?.And };
  if (sizes.ObjectSizeGreaterThan !== undefined || sizes.ObjectSizeLessThan !== undefined) return true;
  const archives = to === 'GLACIER' || to === 'DEEP_ARCHIVE';
  return bytes >= transitionBytesMin || (config.minimumSize === 'varies_by_storage_class' && archives);
}

/** When the current version of an object expires, and by which rule; the earliest of all. Undefined when none says so. */
export function expiryOf(config: LifecycleConfig, row: Subject & { created: Millis }): { at: Millis; rule: string } | undefined {
  let first: { at: Millis; rule: string } | undefined;
  for (const rule of rulesFor(config, row)) {
    const { Days: days, Date: date } = rule.Expiration ?? {};
    const at = date ?? (days === undefined ? undefined : dueAfter(row.created, days));
    if (at !== undefined && (first === undefined || at < first.at)) first = { at, rule: rule.ID };
  }
  return first;
}

/** When an unfinished upload is given up, and by which rule. */
export function abortOf(
  config: LifecycleConfig,
  upload: { key: string; initiated: Millis },
): { at: Millis; rule: string } | undefined {
  let first: { at: Millis; rule: string } | undefined;
  for (const rule of config.rules) {
    const days = rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation;
    const prefix = rule.Prefix ?? rule.Filter?.Prefix ?? rule.Filter?.And?.Prefix ?? '';
    if (days === undefined || rule.Status !== 'Enabled' || !upload.key.startsWith(prefix)) continue;
    const at = dueAfter(upload.initiated, days);
    if (first === undefined || at < first.at) first = { at, rule: rule.ID };
  }
  return first;
}

/** No lifecycle at all: 404. */
export function noLifecycle(bucket: string): AwsError {
  const members = { BucketName: bucket };
  const text = 'The lifecycle configuration does not exist';
  return new AwsError('NoSuchLifecycleConfiguration', text, { status: 404, members });
}
