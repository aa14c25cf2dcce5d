/** What is left of a call when its answer has gone: its line in the access log, its lines in the execution log, its part of the metrics. */
import type { Context } from '../../../kernel/context.ts';
import { Accounts } from '../state.ts';
import { contextVariables as httpVariables, type HttpCall } from '../v2/call.ts';
import { contextVariables as socketVariables, type SocketCall } from '../v2/socket-call.ts';
import { type Answer, type Call, contextVariables } from './call.ts';
import { settingOf } from './keys.ts';
import { destinationOf, writeLines } from './logs.ts';
import { countCall } from './metrics.ts';
import { fill } from './refusals.ts';

interface Ended {
  answer: Answer;
  /** Cloud milliseconds that it took. */
  latency: number;
}

/** Variables that only access logs know ("$context variables for access logging only"). */
function endVariables({ answer, latency }: Ended, call: Pick<Call, 'integration'>): Record<string, unknown> {
  const { status, latency: integrationLatency, requestId } = call.integration;
  return {
    status: answer.status,
    responseLength: answer.body.byteLength,
    responseLatency: latency,
    integrationStatus: status,
    integrationLatency,
    integration: { status, integrationStatus: status, latency: integrationLatency, requestId },
  };
}

/** Notes the end of a call of a REST API. `lines` are those of its execution. */
export async function recordRest(call: Call, ended: Ended, apiName: string, lines: readonly string[]): Promise<void> {
  const { ctx, stage } = call;
  const setting = settingOf(call);
  const level = setting?.loggingLevel ?? 'OFF';
  const { destinationArn, format } = stage.accessLogSettings ?? {};
  if (destinationArn !== undefined || level !== 'OFF') {
    const roleArn = (await ctx.table(Accounts).get('account'))?.cloudwatchRoleArn;
    if (roleArn !== undefined && destinationArn !== undefined && format !== undefined) {
      const variables = { ...contextVariables(call), ...endVariables(ended, call), error: call.refused };
      writeLines(ctx, destinationOf(destinationArn, roleArn), [{ timestamp: ctx.now, message: fill(format, variables, call) }]);
    }
    const tells = level === 'INFO' || (level === 'ERROR' && ended.answer.status >= 400);
    if (roleArn !== undefined && tells) {
      const all = [
        `Starting execution for request: ${call.requestId}`,
        `HTTP Method: ${call.method}, Resource Path: ${call.path}`,
        ...lines,
        `Method completed with status: ${ended.answer.status}`,
      ];
      const group = `API-Gateway-Execution-Logs_${call.api}/${stage.name}`;
      writeLines(
        ctx,
        { group, create: true, roleArn },
        all.map((line) => ({ timestamp: ctx.now, message: `(${call.requestId}) ${line}` })),
      );
    }
  }
  const base = { ApiName: apiName };
  const sets: Record<string, string>[] = [base, { ...base, Stage: stage.name }];
  if (setting?.metricsEnabled === true && call.resourcePath !== '')
    sets.push({ ...base, Stage: stage.name, Method: call.method, Resource: call.resourcePath });
  countCall(ctx, `${call.api}/${stage.name}`, 'rest', sets, { ...counted(ended, call), cache: call.cache });
}

/** Notes the end of a call of an HTTP API. */
export function recordHttp(call: HttpCall, ended: Ended, refused: string | undefined): void {
  const { ctx, stage } = call;
  const { DestinationArn: arn, Format: format } = stage.accessLogSettings ?? {};
  if (arn !== undefined && format !== undefined) {
    const variables = {
      ...httpVariables(call),
      ...endVariables(ended, call),
      error: { message: refused, messageString: refused && JSON.stringify(refused) },
    };
    writeLines(ctx, destinationOf(arn), [
      { timestamp: ctx.now, message: fill(format, variables, { variables: stage.variables }) },
    ]);
  }
  const sets: Record<string, string>[] = [{ ApiId: call.api.id }, { ApiId: call.api.id, Stage: stage.name }];
  const settings = { ...stage.defaultRouteSettings, ...stage.routeSettings[call.route?.RouteKey ?? ''] };
  const [Method = '', Resource = Method] = (call.route?.RouteKey ?? '').split(' ');
  if (settings.DetailedMetricsEnabled === true && call.route !== undefined)
    sets.push({ ApiId: call.api.id, Stage: stage.name, Method, Resource });
  countCall(ctx, `${call.api.id}/${stage.name}`, 'http', sets, counted(ended, call));
}

/** Notes the end of one event of a WebSocket connection: its line in the access log ("Set up logging for WebSocket APIs"). */
export function recordSocket(call: SocketCall, status: number): void {
  const { ctx, stage, integration } = call;
  const { DestinationArn: arn, Format: format } = stage.accessLogSettings ?? {};
  if (arn === undefined || format === undefined) return;
  const { status: integrationStatus, latency: integrationLatency } = integration;
  const variables = { ...socketVariables(call), status, integrationStatus, integrationLatency, integration };
  const message = fill(format, variables, { variables: stage.variables });
  writeLines(ctx, destinationOf(arn), [{ timestamp: ctx.now, message }]);
}

function counted(
  { answer, latency }: Ended,
  { integration, body }: { integration: Call['integration']; body: Buffer; ctx: Context },
) {
  return {
    status: answer.status,
    latency,
    integrationLatency: integration.latency,
    bytes: answer.body.byteLength + body.byteLength,
  };
}
