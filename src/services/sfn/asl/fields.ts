/** Which fields a state may have, by its type and query language. Source: Developer Guide, "Using Amazon States Language" and its pages by state. */
import type { QueryLanguage, StateType } from './definition.ts';

const everyState = ['Type', 'Comment', 'QueryLanguage'];
const flow = ['Next', 'End'];
const errors = ['Retry', 'Catch'];

/** Fields of JSONPath alone, and of JSONata alone. */
const jsonPathOnly: ReadonlySet<string> = new Set([
  'InputPath',
  'OutputPath',
  'Parameters',
  'ResultSelector',
  'ResultPath',
  'Result',
  'ItemsPath',
  'SecondsPath',
  'TimestampPath',
  'TimeoutSecondsPath',
  'HeartbeatSecondsPath',
  'ErrorPath',
  'CausePath',
  'MaxConcurrencyPath',
  'ToleratedFailureCountPath',
  'ToleratedFailurePercentagePath',
  'MaxItemsPerBatchPath',
  'MaxInputBytesPerBatchPath',
]);
const jsonataOnly: ReadonlySet<string> = new Set(['Arguments', 'Output', 'Items', 'Condition']);

/** Of the states that do something with an input and shape what comes of it. */
const work = ['InputPath', 'OutputPath', 'Parameters', 'Arguments', 'Output', 'Assign', 'ResultSelector', 'ResultPath'];

const own: Readonly<Record<StateType, readonly string[]>> = {
  Pass: [...flow, 'InputPath', 'OutputPath', 'Parameters', 'Result', 'ResultPath', 'Output', 'Assign'],
  Task: [
    ...flow,
    ...errors,
    ...work,
    'Resource',
    'Credentials',
    'TimeoutSeconds',
    'TimeoutSecondsPath',
    'HeartbeatSeconds',
    'HeartbeatSecondsPath',
  ],
  Choice: ['InputPath', 'OutputPath', 'Output', 'Assign', 'Choices', 'Default'],
  Wait: [...flow, 'InputPath', 'OutputPath', 'Output', 'Assign', 'Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'],
  Succeed: ['InputPath', 'OutputPath', 'Output'],
  Fail: ['Error', 'ErrorPath', 'Cause', 'CausePath'],
  Parallel: [...flow, ...errors, ...work, 'Branches'],
  Map: [
    ...flow,
    ...errors,
    'InputPath',
    'OutputPath',
    'Parameters',
    'Output',
    'Assign',
    'ResultSelector',
    'ResultPath',
    'ItemProcessor',
    'Iterator',
    'ItemsPath',
    'Items',
    'ItemSelector',
    'ItemReader',
    'ItemBatcher',
    'ResultWriter',
    'Label',
    'MaxConcurrency',
    'MaxConcurrencyPath',
    'ToleratedFailureCount',
    'ToleratedFailureCountPath',
    'ToleratedFailurePercentage',
    'ToleratedFailurePercentagePath',
  ],
};

const fieldSets = new Map(Object.entries(own).map(([type, fields]) => [type, new Set([...everyState, ...fields])]));

export const stateTypes = Object.keys(own);

export function mayHave(type: StateType, field: string): boolean {
  return fieldSets.get(type)?.has(field) === true;
}

/** The language that alone has a field which a state in `language` may not have; undefined when it may. */
export function languageNeeded(field: string, language: QueryLanguage): QueryLanguage | undefined {
  if (language === 'JSONata' && jsonPathOnly.has(field)) return 'JSONPath';
  return language === 'JSONPath' && jsonataOnly.has(field) ? 'JSONata' : undefined;
}
