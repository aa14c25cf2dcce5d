/**
 * A state machine drawn: boxes for states in rows by their distance from the first, lines for transitions, the outcome of each state in words and
 * colour. Branches and iterations are drawn inside frames of their own, below the graph they belong to.
 */
import type { HistoryEvent } from '@aws-sdk/client-sfn';

export type Outcome = 'succeeded' | 'failed' | 'caught error' | 'in progress' | 'aborted' | 'timed out' | 'not reached';

interface FlowState {
  Type?: string;
  Next?: string;
  Default?: string;
  End?: boolean;
  Choices?: readonly { Next?: string }[];
  Catch?: readonly { Next?: string }[];
  Branches?: readonly Flow[];
  ItemProcessor?: Flow;
  Iterator?: Flow;
}

export interface Flow {
  StartAt?: string;
  States?: Readonly<Record<string, FlowState>>;
}

export interface Box {
  name: string;
  type: string;
  row: number;
  column: number;
}

export interface Graph {
  boxes: readonly Box[];
  lines: readonly { from: Box; to: Box }[];
  /** Graphs of branches and iterations, with what to call them. */
  inner: readonly { title: string; graph: Graph }[];
}

function targetsOf(state: FlowState): string[] {
  const all = [
    state.Next,
    ...(state.Choices ?? []).map(({ Next }) => Next),
    state.Default,
    ...(state.Catch ?? []).map(({ Next }) => Next),
  ];
  return [...new Set(all.filter((name) => name !== undefined))];
}

/** Lays a definition out. */
export function graphOf(flow: Flow): Graph {
  const states = new Map(Object.entries(flow.States ?? {}));
  const boxes = new Map<string, Box>();
  const widths: number[] = [];
  let row = flow.StartAt === undefined ? [] : [flow.StartAt];
  for (let number = 0; row.length > 0; number++) {
    const next: string[] = [];
    for (const name of row) {
      const state = states.get(name);
      if (state === undefined || boxes.has(name)) continue;
      const column = widths[number] ?? 0;
      widths[number] = column + 1;
      boxes.set(name, { name, type: state.Type ?? '', row: number, column });
      next.push(...targetsOf(state));
    }
    row = next;
  }
  const lines = [...boxes.values()].flatMap((from) =>
    targetsOf(states.get(from.name) ?? {}).flatMap((name) => {
      const to = boxes.get(name);
      return to === undefined ? [] : [{ from, to }];
    }),
  );
  const inner = [...boxes.keys()].flatMap((name) => innerOf(name, states.get(name) ?? {}));
  return { boxes: [...boxes.values()], lines, inner };
}

function innerOf(name: string, state: FlowState): { title: string; graph: Graph }[] {
  const branches = (state.Branches ?? []).map((branch, at) => ({ title: `${name}, branch ${at + 1}`, graph: graphOf(branch) }));
  const processor = state.ItemProcessor ?? state.Iterator;
  return processor === undefined ? branches : [...branches, { title: `${name}, each item`, graph: graphOf(processor) }];
}

const endings: Readonly<Record<string, Outcome>> = { FAILED: 'failed', ABORTED: 'aborted', TIMED_OUT: 'timed out' };

/** How each state that was entered came out, by the events of a history and the execution's status. */
export function outcomesOf(events: readonly HistoryEvent[], status: string): Map<string, Outcome> {
  const stateOf = new Map<number, string>();
  const failures = new Set<number>();
  const outcomes = new Map<string, Outcome>();
  for (const { id = 0, previousEventId = 0, type = '', stateEnteredEventDetails, stateExitedEventDetails } of events) {
    const name = stateEnteredEventDetails?.name ?? stateExitedEventDetails?.name ?? stateOf.get(previousEventId);
    if (name === undefined) continue;
    stateOf.set(id, name);
    if (type.endsWith('StateEntered')) outcomes.set(name, 'in progress');
    else if (type.endsWith('StateExited')) outcomes.set(name, failures.has(previousEventId) ? 'caught error' : 'succeeded');
    else if (type.endsWith('StateAborted')) outcomes.set(name, 'aborted');
    else if (/(Failed|TimedOut)$/.test(type)) failures.add(id);
  }
  const ending = endings[status];
  if (ending !== undefined) for (const [name, outcome] of outcomes) if (outcome === 'in progress') outcomes.set(name, ending);
  return outcomes;
}
