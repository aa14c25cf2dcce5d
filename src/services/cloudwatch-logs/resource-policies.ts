/** Resource policies: which services may write into this account's groups of a Region (PutResourcePolicy). */
import type { CloudWatchLogs, ResourcePolicy } from '@aws-sdk/client-cloudwatch-logs';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidParameter, limitExceeded, notFound } from './errors.ts';
import { pageOfTable } from './groups.ts';
import { LogsCheck, quotas } from './rules.ts';
import { ResourcePolicies, type ResourcePolicyRow } from './state.ts';

function describePolicy(row: ResourcePolicyRow): ResourcePolicy {
  return { policyName: row.name, policyDocument: row.document, lastUpdatedTime: row.updated, policyScope: 'ACCOUNT' };
}

export const resourcePolicyHandlers: HandlersOf<CloudWatchLogs> = {
  /** At most ten in a Region. Throws InvalidParameterException, LimitExceededException. */
  async PutResourcePolicy(input, ctx) {
    if (input.resourceArn !== undefined) throw parameterNotImplemented('PutResourcePolicy', 'resourceArn');
    const { policyName: name, policyDocument: document } = input;
    if (name === undefined || document === undefined) throw invalidParameter('policyName and policyDocument are required.');
    new LogsCheck().length('policyDocument', document, 1, 5120).done();
    const validation = validatePolicy(document, 'resource');
    if (!validation.ok) throw invalidParameter(`Invalid policy document: ${validation.message}`);
    const row = { name, document, updated: ctx.now };
    await ctx.transact(async (tx) => {
      const policies = tx.table(ResourcePolicies);
      if ((await policies.get(name)) === undefined && (await policies.count()) >= quotas.resourcePoliciesPerRegion)
        throw limitExceeded('Resource limit exceeded.');
      await policies.put(row);
    });
    return { resourcePolicy: describePolicy(row) };
  },

  async DescribeResourcePolicies(input, ctx) {
    for (const parameter of ['resourceArn', 'policyScope'] as const)
      if (input[parameter] !== undefined) throw parameterNotImplemented('DescribeResourcePolicies', parameter);
    new LogsCheck().limit(input.limit, 50).done();
    const { rows, nextToken } = await pageOfTable('DescribeResourcePolicies', ctx.table(ResourcePolicies), input);
    return { resourcePolicies: rows.map(describePolicy), nextToken };
  },

  async DeleteResourcePolicy(input, ctx) {
    if (input.resourceArn !== undefined) throw parameterNotImplemented('DeleteResourcePolicy', 'resourceArn');
    const gone = await ctx.transact((tx) => tx.table(ResourcePolicies).delete(input.policyName ?? ''));
    if (!gone) throw notFound('resource policy');
    return {};
  },
};
