/** What executions report: metrics of AWS/States, and logs of machines that ask for them. Source: "Monitoring Step Functions metrics", "Logging". */
import { AwsError } from '../../kernel/errors.ts';
import type { Json } from '../../model/types.ts';
import type { CloudWatchApi, ServiceDatum } from '../cloudwatch/api.ts';
import type { Run } from './engine/run.ts';
import { machineArn } from './rules.ts';
import { Events, type EventRow, type ExecutionStatus } from './state.ts';

const ends: Readonly<Record<ExecutionStatus, string>> = {
  RUNNING: 'ExecutionsStarted',
  SUCCEEDED: 'ExecutionsSucceeded',
  FAILED: 'ExecutionsFailed',
  TIMED_OUT: 'ExecutionsTimedOut',
  ABORTED: 'ExecutionsAborted',
};

export async function reportStart(run: Run): Promise<void> {
  await publish(run, [datum(run, 'ExecutionsStarted', 'Count', 1)]);
}

export async function reportEnd(run: Run): Promise<void> {
  const { status, start, stop = start } = run.execution;
  await publish(run, [datum(run, ends[status], 'Count', 1), datum(run, 'ExecutionTime', 'Milliseconds', stop - start)]);
  await writeLog(run);
}

function datum(run: Run, name: string, unit: string, value: number): ServiceDatum {
  const [machine = ''] = run.execution.machine.split('/');
  return { name, dimensions: { StateMachineArn: machineArn(run.ctx, machine) }, at: run.now(), unit, value };
}

async function publish(run: Run, data: readonly ServiceDatum[]): Promise<void> {
  const cloudwatch = await run.ctx.internal<CloudWatchApi>('cloudwatch');
  await cloudwatch.putMetrics(run.ctx, 'AWS/States', data);
}

/** Whether an event is logged: ALL, those of failures at ERROR, the execution's own end at FATAL. */
function isWanted(level: string, type: string): boolean {
  if (level === 'ALL') return true;
  const fatal = /^Execution(Failed|TimedOut|Aborted)$/.test(type);
  if (level === 'FATAL') return fatal;
  return level === 'ERROR' && (fatal || /(Failed|TimedOut|Aborted)$/.test(type));
}

/** Writes the events of an execution to the machine's log group, at its end. */
async function writeLog(run: Run): Promise<void> {
  const { logging, machine, name, type } = run.execution;
  if (logging.level === 'OFF' || logging.group === undefined) return;
  const events = type === 'EXPRESS' ? run.log : await run.ctx.table(Events).list({ prefix: [machine, name] });
  const wanted = events.filter((event) => isWanted(logging.level, event.type));
  if (wanted.length === 0) return;
  const logGroupName = logging.group.split(':log-group:')[1]?.replace(/:\*$/, '') ?? '';
  const at = new Date(run.execution.start).toISOString();
  const logStreamName = `states/${machine}/${at.slice(0, 16).replace('T', '-').replace(':', '-')}/${run.ctx.id('content').slice(0, 8)}`;
  try {
    const logs = run.ctx.call('cloudwatch-logs');
    await logs.createLogStream({ logGroupName, logStreamName });
    const logEvents = wanted.map((event) => ({ timestamp: event.at, message: JSON.stringify(logLine(run, event)) }));
    for (let first = 0; first < logEvents.length; first += 500)
      await logs.putLogEvents({ logGroupName, logStreamName, logEvents: logEvents.slice(first, first + 500) });
  } catch (error) {
    // "CloudWatch Logs … best effort": a group that has gone ends no execution.
    if (!(error instanceof AwsError)) throw error;
  }
}

const data = new Set([
  'input',
  'output',
  'inputDetails',
  'outputDetails',
  'parameters',
  'assignedVariables',
  'assignedVariablesDetails',
]);

function logLine(run: Run, { id, previous, at, type, details = {} }: EventRow): Json {
  const { includeExecutionData } = run.execution.logging;
  const shown = Object.entries(details).filter(([name]) => includeExecutionData || !data.has(name));
  return {
    id: String(id),
    type,
    details: Object.fromEntries(shown),
    ...(previous === 0 ? {} : { previous_event_id: String(previous) }),
    event_timestamp: String(at),
    execution_arn: run.arn,
    redrive_count: String(run.execution.redrives),
  };
}
