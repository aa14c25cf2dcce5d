/**
 * One execution while it is being worked on: its rows in memory, changed by the steps, and written in one transaction when they rest. Express
 * executions have the same rows, but they are never written ("Express workflows … no state is persisted"): one that a crash cuts off begins again.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import type { Json } from '../../../model/types.ts';
import { type Definition, definitionOf, type State, workflowAt } from '../asl/definition.ts';
import { StateError } from '../asl/errors.ts';
import type { JsonObject } from '../asl/values.ts';
import { eventsMax, executionArn, machineArn } from '../rules.ts';
import type { EventRow, ExecutionRow, FrameRow } from '../state.ts';
import { iso } from '../times.ts';

export type Frame = { -readonly [Member in keyof FrameRow]: FrameRow[Member] };
export type Execution = { -readonly [Member in keyof ExecutionRow]: ExecutionRow[Member] };

/** What is to be done once the steps that ask for it are written. */
export type Effect =
  /** A task's call, a run of a distributed Map, the wait for another execution. */
  | { kind: 'call' | 'mapRun' | 'child'; frame: number; attempt: number }
  /** An execution or run that nobody waits for any more. */
  | { kind: 'abandon'; awaited: string }
  /** Work for an activity's workers. */
  | { kind: 'activity'; activity: string };

export interface NewActivityTask {
  activity: string;
  token: string;
  input: string;
}

export class Run {
  readonly ctx: Context;
  readonly execution: Execution;
  readonly frames: Map<number, Frame>;
  readonly definition: Definition;
  /** Changes since the last commit. */
  readonly changed = new Set<number>();
  readonly removed = new Set<number>();
  events: EventRow[] = [];
  effects: Effect[] = [];
  newTokens: { token: string; frame: number; attempt: number }[] = [];
  activityTasks: NewActivityTask[] = [];
  /** Kept for express executions, whose log is written at their end. */
  readonly log: EventRow[] = [];

  constructor(ctx: Context, execution: Execution, frames: readonly Frame[]) {
    this.ctx = ctx;
    this.execution = execution;
    this.frames = new Map(frames.map((frame) => [frame.id, frame]));
    this.definition = definitionOf(execution.definition);
  }

  get durable(): boolean {
    return this.execution.type === 'STANDARD';
  }

  get over(): boolean {
    return this.execution.status !== 'RUNNING';
  }

  get arn(): string {
    return executionArn(this.ctx, this.execution);
  }

  now(): Millis {
    return this.ctx.clock.now();
  }

  /** Adds an event to the history; the frame's next one follows it. Throws StateError at the end of what a history may hold. */
  event(frame: Frame | undefined, type: string, member?: string, details?: JsonObject): number {
    const { execution } = this;
    if (execution.lastEvent >= eventsMax - 1 && !type.startsWith('Execution'))
      throw new HistoryFull('States.Runtime', `The execution reached the maximum number of history events (${eventsMax}).`);
    execution.lastEvent += 1;
    const row: EventRow = {
      machine: execution.machine,
      execution: execution.name,
      id: execution.lastEvent,
      previous: frame?.lastEvent ?? 0,
      at: this.now(),
      type,
      member,
      details,
    };
    this.events.push(row);
    if (frame !== undefined) {
      frame.lastEvent = row.id;
      this.changed.add(frame.id);
    }
    return row.id;
  }

  /** A new frame. It is entered by the next step. */
  open(fields: Pick<Frame, 'place' | 'state' | 'input' | 'lastEvent'> & Partial<Frame>): Frame {
    const { execution } = this;
    const frame: Frame = {
      machine: execution.machine,
      execution: execution.name,
      id: execution.nextFrame,
      variables: {},
      phase: 'enter',
      entered: this.now(),
      enteredEvent: 0,
      attempt: 0,
      retries: [],
      ...fields,
    };
    execution.nextFrame += 1;
    this.frames.set(frame.id, frame);
    this.changed.add(frame.id);
    return frame;
  }

  change(frame: Frame, fields: Partial<Frame>): void {
    Object.assign(frame, fields);
    this.changed.add(frame.id);
  }

  remove(frame: Frame): void {
    this.frames.delete(frame.id);
    this.changed.delete(frame.id);
    this.removed.add(frame.id);
  }

  childrenOf(frame: Frame): Frame[] {
    return [...this.frames.values()].filter(({ parent }) => parent === frame.id);
  }

  stateOf(frame: Frame): State {
    const state = workflowAt(this.definition, frame.place).States[frame.state];
    if (state === undefined) throw new Error(`The definition has no state ${frame.state}.`);
    return state;
  }

  /** Variables that a frame sees: its own and those of the frames around it. */
  variablesOf(frame: Frame): JsonObject {
    const outer = frame.parent === undefined ? this.execution.variables : this.outerVariables(frame.parent);
    return { ...outer, ...frame.variables };
  }

  private outerVariables(parent: number): JsonObject | undefined {
    const frame = this.frames.get(parent);
    return frame === undefined ? undefined : this.variablesOf(frame);
  }

  /** The context object as a state sees it ("Accessing execution data from the Context object"). */
  contextOf(frame: Frame): JsonObject {
    const { execution, ctx } = this;
    const item = this.itemOf(frame);
    const retry = frame.retries.reduce((sum, count) => sum + count, 0);
    return {
      Execution: {
        Id: this.arn,
        Input: JSON.parse(execution.input) as Json,
        Name: execution.name,
        RoleArn: execution.roleArn,
        StartTime: iso(execution.start),
        RedriveCount: execution.redrives,
        ...(execution.redriven === undefined ? {} : { RedriveTime: iso(execution.redriven) }),
      },
      StateMachine: { Id: machineArn(ctx, execution.machine), Name: execution.machine },
      State: { Name: frame.state, EnteredTime: iso(frame.entered), RetryCount: retry },
      ...(frame.token === undefined ? {} : { Task: { Token: frame.token } }),
      ...(item === undefined ? {} : { Map: { Item: item } }),
    };
  }

  private itemOf(frame: Frame): Json | undefined {
    if (frame.item !== undefined) return { Index: frame.index ?? 0, Value: frame.item };
    const parent = frame.parent === undefined ? undefined : this.frames.get(frame.parent);
    return parent === undefined ? this.execution.mapItem : this.itemOf(parent);
  }
}

/** No further event fits: the execution fails, whatever its states would catch. */
export class HistoryFull extends StateError {}
