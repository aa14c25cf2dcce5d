/** Finding the stream that a request names, and what to ask of policies for it. */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Check } from '../../kernel/service.ts';
import { streamBusy, streamNotFound } from './errors.ts';
import { type StreamRow, Streams } from './state.ts';

export interface StreamName {
  StreamName?: string | undefined;
  StreamARN?: string | undefined;
}

export function streamArn({ account, region }: { account: string; region: string }, name: string): string {
  return `arn:aws:kinesis:${region}:${account}:stream/${name}`;
}

/** Throws ValidationException when neither is given, or an ARN is none. */
export function nameOf({ StreamName, StreamARN }: StreamName): string {
  if (StreamName !== undefined) return StreamName;
  if (StreamARN === undefined)
    throw new AwsError('InvalidArgumentException', 'Either StreamName or StreamARN should be provided.');
  const [, name] = /^arn:aws:kinesis:[^:]+:\d{12}:stream\/([\w.-]+)$/.exec(StreamARN) ?? [];
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

export async function onStream(input: StreamName, ctx: Context): Promise<readonly Check[]> {
  const name = nameOf(input);
  const row = await ctx.table(Streams).get(name);
  const conditions = Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
  return [{ resource: streamArn(ctx, name), conditions }];
}
