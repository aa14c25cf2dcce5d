/** What Classic Load Balancers offer inside the process. Types only may be imported from here. */
import type { Context } from '../../kernel/context.ts';
import { Balancers, Names } from './state.ts';

export interface ClassicApi {
  /** Addresses behind a DNS name of ours; undefined when it is nobody's. */
  addressesOf(dnsName: string): Promise<readonly string[] | undefined>;
}

/** The api over a context of the service's own. */
export function createApi(system: Context): ClassicApi {
  return {
    async addressesOf(dnsName) {
      const known = await system.table(Names).get(dnsName);
      const row = known === undefined ? undefined : await system.inScope(known).table(Balancers).get(known.name);
      return row?.nodes.map(({ address, publicIp }) => publicIp ?? address);
    },
  };
}
