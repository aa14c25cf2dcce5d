/**
 * Rows of Step Functions. An execution is one row, a row for each of its running branches (frames), and one for each event of its history; what it
 * does next follows from its frames alone, so an execution continues after a crash from the last step that was committed.
 */
import type { Millis } from '../../base/clock.ts';
import type { Json } from '../../model/types.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;
export type MachineType = 'STANDARD' | 'EXPRESS';

export interface Logging {
  level: 'ALL' | 'ERROR' | 'FATAL' | 'OFF';
  includeExecutionData: boolean;
  /** ARN of a log group, with `:*` at its end. */
  group?: string | undefined;
}

/** What a machine, and each of its published versions, runs. */
export interface Revision {
  definition: string;
  roleArn: string;
  logging: Logging;
  /** Absent until the first update. */
  revision?: string | undefined;
}

export interface MachineRow extends Revision {
  name: string;
  type: MachineType;
  created: Millis;
  updated?: Millis | undefined;
  /** Number of the newest version ever published; numbers are not used again. */
  lastVersion: number;
  tags: TagMap;
}

export const Machines = defineTable<MachineRow>()({ name: 'sfn.machines', scope: 'region', key: (row) => [row.name] });

export interface VersionRow extends Revision {
  machine: string;
  version: number;
  description?: string | undefined;
  created: Millis;
}

export const Versions = defineTable<VersionRow>()({
  name: 'sfn.versions',
  scope: 'region',
  key: (row) => [row.machine, row.version],
});

export interface AliasRow {
  machine: string;
  name: string;
  description?: string | undefined;
  routes: readonly { version: number; weight: number }[];
  created: Millis;
  updated: Millis;
}

export const Aliases = defineTable<AliasRow>()({ name: 'sfn.aliases', scope: 'region', key: (row) => [row.machine, row.name] });

export interface ActivityRow {
  name: string;
  created: Millis;
  tags: TagMap;
}

export const Activities = defineTable<ActivityRow>()({ name: 'sfn.activities', scope: 'region', key: (row) => [row.name] });

/** Work of an activity that no worker has fetched yet. */
export interface ActivityTaskRow {
  activity: string;
  at: Millis;
  token: string;
  input: string;
}

export const ActivityTasks = defineTable<ActivityTaskRow>()({
  name: 'sfn.activity-tasks',
  scope: 'region',
  key: (row) => [row.activity, row.at, row.token],
});

/** Whose task a token stands for. Stays until its execution ends, so that a late answer is told that it is late. */
export interface TokenRow {
  token: string;
  machine: string;
  execution: string;
  frame: number;
  attempt: number;
}

export const Tokens = defineTable<TokenRow>()({
  name: 'sfn.tokens',
  scope: 'region',
  key: (row) => [row.token],
  indexes: { byExecution: (row) => [row.machine, row.execution] },
});

export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

export interface ExecutionRow extends Revision {
  /** Name of the machine; of a child of a distributed Map, `machine/label`. */
  machine: string;
  name: string;
  type: MachineType;
  status: ExecutionStatus;
  /** JSON texts. */
  input: string;
  output?: string | undefined;
  error?: string | undefined;
  cause?: string | undefined;
  start: Millis;
  stop?: Millis | undefined;
  version?: number | undefined;
  alias?: string | undefined;
  traceHeader?: string | undefined;
  /** Id of the newest event. */
  lastEvent: number;
  /** Number of the next frame. */
  nextFrame: number;
  /** When TimeoutSeconds of the definition ends it. */
  expires?: Millis | undefined;
  redrives: number;
  redriven?: Millis | undefined;
  /** Of a child of a distributed Map: the run, its item, and where its states lie in the definition. */
  mapRun?: string | undefined;
  item?: number | undefined;
  place?: readonly (string | number)[] | undefined;
  /** Variables and context that a child of a distributed Map has from its Map. */
  variables?: { readonly [name: string]: Json } | undefined;
  mapItem?: Json | undefined;
}

export const Executions = defineTable<ExecutionRow>()({
  name: 'sfn.executions',
  scope: 'region',
  key: (row) => [row.machine, row.name],
  indexes: {
    byStart: (row) => [row.machine, row.start],
    byStatus: (row) => [row.machine, row.status, row.start],
    byMapRun: (row) => (row.mapRun === undefined ? undefined : [row.mapRun, row.start]),
  },
});

/**
 * Express executions that nobody waits for, until they have ended: what is begun again after a crash ("asynchronous Express Workflows … at-least-once
 * workflow execution"). How far they came is not written, as in AWS.
 */
export const ExpressRuns = defineTable<ExecutionRow>()({
  name: 'sfn.express',
  scope: 'region',
  key: (row) => [row.machine, row.name],
});

/** Executions that run: what is looked at after a restart. */
export const Live = defineTable<{ machine: string; name: string }>()({
  name: 'sfn.live',
  scope: 'region',
  key: (row) => [row.machine, row.name],
});

export type Phase =
  /** The state is to be entered. */
  | 'enter'
  /** An attempt of a Task, Parallel or Map is to be made. */
  | 'start'
  /** Waits: a Wait state, or the pause before a retry. */
  | 'wait'
  | 'pause'
  /** A call is under way. */
  | 'call'
  /** A token's answer is awaited; an execution of another machine; a run of a distributed Map. */
  | 'token'
  | 'child'
  | 'mapRun'
  /** Branches or iterations run. */
  | 'children'
  /** A branch that has reached its end and waits for the others. */
  | 'ended';

/** One branch of an execution: the execution itself (number 0), a branch of a Parallel, an iteration of a Map. */
export interface FrameRow {
  machine: string;
  execution: string;
  id: number;
  parent?: number | undefined;
  /** Number of the branch or iteration. */
  index?: number | undefined;
  item?: Json | undefined;
  place: readonly (string | number)[];
  state: string;
  input: Json;
  variables: { readonly [name: string]: Json };
  phase: Phase;
  entered: Millis;
  enteredEvent: number;
  lastEvent: number;
  /** Counts attempts of all its states: an answer to an earlier one is not taken. */
  attempt: number;
  /** Retries made of the present state, by retrier. */
  retries: readonly number[];
  due?: Millis | undefined;
  timeoutAt?: Millis | undefined;
  heartbeatAt?: Millis | undefined;
  heartbeatSeconds?: number | undefined;
  token?: string | undefined;
  /** What the call under way was given. */
  parameters?: Json | undefined;
  /** ARN of the execution or run that is awaited. */
  awaited?: string | undefined;
  /** Of an inline Map: its items, how many were started, and how many may run at once. */
  items?: readonly Json[] | undefined;
  next?: number | undefined;
  limit?: number | undefined;
  running?: number | undefined;
  output?: Json | undefined;
}

export const Frames = defineTable<FrameRow>()({
  name: 'sfn.frames',
  scope: 'region',
  key: (row) => [row.machine, row.execution, row.id],
});

export interface EventRow {
  machine: string;
  execution: string;
  id: number;
  previous: number;
  at: Millis;
  type: string;
  /** Name of the member that holds the details, and the details; data is JSON text. */
  member?: string | undefined;
  details?: { readonly [name: string]: Json } | undefined;
}

export const Events = defineTable<EventRow>()({
  name: 'sfn.events',
  scope: 'region',
  key: (row) => [row.machine, row.execution, row.id],
});

export type MapRunStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'ABORTED';

/** A run of a distributed Map. */
export interface MapRunRow {
  /** `machine/label`. */
  machine: string;
  id: string;
  /** The execution whose Map it is. */
  parent: string;
  parentMachine: string;
  frame: number;
  attempt: number;
  status: MapRunStatus;
  start: Millis;
  stop?: Millis | undefined;
  concurrency: number;
  toleratedCount: number;
  toleratedPercentage: number;
  items: number;
  executions: number;
  redrives: number;
  redriven?: Millis | undefined;
}

export const MapRuns = defineTable<MapRunRow>()({
  name: 'sfn.map-runs',
  scope: 'region',
  key: (row) => [row.machine, row.id],
  indexes: { byParent: (row) => [row.parentMachine, row.parent, row.start] },
});

/** One child's work in a run: an item or a batch of them. */
export interface MapItemRow {
  run: string;
  index: number;
  /** How many items of the data set it holds. */
  count: number;
  input: string;
  item: Json;
  status: 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  output?: string | undefined;
  error?: string | undefined;
  cause?: string | undefined;
  /** Name of the execution. */
  execution?: string | undefined;
  start?: Millis | undefined;
  stop?: Millis | undefined;
}

export const MapItems = defineTable<MapItemRow>()({
  name: 'sfn.map-items',
  scope: 'region',
  key: (row) => [row.run, row.index],
  indexes: { byStatus: (row) => [row.run, row.status, row.index] },
});

export const tables = [
  Machines,
  Versions,
  Aliases,
  Activities,
  ActivityTasks,
  Tokens,
  Executions,
  Live,
  ExpressRuns,
  Frames,
  Events,
  MapRuns,
  MapItems,
] as const;
