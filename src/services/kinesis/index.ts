/** Kinesis Data Streams. Files are one per noun; each exports its handlers and what they are authorised on. */
import { defineService } from '../../kernel/service.ts';
import { consumerChecks, consumerHandlers } from './consumers.ts';
import { encryptionChecks, encryptionHandlers } from './encryption.ts';
import { atHome } from './lookup.ts';
import { meter, monitoringChecks, monitoringHandlers } from './metrics.ts';
import { policyChecks, policyHandlers } from './policies.ts';
import { recordChecks, recordHandlers } from './records.ts';
import { settle, settleConsumer, trim } from './settling.ts';
import { scaleOut, shardChecks, shardHandlers } from './shards.ts';
import { streamChecks, streamHandlers } from './streams.ts';
import { tables } from './state.ts';
import { subscriptionChecks, subscriptionHandlers } from './subscriptions.ts';
import { tagChecks, tagHandlers } from './tags.ts';

export default defineService({
  name: 'kinesis',
  uses: ['cloudwatch', 'kms'],
  tables,
  handlers: atHome({
    ...streamHandlers,
    ...shardHandlers,
    ...recordHandlers,
    ...consumerHandlers,
    ...subscriptionHandlers,
    ...encryptionHandlers,
    ...monitoringHandlers,
    ...policyHandlers,
    ...tagHandlers,
  }),
  authorise: atHome({
    ...streamChecks,
    ...shardChecks,
    ...recordChecks,
    ...consumerChecks,
    ...subscriptionChecks,
    ...encryptionChecks,
    ...monitoringChecks,
    ...policyChecks,
    ...tagChecks,
  }),
  dataOperations: ['PutRecord', 'PutRecords', 'GetRecords', 'GetShardIterator', 'SubscribeToShard'],
  tasks: { settle, settleConsumer, trim, scaleOut, publishMetrics: meter.publish },
});
