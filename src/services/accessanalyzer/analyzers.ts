/** Analyzers of external access, one per account and Region ("Quotas for IAM Access Analyzer"). */
import type { AccessAnalyzer, AnalyzerSummary } from '@aws-sdk/client-accessanalyzer';
import { formatArn, parseArn } from '../../base/arn.ts';
import { pageOf } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { analyzerExists, analyzerNotFound, tooManyAnalyzers, validationException } from './errors.ts';
import { scan } from './scan.ts';
import { type AnalyzerRow, Analyzers, Findings } from './state.ts';

const analyzersMax = 1;
const nameForm = /^[A-Za-z][A-Za-z0-9_.-]{0,254}$/;
const tagsMax = 50;

function analyzerArn(ctx: Context, name: string): string {
  return formatArn({ service: 'access-analyzer', region: ctx.region, account: ctx.account, resource: `analyzer/${name}` });
}

/** The analyzer of an ARN in the caller's account and Region. Throws ValidationException, ResourceNotFoundException. */
export async function requireAnalyzer(ctx: Context, arn: string): Promise<AnalyzerRow> {
  const parsed = parseArn(arn);
  const name = /^analyzer\/(.+)$/.exec(parsed?.resource ?? '')?.[1];
  if (parsed?.service !== 'access-analyzer' || name === undefined) throw validationException('Invalid analyzer ARN.');
  const row = await ctx.table(Analyzers).get(name);
  if (row === undefined || arn !== analyzerArn(ctx, name)) throw analyzerNotFound(arn);
  return row;
}

async function requireByName(ctx: Context, name: string): Promise<AnalyzerRow> {
  const row = await ctx.table(Analyzers).get(name);
  if (row === undefined) throw analyzerNotFound(analyzerArn(ctx, name));
  return row;
}

function describe(ctx: Context, row: AnalyzerRow): AnalyzerSummary {
  return {
    arn: analyzerArn(ctx, row.name),
    name: row.name,
    type: 'ACCOUNT',
    createdAt: new Date(row.created),
    status: 'ACTIVE',
    tags: row.tags,
    ...(row.lastResource === undefined ? {} : { lastResourceAnalyzed: row.lastResource }),
    ...(row.lastAnalyzed === undefined ? {} : { lastResourceAnalyzedAt: new Date(row.lastAnalyzed) }),
  };
}

export const analyzerHandlers: HandlersOf<AccessAnalyzer> = {
  async CreateAnalyzer({ analyzerName: name = '', type, archiveRules = [], tags = {}, configuration, clientToken }, ctx) {
    if (!nameForm.test(name)) throw validationException('Invalid analyzer name.');
    if (type !== 'ACCOUNT') throw parameterNotImplemented('CreateAnalyzer', `type ${type}`);
    if (archiveRules.length > 0) throw parameterNotImplemented('CreateAnalyzer', 'archiveRules');
    if (configuration !== undefined) throw parameterNotImplemented('CreateAnalyzer', 'configuration');
    if (Object.keys(tags).length > tagsMax) throw validationException('Too many tags.');
    const row = { name, created: ctx.now, tags, clientToken };
    await ctx.transact(async (tx) => {
      const table = tx.table(Analyzers);
      const existing = await table.get(name);
      // The same request once more, as clients send it when no answer reached them.
      if (existing !== undefined && existing.clientToken === clientToken) return;
      if (existing !== undefined) throw analyzerExists(name);
      if ((await table.count()) >= analyzersMax) throw tooManyAnalyzers();
      await table.put(row);
    });
    await scan(ctx, row);
    return { arn: analyzerArn(ctx, name) };
  },

  async GetAnalyzer({ analyzerName: name = '' }, ctx) {
    return { analyzer: describe(ctx, await requireByName(ctx, name)) };
  },

  async ListAnalyzers({ nextToken: token, maxResults: limit, type }, ctx) {
    const rows = type === undefined || type === 'ACCOUNT' ? await ctx.table(Analyzers).list() : [];
    const page = pageOf(rows, (row) => [row.name], { scope: 'ListAnalyzers', token, limit });
    if (page === undefined) throw validationException('Invalid next token.');
    return { analyzers: page.items.map((row) => describe(ctx, row)), nextToken: page.nextToken };
  },

  /** Its findings go with it. The token needs no memory: once deleted, the analyzer is gone for every request. */
  async DeleteAnalyzer({ analyzerName: name = '', clientToken: _token }, ctx) {
    await requireByName(ctx, name);
    await ctx.transact(async (tx) => {
      await tx.table(Analyzers).delete(name);
      for (const { id } of await tx.table(Findings).list({ prefix: [name] })) await tx.table(Findings).delete(name, id);
    });
    return {};
  },
};

async function onAnalyzer(ctx: Context, name: string): Promise<Check[]> {
  const row = await ctx.table(Analyzers).get(name);
  const conditions = Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
  return [{ resource: analyzerArn(ctx, name), conditions }];
}

/** A check on the analyzer that an ARN names. */
export function onAnalyzerArn({ analyzerArn: arn = '' }: { analyzerArn?: string | undefined }, ctx: Context): Promise<Check[]> {
  return onAnalyzer(ctx, parseArn(arn)?.resource.replace(/^analyzer\//, '') ?? '*');
}

export const analyzerChecks: AuthorisationsOf<AccessAnalyzer> = {
  CreateAnalyzer({ analyzerName = '', tags = {} }, ctx) {
    const requested = Object.entries(tags).map(([key, value]): [string, string] => [`aws:RequestTag/${key}`, value]);
    const conditions = { ...Object.fromEntries(requested), 'aws:TagKeys': Object.keys(tags) };
    return [{ resource: analyzerArn(ctx, analyzerName), conditions }];
  },
  GetAnalyzer: ({ analyzerName = '' }, ctx) => onAnalyzer(ctx, analyzerName),
  DeleteAnalyzer: ({ analyzerName = '' }, ctx) => onAnalyzer(ctx, analyzerName),
};
