import { defineService } from '../../kernel/service.ts';
import { activityHandlers } from './activities.ts';
import { authorisations } from './authorise.ts';
import { configurationHandlers } from './configurations.ts';
import { createApi, executeHandlers } from './execute.ts';
import { groupHandlers } from './groups.ts';
import { hookHandlers, hookTimeout } from './hooks.ts';
import { listHandlers } from './lists.ts';
import { memberHandlers } from './members.ts';
import { metricHandlers } from './metrics.ts';
import { send } from './notices.ts';
import { policyHandlers } from './policies.ts';
import { predict, predictiveHandlers } from './predictive.ts';
import { onRecommendation } from './rebalance.ts';
import { groups, look, onInstanceState } from './reconcile.ts';
import { refreshHandlers } from './refreshes.ts';
import { schedule, scheduleHandlers } from './schedules.ts';
import { settingHandlers } from './settings.ts';
import {
  Activities,
  Configurations,
  Forecasts,
  Groups,
  Hooks,
  Members,
  Notifications,
  Policies,
  Refreshes,
  Schedules,
} from './state.ts';
import { tagHandlers } from './tags.ts';
import { targetHandlers } from './targets.ts';
import { warmPoolHandlers } from './warm-pools.ts';

export default defineService({
  name: 'auto-scaling',
  uses: ['cloudwatch', 'ec2', 'elastic-load-balancing-v2', 'iam', 'sns', 'sqs', 'sts'],
  tables: [Activities, Configurations, Forecasts, Groups, Hooks, Members, Notifications, Policies, Refreshes, Schedules],
  handlers: {
    ...activityHandlers,
    ...configurationHandlers,
    ...executeHandlers,
    ...groupHandlers,
    ...hookHandlers,
    ...listHandlers,
    ...memberHandlers,
    ...metricHandlers,
    ...policyHandlers,
    ...predictiveHandlers,
    ...refreshHandlers,
    ...scheduleHandlers,
    ...settingHandlers,
    ...tagHandlers,
    ...targetHandlers,
    ...warmPoolHandlers,
  },
  authorise: authorisations,
  watches: ['look'],
  tasks: { look, hookTimeout, predict, schedule, send },
  reconcilers: { groups },
  events: {
    'aws.ec2:EC2 Instance State-change Notification': onInstanceState,
    'aws.ec2:EC2 Instance Rebalance Recommendation': onRecommendation,
  },
  api: createApi,
});
