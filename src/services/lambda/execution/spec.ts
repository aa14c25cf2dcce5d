/** From a version to what the functions plane runs: its sandbox, its variables, the credentials of its role. */
import { createHash } from 'node:crypto';
import type { Context } from '../../../kernel/context.ts';
import type { FunctionSpec, OpenedEnvironment } from '../../../planes/functions/types.ts';
import type { StsApi } from '../../sts/api.ts';
import { ensureUnpacked } from '../code.ts';
import { openVariables } from '../describe.ts';
import { invalidParameter } from '../errors.ts';
import { versionName } from '../names.ts';
import { layerCode } from '../layers.ts';
import { attach } from '../networks.ts';
import { clientOf, toolchainOf } from '../runtimes.ts';
import type { VersionRow } from '../state.ts';

/** Seconds that the credentials of an environment are good for. */
const credentialSeconds = 43_200;
/** "1,769 MB is one vCPU": hundredths of a processor for so much memory. */
const memoryPerProcessor = 1769;

/** Name that the plane knows a function's environments by, for letting go of them. */
export function groupOf(ctx: Context, name: string): string {
  return digest(`${ctx.account} ${ctx.region} ${name}`);
}

/** Changes with everything that makes an environment another one. */
export function keyOf(ctx: Context, row: VersionRow): string {
  return digest(`${groupOf(ctx, row.function)} ${row.number} ${row.revision} ${row.code.name}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 40);
}

/** The stream of an environment's log: one for each, of the day on which it started. */
function streamOf(row: VersionRow, environment: string, day: number): string {
  const date = new Date(day).toISOString().slice(0, 10).replaceAll('-', '/');
  return `${date}/[${versionName(row.number)}]${environment}`;
}

/**
 * The spec of a version. Throws InvalidParameterValueException when the role cannot be assumed, which shows
 * when a new environment is needed.
 */
export async function specOf(
  ctx: Context,
  row: VersionRow,
  initialization: 'on-demand' | 'provisioned-concurrency' = 'on-demand',
): Promise<FunctionSpec> {
  await ensureUnpacked(ctx, row.code);
  return {
    key: keyOf(ctx, row),
    group: groupOf(ctx, row.function),
    toolchain: toolchainOf(row.runtime) ?? 'none',
    client: clientOf(row.runtime),
    code: row.code.name,
    layers: await layerCode(ctx, row.layers),
    memoryMiB: row.memory,
    diskMiB: row.disk,
    cpuPercent: (row.memory * 100) / memoryPerProcessor,
    attach: row.vpc === undefined ? undefined : () => attach(ctx, row),
    open: (environment) => openEnvironment(ctx, row, environment, initialization),
  };
}

async function openEnvironment(
  ctx: Context,
  row: VersionRow,
  environment: string,
  initialization: string,
): Promise<OpenedEnvironment> {
  const [, , , , account = '', resource = ''] = row.role.split(':');
  const sts = await ctx.internal<StsApi>('sts');
  const credentials = await sts
    .serviceCredentials({
      account,
      roleName: resource.split('/').at(-1) ?? '',
      sessionName: row.function,
      service: 'lambda',
      seconds: credentialSeconds,
    })
    .catch(() => {
      throw invalidParameter('The role defined for the function cannot be assumed by Lambda.');
    });
  const { inside } = ctx.part('endpoints');
  const label = streamOf(row, environment, ctx.clock.now());
  const variables = {
    ...(inside === undefined ? {} : { AWS_ENDPOINT_URL: inside }),
    ...openVariables(ctx, row),
    AWS_LAMBDA_FUNCTION_NAME: row.function,
    AWS_LAMBDA_FUNCTION_VERSION: versionName(row.number),
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(row.memory),
    AWS_LAMBDA_LOG_GROUP_NAME: row.logging.group,
    AWS_LAMBDA_LOG_STREAM_NAME: label,
    AWS_LAMBDA_INITIALIZATION_TYPE: initialization,
    AWS_EXECUTION_ENV: `AWS_Lambda_${row.runtime}`,
    AWS_REGION: ctx.region,
    AWS_DEFAULT_REGION: ctx.region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
    ...(row.logging.format === 'JSON'
      ? { AWS_LAMBDA_LOG_FORMAT: 'JSON', AWS_LAMBDA_LOG_LEVEL: row.logging.application ?? 'INFO' }
      : { AWS_LAMBDA_LOG_FORMAT: 'Text' }),
    _HANDLER: row.handler,
    LAMBDA_TASK_ROOT: '/var/task',
    LAMBDA_RUNTIME_DIR: '/var/runtime',
    TZ: ':UTC',
    ...systemVariables(row.runtime),
  };
  return { variables, validUntil: credentials.expires, label };
}

/** Paths and language, which a function's own variables may replace (they are not reserved). */
function systemVariables(runtime: string): Record<string, string> {
  const ruby = /^ruby(.+)$/.exec(runtime)?.[1];
  const node = /^nodejs(\d+)/.exec(runtime)?.[1];
  return {
    PATH: '/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin',
    LANG: 'C.UTF-8',
    LD_LIBRARY_PATH: '/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib',
    ...(node === undefined
      ? {}
      : { NODE_PATH: `/opt/nodejs/node${node}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules` }),
    ...(runtime.startsWith('python') ? { PYTHONPATH: '/var/runtime' } : {}),
    ...(ruby === undefined
      ? {}
      : {
          // Last what the host's own packages bring.
          GEM_PATH: [
            `/var/task/vendor/bundle/ruby/${ruby}.0`,
            `/opt/ruby/gems/${ruby}.0`,
            '/usr/share/rubygems-integration/all',
          ].join(':'),
          RUBYLIB: '/var/task:/var/runtime/lib:/opt/ruby/lib',
        }),
  };
}
