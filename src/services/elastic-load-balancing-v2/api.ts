/** What load balancers offer in process: where they stand, how to present a certificate, the end of what is sent to an instance. Types only may be imported from here. */
import type { Context } from '../../kernel/context.ts';
import type { TlsSpec } from '../../planes/proxy/types.ts';
import { kindOf } from './arns.ts';
import { readCertificate } from './certificates.ts';
import { letGo } from './leaving.ts';
import { defaultPolicy, tlsOf } from './ssl-policies.ts';
import { Balancers, type BalancerType, Listeners } from './state.ts';

/** Where a load balancer is reached inside its VPC. */
export interface BalancerFront {
  type: BalancerType;
  arn: string;
  vpcId: string;
  /** Of the listener that was asked for. */
  port: number | undefined;
  nodes: readonly { interfaceId: string; zone: string; address: string }[];
  /** Security groups that are asked about what comes through endpoints. */
  endpointGroups: readonly string[];
}

export interface BalancersApi {
  /** What a load balancer or one of its listeners offers, in the scope of an account and Region; undefined when there is none. */
  frontOf(scope: Context, arn: string): Promise<BalancerFront | undefined>;
  /** TLS with one certificate of ACM or IAM, in the scope of an account and Region; undefined when there is no such certificate. */
  readTls(scope: Context, arn: string): Promise<TlsSpec | undefined>;
  /**
   * Lets an instance go that shuts down: resolves once no node sends it anything new and what was under way there has ended, or after two seconds of
   * real time. At once for an instance that is no target.
   */
  letGo(scope: Context, instanceId: string): Promise<void>;
}

/** The api over a context of the service's own. */
export function createApi(system: Context): BalancersApi {
  return {
    async frontOf({ account, region }, arn) {
      const own = system.inScope({ account, region });
      const listener = kindOf(arn) === 'listener' ? await own.table(Listeners).get(arn) : undefined;
      const row = await own.table(Balancers).get(listener?.balancer ?? arn);
      if (row === undefined || row.state === 'deleting') return undefined;
      const { type, vpcId, nodes, groups, privateLinkRules } = row;
      return { type, arn: row.arn, vpcId, port: listener?.port, nodes, endpointGroups: privateLinkRules === 'off' ? [] : groups };
    },
    letGo: ({ account, region }, instanceId) => letGo(system.inScope({ account, region }), instanceId),
    async readTls({ account, region }, arn) {
      const certificate = await readCertificate(system.inScope({ account, region }), arn);
      return certificate === undefined ? undefined : { ...tlsOf(defaultPolicy), certificates: [certificate] };
    },
  };
}
