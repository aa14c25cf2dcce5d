/** EventBridge: buses, rules, targets, and the events between them. Files are one per noun; each exports its handlers and what they are authorised on. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { authorizeConnection } from './api-calls.ts';
import { destinationChecks, destinationHandlers } from './api-destinations.ts';
import { archiveChecks, archiveHandlers, forget } from './archives.ts';
import { busChecks, busHandlers } from './buses.ts';
import { connectionChecks, connectionHandlers } from './connections.ts';
import { announce, dispatch, eventChecks, eventHandlers, tick } from './events.ts';
import { meter } from './metrics.ts';
import { replay, replayChecks, replayHandlers } from './replays.ts';
import { ruleChecks, ruleHandlers } from './rules.ts';
import { tables } from './state.ts';
import { retry } from './targets.ts';
import { tagChecks, tagHandlers } from './tags.ts';

export default defineService({
  name: 'eventbridge',
  uses: ['cloudwatch', 'cloudwatch-logs', 'firehose', 'kinesis', 'lambda', 'secrets-manager', 'sfn', 'sns', 'sqs', 'sts'],
  tables,
  api: createApi,
  handlers: {
    ...busHandlers,
    ...ruleHandlers,
    ...eventHandlers,
    ...archiveHandlers,
    ...replayHandlers,
    ...connectionHandlers,
    ...destinationHandlers,
    ...tagHandlers,
  },
  authorise: {
    ...busChecks,
    ...ruleChecks,
    ...eventChecks,
    ...archiveChecks,
    ...replayChecks,
    ...connectionChecks,
    ...destinationChecks,
    ...tagChecks,
  },
  dataOperations: ['PutEvents'],
  tasks: { dispatch, tick, retry, forget, replay, authorizeConnection, publishMetrics: meter.publish },
  events: { '*': announce },
});
