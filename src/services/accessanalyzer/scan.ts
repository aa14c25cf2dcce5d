/**
 * Looks at the resources of an account and keeps what is found: trust policies of roles, policies of buckets in the analyzer's Region. The real
 * service looks within thirty minutes of a change; here every question about findings looks first.
 */
import type { ResourceType } from '@aws-sdk/client-accessanalyzer';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { externalAccess } from './external-access.ts';
import { type AnalyzerRow, Analyzers, type FindingRow, Findings } from './state.ts';

interface Resource {
  arn: string;
  type: ResourceType;
  policy: string;
}

/** Brings the findings of an analyzer in line with the policies there are now. */
export async function scan(ctx: Context, analyzer: AnalyzerRow): Promise<void> {
  const resources = [...(await roles(ctx)), ...(await buckets(ctx))];
  const found = new Map<string, Omit<FindingRow, 'id' | 'created' | 'analyzed' | 'updated' | 'archived' | 'resolved'>>();
  for (const { arn: resource, type: resourceType, policy } of resources) {
    for (const access of externalAccess(policy, ctx.account)) {
      const print = JSON.stringify([resource, access.principal, access.action, access.condition]);
      found.set(print, { analyzer: analyzer.name, print, resource, resourceType, ...access });
    }
  }
  await ctx.transact(async (tx) => {
    const table = tx.table(Findings);
    for (const row of await table.list({ prefix: [analyzer.name] })) {
      const resolved = !found.delete(row.print);
      const updated = resolved === row.resolved ? row.updated : ctx.now;
      await table.put({ ...row, resolved, updated, analyzed: resolved ? row.analyzed : ctx.now });
    }
    for (const facts of found.values()) {
      const times = { created: ctx.now, analyzed: ctx.now, updated: ctx.now };
      await table.put({ ...facts, ...times, id: ctx.uuid(), archived: false, resolved: false });
    }
    const last = { lastResource: resources.at(-1)?.arn, lastAnalyzed: ctx.now };
    await tx.table(Analyzers).update([analyzer.name], (row) => ({ ...row, ...last }));
  });
}

async function roles(ctx: Context): Promise<Resource[]> {
  const iam = ctx.asService().call('iam');
  const found: Resource[] = [];
  let Marker: string | undefined;
  do {
    const page = await iam.listRoles({ Marker });
    for (const { Arn: arn = '', AssumeRolePolicyDocument: text = '' } of page.Roles ?? [])
      found.push({ arn, type: 'AWS::IAM::Role', policy: decodeURIComponent(text) });
    Marker = page.Marker;
  } while (Marker !== undefined);
  return found;
}

async function buckets(ctx: Context): Promise<Resource[]> {
  const s3 = ctx.asService().call('s3');
  const { Buckets = [] } = await s3.listBuckets({ BucketRegion: ctx.region });
  const found: Resource[] = [];
  for (const { Name: name = '' } of Buckets) {
    const policy = await s3.getBucketPolicy({ Bucket: name }).catch((error) => {
      // Without a policy, or deleted in this moment.
      if (error instanceof AwsError && /^NoSuchBucket/.test(error.code)) return undefined;
      throw error;
    });
    if (policy?.Policy !== undefined) found.push({ arn: `arn:aws:s3:::${name}`, type: 'AWS::S3::Bucket', policy: policy.Policy });
  }
  return found;
}
