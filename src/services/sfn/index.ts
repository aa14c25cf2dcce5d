/** Step Functions: state machines, their executions, activities. Files are one per noun; the States Language is in asl/, what runs it in engine/. */
import { defineService } from '../../kernel/service.ts';
import { activityChecks, activityHandlers } from './activities.ts';
import { activityDeskOf } from './activity-desk.ts';
import { Engine, engineOf } from './engine/engine.ts';
import { executionChecks, executionHandlers } from './executions.ts';
import { hands } from './hands.ts';
import { historyChecks, historyHandlers } from './history.ts';
import { machineChecks, machineHandlers } from './machines.ts';
import { mapRunChecks, mapRunHandlers } from './map-runs.ts';
import { tables } from './state.ts';
import { tagChecks, tagHandlers } from './tags.ts';
import { executions, purge, timer } from './tasks.ts';
import { testStateChecks, testStateHandlers } from './test-state.ts';
import { versionChecks, versionHandlers } from './versions.ts';

export default defineService({
  name: 'sfn',
  uses: ['cloudwatch', 'cloudwatch-logs', 'dynamodb', 'eventbridge', 'lambda', 's3', 'sns', 'sqs', 'sts'],
  tables,
  handlers: {
    ...machineHandlers,
    ...versionHandlers,
    ...executionHandlers,
    ...historyHandlers,
    ...mapRunHandlers,
    ...testStateHandlers,
    ...activityHandlers,
    ...tagHandlers,
  },
  authorise: {
    ...machineChecks,
    ...versionChecks,
    ...executionChecks,
    ...historyChecks,
    ...mapRunChecks,
    ...testStateChecks,
    ...activityChecks,
    ...tagChecks,
  },
  dataOperations: ['StartExecution', 'StartSyncExecution', 'StopExecution', 'RedriveExecution'],
  tasks: { timer, purge },
  reconcilers: { executions },
  async start(ctx) {
    const engine = engineOf(ctx, () => new Engine(ctx, hands));
    return async () => {
      engine.clear(true);
      activityDeskOf(ctx).clear();
    };
  },
  async onReset(_account, ctx) {
    engineOf(ctx).clear(false);
    activityDeskOf(ctx).clear();
  },
});
