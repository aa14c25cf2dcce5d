/** Findings: listed after a look at the policies there are now, archived and brought back. */
import type { AccessAnalyzer, Criterion, FindingSummary } from '@aws-sdk/client-accessanalyzer';
import { pageOf } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onAnalyzerArn, requireAnalyzer } from './analyzers.ts';
import { findingNotFound, validationException } from './errors.ts';
import { scan } from './scan.ts';
import { type AnalyzerRow, type FindingRow, Findings } from './state.ts';

function describe(ctx: Context, row: FindingRow): FindingSummary {
  return {
    id: row.id,
    principal: row.principal,
    action: [...row.action],
    resource: row.resource,
    isPublic: row.isPublic,
    resourceType: row.resourceType,
    condition: row.condition,
    createdAt: new Date(row.created),
    analyzedAt: new Date(row.analyzed),
    updatedAt: new Date(row.updated),
    status: row.resolved ? 'RESOLVED' : row.archived ? 'ARCHIVED' : 'ACTIVE',
    resourceOwnerAccount: ctx.account,
  };
}

/** What a filter's key stands for ("IAM Access Analyzer filter keys"); undefined for keys that are not implemented. */
function valuesOf(finding: FindingSummary, key: string): string[] | undefined {
  const principal = /^principal\.(AWS|Federated)$/.exec(key)?.[1];
  if (principal !== undefined) return [finding.principal?.[principal] ?? []].flat();
  const plain: Readonly<Record<string, string | undefined>> = {
    id: finding.id,
    resource: finding.resource,
    resourceType: finding.resourceType,
    status: finding.status,
    isPublic: String(finding.isPublic),
    resourceOwnerAccount: finding.resourceOwnerAccount,
  };
  return Object.hasOwn(plain, key) ? [plain[key] ?? []].flat() : undefined;
}

/** Whether a finding passes all criteria. Throws 501 for keys that are not implemented. */
function passes(finding: FindingSummary, filter: Readonly<Record<string, Criterion>>): boolean {
  return Object.entries(filter).every(([key, { eq, neq, contains, exists }]) => {
    const values = valuesOf(finding, key);
    if (values === undefined) throw parameterNotImplemented('ListFindings', `filter ${key}`);
    if (eq !== undefined && !values.some((value) => eq.includes(value))) return false;
    if (neq !== undefined && values.some((value) => neq.includes(value))) return false;
    if (contains !== undefined && !values.some((value) => contains.some((part) => value.includes(part)))) return false;
    return exists === undefined || exists === values.length > 0;
  });
}

async function look(ctx: Context, analyzer: AnalyzerRow): Promise<FindingRow[]> {
  await scan(ctx, analyzer);
  return ctx.table(Findings).list({ prefix: [analyzer.name] });
}

export const findingHandlers: HandlersOf<AccessAnalyzer> = {
  async ListFindings({ analyzerArn: arn = '', filter = {}, sort, nextToken: token, maxResults: limit }, ctx) {
    if (sort !== undefined) throw parameterNotImplemented('ListFindings', 'sort');
    const analyzer = await requireAnalyzer(ctx, arn);
    const rows = await look(ctx, analyzer);
    const found = rows.map((row) => describe(ctx, row)).filter((finding) => passes(finding, filter));
    const page = pageOf(found, ({ id = '' }) => [id], { scope: `ListFindings ${arn}`, token, limit: limit ?? 100 });
    if (page === undefined) throw validationException('Invalid next token.');
    return { findings: page.items, nextToken: page.nextToken };
  },

  async GetFinding({ analyzerArn: arn = '', id = '' }, ctx) {
    const row = (await look(ctx, await requireAnalyzer(ctx, arn))).find((one) => one.id === id);
    if (row === undefined) throw findingNotFound(id);
    return { finding: describe(ctx, row) };
  },

  /** Archives findings, or makes them active again, by ids or by the resource they are about. */
  async UpdateFindings({ analyzerArn: arn = '', status, ids, resourceArn, clientToken: _token }, ctx) {
    if (status !== 'ACTIVE' && status !== 'ARCHIVED') throw validationException('Invalid status.');
    if ((ids === undefined) === (resourceArn === undefined)) throw validationException('Specify either ids or resourceArn.');
    const { name } = await requireAnalyzer(ctx, arn);
    await ctx.transact(async (tx) => {
      const table = tx.table(Findings);
      const rows = await table.list({ prefix: [name] });
      const missing = ids?.find((id) => !rows.some((row) => row.id === id));
      if (missing !== undefined) throw findingNotFound(missing);
      for (const row of rows) {
        if (ids?.includes(row.id) === true || row.resource === resourceArn)
          await table.put({ ...row, archived: status === 'ARCHIVED', updated: ctx.now });
      }
    });
    return {};
  },

  /** Looks at every resource, and so at the one that is named. */
  async StartResourceScan({ analyzerArn: arn = '', resourceArn: _resource, resourceOwnerAccount: owner }, ctx) {
    if (owner !== undefined && owner !== ctx.account) throw validationException('Invalid resource owner account.');
    await scan(ctx, await requireAnalyzer(ctx, arn));
    return {};
  },
};

export const findingChecks: AuthorisationsOf<AccessAnalyzer> = {
  ListFindings: onAnalyzerArn,
  GetFinding: onAnalyzerArn,
  UpdateFindings: onAnalyzerArn,
  StartResourceScan: onAnalyzerArn,
};
