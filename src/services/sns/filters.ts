/** Filter policies: which messages a subscription takes ("Amazon SNS subscription filter policies"). */
import { compilePattern, type EventPattern, PatternError } from '../../base/event-pattern.ts';
import { filterableAttributes } from './attributes.ts';
import { invalidParameter } from './errors.ts';
import type { NoticeRow, SubscriptionRow } from './state.ts';

const keysMax = 5;
/** Most combinations of values that a policy may stand for. */
const combinationsMax = 150;

/** Compiled policies by their text and scope: a cache of a bounded set, rebuilt when it is full. */
const patternsCache = new Map<string, EventPattern>();
const patternsCacheMax = 2000;

function compile(text: string, scope: SubscriptionRow['filterScope']): EventPattern {
  const key = `${scope} ${text}`;
  const known = patternsCache.get(key);
  if (known !== undefined) return known;
  const pattern = compilePattern(text, { flat: scope === 'MessageAttributes' });
  if (patternsCache.size >= patternsCacheMax) patternsCache.clear();
  patternsCache.set(key, pattern);
  return pattern;
}

/** Checks a policy. Throws InvalidParameter in AWS's words. */
export function checkFilterPolicy(text: string, scope: SubscriptionRow['filterScope']): void {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    throw invalidParameter('FilterPolicy: failed to parse JSON.');
  }
  if (typeof policy !== 'object' || policy === null || Array.isArray(policy))
    throw invalidParameter('FilterPolicy: Filter is not an object');
  if (Object.keys(policy).length > keysMax)
    throw invalidParameter(`FilterPolicy: Filter policy can not have more than ${keysMax} keys`);
  if (combinations(policy) > combinationsMax)
    throw invalidParameter('Attributes Reason: FilterPolicy: Filter policy is too complex');
  try {
    if (Object.keys(policy).length > 0) compile(text, scope);
  } catch (error) {
    if (error instanceof PatternError) throw invalidParameter(`Attributes Reason: FilterPolicy: ${error.message}`);
    throw error;
  }
}

/** Values of each key multiplied; below a key of a nested policy also its depth. */
function combinations(policy: object, depth = 1): number {
  let product = 1;
  for (const value of Object.values(policy)) {
    if (Array.isArray(value)) product *= Math.max(value.length, 1) * depth;
    else if (typeof value === 'object' && value !== null) product *= combinations(value, depth + 1);
  }
  return product;
}

/** Whether a subscription takes a message. A body that is no JSON object is taken by no policy on bodies. */
export function takes({ filterPolicy, filterScope }: SubscriptionRow, notice: NoticeRow): boolean {
  if (filterPolicy === undefined || filterPolicy === '{}') return true;
  const pattern = compile(filterPolicy, filterScope);
  if (filterScope === 'MessageAttributes') return pattern(filterableAttributes(notice.attributes));
  try {
    return pattern(JSON.parse(notice.message));
  } catch {
    return false;
  }
}
