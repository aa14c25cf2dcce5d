/** Beginning a Task's work, and the events that its kind of resource has. */
import type { Json } from '../../../model/types.ts';
import { jsonBytes, jsonText, type JsonObject } from '../asl/values.ts';
import { eventNames, readResource, type Resource } from '../resources.ts';
import { payloadBytesMax } from '../rules.ts';
import { dataDetails } from './join.ts';
import { type Look, tooLarge } from './look.ts';
import type { Frame, Run } from './run.ts';

/** Resource of a Task; it was checked when the machine was made. */
export function resourceOf(run: Run, frame: Frame): Resource {
  const resource = readResource(run.stateOf(frame).Resource ?? '');
  if (resource === undefined) throw new Error(`The task ${frame.state} has no resource.`);
  return resource;
}

/** An attempt of a Task: its parameters, limits of time and token; the call follows the commit. */
export async function startTask(run: Run, frame: Frame, look: Look, token: string): Promise<void> {
  const resource = resourceOf(run, frame);
  const needsToken = resource.kind === 'activity' || (resource.kind === 'service' && resource.pattern === 'token');
  run.change(frame, { attempt: frame.attempt + 1, token: needsToken ? token : undefined });
  const parameters = await look.parameters();
  if (jsonBytes(parameters) > payloadBytesMax) throw tooLarge(frame.state);
  const timeout = await look.number('TimeoutSeconds');
  const heartbeat = await look.number('HeartbeatSeconds');
  const now = run.now();
  run.change(frame, {
    phase: resource.kind === 'activity' ? 'token' : 'call',
    parameters,
    timeoutAt: timeout === undefined ? undefined : now + timeout * 1000,
    heartbeatSeconds: heartbeat,
    heartbeatAt: heartbeat === undefined ? undefined : now + heartbeat * 1000,
  });
  if (needsToken) run.newTokens.push({ token, frame: frame.id, attempt: frame.attempt });
  scheduled(run, frame, resource, parameters, {
    ...(timeout === undefined ? {} : { timeoutInSeconds: timeout }),
    ...(heartbeat === undefined ? {} : { heartbeatInSeconds: heartbeat }),
  });
  if (resource.kind === 'activity') {
    run.activityTasks.push({ activity: resource.name, token, input: jsonText(parameters) });
    run.effects.push({ kind: 'activity', activity: resource.name });
    return;
  }
  taskEvent(run, frame, 'Started', {});
  run.effects.push({ kind: 'call', frame: frame.id, attempt: frame.attempt });
}

function scheduled(run: Run, frame: Frame, resource: Resource, parameters: Json, limits: JsonObject): void {
  if (resource.kind === 'service') {
    const details = { ...eventNames(resource), region: run.ctx.region, parameters: jsonText(parameters), ...limits };
    run.event(frame, 'TaskScheduled', 'taskScheduledEventDetails', details);
    return;
  }
  const details = { resource: resource.arn, ...dataDetails('input', parameters), ...limits };
  if (resource.kind === 'lambda') run.event(frame, 'LambdaFunctionScheduled', 'lambdaFunctionScheduledEventDetails', details);
  else run.event(frame, 'ActivityScheduled', 'activityScheduledEventDetails', details);
}

export type TaskStage = 'Started' | 'Submitted' | 'Succeeded' | 'Failed' | 'TimedOut' | 'StartFailed' | 'SubmitFailed';

/** An event of a Task under way, in the form that its kind of resource has. */
export function taskEvent(run: Run, frame: Frame, stage: TaskStage, details: JsonObject): void {
  const resource = resourceOf(run, frame);
  const kind = resource.kind === 'service' ? 'Task' : resource.kind === 'lambda' ? 'LambdaFunction' : 'Activity';
  const type = `${kind}${stage}`;
  const member = `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`;
  if (resource.kind === 'service') run.event(frame, type, member, { ...eventNames(resource), ...details });
  else if (stage === 'Started' && resource.kind === 'lambda') run.event(frame, type);
  else run.event(frame, type, member, details);
}
