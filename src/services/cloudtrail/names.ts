/** ARNs of CloudTrail. */
import type { Scope } from '../../kernel/context.ts';

export function trailArn({ account, region }: Scope, name: string): string {
  return `arn:aws:cloudtrail:${region}:${account}:trail/${name}`;
}
