/** The console's Step Functions pages: state machines, the executions of one, and an execution with its graph. */
import type {
  DescribeExecutionOutput,
  GetExecutionHistoryOutput,
  ListExecutionsOutput,
  ListStateMachinesOutput,
} from '@aws-sdk/client-sfn';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type Flow, graphOf, outcomesOf } from './flow-graph.ts';
import { executionPage, machinePage, machinesPage } from './flow-pages.ts';
import { type Answer, invoke, shown, type Visit, wordsOf } from './visit.ts';

const defaultRegion = 'us-east-1';
/** Events that a page reads; the graph of a longer execution shows what happened until then. */
const eventsMax = 1000;

function regionOf({ url }: Visit, arn = ''): string {
  return arn.split(':')[3] || (url.searchParams.get('region') ?? defaultRegion);
}

export async function showMachines(kernel: Kernel, caller: Caller, visit: Visit): Promise<Answer> {
  const region = regionOf(visit);
  try {
    const found = (await invoke(kernel, ['sfn', 'ListStateMachines'], region, caller, {
      maxResults: 1000,
    })) as ListStateMachinesOutput;
    return shown(machinesPage(caller, region, found.stateMachines ?? []));
  } catch (error) {
    return shown(machinesPage(caller, region, [], wordsOf(error)), 403);
  }
}

export async function showMachine(kernel: Kernel, caller: Caller, visit: Visit): Promise<Answer> {
  const stateMachineArn = visit.url.searchParams.get('arn') ?? '';
  try {
    const input = { stateMachineArn, maxResults: 1000 };
    const found = (await invoke(
      kernel,
      ['sfn', 'ListExecutions'],
      regionOf(visit, stateMachineArn),
      caller,
      input,
    )) as ListExecutionsOutput;
    return shown(machinePage(caller, stateMachineArn, found.executions ?? []));
  } catch (error) {
    return shown(machinePage(caller, stateMachineArn, [], wordsOf(error)), 403);
  }
}

/** The graph with the outcome of every state, and the events in a table. */
export async function showExecution(kernel: Kernel, caller: Caller, visit: Visit): Promise<Answer> {
  const executionArn = visit.url.searchParams.get('arn') ?? '';
  const region = regionOf(visit, executionArn);
  const ask = (operation: string, more: object = {}): Promise<unknown> =>
    invoke(kernel, ['sfn', operation], region, caller, { executionArn, ...more });
  try {
    const execution = (await ask('DescribeExecution')) as DescribeExecutionOutput;
    const { definition = '{}' } = (await ask('DescribeStateMachineForExecution')) as { definition?: string };
    const { events = [] } = (await ask('GetExecutionHistory', { maxResults: eventsMax })) as GetExecutionHistoryOutput;
    const graph = graphOf(JSON.parse(definition) as Flow);
    return shown(executionPage(caller, execution, graph, outcomesOf(events, execution.status ?? ''), events));
  } catch (error) {
    return shown(
      executionPage(caller, { executionArn }, { boxes: [], lines: [], inner: [] }, new Map(), [], wordsOf(error)),
      403,
    );
  }
}
