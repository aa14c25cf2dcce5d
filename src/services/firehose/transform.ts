/** Records made into what is delivered: by functions, by splitting and joining, with the keys of their partitions. Each record ends as done, dropped or failed. */
import { gunzipSync } from 'node:zlib';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { actBy, streamArn } from './lookup.ts';
import { partitionKeysOf } from './prefixes.ts';
import type { LambdaStep, Piece, ProcessingStep, RecordRow, StreamRow } from './state.ts';

type PartitionKeys = Readonly<Record<string, string>>;

/** A record under way. */
interface Item {
  index: number;
  at: number;
  data: Uint8Array;
  raw: Uint8Array;
  keys: PartitionKeys;
  failure?: { code: string; message: string; attempts: number; arn?: string | undefined } | undefined;
}

/** What all steps of a stream make of records, by their index: nothing of those that were dropped. What a function does wrong fails the records. */
export async function transform(ctx: Context, stream: StreamRow, rows: readonly RecordRow[]): Promise<Map<number, Piece[]>> {
  let items: Item[] = rows.map(({ index, at, data }) => ({ index, at, data, raw: data, keys: {} }));
  for (const step of stream.processing ?? []) {
    const [failed, fine] = [items.filter(hasFailed), items.filter((item) => !hasFailed(item))];
    items = [...failed, ...(await runStep(ctx, stream, step, fine))];
  }
  if (stream.partitioning !== undefined) items = items.map((item) => withKeys(item, partitionKeysOf(stream.s3.prefix)));
  const outcomes = new Map<number, Piece[]>(rows.map(({ index }) => [index, []]));
  for (const { index, data, raw, keys, failure } of items)
    outcomes.get(index)?.push(failure === undefined ? { data, keys } : { data: raw, keys, failure });
  return outcomes;
}

function hasFailed({ failure }: Item): boolean {
  return failure !== undefined;
}

/** A record without a key that the prefix names cannot be placed. */
function withKeys(item: Item, names: readonly string[]): Item {
  const missing = names.find((name) => item.keys[name] === undefined || item.keys[name] === '');
  if (missing === undefined || hasFailed(item)) return item;
  return failed(item, 'DynamicPartitioning.PartitionKeyMissing', `The record has no partition key ${missing}.`);
}

function failed(item: Item, code: string, message: string): Item {
  return { ...item, failure: { code, message, attempts: 1 } };
}

async function runStep(ctx: Context, stream: StreamRow, step: ProcessingStep, items: readonly Item[]): Promise<Item[]> {
  switch (step.type) {
    case 'Lambda':
      return byFunction(ctx, stream, step, items);
    case 'AppendDelimiterToRecord':
      return items.map((item) => ({ ...item, data: Buffer.concat([item.data, Buffer.from(step.delimiter)]) }));
    case 'Decompression':
      return items.map((item) => {
        try {
          return { ...item, data: gunzipSync(item.data) };
        } catch {
          return failed(item, 'Decompression.Failed', 'The record is not compressed with GZIP.');
        }
      });
    case 'RecordDeAggregation':
      return items.flatMap((item) => split(item, step.delimiter));
    case 'MetadataExtraction':
      return items.map((item) => extract(item, step.keys));
  }
}

/** The records within a record: by a delimiter, or JSON objects on end. */
function split(item: Item, delimiter: string | undefined): Item[] {
  const text = Buffer.from(item.data).toString('utf8');
  const parts = delimiter === undefined ? jsonParts(text) : text.split(delimiter).filter((part) => part !== '');
  if (parts === undefined) return [failed(item, 'DeAggregation.Failed', 'The record is not a sequence of JSON objects.')];
  return parts.map((part) => ({ ...item, data: Buffer.from(part) }));
}

function jsonParts(text: string): string[] | undefined {
  const parts: string[] = [];
  let [depth, start, quoted] = [0, 0, false];
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (quoted) {
      if (letter === '\\') at += 1;
      else if (letter === '"') quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === '{' || letter === '[') {
      if (depth === 0) start = at;
      depth += 1;
    } else if (letter === '}' || letter === ']') {
      depth -= 1;
      if (depth === 0) parts.push(text.slice(start, at + 1));
    }
  }
  return depth === 0 && parts.length > 0 ? parts : undefined;
}

function extract(item: Item, paths: Readonly<Record<string, readonly string[]>>): Item {
  const code = 'DynamicPartitioning.MetadataExtractionFailed';
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(item.data).toString('utf8'));
  } catch {
    return failed(item, code, 'The record is not JSON.');
  }
  const keys: Record<string, string> = { ...item.keys };
  for (const [name, path] of Object.entries(paths)) {
    let found: unknown = value;
    for (const member of path)
      found = typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[member] : undefined;
    if (typeof found !== 'string' && typeof found !== 'number' && typeof found !== 'boolean')
      return failed(item, code, `The record has no value for the partition key ${name}.`);
    keys[name] = String(found);
  }
  return { ...item, keys };
}

/** Calls the function with so many records at a time as its buffer takes. */
async function byFunction(ctx: Context, stream: StreamRow, step: LambdaStep, items: readonly Item[]): Promise<Item[]> {
  const batches: Item[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (bytes + item.data.byteLength > step.sizeMb * 1_048_576) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(item);
    bytes += item.data.byteLength;
  }
  const done: Item[] = [];
  for (const batch of batches) done.push(...(await callFunction(ctx, stream, step, batch)));
  return done;
}

async function callFunction(ctx: Context, stream: StreamRow, step: LambdaStep, batch: readonly Item[]): Promise<Item[]> {
  const records = batch.map(({ data, at }, index) => ({
    recordId: String(index).padStart(20, '0'),
    approximateArrivalTimestamp: at,
    data: Buffer.from(data).toString('base64'),
  }));
  const event = {
    invocationId: ctx.uuid(),
    deliveryStreamArn: streamArn(ctx, stream.name),
    region: ctx.region,
    ...(stream.source === undefined ? {} : { sourceKinesisStreamArn: stream.source.arn }),
    records,
  };
  let last = { code: '', message: '' };
  for (let attempts = 1; attempts <= step.retries + 1; attempts++) {
    const answer = await invoke(ctx, stream, step, JSON.stringify(event));
    if ('text' in answer) return readAnswer(answer.text, batch, records, step);
    last = answer;
  }
  const failure = { ...last, attempts: step.retries + 1, arn: step.arn };
  return batch.map((item) => ({ ...item, failure }));
}

async function invoke(
  ctx: Context,
  stream: StreamRow,
  step: LambdaStep,
  payload: string,
): Promise<{ text: string } | { code: string; message: string }> {
  try {
    const sender = await actBy(ctx, step.role ?? stream.s3.role);
    const lambda = sender.inScope({ region: step.arn.split(':')[3] ?? ctx.region }).call('lambda');
    const answer = await lambda.invoke({ FunctionName: step.arn, Payload: Buffer.from(payload) });
    const text = Buffer.from((answer.Payload as Uint8Array | undefined) ?? []).toString('utf8');
    if (answer.FunctionError === undefined) return { text };
    return {
      code: 'Lambda.FunctionError',
      message: `The Lambda function was successfully invoked but it returned an error result. ${text}`,
    };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return {
      code: error.code === 'AccessDeniedException' ? 'Lambda.InvokeAccessDenied' : `Lambda.${error.code}`,
      message: error.message,
    };
  }
}

interface Answered {
  recordId?: unknown;
  result?: unknown;
  data?: unknown;
  metadata?: { partitionKeys?: Record<string, unknown> };
}

/** "recordId, result, data": what a function must answer for every record. */
function readAnswer(text: string, batch: readonly Item[], sent: readonly { recordId: string }[], { arn }: LambdaStep): Item[] {
  let answered: Answered[] = [];
  try {
    const { records } = JSON.parse(text) as { records?: unknown };
    if (Array.isArray(records)) answered = records as Answered[];
  } catch {
    // No records: each is told missing.
  }
  const byId = new Map(answered.map((one) => [one.recordId, one]));
  return batch.flatMap((item, index) => {
    const fail = (code: string, message: string): Item[] => [{ ...item, failure: { code, message, attempts: 1, arn } }];
    const one = byId.get(sent[index]?.recordId);
    if (one === undefined)
      return fail(
        'Lambda.MissingRecordId',
        'One or more record Ids were not returned. Ensure that the Lambda function returns all received record Ids.',
      );
    if (one.result === 'Dropped') return [];
    if (one.result === 'ProcessingFailed')
      return fail('Lambda.ProcessingFailedStatus', 'The Lambda function indicated that the record was failed to be processed.');
    if (one.result !== 'Ok' || typeof one.data !== 'string')
      return fail('Lambda.DataNotReturned', 'The Lambda function did not return a result and data for the record.');
    const keys = Object.entries(one.metadata?.partitionKeys ?? {}).map(([name, value]) => [name, String(value)] as const);
    return [{ ...item, data: Buffer.from(one.data, 'base64'), keys: { ...item.keys, ...Object.fromEntries(keys) } }];
  });
}
