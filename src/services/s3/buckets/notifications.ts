/** Which changes of a bucket are told to whom ("Amazon S3 Event Notifications", "Configuring event notifications using object key name filtering"). */
import type { NotificationConfiguration, NotificationConfigurationFilter, S3 } from '@aws-sdk/client-s3';
import { parseArn } from '../../../base/arn.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { invalidArgument, malformedXml } from '../errors.ts';
import { deliverTo, destinationKind, testMessage } from '../later/destinations.ts';
import { atBucket, requireBucket } from '../lookup.ts';
import type { BucketRow, NotificationConfig, NotificationRule } from '../state.ts';
import { readConfig, writeConfig } from './settings.ts';

/** Events that can be asked for; `s3:ObjectCreated:*` stands for all that begin so ("Supported event types"). */
const eventNames: ReadonlySet<string> = new Set([
  ...['*', 'Put', 'Post', 'Copy', 'CompleteMultipartUpload'].map((name) => `s3:ObjectCreated:${name}`),
  ...['*', 'Delete', 'DeleteMarkerCreated'].map((name) => `s3:ObjectRemoved:${name}`),
  ...['*', 'Post', 'Completed', 'Delete'].map((name) => `s3:ObjectRestore:${name}`),
  ...['*', 'Delete', 'DeleteMarkerCreated'].map((name) => `s3:LifecycleExpiration:${name}`),
  ...['*', 'Put', 'Delete'].map((name) => `s3:ObjectTagging:${name}`),
  ...[
    '*',
    'OperationFailedReplication',
    'OperationMissedThreshold',
    'OperationReplicatedAfterThreshold',
    'OperationNotTracked',
  ].map((name) => `s3:Replication:${name}`),
  ...['s3:ReducedRedundancyLostObject', 's3:LifecycleTransition', 's3:IntelligentTiering', 's3:ObjectAcl:Put'],
]);

interface AskedRule {
  Id?: string | undefined;
  Events?: readonly string[] | undefined;
  Filter?: NotificationConfigurationFilter | undefined;
}

function readFilter(filter: NotificationConfigurationFilter | undefined): Pick<NotificationRule, 'prefix' | 'suffix'> {
  const read: { prefix?: string; suffix?: string } = {};
  for (const { Name: name, Value: value = '' } of filter?.Key?.FilterRules ?? []) {
    const kind = name?.toLowerCase();
    if (kind !== 'prefix' && kind !== 'suffix')
      throw invalidArgument('filter rule name must be either prefix or suffix', 'FilterRule.Name', name);
    if (read[kind] !== undefined) throw invalidArgument(`Cannot specify more than one ${kind} rule in a filter.`, 'FilterRule');
    if (value.length > 1024) throw invalidArgument('Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation');
    read[kind] = value;
  }
  return { prefix: read.prefix ?? '', suffix: read.suffix ?? '' };
}

function readRule(ctx: Context, bucket: BucketRow, arn: string | undefined, rule: AskedRule): NotificationRule {
  const events = rule.Events ?? [];
  if (events.length === 0) throw malformedXml();
  for (const name of events) {
    if (!eventNames.has(name)) throw invalidArgument('A specified event is not supported for notifications.', 'Event', name);
  }
  if ((rule.Id ?? '').length > 255) throw invalidArgument('The ID of a configuration cannot be longer than 255 characters', 'Id');
  const parsed = parseArn(arn ?? '');
  if (arn === undefined || parsed === undefined || destinationKind(arn) === undefined)
    throw invalidArgument('The ARN is not well formed', 'ARN', arn);
  if (parsed.region !== bucket.region) {
    throw unreachable(arn, 'The notification destination service region is not valid for the bucket location constraint');
  }
  return { id: rule.Id ?? Buffer.from(ctx.uuid()).toString('base64'), arn, events, ...readFilter(rule.Filter) };
}

function readRules(ctx: Context, bucket: BucketRow, asked: NotificationConfiguration): NotificationRule[] {
  const rules = [
    ...(asked.QueueConfigurations ?? []).map((rule) => readRule(ctx, bucket, requireKind(rule.QueueArn, 'sqs'), rule)),
    ...(asked.TopicConfigurations ?? []).map((rule) => readRule(ctx, bucket, requireKind(rule.TopicArn, 'sns'), rule)),
    ...(asked.LambdaFunctionConfigurations ?? []).map((rule) =>
      readRule(ctx, bucket, requireKind(rule.LambdaFunctionArn, 'lambda'), rule),
    ),
  ];
  if (new Set(rules.map(({ id }) => id)).size < rules.length) {
    throw invalidArgument('Same ID used for multiple configurations. IDs must be unique', 'Id');
  }
  for (const [index, rule] of rules.entries()) {
    for (const other of rules.slice(index + 1)) refuseOverlap(rule, other);
  }
  return rules;
}

function requireKind(arn: string | undefined, kind: string): string | undefined {
  if (arn !== undefined && destinationKind(arn) !== kind) throw invalidArgument('The ARN is not well formed', 'ARN', arn);
  return arn;
}

/** An event goes to one destination: rules with a common event need prefixes or suffixes that exclude each other. */
function refuseOverlap(one: NotificationRule, other: NotificationRule): void {
  const common = one.events.some((name) => other.events.some((second) => covers(name, second) || covers(second, name)));
  if (!common) return;
  const prefixes = one.prefix.startsWith(other.prefix) || other.prefix.startsWith(one.prefix);
  const suffixes = one.suffix.endsWith(other.suffix) || other.suffix.endsWith(one.suffix);
  if (!prefixes || !suffixes) return;
  const plain = [one, other].some(({ prefix, suffix }) => prefix === '' && suffix === '');
  throw invalidArgument(
    plain
      ? 'Configurations overlap. Configurations on the same bucket cannot share a common event type.'
      : 'Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.',
  );
}

/** Whether the event asked for, which may end in `*`, is or stands for this one. */
export function covers(asked: string, name: string): boolean {
  return asked.endsWith('*') ? name.startsWith(asked.slice(0, -1)) : asked === name;
}

function unreachable(arn: string, reason: string): AwsError {
  return invalidArgument('Unable to validate the following destination configurations', arn, reason);
}

const nouns: Readonly<Record<string, string>> = { sqs: 'queue', sns: 'topic', lambda: 'function' };

/** S3 tries every destination: queues and topics get the message s3:TestEvent, functions are asked whether they could be invoked. */
async function tryDestinations(ctx: Context, bucket: BucketRow, rules: readonly NotificationRule[]): Promise<void> {
  for (const arn of new Set(rules.map((rule) => rule.arn))) {
    try {
      await deliverTo(atBucket(ctx, bucket), bucket, arn, testMessage(ctx, bucket), 'test');
    } catch (error) {
      if (!(error instanceof AwsError) || error.status >= 500) throw error;
      const noun = nouns[destinationKind(arn) ?? ''];
      const denied = /AccessDenied|AuthorizationError/.test(error.code);
      throw unreachable(
        arn,
        denied
          ? `Permissions on the destination ${noun} do not allow S3 to publish notifications from this bucket`
          : `The destination ${noun} does not exist`,
      );
    }
  }
}

function describeRule({ id, events, prefix, suffix }: NotificationRule) {
  const rules = [
    ...(prefix === '' ? [] : [{ Name: 'Prefix' as 'prefix', Value: prefix }]),
    ...(suffix === '' ? [] : [{ Name: 'Suffix' as 'suffix', Value: suffix }]),
  ];
  return {
    Id: id,
    Events: [...events] as 's3:ObjectCreated:*'[],
    ...(rules.length === 0 ? {} : { Filter: { Key: { FilterRules: rules } } }),
  };
}

export const notificationHandlers: HandlersOf<S3> = {
  /** Replaces the whole configuration; an empty one tells nobody any more. */
  async PutBucketNotificationConfiguration(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const asked = input.NotificationConfiguration ?? {};
    const rules = readRules(ctx, bucket, asked);
    if (input.SkipDestinationValidation !== true) await tryDestinations(ctx, bucket, rules);
    const config: NotificationConfig = { rules, eventBridge: asked.EventBridgeConfiguration !== undefined };
    await writeConfig(ctx, input, 'notification', rules.length === 0 && !config.eventBridge ? undefined : config);
    return {};
  },

  async GetBucketNotificationConfiguration(input, ctx) {
    const config = (await readConfig(ctx, input, 'notification')) as NotificationConfig | undefined;
    const of = (kind: string) => (config?.rules ?? []).filter(({ arn }) => destinationKind(arn) === kind);
    const [queues, topics, functions] = [of('sqs'), of('sns'), of('lambda')];
    return {
      ...(queues.length === 0
        ? {}
        : { QueueConfigurations: queues.map((rule) => ({ ...describeRule(rule), QueueArn: rule.arn })) }),
      ...(topics.length === 0
        ? {}
        : { TopicConfigurations: topics.map((rule) => ({ ...describeRule(rule), TopicArn: rule.arn })) }),
      ...(functions.length === 0
        ? {}
        : { LambdaFunctionConfigurations: functions.map((rule) => ({ ...describeRule(rule), LambdaFunctionArn: rule.arn })) }),
      ...(config?.eventBridge === true ? { EventBridgeConfiguration: {} } : {}),
    };
  },
};

export const notificationChecks: AuthorisationsOf<S3> = {
  PutBucketNotificationConfiguration: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketNotificationConfiguration: async (input, ctx) => [await bucketCheck(ctx, input)],
};
