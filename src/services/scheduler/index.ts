/** EventBridge Scheduler: schedules that call targets with a role, by the cloud's clock. */
import { defineService } from '../../kernel/service.ts';
import { emptyGroup, groupChecks, groupHandlers } from './groups.ts';
import { attempt, invoke } from './invoke.ts';
import { scheduleChecks, scheduleHandlers } from './schedules.ts';
import { tables } from './state.ts';

export default defineService({
  name: 'scheduler',
  uses: ['cloudwatch', 'eventbridge', 'firehose', 'kinesis', 'lambda', 'sfn', 'sns', 'sqs', 'sts'],
  tables,
  handlers: { ...scheduleHandlers, ...groupHandlers },
  authorise: { ...scheduleChecks, ...groupChecks },
  tasks: { invoke, attempt, emptyGroup },
});
