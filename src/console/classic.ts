/** The console's page of Classic Load Balancers, and the form that makes one. It asks for cross-zone load balancing, which the API leaves off. */
import type { AvailabilityZone, DescribeAvailabilityZonesResult } from '@aws-sdk/client-ec2';
import type { DescribeAccessPointsOutput, LoadBalancerDescription } from '@aws-sdk/client-elastic-load-balancing';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { base, escapeHtml, failure, page, regionMenu, signedInBar } from './pages.ts';
import { type Answer, goTo, invoke, regionOf, shown, type Visit, wordsOf } from './visit.ts';

interface View {
  region: string;
  balancers: readonly LoadBalancerDescription[];
  zones: readonly AvailabilityZone[];
}

function classicPage(caller: Caller, { region, balancers, zones }: View, words?: string): string {
  const rows = balancers.map(({ LoadBalancerName = '', DNSName = '', Instances = [] }) => {
    const cells = [LoadBalancerName, DNSName, String(Instances.length)];
    return `<tr>${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join('')}</tr>`;
  });
  const boxes = zones.map(({ ZoneName = '' }) => {
    return `<label><input type="checkbox" name="zone" value="${escapeHtml(ZoneName)}"> ${escapeHtml(ZoneName)}</label>`;
  });
  return page(
    'Classic Load Balancers',
    `<header>${regionMenu(region, '/elb/classic')}
${signedInBar({ ...caller, region })}</header>
<h1>Classic Load Balancers</h1>${failure(words)}
<table><thead><tr><th>Name</th><th>DNS name</th><th>Instances</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>
<h2>Create</h2>
<form method="post" action="${base}/elb/classic">
<input type="hidden" name="region" value="${escapeHtml(region)}">
<label>Name <input name="name" required pattern="[A-Za-z0-9-]{1,32}"></label>
${boxes.join('\n')}
<label>Port <input name="port" type="number" value="80" required></label>
<label><input type="checkbox" name="crosszone" value="on" checked> Enable cross-zone load balancing</label>
<button>Create load balancer</button>
</form>`,
  );
}

/** The load balancers of a Region, and the form. `refused` are the words of one that was refused. */
export async function showClassic(kernel: Kernel, caller: Caller, visit: Visit, refused?: string): Promise<Answer> {
  const region = regionOf(visit);
  const ask = (service: string, operation: string, input: object) => invoke(kernel, [service, operation], region, caller, input);
  try {
    const found = (await ask('elastic-load-balancing', 'DescribeLoadBalancers', {})) as DescribeAccessPointsOutput;
    const { AvailabilityZones = [] } = (await ask('ec2', 'DescribeAvailabilityZones', {})) as DescribeAvailabilityZonesResult;
    const zones = AvailabilityZones.filter(({ ZoneType }) => ZoneType === 'availability-zone');
    const view = { region, balancers: found.LoadBalancerDescriptions ?? [], zones };
    return shown(classicPage(caller, view, refused), refused === undefined ? 200 : 403);
  } catch (error) {
    return shown(classicPage(caller, { region, balancers: [], zones: [] }, wordsOf(error)), 403);
  }
}

/** Makes a load balancer as the form says, and turns cross-zone load balancing on unless its box was cleared. */
export async function createClassic(kernel: Kernel, caller: Caller, visit: Visit): Promise<Answer> {
  const { form } = visit;
  const region = regionOf(visit);
  const LoadBalancerName = form.get('name') ?? '';
  const port = Number(form.get('port'));
  const listener = { Protocol: 'HTTP', LoadBalancerPort: port, InstanceProtocol: 'HTTP', InstancePort: port };
  const ask = (operation: string, input: object) => invoke(kernel, ['elastic-load-balancing', operation], region, caller, input);
  try {
    await ask('CreateLoadBalancer', { LoadBalancerName, AvailabilityZones: form.getAll('zone'), Listeners: [listener] });
    const LoadBalancerAttributes = { CrossZoneLoadBalancing: { Enabled: form.get('crosszone') === 'on' } };
    await ask('ModifyLoadBalancerAttributes', { LoadBalancerName, LoadBalancerAttributes });
  } catch (error) {
    return showClassic(kernel, caller, visit, wordsOf(error));
  }
  return goTo(`${base}/elb/classic?region=${region}`);
}
