/**
 * Ports at which the platform's API answers (PortSpec.platform), and routes to it. Their packets leave for the root namespace as those to the metadata
 * service do, under the address unique to the sender's port, and to one unique to the door (rewritten as those of passages are, plan-passages.ts): the root
 * namespace has all such addresses, so the API sees at which port it was asked.
 */
import { parseCidr4 } from '../../base/cidr.ts';
import { serviceCidr, uplinkInternetEnd } from './addresses.ts';
import type { NetworkNumbers } from './numbers.ts';
import type { FactList } from './plan.ts';
import { passagesOf } from './plan-passages.ts';
import type { NetworkSpec, PortSpec } from './types.ts';

/** Ports that the platform holds, and passages: what is sent to both leaves for the root namespace. */
export function doorsOf(spec: NetworkSpec): PortSpec[] {
  return [...spec.ports.filter((port) => port.platform === true && port.attachment === undefined), ...passagesOf(spec)];
}

/** Routes of the doors' addresses. */
export function planDoors(facts: FactList, namespace: string, spec: NetworkSpec): void {
  for (const door of doorsOf(spec))
    for (const { private: address } of door.addresses)
      facts.add(`route ${address}`, {
        place: namespace,
        add: `route replace ${address}/32 via ${uplinkInternetEnd.address} dev u0 onlink`,
        remove: `route del ${address}/32 dev u0`,
        link: 'u0',
        check: { kind: 'route', route: `main ${address}` },
      });
}

/** Rules that show a connection to the platform under its port's own address: at doors, and where a subnet's table has a route to the platform. */
export function platformTranslations(spec: NetworkSpec, numbers: NetworkNumbers): string[] {
  const toService = 'snat ip to ip saddr map @service';
  const marks = numbers.subnets.assign(spec.subnets.map(({ key }) => key));
  const rules = new Map<string, number[]>();
  for (const table of spec.routeTables)
    for (const { cidr, via } of table.routes) {
      if (via.kind !== 'platform' || parseCidr4(cidr) === undefined) continue;
      const own = spec.subnets.filter(({ routeTable }) => routeTable === table.key).map(({ key }) => marks.get(key)!);
      rules.set(cidr, [...(rules.get(cidr) ?? []), ...own]);
    }
  return [
    `oifname "u0" ip daddr @doors ${toService}`,
    ...[...rules]
      .filter(([, own]) => own.length > 0)
      .map(([cidr, own]) => `oifname "u0" meta mark { ${own.join(', ')} } ip daddr ${cidr} ${toService}`),
  ];
}

/** What was shown so may leave; nothing else has such a source after translation. */
export const platformAccept = `oifname "u0" ct status snat ip saddr ${serviceCidr} accept`;
