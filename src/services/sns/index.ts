/** SNS: topics, subscriptions, and the ways to subscribers. Files are one per noun; each exports its handlers and what they are authorised on. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { sweepArchive } from './archives.ts';
import { attempt, deliver, forget, replay } from './deliveries.ts';
import { meter } from './metrics.ts';
import { Applications, Endpoints, platformHandlers } from './platforms.ts';
import { publishChecks, publishHandlers } from './publish.ts';
import { SigningKeys } from './signing.ts';
import { tables } from './state.ts';
import { expire, subscriptionChecks, subscriptionHandlers } from './subscriptions.ts';
import { topicChecks, topicHandlers } from './topics.ts';

export default defineService({
  name: 'sns',
  uses: ['cloudwatch', 'cloudwatch-logs', 'firehose', 'kms', 'lambda', 'sqs', 'sts'],
  tables: [...tables, Applications, Endpoints, SigningKeys],
  handlers: { ...platformHandlers, ...topicHandlers, ...subscriptionHandlers, ...publishHandlers },
  authorise: { ...topicChecks, ...subscriptionChecks, ...publishChecks },
  dataOperations: ['Publish', 'PublishBatch'],
  tasks: { deliver, attempt, forget, expire, replay, sweepArchive, publishMetrics: meter.publish },
  api: createApi,
});
