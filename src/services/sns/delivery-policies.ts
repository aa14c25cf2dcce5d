/** Delivery policies: how often, and when, SNS tries again ("Amazon SNS message delivery retries"). Pure. */
import type { Millis } from '../../base/clock.ts';
import { invalidParameter } from './errors.ts';

export interface RetryPolicy {
  minDelayTarget: number;
  maxDelayTarget: number;
  numRetries: number;
  numMaxDelayRetries: number;
  numNoDelayRetries: number;
  numMinDelayRetries: number;
  backoffFunction: 'linear' | 'arithmetic' | 'geometric' | 'exponential';
}

/** Of HTTP and HTTPS endpoints, which customers manage: 50 tries in an hour. */
const defaultPolicy: RetryPolicy = {
  minDelayTarget: 20,
  maxDelayTarget: 20,
  numRetries: 3,
  numMaxDelayRetries: 0,
  numNoDelayRetries: 0,
  numMinDelayRetries: 0,
  backoffFunction: 'linear',
};

/** Of endpoints that AWS manages (SQS): "100,015 times, over 23 days". */
const managedPolicy: RetryPolicy = {
  minDelayTarget: 1,
  maxDelayTarget: 20,
  numRetries: 100_015,
  numNoDelayRetries: 3,
  numMinDelayRetries: 2,
  numMaxDelayRetries: 100_000,
  backoffFunction: 'exponential',
};

interface DeliveryPolicy {
  healthyRetryPolicy?: Partial<RetryPolicy>;
}

const bounds: Readonly<Record<Exclude<keyof RetryPolicy, 'backoffFunction'>, readonly [min: number, max: number]>> = {
  minDelayTarget: [1, 3600],
  maxDelayTarget: [1, 3600],
  numRetries: [0, 100],
  numMaxDelayRetries: [0, 100],
  numNoDelayRetries: [0, 100],
  numMinDelayRetries: [0, 100],
};
const functions = ['linear', 'arithmetic', 'geometric', 'exponential'];

/** The meaning of a policy of a topic (`{"http":{"defaultHealthyRetryPolicy":…}}`) or subscription. Throws InvalidParameter. */
export function parseDeliveryPolicy(text: string, parameter: string): Partial<RetryPolicy> {
  const fail = (reason: string) => invalidParameter(`${parameter} Reason: ${reason}`);
  let parsed: { http?: { defaultHealthyRetryPolicy?: Partial<RetryPolicy> } } & DeliveryPolicy;
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    throw fail('failed to parse JSON.');
  }
  const policy = parsed?.http?.defaultHealthyRetryPolicy ?? parsed?.healthyRetryPolicy ?? {};
  for (const [name, [min, max]] of Object.entries(bounds)) {
    const value = policy[name as keyof typeof bounds];
    if (value === undefined || value === null) continue;
    if (!Number.isInteger(value) || value < min || value > max) throw fail(`${name} must be between ${min} and ${max}.`);
  }
  if (policy.backoffFunction !== undefined && !functions.includes(policy.backoffFunction))
    throw fail(`backoffFunction must be one of ${functions.join(', ')}.`);
  const whole = { ...defaultPolicy, ...policy };
  if (whole.minDelayTarget > whole.maxDelayTarget) throw fail('minDelayTarget must be less than or equal to maxDelayTarget.');
  if (whole.numNoDelayRetries + whole.numMinDelayRetries + whole.numMaxDelayRetries > whole.numRetries)
    throw fail(
      'numRetries must be greater than or equal to the total of numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries.',
    );
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== null));
}

/** What GetTopicAttributes shows. */
export function effectiveDeliveryPolicy(text: string | undefined) {
  const policy = text === undefined ? {} : parseDeliveryPolicy(text, 'DeliveryPolicy');
  return {
    http: {
      defaultHealthyRetryPolicy: { ...defaultPolicy, ...policy },
      disableSubscriptionOverrides: false,
      defaultRequestPolicy: { headerContentType: 'text/plain; charset=UTF-8' },
    },
  };
}

/** The retries of a subscription: its own policy, else the topic's, else the default. */
export function retriesOf(managed: boolean, topic: string | undefined, subscription: string | undefined): RetryPolicy {
  if (managed) return managedPolicy;
  const own = subscription ?? topic;
  return { ...defaultPolicy, ...(own === undefined ? {} : parseDeliveryPolicy(own, 'DeliveryPolicy')) };
}

/** Milliseconds until the next attempt, after `made` attempts; undefined when there is none left. Phases: at once, pre-backoff, backoff, post-backoff. */
export function delayAfter(policy: RetryPolicy, made: number): Millis | undefined {
  const retry = made - 1;
  const { numRetries, numNoDelayRetries: none, numMinDelayRetries: min, numMaxDelayRetries: max } = policy;
  if (retry >= numRetries) return undefined;
  if (retry < none) return 0;
  if (retry < none + min) return policy.minDelayTarget * 1000;
  if (retry >= numRetries - max) return policy.maxDelayTarget * 1000;
  const steps = numRetries - none - min - max;
  const step = retry - none - min + 1;
  return backoff(policy, step / (steps + 1)) * 1000;
}

/** Seconds at a share of the way from the least to the greatest delay. */
function backoff({ minDelayTarget: low, maxDelayTarget: high, backoffFunction }: RetryPolicy, share: number): number {
  switch (backoffFunction) {
    case 'linear':
      return low + (high - low) * share;
    case 'arithmetic':
      return low + (high - low) * share ** 1.5;
    case 'geometric':
      return low * (high / low) ** share;
    case 'exponential':
      return low + (high - low) * share ** 2;
  }
}
