/** Parallel states and inline Maps: opening their branches and joining what they give. Source: "Parallel workflow state", "Using Map state in Inline mode". */
import type { Json } from '../../../model/types.ts';
import { StateError, runtimeError } from '../asl/errors.ts';
import { processorOf, type State } from '../asl/definition.ts';
import { fillTemplate } from '../asl/template.ts';
import { isList, jsonText } from '../asl/values.ts';
import { inlineConcurrency } from '../rules.ts';
import { abandonWork } from './ending.ts';
import { errorDetails, failState } from './failures.ts';
import { Look } from './look.ts';
import type { Frame, Run } from './run.ts';
import { finishWork } from './steps.ts';

/** Opens a frame for every branch. */
export async function startParallel(run: Run, frame: Frame, look: Look): Promise<void> {
  const input = await look.parameters();
  const branches = look.state.Branches ?? [];
  const started = run.event(frame, 'ParallelStateStarted');
  run.change(frame, { phase: 'children', running: branches.length, attempt: frame.attempt + 1 });
  for (const [index, branch] of branches.entries())
    run.open({
      parent: frame.id,
      index,
      place: [...frame.place, frame.state, index],
      state: branch.StartAt,
      input,
      lastEvent: started,
    });
}

/** Items of a Map: ItemsPath or Items, the input itself by default. Throws StateError when they are no list. */
export async function itemsOf(look: Look): Promise<readonly Json[]> {
  const { state } = look;
  let items: Json;
  if (look.jsonata) items = state.Items === undefined ? look.frame.input : await look.evaluate('Items', state.Items);
  else {
    const input = look.input();
    items = state.ItemsPath === undefined ? input : look.path(state.ItemsPath, input);
    if (state.ItemsPath !== undefined) look.notes['afterItemsPath'] = items;
  }
  if (isList(items)) return items;
  if (look.jsonata)
    throw new StateError(
      'States.QueryEvaluationError',
      `The JSONata expression for the field 'Items' returned a value that is not an array.`,
      { location: 'Items' },
    );
  throw runtimeError(`Reference path "${state.ItemsPath ?? '$'}" must point to array.`);
}

/** What an iteration gets of an item. */
export async function iterationInput(look: Look, item: Json, index: number): Promise<Json> {
  const template = look.state.ItemSelector ?? look.state.Parameters;
  if (template === undefined) return item;
  const context = { ...look.run.contextOf(look.frame), Map: { Item: { Index: index, Value: item } } };
  if (look.jsonata) return look.evaluate('ItemSelector', template, { context });
  return fillTemplate(template, { ...look.scope(look.input()), context }, look.run.ctx);
}

/** Begins an inline Map. */
export async function startMap(run: Run, frame: Frame, look: Look): Promise<void> {
  const items = await itemsOf(look);
  const concurrency = (await look.number('MaxConcurrency')) ?? 0;
  const limit = concurrency === 0 ? inlineConcurrency : Math.min(concurrency, inlineConcurrency);
  run.event(frame, 'MapStateStarted', 'mapStateStartedEventDetails', { length: items.length });
  run.change(frame, { phase: 'children', items, next: 0, limit, running: 0, attempt: frame.attempt + 1 });
  if (items.length === 0) return joined(run, frame, []);
  await openIterations(run, frame, look);
}

async function openIterations(run: Run, frame: Frame, look: Look): Promise<void> {
  const { items = [], limit = 1 } = frame;
  const started = frame.lastEvent;
  while ((frame.next ?? 0) < items.length && (frame.running ?? 0) < limit) {
    const index = frame.next ?? 0;
    const item = items[index] ?? null;
    const input = await iterationInput(look, item, index);
    run.change(frame, { next: index + 1, running: (frame.running ?? 0) + 1 });
    const processor = processorOf(look.state);
    const child = run.open({
      parent: frame.id,
      index,
      item,
      place: [...frame.place, frame.state],
      state: processor?.StartAt ?? '',
      input,
      lastEvent: started,
    });
    run.event(child, 'MapIterationStarted', 'mapIterationStartedEventDetails', { name: frame.state, index });
  }
}

/** A branch has reached its end. */
export async function childEnded(run: Run, child: Frame, output: Json): Promise<void> {
  const parent = run.frames.get(child.parent ?? -1);
  if (parent === undefined) return;
  const state = run.stateOf(parent);
  if (state.Type === 'Map')
    run.event(child, 'MapIterationSucceeded', 'mapIterationSucceededEventDetails', {
      name: parent.state,
      index: child.index ?? 0,
    });
  run.change(child, { phase: 'ended', output });
  run.change(parent, { running: (parent.running ?? 1) - 1, lastEvent: child.lastEvent });
  if (state.Type === 'Map' && (parent.next ?? 0) < (parent.items?.length ?? 0)) {
    return openIterations(run, parent, new Look(run, parent));
  }
  if ((parent.running ?? 0) > 0) return;
  const children = run.childrenOf(parent).sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  const results = children.map((ended) => ended.output ?? null);
  for (const ended of children) run.remove(ended);
  await joined(run, parent, results);
}

async function joined(run: Run, frame: Frame, results: readonly Json[]): Promise<void> {
  run.event(frame, run.stateOf(frame).Type === 'Map' ? 'MapStateSucceeded' : 'ParallelStateSucceeded');
  await finishWork(run, frame, results);
}

/** A branch has failed: the others are given up, and the state fails with its error. */
export async function childFailed(run: Run, child: Frame, failure: StateError): Promise<void> {
  const parent = run.frames.get(child.parent ?? -1);
  if (parent === undefined) return;
  const isMap = run.stateOf(parent).Type === 'Map';
  if (isMap)
    run.event(child, 'MapIterationFailed', 'mapIterationFailedEventDetails', { name: parent.state, index: child.index ?? 0 });
  const last = child.lastEvent;
  for (const sibling of run.childrenOf(parent)) {
    if (sibling.id !== child.id && sibling.phase !== 'ended') abortFrame(run, sibling, parent, isMap);
    dropTree(run, sibling);
  }
  run.change(parent, { lastEvent: last });
  run.event(parent, isMap ? 'MapStateFailed' : 'ParallelStateFailed');
  await failState(run, parent, failure);
}

const abortable = new Set<State['Type']>(['Task', 'Wait', 'Parallel', 'Map']);

function abortFrame(run: Run, frame: Frame, parent: Frame, isMap: boolean): void {
  const { Type } = run.stateOf(frame);
  if (frame.phase !== 'enter' && abortable.has(Type)) run.event(frame, `${Type}StateAborted`);
  if (isMap)
    run.event(frame, 'MapIterationAborted', 'mapIterationAbortedEventDetails', { name: parent.state, index: frame.index ?? 0 });
}

/** Removes a frame and all below it. */
function dropTree(run: Run, frame: Frame): void {
  for (const child of run.childrenOf(frame)) dropTree(run, child);
  abandonWork(run, frame);
  run.remove(frame);
}

/** The failure of a distributed Map as its state sees it. */
export async function mapRunEnded(run: Run, frame: Frame, outcome: { result?: Json; failure?: StateError }): Promise<void> {
  if (outcome.failure === undefined) {
    run.event(frame, 'MapRunSucceeded');
    run.event(frame, 'MapStateSucceeded');
    return finishWork(run, frame, outcome.result ?? null);
  }
  run.event(frame, 'MapRunFailed', 'mapRunFailedEventDetails', errorDetails(outcome.failure));
  run.event(frame, 'MapStateFailed');
  await failState(run, frame, outcome.failure);
}

/** JSON text with the details that events carry. */
export function dataDetails(name: 'input' | 'output', value: Json): { [name: string]: Json } {
  return { [name]: jsonText(value), [`${name}Details`]: { truncated: false } };
}
