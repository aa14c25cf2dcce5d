/** What load balancers of this kind offer to those of the other: how to present a certificate. Types only may be imported from here. */
import type { Context } from '../../kernel/context.ts';
import type { TlsSpec } from '../../planes/proxy/types.ts';
import { readCertificate } from './certificates.ts';
import { defaultPolicy, tlsOf } from './ssl-policies.ts';

export interface BalancersApi {
  /** TLS with one certificate of ACM or IAM, in the scope of an account and Region; undefined when there is no such certificate. */
  readTls(scope: Context, arn: string): Promise<TlsSpec | undefined>;
}

/** The api over a context of the service's own. */
export function createApi(system: Context): BalancersApi {
  return {
    async readTls({ account, region }, arn) {
      const certificate = await readCertificate(system.inScope({ account, region }), arn);
      return certificate === undefined ? undefined : { ...tlsOf(defaultPolicy), certificates: [certificate] };
    },
  };
}
