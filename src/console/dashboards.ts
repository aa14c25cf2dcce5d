/** The console's CloudWatch dashboards: a list, and one with its widgets drawn. */
import type { GetDashboardOutput, GetMetricDataOutput, ListDashboardsOutput, MetricDataResult } from '@aws-sdk/client-cloudwatch';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type Widget, queriesOf } from './dashboard-body.ts';
import { base, escapeHtml, failure, page, signedInBar } from './pages.ts';
import { type Answer, invoke, shown, type Visit, wordsOf } from './visit.ts';

/** Dashboards belong to the account, not to a Region. */
const homeRegion = 'us-east-1';
const hour = 3_600_000;
/** What a dashboard shows unless told otherwise, and at most (`?hours=`). */
const hoursDefault = 3;
const hoursMax = 15 * 24;
const [width, height] = [600, 160];

export async function showDashboards(kernel: Kernel, caller: Caller): Promise<Answer> {
  let words: string | undefined;
  let names: string[] = [];
  try {
    const found = (await invoke(kernel, ['cloudwatch', 'ListDashboards'], homeRegion, caller, {})) as ListDashboardsOutput;
    names = (found.DashboardEntries ?? []).map(({ DashboardName = '' }) => DashboardName);
  } catch (error) {
    words = wordsOf(error);
  }
  const items = names.map((name) => {
    return `<li><a href="${base}/cloudwatch/dashboard?name=${encodeURIComponent(name)}">${escapeHtml(name)}</a></li>`;
  });
  const body = `<header>${signedInBar(caller)}</header><h1>Dashboards</h1>${failure(words)}<ul>${items.join('\n')}</ul>`;
  return shown(page('Dashboards', body), words === undefined ? 200 : 403);
}

interface Span {
  from: number;
  to: number;
}

/** One series as a line, from its least value to its greatest, and what it says in words. */
function seriesOf(
  { Label = '', Timestamps = [], Values = [] }: MetricDataResult,
  { from, to }: Span,
  [low, high]: [number, number],
): string {
  const points = Timestamps.map((time, at) => ({ time: time.getTime(), value: Values[at] ?? 0 })).sort((a, b) => a.time - b.time);
  const x = (time: number): number => Math.round(((time - from) / (to - from)) * width);
  const y = (value: number): number => Math.round(height - ((value - low) / (high - low || 1)) * (height - 10) - 5);
  const marks = points.map(({ time, value }) => `<circle cx="${x(time)}" cy="${y(value)}" r="2"></circle>`);
  const greatest = Math.max(...points.map(({ value }) => value));
  const words = `${Label}: ${points.length} points, ${points.length === 0 ? 'none' : `greatest ${greatest}`}`;
  return `<g class="series" role="img" aria-label="${escapeHtml(words)}"><title>${escapeHtml(words)}</title>
<polyline fill="none" points="${points.map(({ time, value }) => `${x(time)},${y(value)}`).join(' ')}"></polyline>${marks.join('')}</g>`;
}

function graph(title: string, results: readonly MetricDataResult[], span: Span): string {
  const values = results.flatMap(({ Values = [] }) => Values);
  const bounds: [number, number] = [Math.min(0, ...values), Math.max(0, ...values)];
  const legend = results.map(({ Label = '' }) => escapeHtml(Label)).join(', ');
  return `<figure><figcaption>${escapeHtml(title)}: ${legend}, from ${bounds[0]} to ${bounds[1]}</figcaption>
<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${results.map((one) => seriesOf(one, span, bounds)).join('\n')}</svg></figure>`;
}

async function widget(kernel: Kernel, caller: Caller, { type, properties = {} }: Widget, span: Span): Promise<string> {
  if (type === 'text') return `<pre>${escapeHtml(String(properties.markdown ?? ''))}</pre>`;
  if (type !== 'metric') return `<p>Widgets of type ${escapeHtml(String(type))} are not drawn here.</p>`;
  const title = String(properties.title ?? 'Metrics');
  try {
    const MetricDataQueries = queriesOf(properties);
    const input = { MetricDataQueries, StartTime: new Date(span.from), EndTime: new Date(span.to) };
    const call = ['cloudwatch', 'GetMetricData'] as const;
    const found = (await invoke(kernel, call, String(properties.region ?? homeRegion), caller, input)) as GetMetricDataOutput;
    return graph(title, found.MetricDataResults ?? [], span);
  } catch (error) {
    return `<h2>${escapeHtml(title)}</h2>${failure(wordsOf(error))}`;
  }
}

/** The dashboard that the address names, over the last hours. */
export async function showDashboard(kernel: Kernel, caller: Caller, visit: Visit): Promise<Answer> {
  const name = visit.url.searchParams.get('name') ?? '';
  const asked = Number(visit.url.searchParams.get('hours') ?? hoursDefault);
  const hours = asked > 0 && asked <= hoursMax ? asked : hoursDefault;
  const to = kernel.clock.now();
  const header = `<header>${signedInBar(caller)}</header><h1>${escapeHtml(name)}</h1>`;
  try {
    const call = ['cloudwatch', 'GetDashboard'] as const;
    const found = (await invoke(kernel, call, homeRegion, caller, { DashboardName: name })) as GetDashboardOutput;
    const { widgets = [] } = JSON.parse(found.DashboardBody ?? '{}') as { widgets?: readonly Widget[] };
    const drawn: string[] = [];
    for (const one of widgets) drawn.push(await widget(kernel, caller, one, { from: to - hours * hour, to }));
    return shown(page(name, header + drawn.join('\n')));
  } catch (error) {
    return shown(page(name, header + failure(wordsOf(error))), 403);
  }
}
