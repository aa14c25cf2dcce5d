/** Dashboards: named bodies in JSON, one namespace for all Regions of an account. */
import type { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { pageOf } from '../../base/paging.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidDashboard, invalidToken, invalidValue } from './errors.ts';
import { dashboardArn } from './names.ts';
import { Dashboards } from './state.ts';

/** Most widgets of a dashboard ("CloudWatch service quotas"). */
const widgetsMax = 500;
const widgetTypes: readonly unknown[] = ['metric', 'text', 'log', 'alarm', 'explorer', 'custom'];

function notFound(name: string): AwsError {
  return new AwsError('ResourceNotFound', `Dashboard ${name} does not exist`, { status: 404 });
}

/** What is wrong with a body ("Dashboard body structure and syntax"). */
function problemsOf(body: string): { DataPath: string; Message: string }[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return [{ DataPath: '/', Message: 'The field DashboardBody must be a valid JSON object' }];
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return [{ DataPath: '/', Message: 'The field DashboardBody must be a valid JSON object' }];
  const { widgets } = parsed as { widgets?: unknown };
  if (!Array.isArray(widgets)) return [{ DataPath: '/', Message: 'Should have required property: widgets' }];
  if (widgets.length > widgetsMax) return [{ DataPath: '/widgets', Message: `Should NOT have more than ${widgetsMax} items` }];
  return widgets.flatMap((widget: unknown, index) => {
    const { type, properties } = (widget ?? {}) as { type?: unknown; properties?: unknown };
    const at = `/widgets/${index}`;
    if (type === undefined) return [{ DataPath: at, Message: 'Should have required property: type' }];
    if (!widgetTypes.includes(type)) return [{ DataPath: `${at}/type`, Message: 'Should match exactly one schema in oneOf' }];
    return properties === undefined ? [{ DataPath: at, Message: 'Should have required property: properties' }] : [];
  });
}

export const dashboardHandlers: HandlersOf<CloudWatch> = {
  /** Throws DashboardInvalidInputError with what is wrong and where. */
  async PutDashboard(input, ctx) {
    const { DashboardName: name = '', DashboardBody: body = '' } = input;
    if (!/^[\w-]{1,255}$/.test(name))
      throw invalidValue(
        `The value ${name} for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) and underscore (_).`,
      );
    const problems = problemsOf(body);
    if (problems.length > 0) throw invalidDashboard(problems);
    await ctx.transact((tx) => tx.table(Dashboards).put({ name, body, updated: ctx.now }));
    return { DashboardValidationMessages: [] };
  },

  async GetDashboard(input, ctx) {
    const row = await ctx.table(Dashboards).get(input.DashboardName ?? '');
    if (row === undefined) throw notFound(input.DashboardName ?? '');
    return { DashboardName: row.name, DashboardArn: dashboardArn(ctx.account, row.name), DashboardBody: row.body };
  },

  async ListDashboards(input, ctx) {
    const prefix = input.DashboardNamePrefix ?? '';
    const rows = (await ctx.table(Dashboards).list()).filter(({ name }) => name.startsWith(prefix));
    const page = pageOf(rows, ({ name }) => [name], { scope: `ListDashboards ${prefix}`, token: input.NextToken, limit: 1000 });
    if (page === undefined) throw invalidToken();
    return {
      DashboardEntries: page.items.map((row) => ({
        DashboardName: row.name,
        DashboardArn: dashboardArn(ctx.account, row.name),
        LastModified: new Date(row.updated),
        Size: Buffer.byteLength(row.body),
      })),
      NextToken: page.nextToken,
    };
  },

  /** All or none. */
  async DeleteDashboards(input, ctx) {
    await ctx.transact(async (tx) => {
      for (const name of input.DashboardNames ?? []) if (!(await tx.table(Dashboards).delete(name))) throw notFound(name);
    });
    return {};
  },
};
