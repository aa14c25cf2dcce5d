/** HTML of the Step Functions pages. */
import type { DescribeExecutionOutput, ExecutionListItem, HistoryEvent, StateMachineListItem } from '@aws-sdk/client-sfn';
import type { Caller } from '../kernel/caller.ts';
import type { Box, Graph, Outcome } from './flow-graph.ts';
import { base, escapeHtml, failure, page, regionMenu, signedInBar } from './pages.ts';

const viewer = ({ account, userName = '' }: Caller) => ({ account, userName });

export function machinesPage(caller: Caller, region: string, machines: readonly StateMachineListItem[], words?: string): string {
  const rows = machines.map(({ stateMachineArn = '', name = '', type = '' }) => {
    const link = `${base}/states/machine?arn=${encodeURIComponent(stateMachineArn)}`;
    return `<tr><td><a href="${escapeHtml(link)}">${escapeHtml(name)}</a></td><td>${escapeHtml(type)}</td></tr>`;
  });
  return page(
    'State machines',
    `<header>${regionMenu(region, '/states/machines')}
${signedInBar({ ...viewer(caller), region })}</header>
<h1>State machines</h1>${failure(words)}
<table><thead><tr><th>Name</th><th>Type</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`,
  );
}

export function machinePage(caller: Caller, arn: string, executions: readonly ExecutionListItem[], words?: string): string {
  const rows = executions.map(({ executionArn = '', name = '', status = '', startDate }) => {
    const link = `${base}/states/execution?arn=${encodeURIComponent(executionArn)}`;
    const cells = [status, startDate?.toISOString() ?? ''].map((text) => `<td>${escapeHtml(text)}</td>`);
    return `<tr><td><a href="${escapeHtml(link)}">${escapeHtml(name)}</a></td>${cells.join('')}</tr>`;
  });
  return page(
    'Executions',
    `<header>${signedInBar(viewer(caller))}</header>
<h1>${escapeHtml(arn.split(':').at(-1) ?? '')}</h1>${failure(words)}
<table><thead><tr><th>Execution</th><th>Status</th><th>Started</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`,
  );
}

const boxWidth = 170;
const boxHeight = 44;
const gapX = 30;
const gapY = 40;

const left = ({ column }: Box): number => 10 + column * (boxWidth + gapX);
const top = ({ row }: Box): number => 10 + row * (boxHeight + gapY);

/** A graph as SVG: lines first, so that boxes lie over them. */
function drawing({ boxes, lines, inner }: Graph, outcomes: ReadonlyMap<string, Outcome>): string {
  const width = Math.max(0, ...boxes.map((box) => left(box) + boxWidth)) + 10;
  const height = Math.max(0, ...boxes.map((box) => top(box) + boxHeight)) + 10;
  const drawn = lines.map(({ from, to }) => {
    const ends = [left(from) + boxWidth / 2, top(from) + boxHeight, left(to) + boxWidth / 2, top(to)];
    return `<line x1="${ends[0]}" y1="${ends[1]}" x2="${ends[2]}" y2="${ends[3]}"><title>${escapeHtml(`${from.name} to ${to.name}`)}</title></line>`;
  });
  const shapes = boxes.map((box) => {
    const outcome = outcomes.get(box.name) ?? 'not reached';
    const words = escapeHtml(`${box.name}: ${outcome}`);
    return `<g class="state ${outcome.replace(' ', '-')}" role="img" aria-label="${words}"><title>${words}</title>
<rect x="${left(box)}" y="${top(box)}" width="${boxWidth}" height="${boxHeight}" rx="6"></rect>
<text x="${left(box) + 8}" y="${top(box) + 18}">${escapeHtml(box.name)}</text>
<text class="outcome" x="${left(box) + 8}" y="${top(box) + 36}">${escapeHtml(`${box.type}, ${outcome}`)}</text></g>`;
  });
  const nested = inner.map(
    ({ title, graph }) => `<figure><figcaption>${escapeHtml(title)}</figcaption>${drawing(graph, outcomes)}</figure>`,
  );
  return `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${drawn.join('\n')}${shapes.join('\n')}</svg>${nested.join('\n')}`;
}

export function executionPage(
  caller: Caller,
  execution: Partial<DescribeExecutionOutput>,
  graph: Graph,
  outcomes: ReadonlyMap<string, Outcome>,
  events: readonly HistoryEvent[],
  words?: string,
): string {
  const rows = events.map(({ id = 0, type = '', timestamp, stateEnteredEventDetails, stateExitedEventDetails }) => {
    const name = stateEnteredEventDetails?.name ?? stateExitedEventDetails?.name ?? '';
    const cells = [String(id), type, name, timestamp?.toISOString() ?? ''].map((text) => `<td>${escapeHtml(text)}</td>`);
    return `<tr>${cells.join('')}</tr>`;
  });
  const ended = [execution.status ?? '', execution.error, execution.cause].filter((text) => text !== undefined && text !== '');
  return page(
    'Execution',
    `<header>${signedInBar(viewer(caller))}</header>
<h1>${escapeHtml(execution.name ?? execution.executionArn ?? '')}</h1>${failure(words)}
<p>${escapeHtml(ended.join(': '))}</p>
${drawing(graph, outcomes)}
<table><thead><tr><th>Event</th><th>Type</th><th>State</th><th>Time</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`,
  );
}
