/** What the recycle bin's rules tell the services whose resources are deleted. */
import type { Context, Scope } from '../../kernel/context.ts';
import { periodMillis, Rules } from './state.ts';

export interface RbinApi {
  /** How long a resource with these tags stays in the bin when it is deleted; undefined when no rule keeps it. The longest of the rules that match counts. */
  retentionMillis(
    scope: Scope,
    type: 'EBS_SNAPSHOT' | 'EC2_IMAGE',
    tags: Readonly<Record<string, string>>,
  ): Promise<number | undefined>;
}

/** Makes the face over a context of the service's own. */
export function createApi(system: Context): RbinApi {
  return {
    async retentionMillis(scope, type, tags) {
      const rules = (await system.tableIn(scope, Rules).list()).filter((rule) => rule.type === type);
      const has = ({ key, value }: { key: string; value?: string | undefined }): boolean =>
        tags[key] !== undefined && (value === undefined || tags[key] === value);
      // "Tag-level rules … take precedence" does not shorten: the longest period counts ("How retention rules work").
      const matching = rules.filter((rule) => rule.include.length === 0 || rule.include.some(has));
      return matching.length === 0 ? undefined : Math.max(...matching.map(periodMillis));
    },
  };
}
