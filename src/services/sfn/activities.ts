/** Activities, whose work is fetched by workers, and the answers of whoever holds a task's token. Source: "Activities", "Wait for a Callback". */
import type { SFN } from '@aws-sdk/client-sfn';
import type { Context } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import type { Json } from '../../model/types.ts';
import { activityDeskOf } from './activity-desk.ts';
import { StateError } from './asl/errors.ts';
import { syntaxProblem } from './asl/validate.ts';
import { engineOf } from './engine/engine.ts';
import type { Frame, Run } from './engine/run.ts';
import { taskEnded } from './engine/steps.ts';
import { taskEvent } from './engine/task-events.ts';
import { activityNotFound, invalidOutput, invalidToken, taskTimedOut } from './errors.ts';
import { onActivity, tablePage, tagConditions } from './lookup.ts';
import { readTags } from './machines.ts';
import { activityArn, checkName, pageSize, payloadBytesMax, readArn } from './rules.ts';
import { Activities, type ActivityRow, ActivityTasks, type ActivityTaskRow, Tokens } from './state.ts';
import { isToken } from './tokens.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';

/** Real milliseconds for which GetActivityTask waits ("60 seconds"). */
const pollMillis = 60_000;
const workerCharsMax = 80;

async function requireActivity(ctx: Context, arn: string): Promise<ActivityRow> {
  const { parts } = readArn(arn, 'activity');
  const row = await ctx.table(Activities).get(parts[0] ?? '');
  if (row === undefined) throw activityNotFound(arn);
  return row;
}

/** Takes the oldest task of an activity, for this caller alone. */
function takeTask(ctx: Context, activity: string): Promise<ActivityTaskRow | undefined> {
  return ctx.transact(async (tx) => {
    const table = tx.table(ActivityTasks);
    for (const task of await table.list({ prefix: [activity] })) {
      await table.delete(task.activity, task.at, task.token);
      // The token of an execution that has ended meanwhile is gone.
      if ((await tx.table(Tokens).get(task.token)) !== undefined) return task;
    }
    return undefined;
  });
}

/** Has something happen to the task of a token. Throws InvalidToken, and TaskTimedOut for one that nobody waits for any more. */
async function onTask(ctx: Context, token: string, change: (run: Run, frame: Frame) => Promise<void> | void): Promise<void> {
  if (!isToken(token)) throw invalidToken();
  const row = await ctx.table(Tokens).get(token);
  if (row === undefined) throw taskTimedOut();
  const known = await engineOf(ctx).post(ctx, row.machine, row.execution, async (run) => {
    const frame = run.frames.get(row.frame);
    if (frame === undefined || frame.attempt !== row.attempt || (frame.phase !== 'token' && frame.phase !== 'call'))
      throw taskTimedOut();
    await change(run, frame);
    return true;
  });
  if (known !== true) throw taskTimedOut();
}

function readOutput(text: string): Json {
  new RequestCheck().size('output', text, 0, payloadBytesMax).done();
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw invalidOutput(syntaxProblem(text).reason);
  }
}

export const activityHandlers: HandlersOf<SFN> = {
  async CreateActivity({ name = '', tags, encryptionConfiguration }, ctx) {
    checkName(name);
    if (encryptionConfiguration !== undefined && encryptionConfiguration.type !== 'AWS_OWNED_KEY')
      throw parameterNotImplemented('CreateActivity', 'encryptionConfiguration');
    return ctx.transact(async (tx) => {
      const known = await tx.table(Activities).get(name);
      const row = known ?? { name, created: ctx.now, tags: readTags(tags) };
      if (known === undefined) await tx.table(Activities).put(row);
      return { activityArn: activityArn(ctx, name), creationDate: new Date(row.created) };
    });
  },

  async DeleteActivity({ activityArn: arn = '' }, ctx) {
    const { parts } = readArn(arn, 'activity');
    await ctx.transact((tx) => tx.table(Activities).delete(parts[0] ?? ''));
    return {};
  },

  async DescribeActivity({ activityArn: arn = '' }, ctx) {
    const { name, created } = await requireActivity(ctx, arn);
    return { activityArn: arn, name, creationDate: new Date(created) };
  },

  async ListActivities({ maxResults, nextToken }, ctx) {
    const options = { scope: 'ListActivities', token: nextToken, limit: pageSize(maxResults) };
    const page = await tablePage(ctx, Activities, [], options);
    return {
      activities: page.rows.map(({ name, created }) => ({
        activityArn: activityArn(ctx, name),
        name,
        creationDate: new Date(created),
      })),
      nextToken: page.nextToken,
    };
  },

  /** Waits up to a minute for work; without any the answer has no token. */
  async GetActivityTask({ activityArn: arn = '', workerName }, ctx) {
    const { name } = await requireActivity(ctx, arn);
    new RequestCheck().length('workerName', workerName, 1, workerCharsMax).done();
    const end = ctx.clock.realNow() + pollMillis;
    let gone = false;
    const forget = ctx.onGone(() => {
      gone = true;
    });
    try {
      while (!gone) {
        const task = await takeTask(ctx, name);
        if (task !== undefined) {
          await onTask(ctx, task.token, (run, frame) =>
            taskEvent(run, frame, 'Started', workerName === undefined ? {} : { workerName }),
          );
          return { taskToken: task.token, input: task.input };
        }
        const left = end - ctx.clock.realNow();
        if (left <= 0) break;
        await activityDeskOf(ctx).wait(ctx, name, ctx.clock, left, (listener) => ctx.onGone(listener));
      }
    } finally {
      forget();
    }
    return {};
  },

  async SendTaskSuccess({ taskToken = '', output = '' }, ctx) {
    const result = readOutput(output);
    await onTask(ctx, taskToken, (run, frame) => taskEnded(run, frame, { result }));
    return {};
  },

  async SendTaskFailure({ taskToken = '', error, cause }, ctx) {
    new RequestCheck().size('error', error, 0, 256).size('cause', cause, 0, 32_768).done();
    await onTask(ctx, taskToken, (run, frame) => taskEnded(run, frame, { failure: new StateError(error, cause) }));
    return {};
  },

  async SendTaskHeartbeat({ taskToken = '' }, ctx) {
    await onTask(ctx, taskToken, (run, frame) => {
      const { heartbeatSeconds } = frame;
      if (heartbeatSeconds !== undefined) run.change(frame, { heartbeatAt: run.now() + heartbeatSeconds * 1000 });
    });
    return {};
  },
};

export const activityChecks: AuthorisationsOf<SFN> = {
  CreateActivity: ({ name = '*', tags = [] }, ctx) => [
    {
      resource: activityArn(ctx, name),
      conditions: { ...tagConditions('Request', readTags(tags)), 'aws:TagKeys': tags.map(({ key = '' }) => key) },
    },
  ],
  DeleteActivity: ({ activityArn: arn }, ctx) => onActivity(arn, ctx),
  DescribeActivity: ({ activityArn: arn }, ctx) => onActivity(arn, ctx),
  GetActivityTask: ({ activityArn: arn }, ctx) => onActivity(arn, ctx),
};
