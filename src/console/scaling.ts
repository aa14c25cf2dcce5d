/** The console's page of Auto Scaling groups, where their desired capacity is changed. */
import type { AutoScalingGroup, AutoScalingGroupsType } from '@aws-sdk/client-auto-scaling';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { base, escapeHtml, failure, page, regionMenu, signedInBar } from './pages.ts';
import { type Answer, goTo, invoke, regionOf, shown, type Visit, wordsOf } from './visit.ts';

function groupRow(region: string, group: AutoScalingGroup): string {
  const { AutoScalingGroupName: name = '', MinSize = 0, MaxSize = 0, DesiredCapacity = 0, Instances = [] } = group;
  const serving = Instances.filter(({ LifecycleState }) => LifecycleState === 'InService').length;
  const cells = [name, `${serving} of ${Instances.length} in service`, String(MinSize), String(MaxSize)];
  return `<tr>${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join('')}<td>
<form method="post" action="${base}/autoscaling/groups">
<input type="hidden" name="region" value="${escapeHtml(region)}"><input type="hidden" name="group" value="${escapeHtml(name)}">
<input name="desired" type="number" min="0" value="${DesiredCapacity}" required> <button>Update</button></form></td></tr>`;
}

function groupsPage(caller: Caller, region: string, groups: readonly AutoScalingGroup[], words?: string): string {
  return page(
    'Auto Scaling groups',
    `<header>${regionMenu(region, '/autoscaling/groups')}
${signedInBar({ ...caller, region })}</header>
<h1>Auto Scaling groups</h1>${failure(words)}
<table><thead><tr><th>Name</th><th>Instances</th><th>Min</th><th>Max</th><th>Desired capacity</th></tr></thead>
<tbody>${groups.map((group) => groupRow(region, group)).join('\n')}</tbody></table>`,
  );
}

/** All groups of a Region. `refused` are the words of a change that was refused. */
export async function showGroups(kernel: Kernel, caller: Caller, visit: Visit, refused?: string): Promise<Answer> {
  const region = regionOf(visit);
  try {
    const call = ['auto-scaling', 'DescribeAutoScalingGroups'] as const;
    const found = (await invoke(kernel, call, region, caller, { MaxRecords: 100 })) as AutoScalingGroupsType;
    return shown(groupsPage(caller, region, found.AutoScalingGroups ?? [], refused), refused === undefined ? 200 : 403);
  } catch (error) {
    return shown(groupsPage(caller, region, [], wordsOf(error)), 403);
  }
}

/** Sets the desired capacity of the form's group, as the group's page of the real console does: without regard to cooldowns. */
export async function setDesired(kernel: Kernel, caller: Caller, visit: Visit): Promise<Answer> {
  const { form } = visit;
  const region = regionOf(visit);
  const input = {
    AutoScalingGroupName: form.get('group') ?? '',
    DesiredCapacity: Number(form.get('desired')),
    HonorCooldown: false,
  };
  try {
    await invoke(kernel, ['auto-scaling', 'SetDesiredCapacity'], region, caller, input);
  } catch (error) {
    return showGroups(kernel, caller, visit, wordsOf(error));
  }
  return goTo(`${base}/autoscaling/groups?region=${region}`);
}
