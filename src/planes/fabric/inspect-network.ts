/**
 * Compares a plan that was carried out with what the kernel holds now, so that a device, route or rule set that someone else removed is made again.
 * Looked at: devices, routes, policy rules, and how many rules and elements each chain and set holds. Not looked at: the inside of machines, which
 * belongs to their users, and things that someone added.
 */
import { listNamespaces } from '../../machine/netns.ts';
import { type Link, readLinks } from '../../machine/link.ts';
import { readPacketRules, type TableRead } from '../../machine/nft.ts';
import { type RoutesRead, readRoutes } from '../../machine/route.ts';
import { type Fact, type NetworkPlan, rootPlace } from './plan.ts';
import { type FirewallPlan, firewallTable } from './plan-firewall.ts';

interface PlaceRead {
  links: ReadonlyMap<string, Link>;
  routes: RoutesRead;
}

/** The part of a plan that really exists; `firewall` is undefined when it has to be written anew. */
export type FoundPlan = Omit<NetworkPlan, 'firewall'> & { firewall: FirewallPlan | undefined };

/** What of the plan exists; undefined when the network's namespace does not. Throws `CommandFailed`. */
export async function inspectNetwork(plan: NetworkPlan): Promise<FoundPlan | undefined> {
  if (!(await listNamespaces()).includes(plan.namespace)) return undefined;
  const [root, network, rules] = await Promise.all([
    readPlace(undefined),
    readPlace(plan.namespace),
    readPacketRules(plan.namespace, firewallTable),
  ]);
  const links = new Map([...plan.links].filter(([device]) => network.links.has(device)));
  const facts = [...plan.facts].filter(([, fact]) => {
    if (fact.link !== undefined && !links.has(fact.link)) return false;
    if (fact.place === rootPlace) return isTrue(fact, root);
    return fact.place !== plan.namespace || isTrue(fact, network);
  });
  return { ...plan, links, facts: new Map(facts), firewall: isWhole(plan.firewall, rules) ? plan.firewall : undefined };
}

async function readPlace(namespace: string | undefined): Promise<PlaceRead> {
  const [links, routes] = await Promise.all([readLinks(namespace), readRoutes(namespace)]);
  return { links, routes };
}

function isTrue({ check }: Fact, { links, routes }: PlaceRead): boolean {
  switch (check?.kind) {
    case 'up':
      return links.get(check.device)?.up ?? false;
    case 'route':
      return routes.routes.has(check.route);
    case 'rule':
      return routes.rulePriorities.has(check.priority);
    default:
      return true;
  }
}

function isWhole(firewall: FirewallPlan, read: TableRead): boolean {
  for (const [name, chain] of firewall.chains) if (read.rules.get(name) !== chain.rules.length) return false;
  for (const [name, set] of firewall.sets) {
    const count = read.elements.get(name);
    if (set.live === true ? count === undefined : count !== set.elements.size) return false;
  }
  return true;
}
