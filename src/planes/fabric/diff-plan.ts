/**
 * What has to be done to get from one plan of a network to another. Pure. Links that changed are removed and made anew, and with them everything
 * that depended on them; the rest is added before what is no longer wanted is taken away, so that a route that moves is never missing.
 */
import { goingGroup } from './addresses.ts';
import { diffFirewall } from './diff-firewall.ts';
import type { FoundPlan } from './inspect-network.ts';
import { type LinkPlan, type NetworkPlan, rootPlace } from './plan.ts';

/** Commands for `ip`, by the place they are run in, and rules for `nft`. */
export interface Steps {
  /** True when the network's namespace has to be made, with everything in it. */
  fresh: boolean;
  /** Whether IPv6 is to be switched on (true) or off in a namespace that exists; undefined leaves it. */
  ip6: boolean | undefined;
  /** First, by place, for a fresh network: what one of the same name may have left in machines and between networks, and cannot be added twice. */
  clear: ReadonlyMap<string, readonly string[]>;
  /** In the network's namespace, first: links that go. */
  removeLinks: readonly string[];
  /** Devices that come up before their other end and have to be waited for, by place. */
  raised: ReadonlyMap<string, readonly string[]>;
  /** In the root namespace: links that come, then its own facts. */
  root: readonly string[];
  /** Kernel settings for other ends of links that come, by place. */
  settings: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** One transaction in the network's namespace. */
  packetRules: string;
  network: readonly string[];
  machines: ReadonlyMap<string, readonly string[]>;
  /** Last: facts that are no longer wanted, by place. */
  removals: ReadonlyMap<string, readonly string[]>;
}

/** The steps from `before` (undefined: nothing of the network exists) to `after`. */
export function diffPlans(before: FoundPlan | undefined, after: NetworkPlan): Steps {
  const madeAnew = new Set<string>();
  const gone = new Set<string>();
  for (const [device, link] of after.links) {
    const old = before?.links.get(device);
    if (old?.create !== link.create || old.primaryAddress !== link.primaryAddress) madeAnew.add(device);
  }
  for (const device of before?.links.keys() ?? []) if (!after.links.has(device) || madeAnew.has(device)) gone.add(device);

  const adds = new Map<string, string[]>();
  const raised = new Map<string, string[]>();
  const removals = new Map<string, string[]>();
  const upLinks = new Set<string>();
  for (const [id, fact] of after.facts) {
    const same = before?.facts.get(id)?.add === fact.add;
    if (same && (fact.link === undefined || !madeAnew.has(fact.link))) continue;
    append(adds, fact.place, fact.add);
    if (fact.check?.kind === 'up' && fact.link !== undefined) upLinks.add(fact.link);
  }
  for (const { link, place, check } of after.facts.values())
    if (check?.kind === 'up' && check.first && link !== undefined && upLinks.has(link)) append(raised, place, check.device);
  for (const [id, fact] of before?.facts ?? []) {
    if (after.facts.has(id) || fact.remove === undefined) continue;
    if (fact.link === undefined || !gone.has(fact.link)) append(removals, fact.place, fact.remove);
  }
  const clear = new Map<string, string[]>();
  if (before === undefined)
    for (const { place, link, remove } of after.facts.values())
      if (link === undefined && remove !== undefined && place !== after.namespace) append(clear, place, remove);
  const root = adds.get(rootPlace) ?? [];
  const network = adds.get(after.namespace) ?? [];
  adds.delete(rootPlace);
  adds.delete(after.namespace);
  return {
    fresh: before === undefined,
    ip6: before === undefined || before.dual === after.dual ? undefined : after.dual,
    clear,
    raised,
    removeLinks: removeTogether([...gone]),
    root: [...[...madeAnew].map((device) => after.links.get(device)!.create), ...root],
    settings: settingsOf([...madeAnew].map((device) => after.links.get(device)!)),
    packetRules: diffFirewall(before?.firewall, after.firewall),
    network,
    machines: adds,
    removals,
  };
}

/** Whether there is nothing to do. */
export function isEmpty(steps: Steps): boolean {
  return (
    !steps.fresh &&
    steps.ip6 === undefined &&
    steps.removeLinks.length + steps.root.length + steps.network.length + steps.machines.size + steps.removals.size === 0 &&
    steps.packetRules === ''
  );
}

function settingsOf(links: readonly LinkPlan[]): Map<string, Readonly<Record<string, string>>> {
  return new Map(
    links.flatMap(({ machine, settings }) =>
      machine === undefined || settings === undefined ? [] : [[machine.namespace, settings] as const],
    ),
  );
}

/** The kernel waits some 20 ms for each removal, or once for a whole group. */
function removeTogether(devices: readonly string[]): string[] {
  if (devices.length < 2) return devices.map((device) => `link del dev ${device}`);
  return [...devices.map((device) => `link set dev ${device} group ${goingGroup}`), `link del group ${goingGroup}`];
}

/** Namespaces of the machines that hold a port of the plan. */
export function machinesOf(plan: Pick<NetworkPlan, 'links'> | undefined): Set<string> {
  return new Set([...(plan?.links.values() ?? [])].flatMap(({ machine }) => machine?.namespace ?? []));
}

function append(lists: Map<string, string[]>, place: string, line: string): void {
  const list = lists.get(place) ?? [];
  list.push(line);
  lists.set(place, list);
}
