/** AWS's own prefix lists: the addresses of S3 and DynamoDB in a Region, which gateway endpoints and security groups name. */
import { createHash } from 'node:crypto';
import type { PrefixListRow } from './state.ts';

/** Services with gateway endpoints, and the blocks in which the platform answers for them (fabric/addresses.ts keeps 198.18.0.0/24). */
const blocks = { s3: '198.18.0.16/28', dynamodb: '198.18.0.32/28' } as const;
/** Ids of the real cloud where templates are likely to carry them. */
const knownIds: Readonly<Record<string, string>> = {
  'us-east-1.s3': 'pl-63a5400a',
  'us-east-1.dynamodb': 'pl-02cd2c6b',
  'us-west-2.s3': 'pl-68a54001',
  'us-west-2.dynamodb': 'pl-00a54069',
  'eu-west-1.s3': 'pl-6da54004',
  'eu-west-1.dynamodb': 'pl-6fa54006',
};

/** The lists of a Region. They do not change, count as `entriesMax` rules each, and belong to the account `AWS`. */
export function awsPrefixLists(region: string): PrefixListRow[] {
  return Object.entries(blocks).map(([service, cidr]) => ({
    id: knownIds[`${region}.${service}`] ?? `pl-${createHash('sha256').update(`${region}.${service}`).digest('hex').slice(0, 8)}`,
    name: `com.amazonaws.${region}.${service}`,
    family: 'IPv4',
    entriesMax: 1,
    versions: [[{ cidr }]],
    state: 'create-complete',
    tags: {},
  }));
}
