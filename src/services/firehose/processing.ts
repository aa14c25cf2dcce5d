/**
 * What a stream does to records before it delivers them: read from requests, shown again. Source: Firehose API Reference, ProcessingConfiguration;
 * Developer Guide, "Transform source data" and "Understand dynamic partitioning".
 */
import type { DynamicPartitioningConfiguration, ProcessingConfiguration, Processor } from '@aws-sdk/client-firehose';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { invalidArgument } from './errors.ts';
import type { LambdaStep, PartitioningSpec, ProcessingStep } from './state.ts';

const lambdaForm = /^arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(?::[\w$-]+)?$/;
/** "By default, … 3 retries, buffers of 1 MB and 60 seconds"; sizes from 0.2 to 3 MB, 0 to 900 seconds, up to 300 retries. */
const defaults = { retries: 3, sizeMb: 1, intervalSeconds: 60 };
const partitionRetrySecondsMax = 7200;
const partitionRetrySecondsDefault = 300;

type Parameters = Readonly<Record<string, string | undefined>>;

function number(parameters: Parameters, name: string, min: number, max: number, fallback: number): number {
  const text = parameters[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value < min || value > max)
    throw invalidArgument(`Processor parameter ${name} has an invalid value ${text}: it must be from ${min} to ${max}.`);
  return value;
}

function readLambda(operation: string, parameters: Parameters): LambdaStep {
  const { LambdaArn: arn = '', RoleArn: role } = parameters;
  if (!lambdaForm.test(arn)) throw invalidArgument(`Processor parameter LambdaArn has an invalid value ${arn}.`);
  const intervalSeconds = number(parameters, 'BufferIntervalInSeconds', 0, 900, defaults.intervalSeconds);
  // The function is called when a batch is delivered.
  if (intervalSeconds !== defaults.intervalSeconds)
    throw parameterNotImplemented(operation, `BufferIntervalInSeconds=${intervalSeconds}`);
  return {
    type: 'Lambda',
    arn,
    role,
    retries: number(parameters, 'NumberOfRetries', 0, 300, defaults.retries),
    sizeMb: number(parameters, 'BufferSizeInMBs', 0.2, 3, defaults.sizeMb),
    intervalSeconds,
  };
}

/** Keys of a query such as `{customer: .detail.id, year: .time}`, and the paths they are found at. Other queries of jq are not spoken. */
function readQuery(operation: string, query: string): Readonly<Record<string, readonly string[]>> {
  const inside = /^\s*\{(.*)\}\s*$/s.exec(query)?.[1];
  const unknown = () => parameterNotImplemented(operation, `MetadataExtractionQuery=${query}`);
  if (inside === undefined) throw unknown();
  const keys: Record<string, readonly string[]> = {};
  for (const part of inside.split(',')) {
    const [, name, path] = /^\s*"?([A-Za-z_]\w*)"?\s*:\s*((?:\.[A-Za-z_]\w*|\.?\["[^"]+"\])+)\s*$/.exec(part) ?? [];
    if (name === undefined || path === undefined) throw unknown();
    keys[name] = [...path.matchAll(/\.([A-Za-z_]\w*)|\["([^"]+)"\]/g)].map(([, plain, quoted]) => plain ?? quoted ?? '');
  }
  return keys;
}

function readStep(operation: string, { Type: type, Parameters: given = [] }: Processor): ProcessingStep {
  const parameters = Object.fromEntries(given.map(({ ParameterName = '', ParameterValue }) => [ParameterName, ParameterValue]));
  switch (type) {
    case 'Lambda':
      return readLambda(operation, parameters);
    case 'AppendDelimiterToRecord':
      return { type, delimiter: unescaped(parameters['Delimiter'] ?? '\\n') };
    case 'RecordDeAggregation': {
      const { SubRecordType: kind, Delimiter } = parameters as Parameters;
      if (kind !== 'JSON' && kind !== 'DELIMITED')
        throw invalidArgument(`Processor parameter SubRecordType has an invalid value ${kind}: it must be JSON or DELIMITED.`);
      if (kind === 'DELIMITED' && Delimiter === undefined)
        throw invalidArgument('Processor parameter Delimiter is required when SubRecordType is DELIMITED.');
      return { type, delimiter: kind === 'JSON' ? undefined : Buffer.from(Delimiter ?? '', 'base64').toString() };
    }
    case 'MetadataExtraction': {
      const { MetadataExtractionQuery: query = '', JsonParsingEngine: engine } = parameters as Parameters;
      if (engine !== 'JQ-1.6')
        throw invalidArgument(`Processor parameter JsonParsingEngine has an invalid value ${engine}: it must be JQ-1.6.`);
      return { type, query, keys: readQuery(operation, query) };
    }
    case 'Decompression':
      if (parameters['CompressionFormat'] !== 'GZIP')
        throw invalidArgument('Processor parameter CompressionFormat must be GZIP.');
      return { type };
    default:
      throw parameterNotImplemented(operation, `Processor type ${type}`);
  }
}

/** Delimiters are written with escapes (`\n`). */
function unescaped(text: string): string {
  return text.replaceAll('\\n', '\n').replaceAll('\\r', '\r').replaceAll('\\t', '\t');
}

/** The steps after this request. Throws InvalidArgumentException. */
export function readProcessing(
  operation: string,
  config: ProcessingConfiguration | undefined,
  old: readonly ProcessingStep[] | undefined,
): readonly ProcessingStep[] | undefined {
  if (config === undefined) return old;
  if (config.Enabled !== true) return undefined;
  const types = (config.Processors ?? []).map(({ Type }) => Type);
  const twice = types.find((type, index) => types.indexOf(type) !== index);
  if (types.length === 0) throw invalidArgument('ProcessingConfiguration must have a processor when it is enabled.');
  if (twice !== undefined) throw invalidArgument(`ProcessingConfiguration has more than one processor of type ${twice}.`);
  const order: readonly string[] = [
    'Decompression',
    'RecordDeAggregation',
    'Lambda',
    'MetadataExtraction',
    'AppendDelimiterToRecord',
  ];
  const steps = (config.Processors ?? []).map((processor) => readStep(operation, processor));
  // They run in this order, in whatever order they are given ("Add a new line delimiter …": at last).
  return steps.sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
}

export function showProcessing(steps: readonly ProcessingStep[] | undefined): ProcessingConfiguration {
  return { Enabled: steps !== undefined, Processors: (steps ?? []).map(showStep) };
}

function showStep(step: ProcessingStep): Processor {
  const parameter = (ParameterName: string, value: string | number | undefined) =>
    value === undefined ? [] : [{ ParameterName: ParameterName as 'LambdaArn', ParameterValue: String(value) }];
  switch (step.type) {
    case 'Lambda':
      return {
        Type: 'Lambda',
        Parameters: [
          ...parameter('LambdaArn', step.arn),
          ...parameter('NumberOfRetries', step.retries),
          ...parameter('RoleArn', step.role),
          ...parameter('BufferSizeInMBs', step.sizeMb),
          ...parameter('BufferIntervalInSeconds', step.intervalSeconds),
        ],
      };
    case 'AppendDelimiterToRecord':
      return { Type: step.type, Parameters: parameter('Delimiter', JSON.stringify(step.delimiter).slice(1, -1)) };
    case 'RecordDeAggregation':
      return {
        Type: step.type,
        Parameters: [
          ...parameter('SubRecordType', step.delimiter === undefined ? 'JSON' : 'DELIMITED'),
          ...parameter('Delimiter', step.delimiter && Buffer.from(step.delimiter).toString('base64')),
        ],
      };
    case 'MetadataExtraction':
      return {
        Type: step.type,
        Parameters: [...parameter('MetadataExtractionQuery', step.query), ...parameter('JsonParsingEngine', 'JQ-1.6')],
      };
    case 'Decompression':
      return { Type: step.type, Parameters: parameter('CompressionFormat', 'GZIP') };
  }
}

/** Dynamic partitioning after this request. A retry duration of its own is refused: nothing is tried again. Throws InvalidArgumentException. */
export function readPartitioning(
  config: DynamicPartitioningConfiguration | undefined,
  old: PartitioningSpec | undefined,
  isNew: boolean,
): PartitioningSpec | undefined {
  if (config === undefined) return old;
  const seconds = config.RetryOptions?.DurationInSeconds ?? old?.retrySeconds ?? partitionRetrySecondsDefault;
  if (seconds < 0 || seconds > partitionRetrySecondsMax)
    throw invalidArgument(`RetryOptions.DurationInSeconds must be from 0 to ${partitionRetrySecondsMax}.`);
  if (seconds !== partitionRetrySecondsDefault)
    throw parameterNotImplemented(
      isNew ? 'CreateDeliveryStream' : 'UpdateDestination',
      `DynamicPartitioningConfiguration.RetryOptions.DurationInSeconds=${seconds}`,
    );
  if (config.Enabled !== true) {
    if (old !== undefined) throw invalidArgument('Dynamic partitioning cannot be disabled once it is enabled.');
    return undefined;
  }
  if (!isNew && old === undefined) throw invalidArgument('Dynamic partitioning can only be enabled when a stream is created.');
  return { retrySeconds: seconds };
}
