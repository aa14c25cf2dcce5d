import { defineService } from '../../kernel/service.ts';
import { authorisations } from './authorise.ts';
import { eventHandlers } from './events.ts';
import { groupHandlers } from './groups.ts';
import { metricFilterHandlers, publish } from './metric-filters.ts';
import { resourcePolicyHandlers } from './resource-policies.ts';
import { LogEvents, LogGroups, LogStreams, MetricFilters, ResourcePolicies, SubscriptionFilters } from './state.ts';
import { streamHandlers } from './streams.ts';
import { forward, subscriptionHandlers } from './subscriptions.ts';
import { expire, purge } from './tasks.ts';

export default defineService({
  name: 'cloudwatch-logs',
  dataOperations: ['FilterLogEvents', 'GetLogEvents', 'PutLogEvents'],
  uses: ['cloudwatch', 'firehose', 'kinesis', 'lambda', 'sts'],
  tables: [LogGroups, LogStreams, LogEvents, MetricFilters, SubscriptionFilters, ResourcePolicies],
  handlers: {
    ...groupHandlers,
    ...streamHandlers,
    ...eventHandlers,
    ...metricFilterHandlers,
    ...subscriptionHandlers,
    ...resourcePolicyHandlers,
  },
  authorise: authorisations,
  tasks: { purge, expire, publish, forward },
});
