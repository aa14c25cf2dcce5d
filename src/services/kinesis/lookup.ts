/** Finding the stream or consumer that a request names, whose account it is in, and what to ask of policies for it. */
import type { Context, Scope } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Check } from '../../kernel/service.ts';
import { consumerNotFound, streamBusy, streamNotFound } from './errors.ts';
import { type ConsumerRow, Consumers, type StreamRow, Streams } from './state.ts';

/** KiB that a record of a stream may have unless the stream says otherwise, and at least. */
export const recordKibDefault = 1024;

export interface StreamName {
  StreamName?: string | undefined;
  StreamARN?: string | undefined;
}

export interface ConsumerName {
  StreamARN?: string | undefined;
  ConsumerName?: string | undefined;
  ConsumerARN?: string | undefined;
}

const streamForm = /^arn:aws:kinesis:[^:]+:\d{12}:stream\/([\w.-]+)$/;
const consumerForm = /^arn:aws:kinesis:[^:]+:\d{12}:stream\/([\w.-]+)\/consumer\/([\w.-]+):(\d+)$/;

export function streamArn({ account, region }: Scope, name: string): string {
  return `arn:aws:kinesis:${region}:${account}:stream/${name}`;
}

/** The same context in the account and Region of what an ARN in the input names: streams are shared by their policies ("Cross-account access"). */
function homeOf(ctx: Context, input: Readonly<Record<string, unknown>>): Context {
  const arn = input['StreamARN'] ?? input['ConsumerARN'] ?? input['ResourceARN'];
  if (typeof arn !== 'string') return ctx;
  const [, region = '', account = ''] = /^arn:aws:kinesis:([a-z0-9-]+):(\d{12}):/.exec(arn) ?? [];
  return account === '' || (account === ctx.account && region === ctx.region) ? ctx : ctx.inScope({ account, region });
}

type ByInput = (input: Readonly<Record<string, unknown>>, ctx: Context) => unknown;

/** Handlers or checks that run in the account and Region of what their input names. */
export function atHome<Table extends object>(table: Table): Table {
  const homed = Object.entries(table).map(([name, run]) => {
    const inHome: ByInput = (input, ctx) => (run as ByInput)(input, homeOf(ctx, input));
    return [name, typeof run === 'function' ? inHome : run] as const;
  });
  return Object.fromEntries(homed) as Table;
}

/** Throws InvalidArgumentException when neither is given, or an ARN is none. */
export function nameOf({ StreamName, StreamARN }: StreamName): string {
  if (StreamName !== undefined) return StreamName;
  if (StreamARN === undefined)
    throw new AwsError('InvalidArgumentException', 'Either StreamName or StreamARN should be provided.');
  const [, name] = streamForm.exec(StreamARN) ?? [];
  if (name === undefined) throw new AwsError('InvalidArgumentException', `The StreamARN ${StreamARN} is invalid.`);
  return name;
}

/** Throws ResourceNotFoundException. */
export async function requireStream(ctx: Context, input: StreamName): Promise<StreamRow> {
  const name = nameOf(input);
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) throw streamNotFound(name, ctx.account);
  return stream;
}

/** The same for changes of a stream, which must be active. Throws ResourceInUseException. */
export async function requireActive(ctx: Context, input: StreamName): Promise<StreamRow> {
  const stream = await requireStream(ctx, input);
  if (stream.status !== 'ACTIVE') throw streamBusy(stream.name, ctx.account, stream.status);
  return stream;
}

export interface FoundConsumer {
  stream: StreamRow;
  consumer: ConsumerRow;
}

/** A consumer by its ARN, or by its stream's and its name. Throws InvalidArgumentException, ResourceNotFoundException. */
export async function requireConsumer(
  ctx: Context,
  { StreamARN, ConsumerName, ConsumerARN }: ConsumerName,
): Promise<FoundConsumer> {
  const [, streamName, consumerName] = consumerForm.exec(ConsumerARN ?? '') ?? [];
  if (ConsumerARN !== undefined && consumerName === undefined)
    throw new AwsError('InvalidArgumentException', `The ConsumerARN ${ConsumerARN} is invalid.`);
  if (ConsumerARN === undefined && (StreamARN === undefined || ConsumerName === undefined))
    throw new AwsError('InvalidArgumentException', 'Either ConsumerARN or both StreamARN and ConsumerName should be provided.');
  const name = consumerName ?? ConsumerName ?? '';
  const stream = await requireStream(ctx, streamName === undefined ? { StreamARN } : { StreamName: streamName });
  const consumer = await ctx.table(Consumers).get(stream.id, name);
  if (consumer === undefined || (ConsumerARN !== undefined && consumer.arn !== ConsumerARN))
    throw consumerNotFound(name, stream.name, ctx.account);
  return { stream, consumer };
}

function tagConditions(tags: Readonly<Record<string, string>> = {}): Check['conditions'] {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
}

export async function onStream(input: StreamName, ctx: Context): Promise<readonly Check[]> {
  const name = nameOf(input);
  const row = await ctx.table(Streams).get(name);
  const conditions = tagConditions(row?.tags);
  return [{ resource: streamArn(ctx, name), resourceAccount: ctx.account, resourcePolicy: row?.policy, conditions }];
}

export async function onConsumer(input: ConsumerName, ctx: Context): Promise<readonly Check[]> {
  const { stream, consumer } = await requireConsumer(ctx, input).catch(() => ({ stream: undefined, consumer: undefined }));
  const resource =
    consumer?.arn ??
    input.ConsumerARN ??
    `${input.StreamARN ?? streamArn(ctx, stream?.name ?? '*')}/consumer/${input.ConsumerName ?? '*'}:*`;
  return [
    { resource, resourceAccount: ctx.account, resourcePolicy: consumer?.policy, conditions: tagConditions(consumer?.tags) },
  ];
}

/** A stream or a consumer, by the ARN of either. */
export function onResource({ ResourceARN }: { ResourceARN?: string | undefined }, ctx: Context): Promise<readonly Check[]> {
  return consumerForm.test(ResourceARN ?? '')
    ? onConsumer({ ConsumerARN: ResourceARN }, ctx)
    : onStream({ StreamARN: ResourceARN ?? '' }, ctx);
}

/** Whether an ARN is a consumer's. */
export function isConsumerArn(arn: string | undefined): boolean {
  return consumerForm.test(arn ?? '');
}
