/** What a distributed Map gives: the outputs of its children, or files in S3 that hold them. Source: "ResultWriter (Map)". */
import { AwsError } from '../../../kernel/errors.ts';
import type { Context } from '../../../kernel/context.ts';
import type { Json } from '../../../model/types.ts';
import type { ResultWriter } from '../asl/definition.ts';
import { StateError } from '../asl/errors.ts';
import { isList, jsonText, memberOf } from '../asl/values.ts';
import type { Look } from '../engine/look.ts';
import { actBy } from '../lookup.ts';
import { executionArn, machineArn, mapRunArn } from '../rules.ts';
import type { MapItemRow, MapRunRow, MachineType } from '../state.ts';

/** The result of a run whose failures were tolerated. Throws StateError States.ResultWriterFailed. */
export async function resultOf(look: Look, row: MapRunRow, items: readonly MapItemRow[]): Promise<Json> {
  const writer = look.state.ResultWriter;
  const outputs = items.filter(({ status }) => status === 'SUCCEEDED').map(({ output }) => JSON.parse(output ?? 'null') as Json);
  const transformation = memberOf(writer?.WriterConfig, 'Transformation') ?? 'NONE';
  if (writer === undefined) return outputs;
  const shaped = (status: MapItemRow['status']): Json[] => {
    const own = items.filter((item) => item.status === status);
    if (transformation === 'NONE') return own.map((item) => describe(look.run.ctx, row, item, childType(look)));
    const plain = own.map(({ output, error = '', cause = '' }) =>
      output === undefined ? { Error: error, Cause: cause } : (JSON.parse(output) as Json),
    );
    return transformation === 'FLATTEN' ? plain.flatMap((value) => (isList(value) ? value : [value])) : plain;
  };
  // Without a place to write to, a writer only shapes the output.
  if (writer.Resource === undefined) return shaped('SUCCEEDED');
  return write(look, writer, row, { SUCCEEDED: shaped('SUCCEEDED'), FAILED: shaped('FAILED'), PENDING: shaped('ABORTED') });
}

export function childType(look: Look): MachineType {
  const processor = look.state.ItemProcessor ?? look.state.Iterator;
  return processor?.ProcessorConfig?.ExecutionType ?? 'STANDARD';
}

function describe(ctx: Context, { machine }: MapRunRow, item: MapItemRow, type: MachineType): Json {
  const { input, output, error, cause, execution = '', status, start = 0, stop = 0 } = item;
  return {
    ExecutionArn: executionArn(ctx, { machine, name: execution, type }),
    Input: input,
    InputDetails: { Included: true },
    Name: execution,
    ...(output === undefined ? {} : { Output: output, OutputDetails: { Included: true } }),
    ...(error === undefined ? {} : { Error: error }),
    ...(cause === undefined ? {} : { Cause: cause }),
    StartDate: new Date(start).toISOString(),
    StateMachineArn: machineArn(ctx, machine),
    Status: status,
    StopDate: new Date(stop).toISOString(),
  };
}

async function write(look: Look, writer: ResultWriter, row: MapRunRow, files: Readonly<Record<string, Json[]>>): Promise<Json> {
  const { run } = look;
  const parameters = look.jsonata
    ? await look.evaluate('ResultWriter/Arguments', writer.Arguments ?? {})
    : look.template(writer.Parameters ?? {}, look.input());
  const Bucket = String(memberOf(parameters, 'Bucket') ?? '');
  const prefix = memberOf(parameters, 'Prefix');
  const folder = `${typeof prefix === 'string' && prefix !== '' ? `${prefix.replace(/\/$/, '')}/` : ''}${row.id}`;
  const lines = memberOf(writer.WriterConfig, 'OutputType') === 'JSONL';
  const arn = mapRunArn(run.ctx, row.machine, row.id);
  try {
    const s3 = (await actBy(run.ctx, run.execution.roleArn)).call('s3');
    const put = (Key: string, text: string) =>
      s3.putObject({ Bucket, Key, Body: Buffer.from(text), ContentType: 'application/json' });
    const ResultFiles: { [name: string]: Json } = { FAILED: [], PENDING: [], SUCCEEDED: [] };
    for (const [status, entries] of Object.entries(files)) {
      if (entries.length === 0) continue;
      const Key = `${folder}/${status}_0.${lines ? 'jsonl' : 'json'}`;
      const text = lines ? entries.map(jsonText).join('\n') : jsonText(entries);
      await put(Key, text);
      ResultFiles[status] = [{ Key, Size: Buffer.byteLength(text) }];
    }
    const Key = `${folder}/manifest.json`;
    await put(Key, jsonText({ DestinationBucket: Bucket, MapRunArn: arn, ResultFiles }));
    return { MapRunArn: arn, ResultWriterDetails: { Bucket, Key } };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new StateError('States.ResultWriterFailed', error.message);
  }
}
