/** A version as the API shows it. */
import type { FunctionConfiguration } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { type FunctionRef, functionArn, latest, versionName } from './names.ts';
import type { VersionRow } from './state.ts';

/** Seals and opens environment variables. */
export function sealVariables(ctx: Context, variables: Readonly<Record<string, string>>): Uint8Array {
  return ctx.part('vault').seal(Buffer.from(JSON.stringify(variables)), 'lambda.environment');
}

export function openVariables(ctx: Context, row: VersionRow): Record<string, string> {
  if (row.environment === undefined) return {};
  return JSON.parse(ctx.part('vault').open(row.environment, 'lambda.environment').toString()) as Record<string, string>;
}

/** As AWS prints times of functions: `2024-01-31T12:00:00.000+0000`. */
export function shownTime(millis: number): string {
  return new Date(millis).toISOString().replace('Z', '+0000');
}

/** The configuration of a version; its ARN carries a qualifier when the request named one. */
export function describeVersion(ctx: Context, row: VersionRow, ref: FunctionRef): FunctionConfiguration {
  const qualifier = row.number === 0 && ref.qualifier !== latest ? undefined : (ref.qualifier ?? versionName(row.number));
  const { logging, vpc } = row;
  return {
    FunctionName: row.function,
    FunctionArn: functionArn({ ...ref, qualifier }),
    Runtime: row.runtime as FunctionConfiguration['Runtime'],
    Role: row.role,
    Handler: row.handler,
    CodeSize: row.code.bytes,
    Description: row.description,
    Timeout: row.timeout,
    MemorySize: row.memory,
    LastModified: shownTime(row.modified),
    CodeSha256: row.code.sha256,
    Version: versionName(row.number),
    VpcConfig:
      vpc === undefined
        ? undefined
        : {
            SubnetIds: [...vpc.subnetIds],
            SecurityGroupIds: [...vpc.groupIds],
            VpcId: vpc.vpcId,
            Ipv6AllowedForDualStack: vpc.ip6,
          },
    DeadLetterConfig: row.deadLetters === undefined ? undefined : { TargetArn: row.deadLetters },
    Environment: row.environment === undefined ? undefined : { Variables: openVariables(ctx, row) },
    KMSKeyArn: row.kmsKey,
    TracingConfig: { Mode: row.tracing },
    RevisionId: row.revision,
    Layers: row.layers.length === 0 ? undefined : row.layers.map((Arn) => ({ Arn })),
    State: row.state,
    StateReason: row.pending === 'create' ? 'The function is being created.' : row.reason?.text,
    StateReasonCode: row.pending === 'create' ? 'Creating' : (row.reason?.code as FunctionConfiguration['StateReasonCode']),
    LastUpdateStatus: row.pending === undefined ? 'Successful' : row.pending === 'create' ? undefined : 'InProgress',
    PackageType: 'Zip',
    Architectures: [row.architecture],
    EphemeralStorage: { Size: row.disk },
    SnapStart: { ApplyOn: 'None', OptimizationStatus: 'Off' },
    LoggingConfig: {
      LogFormat: logging.format,
      LogGroup: logging.group,
      ApplicationLogLevel: logging.application as 'INFO' | undefined,
      SystemLogLevel: logging.system as 'INFO' | undefined,
    },
  };
}
