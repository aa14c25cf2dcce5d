/** What ACM offers to what terminates TLS in the cloud: certificates with their keys, and the note of who uses them. Types only may be imported. */
import { parseArn } from '../../base/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { openKey } from './issuing.ts';
import { readArn } from './rows.ts';
import { Certificates, Uses } from './state.ts';

export interface ServingCertificate {
  /** PEM, the leaf. */
  certificate: string;
  /** PEM, what stands above it. */
  chain?: string | undefined;
  /** PEM, PKCS #8. */
  privateKey: string;
  names: readonly string[];
  notAfter: number;
  status: string;
}

export interface AcmApi {
  /**
   * A certificate by ARN, to serve it; undefined when there is none or it was never issued. Ask again for each new set of listeners: renewal and
   * re-import change it under the same ARN and announce `aws.acm:ACM Certificate Available`.
   */
  findCertificate(arn: string): Promise<ServingCertificate | undefined>;
  /** Notes that a resource uses the certificate: it cannot be deleted, and is renewed. Safe to repeat. */
  use(arn: string, user: string): Promise<void>;
  release(arn: string, user: string): Promise<void>;
}

/** The api over a context of ACM's own. */
export function createApi(system: Context): AcmApi {
  const at = (arn: string): Context => {
    const { account = '', region = '' } = parseArn(arn) ?? {};
    return system.inScope({ account, region });
  };
  return {
    async findCertificate(arn) {
      const ctx = at(arn);
      const row = await ctx.table(Certificates).get(readArn(ctx, arn));
      if (row?.body === undefined) return undefined;
      const { certificate, chain, notAfter } = row.body;
      return { certificate, chain, notAfter, privateKey: openKey(ctx, row), names: row.names, status: row.status };
    },
    async use(arn, user) {
      const ctx = at(arn);
      await ctx.transact((tx) => tx.table(Uses).put({ certificate: readArn(ctx, arn), user }));
    },
    async release(arn, user) {
      const ctx = at(arn);
      await ctx.transact((tx) => tx.table(Uses).delete(readArn(ctx, arn), user));
    },
  };
}
