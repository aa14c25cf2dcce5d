/** Stage `locate`: in which account and Region the request acts. */
import { findRegion } from '../base/regions.ts';
import { AwsError } from '../kernel/errors.ts';
import type { Exchange, Stage } from './exchange.ts';

/** Region of requests that name none: global services sign for it, unsigned ones land there. */
const defaultRegion = 'us-east-1';

/**
 * What SDKs call the one place of a global service: a program says `aws-global` for its Region, and the endpoint's rules make the signature one for
 * us-east-1. With an endpoint of one's own, as every client of this cloud has, no rule applies and the pseudo-Region is what is signed.
 */
const pseudoRegion = 'aws-global';
/** Services whose endpoint rules have it, by signing name. */
const withPseudoRegion: ReadonlySet<string> = new Set([
  'budgets',
  'ce',
  'cloudfront',
  'iam',
  'organizations',
  'route53',
  's3',
  'shield',
  'sts',
  'waf',
]);

/**
 * Takes the account from the identity and the Region from the credential scope, else from the host name. Throws
 * SignatureDoesNotMatch for a Region that does not exist, as AWS does ("Credential should be scoped to a valid region").
 */
export const locateStage: Stage = (exchange) => {
  exchange.account = exchange.identity?.account ?? '';
  const region = signedRegion(exchange) ?? hostRegion(exchange.host) ?? defaultRegion;
  if (findRegion(region) === undefined) {
    throw new AwsError('SignatureDoesNotMatch', 'Credential should be scoped to a valid region. ', { status: 403 });
  }
  exchange.region = region;
};

function signedRegion({ signature }: Exchange): string | undefined {
  if (signature === undefined || signature.kind === 'none' || signature.kind === 'legacy') return undefined;
  // A SigV4A signature covers a set of Regions; the host then says which one is meant.
  const [region] = signature.regions;
  if (region === pseudoRegion && withPseudoRegion.has(signature.service)) return defaultRegion;
  return signature.regions.length === 1 && !region?.includes('*') ? region : undefined;
}

function hostRegion(host: string): string | undefined {
  return host
    .split(':')[0]
    ?.split('.')
    .find((label) => findRegion(label) !== undefined);
}
