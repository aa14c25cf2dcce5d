import { defineService } from '../../kernel/service.ts';
import { createApi, policyHandlers } from './policies.ts';
import { runAction, scheduleHandlers } from './schedules.ts';
import { Actions, Activities, Policies, Targets } from './state.ts';
import { targetChecks, targetHandlers } from './targets.ts';

export default defineService({
  name: 'application-auto-scaling',
  uses: ['cloudwatch', 'dynamodb'],
  tables: [Actions, Activities, Policies, Targets],
  handlers: { ...targetHandlers, ...policyHandlers, ...scheduleHandlers },
  authorise: targetChecks,
  tasks: { runAction },
  api: createApi,
});
