/**
 * What the actions of runbooks do, each with the rights of the execution. An action ends, waits and is asked again, or fails. Source: User Guide, "Systems
 * Manager Automation actions reference".
 */
import type { Millis } from '../../../base/clock.ts';
import type { ServiceClients } from '../../../kernel/clients.generated.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Value } from '../../../store/store.ts';
import { stateOf } from '../commands/rules.ts';
import { Commands, Invocations } from '../commands/state.ts';

/** The step fails; these are its words. */
export class StepFailure extends Error {}

export interface ActionRun {
  /** With the rights of the execution. */
  acting: Context;
  inputs: Readonly<Record<string, unknown>>;
  /** When the step began. */
  started: Millis;
  /** What it said when it was asked last. */
  data: Value | undefined;
}

export type ActionOutcome =
  | { done: true; outputs: Readonly<Record<string, unknown>>; next?: string | undefined }
  | { done: false; data: Value; afterMillis: Millis };

type Action = (ctx: Context, run: ActionRun) => Promise<ActionOutcome> | ActionOutcome;

const pollMillis = 1000;
/** Services of aws:executeAwsApi, as the AWS SDK for Python names them. */
const services: Readonly<Record<string, keyof ServiceClients>> = {
  autoscaling: 'auto-scaling',
  cloudwatch: 'cloudwatch',
  dynamodb: 'dynamodb',
  ec2: 'ec2',
  elbv2: 'elastic-load-balancing-v2',
  events: 'eventbridge',
  iam: 'iam',
  kms: 'kms',
  lambda: 'lambda',
  logs: 'cloudwatch-logs',
  s3: 's3',
  secretsmanager: 'secrets-manager',
  sns: 'sns',
  sqs: 'sqs',
  ssm: 'ssm',
  stepfunctions: 'sfn',
  sts: 'sts',
};

/** The value at `$.A.B[0].C` of an answer; `[*]` and `..` are not read. Undefined when there is none. */
export function select(answer: unknown, selector: string): unknown {
  let value = answer;
  for (const part of selector.replace(/^\$\.?/, '').match(/[^.[\]]+/g) ?? []) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

export function isSelector(text: string): boolean {
  return /^\$(\.?[A-Za-z_][\w-]*|\[\d+\])*$/.test(text);
}

/** Calls an operation by the names that a runbook gives, `ec2` and `DescribeInstances` or `describe_instances`. Throws StepFailure. */
async function callApi({ acting, inputs }: ActionRun): Promise<unknown> {
  const { Service: service, Api: api, PropertySelector: _p, DesiredValues: _d, ...input } = inputs;
  const name = services[String(service).toLowerCase()];
  if (name === undefined) throw new StepFailure(`The service ${String(service)} is not supported here.`);
  const method = String(api)
    .replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase())
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase());
  const client = acting.call(name) as unknown as Record<string, (input: unknown) => Promise<unknown>>;
  const call = client[method];
  if (call === undefined) throw new StepFailure(`The API ${String(api)} of ${String(service)} does not exist.`);
  return JSON.parse(JSON.stringify((await call(input)) ?? {})) as unknown;
}

function desired(inputs: Readonly<Record<string, unknown>>, answer: unknown): boolean {
  const wanted = (Array.isArray(inputs['DesiredValues']) ? inputs['DesiredValues'] : []).map(String);
  return wanted.includes(String(select(answer, String(inputs['PropertySelector']))));
}

/** Seconds of an ISO 8601 duration of days and smaller, as `PT10M`. */
function durationMillis(text: string): Millis {
  const [all, days, hours, minutes, seconds] = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text) ?? [];
  if (all === undefined) throw new StepFailure(`The duration ${text} is not valid.`);
  return (((Number(days ?? 0) * 24 + Number(hours ?? 0)) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds ?? 0)) * 1000;
}

function list(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).map(String);
}

function holds(choice: Readonly<Record<string, unknown>>): boolean {
  const all = (key: string) => (Array.isArray(choice[key]) ? (choice[key] as Record<string, unknown>[]) : undefined);
  if (choice['Not'] !== undefined) return !holds(choice['Not'] as Record<string, unknown>);
  if (all('And') !== undefined) return all('And')?.every(holds) === true;
  if (all('Or') !== undefined) return all('Or')?.some(holds) === true;
  const value = choice['Variable'];
  const tests: Readonly<Record<string, (wanted: unknown) => boolean>> = {
    StringEquals: (wanted) => String(value) === String(wanted),
    EqualsIgnoreCase: (wanted) => String(value).toLowerCase() === String(wanted).toLowerCase(),
    StartsWith: (wanted) => String(value).startsWith(String(wanted)),
    EndsWith: (wanted) => String(value).endsWith(String(wanted)),
    Contains: (wanted) => String(value).includes(String(wanted)),
    NumericEquals: (wanted) => Number(value) === Number(wanted),
    NumericGreater: (wanted) => Number(value) > Number(wanted),
    NumericLesser: (wanted) => Number(value) < Number(wanted),
    BooleanEquals: (wanted) => String(value).toLowerCase() === String(wanted).toLowerCase(),
  };
  const found = Object.entries(tests).find(([name]) => choice[name] !== undefined);
  if (found === undefined) throw new StepFailure('A choice has no comparison that is known.');
  return found[1](choice[found[0]]);
}

async function runCommand(ctx: Context, { acting, inputs, data }: ActionRun): Promise<ActionOutcome> {
  if (data === undefined) {
    const { Command } = await acting.call('ssm').sendCommand(inputs as unknown as { DocumentName: string });
    return { done: false, data: Command?.CommandId ?? '', afterMillis: pollMillis };
  }
  const id = String(data);
  const command = await ctx.table(Commands).get(id);
  if (command === undefined) throw new StepFailure(`The command ${id} is gone.`);
  const invocations = await ctx.table(Invocations).list({ prefix: [id] });
  const { status, completed } = stateOf(command, invocations);
  if (completed < invocations.length) return { done: false, data, afterMillis: pollMillis };
  if (status !== 'Success') throw new StepFailure(`The command ${id} ended with ${status}.`);
  const plugins = invocations.flatMap((one) => one.plugins);
  const Output = plugins.map(({ stdout }) => stdout).join('\n');
  return { done: true, outputs: { CommandId: id, Status: status, ResponseCode: plugins[0]?.code ?? -1, Output } };
}

async function createImage(_ctx: Context, { acting, inputs, data }: ActionRun): Promise<ActionOutcome> {
  const ec2 = acting.call('ec2');
  if (data === undefined) {
    const { ImageId = '' } = await ec2.createImage({
      InstanceId: String(inputs['InstanceId']),
      Name: String(inputs['ImageName']),
      ...(inputs['ImageDescription'] === undefined ? {} : { Description: String(inputs['ImageDescription']) }),
      NoReboot: String(inputs['NoReboot'] ?? false).toLowerCase() === 'true',
    });
    return { done: false, data: ImageId, afterMillis: pollMillis };
  }
  const ImageId = String(data);
  const { Images = [] } = await ec2.describeImages({ ImageIds: [ImageId] });
  const ImageState = Images[0]?.State ?? 'failed';
  if (ImageState === 'pending') return { done: false, data, afterMillis: pollMillis };
  if (ImageState !== 'available') throw new StepFailure(`The image ${ImageId} became ${ImageState}.`);
  return { done: true, outputs: { ImageId, ImageState } };
}

async function changeInstanceState(_ctx: Context, { acting, inputs, data }: ActionRun): Promise<ActionOutcome> {
  const ec2 = acting.call('ec2');
  const InstanceIds = list(inputs['InstanceIds']);
  const wanted = String(inputs['DesiredState']);
  if (data === undefined && inputs['CheckStateOnly'] !== true) {
    if (wanted === 'running') await ec2.startInstances({ InstanceIds });
    else if (wanted === 'stopped') await ec2.stopInstances({ InstanceIds, Force: inputs['Force'] === true });
    else if (wanted === 'terminated') await ec2.terminateInstances({ InstanceIds });
    else throw new StepFailure(`The state ${wanted} is not one of running, stopped and terminated.`);
  }
  const { Reservations = [] } = await ec2.describeInstances({ InstanceIds });
  const states = Reservations.flatMap(({ Instances = [] }) => Instances.map(({ State }) => State?.Name));
  if (states.some((state) => state !== wanted)) return { done: false, data: wanted, afterMillis: pollMillis };
  return { done: true, outputs: { InstanceStates: states } };
}

export const automationActions: Readonly<Record<string, Action>> = {
  async 'aws:executeAwsApi'(_ctx, run) {
    return { done: true, outputs: { '': await callApi(run) } };
  },
  async 'aws:waitForAwsResourceProperty'(_ctx, run) {
    const answer = await callApi(run);
    return desired(run.inputs, answer)
      ? { done: true, outputs: { '': answer } }
      : { done: false, data: 'waiting', afterMillis: pollMillis };
  },
  async 'aws:assertAwsResourceProperty'(_ctx, run) {
    if (!desired(run.inputs, await callApi(run))) throw new StepFailure('The property does not have one of the desired values.');
    return { done: true, outputs: {} };
  },
  'aws:sleep'(ctx, { inputs, started }) {
    const { Duration: duration, Timestamp: timestamp } = inputs;
    const until = duration === undefined ? Date.parse(String(timestamp)) : started + durationMillis(String(duration));
    if (Number.isNaN(until)) throw new StepFailure('aws:sleep needs a Duration or a Timestamp.');
    const left = until - ctx.clock.now();
    return left <= 0 ? { done: true, outputs: {} } : { done: false, data: 'sleeping', afterMillis: left };
  },
  'aws:branch'(_ctx, { inputs }) {
    const choices = (Array.isArray(inputs['Choices']) ? inputs['Choices'] : []) as Record<string, unknown>[];
    const chosen = choices.find(holds)?.['NextStep'] ?? inputs['Default'];
    return { done: true, outputs: {}, next: chosen === undefined ? '' : String(chosen) };
  },
  'aws:runCommand': runCommand,
  'aws:createImage': createImage,
  'aws:changeInstanceState': changeInstanceState,
};

/** What an action failed with, in words; anything that is no failure of the step is thrown on. */
export function failureOf(error: unknown): string {
  if (error instanceof StepFailure) return error.message;
  if (error instanceof AwsError) return `${error.message} (Error Code: ${error.code})`;
  throw error;
}
