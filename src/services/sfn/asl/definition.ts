/** The shape of definitions that have passed validation, and finding the states in them. Source: states-language.net. */
import type { Json } from '../../../model/types.ts';
import type { JsonObject } from './values.ts';

export type QueryLanguage = 'JSONPath' | 'JSONata';
export type StateType = 'Pass' | 'Task' | 'Choice' | 'Wait' | 'Succeed' | 'Fail' | 'Parallel' | 'Map';

export interface Retrier {
  ErrorEquals: readonly string[];
  IntervalSeconds?: number;
  MaxAttempts?: number;
  BackoffRate?: number;
  MaxDelaySeconds?: number;
  JitterStrategy?: 'FULL' | 'NONE';
}

export interface Catcher {
  ErrorEquals: readonly string[];
  Next: string;
  ResultPath?: string | null;
  Output?: Json;
  Assign?: Json;
}

export interface ChoiceRule extends JsonObjectLike {
  Next?: string;
  Condition?: string;
  Variable?: string;
  Assign?: Json;
  Output?: Json;
  And?: readonly ChoiceRule[];
  Or?: readonly ChoiceRule[];
  Not?: ChoiceRule;
}

interface JsonObjectLike {
  readonly [member: string]: unknown;
}

export interface ItemReader {
  Resource: string;
  Parameters?: Json;
  Arguments?: Json;
  ReaderConfig?: JsonObject;
}

export interface ResultWriter {
  Resource?: string;
  Parameters?: Json;
  Arguments?: Json;
  WriterConfig?: JsonObject;
}

export interface ItemBatcher {
  MaxItemsPerBatch?: number | string;
  MaxItemsPerBatchPath?: string;
  MaxInputBytesPerBatch?: number | string;
  MaxInputBytesPerBatchPath?: string;
  BatchInput?: Json;
}

export interface State {
  Type: StateType;
  Comment?: string;
  QueryLanguage?: QueryLanguage;
  Next?: string;
  End?: boolean;
  InputPath?: string | null;
  OutputPath?: string | null;
  Parameters?: Json;
  Arguments?: Json;
  Output?: Json;
  Assign?: Json;
  Result?: Json;
  ResultSelector?: Json;
  ResultPath?: string | null;
  Retry?: readonly Retrier[];
  Catch?: readonly Catcher[];
  Resource?: string;
  Credentials?: Json;
  TimeoutSeconds?: number | string;
  TimeoutSecondsPath?: string;
  HeartbeatSeconds?: number | string;
  HeartbeatSecondsPath?: string;
  Choices?: readonly ChoiceRule[];
  Default?: string;
  Seconds?: number | string;
  SecondsPath?: string;
  Timestamp?: string;
  TimestampPath?: string;
  Error?: string;
  ErrorPath?: string;
  Cause?: string;
  CausePath?: string;
  Branches?: readonly Workflow[];
  ItemProcessor?: Processor;
  Iterator?: Processor;
  ItemsPath?: string;
  Items?: Json;
  ItemSelector?: Json;
  ItemReader?: ItemReader;
  ItemBatcher?: ItemBatcher;
  ResultWriter?: ResultWriter;
  Label?: string;
  MaxConcurrency?: number | string;
  MaxConcurrencyPath?: string;
  ToleratedFailureCount?: number | string;
  ToleratedFailureCountPath?: string;
  ToleratedFailurePercentage?: number | string;
  ToleratedFailurePercentagePath?: string;
}

export interface Workflow {
  StartAt: string;
  States: Readonly<Record<string, State>>;
}

export interface Processor extends Workflow {
  ProcessorConfig?: { Mode?: 'INLINE' | 'DISTRIBUTED'; ExecutionType?: 'STANDARD' | 'EXPRESS' };
}

export interface Definition extends Workflow {
  Comment?: string;
  Version?: string;
  TimeoutSeconds?: number;
  QueryLanguage?: QueryLanguage;
}

/** Definitions by their text: a cache of a bounded set, rebuilt when it is full. */
const definitionsCache = new Map<string, Definition>();
const definitionsCacheMax = 200;

/** A definition that was accepted before. Throws when the text is none. */
export function definitionOf(text: string): Definition {
  let definition = definitionsCache.get(text);
  if (definition === undefined) {
    definition = JSON.parse(text) as Definition;
    if (definitionsCache.size >= definitionsCacheMax) definitionsCache.clear();
    definitionsCache.set(text, definition);
  }
  return definition;
}

/** The states of a Map. */
export function processorOf(state: State): Processor | undefined {
  return state.ItemProcessor ?? state.Iterator;
}

export function isDistributed(state: State): boolean {
  return state.Type === 'Map' && processorOf(state)?.ProcessorConfig?.Mode === 'DISTRIBUTED';
}

/** The language a state's fields are written in. */
export function languageOf(definition: Definition, state: State): QueryLanguage {
  return state.QueryLanguage ?? definition.QueryLanguage ?? 'JSONPath';
}

/**
 * The states at a place of a definition: names of Parallel and Map states from the top, a Parallel's followed by the number of the branch. Throws
 * when there is no such place: the place came from this definition.
 */
export function workflowAt(definition: Definition, place: readonly (string | number)[]): Workflow {
  let workflow: Workflow | undefined = definition;
  for (let at = 0; at < place.length; at++) {
    const state: State | undefined = workflow?.States[place[at] as string];
    if (state?.Type === 'Parallel') workflow = state.Branches?.[place[++at] as number];
    else workflow = state === undefined ? undefined : processorOf(state);
  }
  if (workflow === undefined) throw new Error(`The definition has no states at ${place.join('/')}.`);
  return workflow;
}
