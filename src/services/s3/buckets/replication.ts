/** The replication configuration of a bucket ("Replication configuration file elements"). */
import type { ReplicationConfiguration, ReplicationRule, S3 } from '@aws-sdk/client-s3';
import { parseArn } from '../../../base/arn.ts';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import { bucketCheck } from '../access/checks.ts';
import { invalidArgument, invalidRequest, malformedXml, noSuchSetting } from '../errors.ts';
import { thresholdMinutes } from '../later/replication-metrics.ts';
import { replicationOf } from '../later/replication-rules.ts';
import { atBucket, findBucket, requireBucket } from '../lookup.ts';
import { readStorageClass } from '../rules.ts';
import { Buckets, Configs, type ReplicationConfig, type ReplicationRuleRow } from '../state.ts';
import { writeConfig } from './settings.ts';

const rulesMax = 1000;
const schemaText =
  'must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.';

function refuseAbsent({ ExistingObjectReplication: existing }: ReplicationRule): void {
  if (existing?.Status === 'Enabled') throw parameterNotImplemented('PutBucketReplication', 'ExistingObjectReplication');
}

/**
 * Metrics and Replication Time Control of a rule: "EventThreshold" and "Time" are fifteen minutes and nothing else, the latter needs the former
 * (PutBucketReplication, "ReplicationTime", "Metrics").
 */
function readTiming({ Destination: destination, Filter: filter }: ReplicationRule): { metrics: boolean; timeControl: boolean } {
  const { Metrics: metrics, ReplicationTime: time } = destination ?? {};
  for (const one of [metrics, time])
    if (one !== undefined && one.Status !== 'Enabled' && one.Status !== 'Disabled') throw malformedXml();
  if ((metrics !== undefined || time !== undefined) && filter === undefined)
    throw invalidRequest('Filter must be specified for this version of Cross Region Replication configuration schema.');
  const timeControl = time?.Status === 'Enabled';
  if (time !== undefined && time.Time?.Minutes === undefined) throw malformedXml();
  for (const minutes of [time?.Time?.Minutes, metrics?.EventThreshold?.Minutes])
    if (minutes !== undefined && minutes !== thresholdMinutes)
      throw invalidRequest(`Only ${thresholdMinutes} is supported for the minutes of a replication time.`);
  if (timeControl && metrics?.Status !== 'Enabled')
    throw invalidRequest('Metrics must be enabled if ReplicationTime is enabled.');
  return { metrics: metrics?.Status === 'Enabled', timeControl };
}

function readRule(rule: ReplicationRule, index: number): ReplicationRuleRow {
  const { Filter: filter, Destination: destination, ID: id = '' } = rule;
  if (rule.Status !== 'Enabled' && rule.Status !== 'Disabled') throw malformedXml();
  if (filter !== undefined && rule.Prefix !== undefined) throw malformedXml();
  if (id.length > 255) throw invalidArgument('The maximum value is 255 characters', 'ID', id);
  refuseAbsent(rule);
  const tags = [...(filter?.Tag === undefined ? [] : [filter.Tag]), ...(filter?.And?.Tags ?? [])];
  const markers = rule.DeleteMarkerReplication?.Status;
  if (filter !== undefined) {
    if (rule.Priority === undefined) throw invalidRequest(`Priority ${schemaText}`);
    if (markers === undefined) throw invalidRequest(`DeleteMarkerReplication ${schemaText}`);
    if (markers === 'Enabled' && tags.length > 0) {
      throw invalidRequest(
        'Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.',
      );
    }
  }
  const arn = parseArn(destination?.Bucket ?? '');
  if (arn?.service !== 's3') throw invalidArgument('Invalid bucket ARN.', 'Bucket', destination?.Bucket);
  const kms = rule.SourceSelectionCriteria?.SseKmsEncryptedObjects?.Status === 'Enabled';
  const kmsKeyId = destination?.EncryptionConfiguration?.ReplicaKmsKeyID;
  if (kms !== (kmsKeyId !== undefined)) {
    throw invalidRequest(
      'SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present, and EncryptionConfiguration if SseKmsEncryptedObjects is enabled.',
    );
  }
  if (destination?.AccessControlTranslation !== undefined && destination.Account === undefined) {
    throw invalidRequest('Account must be specified if AccessControlTranslation is present.');
  }
  return {
    id,
    enabled: rule.Status === 'Enabled',
    priority: rule.Priority ?? -index,
    prefix: rule.Prefix ?? filter?.Prefix ?? filter?.And?.Prefix ?? '',
    tags: tags.map(({ Key: key = '', Value: value = '' }) => ({ key, value })),
    bucket: arn.resource,
    // Rules of the first kind, without Filter, replicate delete markers.
    markers: filter === undefined ? markers !== 'Disabled' : markers === 'Enabled',
    ownedByDestination: destination?.AccessControlTranslation?.Owner === 'Destination',
    storageClass: destination?.StorageClass === undefined ? undefined : readStorageClass(destination.StorageClass),
    kmsKeyId,
    replicaModifications: rule.SourceSelectionCriteria?.ReplicaModifications?.Status === 'Enabled',
    ...readTiming(rule),
  };
}

function readConfiguration(asked: ReplicationConfiguration | undefined, makeId: () => string): ReplicationConfig {
  const { Role: role = '', Rules: rules = [] } = asked ?? {};
  if (rules.length === 0 || rules.length > rulesMax) throw malformedXml();
  if (parseArn(role)?.service !== 'iam' || parseArn(role)?.resource.startsWith('role/') !== true) {
    throw invalidArgument('Invalid Role specified in replication configuration', 'Role', role);
  }
  const read = rules.map(readRule).map((rule) => ({ ...rule, id: rule.id === '' ? makeId() : rule.id }));
  if (new Set(read.map(({ id }) => id)).size < read.length) throw invalidRequest('Rule Id must be unique');
  const priorities = rules.flatMap(({ Priority: priority }) => (priority === undefined ? [] : [priority]));
  const twice = priorities.find((priority, index) => priorities.indexOf(priority) !== index);
  if (twice !== undefined) throw invalidRequest(`Found duplicate priority ${twice}`);
  const kept = rules.map((rule, index) => ({ ...rule, ID: read[index]?.id }));
  return { role, rules: read, asked: kept as unknown as Value };
}

async function checkDestinations(ctx: Context, source: string, config: ReplicationConfig): Promise<void> {
  for (const { bucket: name } of config.rules) {
    if (name === source) throw invalidRequest('Destination bucket cannot be the same as the source bucket.');
    const target = await ctx.table(Buckets).get(name);
    if (target === undefined) throw invalidRequest('Destination bucket must exist.');
    if (target.versioning !== 'Enabled') throw invalidRequest('Destination bucket must have versioning enabled.');
  }
}

export const replicationHandlers: HandlersOf<S3> = {
  /** Holds for what is written from now on. */
  async PutBucketReplication(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const config = readConfiguration(input.ReplicationConfiguration, () => Buffer.from(ctx.uuid()).toString('base64'));
    await checkDestinations(ctx, bucket.name, config);
    await atBucket(ctx, bucket).transact(async (tx) => {
      if ((await findBucket(tx, input)).versioning !== 'Enabled') {
        throw invalidRequest("Versioning must be 'Enabled' on the bucket to apply a replication configuration");
      }
      await tx.table(Configs).put({ bucket: bucket.name, kind: 'replication', id: '', config: config as unknown as Value });
    });
    return {};
  },

  async GetBucketReplication(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    const config = await replicationOf(ctx, name);
    if (config === undefined) {
      const text = 'The replication configuration was not found';
      throw noSuchSetting('ReplicationConfigurationNotFoundError', text, name);
    }
    return { ReplicationConfiguration: { Role: config.role, Rules: config.asked as unknown as ReplicationRule[] } };
  },

  async DeleteBucketReplication(input, ctx) {
    await writeConfig(ctx, input, 'replication', undefined);
    return {};
  },
};

export const replicationChecks: AuthorisationsOf<S3> = {
  PutBucketReplication: async (input, ctx) => [
    await bucketCheck(ctx, input, 's3:PutReplicationConfiguration'),
    {
      action: 'iam:PassRole',
      resource: input.ReplicationConfiguration?.Role ?? '*',
      conditions: { 'iam:PassedToService': 's3.amazonaws.com' },
    },
  ],
  GetBucketReplication: async (input, ctx) => [await bucketCheck(ctx, input, 's3:GetReplicationConfiguration')],
  DeleteBucketReplication: async (input, ctx) => [await bucketCheck(ctx, input, 's3:PutReplicationConfiguration')],
};
