/** Items of a distributed Map: read from the input or from S3, shaped, put into batches. Source: Developer Guide, "ItemReader (Map)", "ItemBatcher (Map)". */
import { bytesOf } from '../../../base/body.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Context } from '../../../kernel/context.ts';
import type { Json } from '../../../model/types.ts';
import type { ItemReader } from '../asl/definition.ts';
import { StateError } from '../asl/errors.ts';
import { fillTemplate } from '../asl/template.ts';
import { isList, jsonBytes, memberOf } from '../asl/values.ts';
import { itemsOf, iterationInput } from '../engine/join.ts';
import type { Look } from '../engine/look.ts';
import { actBy } from '../lookup.ts';
import { payloadBytesMax } from '../rules.ts';
import { parseCsv } from './csv.ts';

/** Largest object that is read as a list of items. */
const objectBytesMax = 256 * 1024 * 1024;

/** What one child execution is given. */
export interface Work {
  input: Json;
  /** The item itself; of a batch, nothing. */
  item: Json;
  count: number;
}

function readerFailed(cause: string): StateError {
  return new StateError('States.ItemReaderFailed', cause);
}

/** Everything that a Map is to work on. Throws StateError States.ItemReaderFailed. */
export async function readWork(look: Look): Promise<Work[]> {
  const { state } = look;
  const items = state.ItemReader === undefined ? await itemsOf(look) : await readItems(look, state.ItemReader);
  const shaped: Work[] = [];
  for (const [index, item] of items.entries()) shaped.push({ input: await iterationInput(look, item, index), item, count: 1 });
  return state.ItemBatcher === undefined ? shaped : batch(look, shaped);
}

async function readItems(look: Look, reader: ItemReader): Promise<readonly Json[]> {
  const { run } = look;
  const parameters = look.jsonata
    ? await look.evaluate('ItemReader/Arguments', reader.Arguments ?? {})
    : look.template(reader.Parameters ?? {}, look.input());
  const text = (name: string): string => {
    const value = memberOf(parameters, name);
    return typeof value === 'string' ? value : '';
  };
  const maxItems = memberOf(reader.ReaderConfig, 'MaxItems');
  const limit = typeof maxItems === 'number' && maxItems > 0 ? maxItems : Number.POSITIVE_INFINITY;
  try {
    const acting = await actBy(run.ctx, run.execution.roleArn);
    const items = reader.Resource.endsWith(':listObjectsV2')
      ? await listObjects(acting, text('Bucket'), text('Prefix'), limit)
      : await readObject(acting, text('Bucket'), text('Key'), reader);
    return items.slice(0, limit === Number.POSITIVE_INFINITY ? undefined : limit);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw readerFailed(`${error.message} (Service: Amazon S3; Status Code: ${error.status}; Error Code: ${error.code})`);
  }
}

async function listObjects(ctx: Context, Bucket: string, Prefix: string, limit: number): Promise<Json[]> {
  const items: Json[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await ctx.call('s3').listObjectsV2({ Bucket, Prefix, ContinuationToken });
    for (const { ETag = '', Key = '', LastModified, Size = 0, StorageClass = 'STANDARD' } of page.Contents ?? [])
      items.push({ Etag: ETag, Key, LastModified: Math.floor((LastModified?.getTime() ?? 0) / 1000), Size, StorageClass });
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined && items.length < limit);
  return items;
}

async function readObject(
  ctx: Context,
  Bucket: string,
  Key: string,
  { ReaderConfig = {} }: ItemReader,
): Promise<readonly Json[]> {
  const { Body, ContentLength = 0 } = await ctx.call('s3').getObject({ Bucket, Key });
  if (ContentLength > objectBytesMax) throw readerFailed('The object is too large to be read as a list of items.');
  const text = (await bytesOf(Body, objectBytesMax)).toString('utf8');
  try {
    switch (ReaderConfig['InputType']) {
      case 'JSON': {
        const value = JSON.parse(text) as Json;
        if (!isList(value)) throw readerFailed('Attempting to map over non-iterable node.');
        return value;
      }
      case 'JSONL':
        return text
          .split('\n')
          .filter((line) => line.trim() !== '')
          .map((line) => JSON.parse(line) as Json);
      default:
        return parseCsv(text, ReaderConfig);
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw readerFailed(`Unable to parse the object: ${error.message}`);
    throw error;
  }
}

/** Puts items together up to the batcher's bounds; BatchInput comes beside them. */
async function batch(look: Look, items: readonly Work[]): Promise<Work[]> {
  const batcher = look.state.ItemBatcher ?? {};
  const number = async (name: 'MaxItemsPerBatch' | 'MaxInputBytesPerBatch'): Promise<number> => {
    const path = batcher[`${name}Path`];
    const given = batcher[name];
    const value =
      path !== undefined
        ? look.path(path, look.input())
        : look.jsonata && typeof given === 'string'
          ? await look.evaluate(`ItemBatcher/${name}`, given)
          : given;
    return typeof value === 'number' && value > 0 ? value : Number.POSITIVE_INFINITY;
  };
  const most = await number('MaxItemsPerBatch');
  const bytes = Math.min(await number('MaxInputBytesPerBatch'), payloadBytesMax);
  const { BatchInput: template } = batcher;
  const batchInput =
    template === undefined
      ? undefined
      : look.jsonata
        ? await look.evaluate('ItemBatcher/BatchInput', template)
        : fillTemplate(template, look.scope(look.input()), look.run.ctx);
  const own = batchInput === undefined ? 12 : jsonBytes({ BatchInput: batchInput, Items: [] });
  const batches: Json[][] = [];
  let size = own;
  for (const { input } of items) {
    const more = jsonBytes(input) + 1;
    const last = batches.at(-1);
    if (last === undefined || last.length >= most || size + more > bytes) {
      batches.push([input]);
      size = own + more;
    } else {
      last.push(input);
      size += more;
    }
  }
  return batches.map((Items) => ({
    input: { ...(batchInput === undefined ? {} : { BatchInput: batchInput }), Items },
    item: null,
    count: Items.length,
  }));
}
