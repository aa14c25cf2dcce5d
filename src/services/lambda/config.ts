/** What can be configured of a function: checks in AWS's words, defaults, and the new state from the old one and an input. */
import type { UpdateFunctionConfigurationRequest } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { StsApi } from '../sts/api.ts';
import { sealVariables } from './describe.ts';
import { invalidParameter } from './errors.ts';
import { readLayers } from './layers.ts';
import { readNetwork } from './networks.ts';
import { isFormer, runtimeNames, toolchainOf } from './runtimes.ts';
import type { LoggingSpec, VersionRow } from './state.ts';

export type VersionConfig = Pick<
  VersionRow,
  | 'runtime'
  | 'role'
  | 'handler'
  | 'description'
  | 'timeout'
  | 'memory'
  | 'disk'
  | 'layers'
  | 'environment'
  | 'kmsKey'
  | 'deadLetters'
  | 'tracing'
  | 'vpc'
  | 'architecture'
  | 'logging'
>;

export type ConfigInput = Omit<UpdateFunctionConfigurationRequest, 'FunctionName'> & {
  Architectures?: string[] | undefined;
  PackageType?: string | undefined;
  Publish?: boolean | undefined;
  CodeSigningConfigArn?: string | undefined;
  Code?: { ImageUri?: string | undefined; SourceKMSKeyArn?: string | undefined } | undefined;
};

const roleForm = /^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role\/?[a-zA-Z_0-9+=,.@\-_/]+$/;
const roleShown = 'arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+';
const variableForm = /^[a-zA-Z]([a-zA-Z0-9_])+$/;
/** "Environment variables: 4 KB for all". */
const variablesBytesMax = 4096;
/** "Defined runtime environment variables": reserved keys cannot be set. */
const reserved = new Set([
  ...['_HANDLER', '_X_AMZN_TRACE_ID', 'AWS_DEFAULT_REGION', 'AWS_REGION', 'AWS_EXECUTION_ENV', 'AWS_LAMBDA_FUNCTION_NAME'],
  ...['AWS_LAMBDA_FUNCTION_MEMORY_SIZE', 'AWS_LAMBDA_FUNCTION_VERSION', 'AWS_LAMBDA_INITIALIZATION_TYPE'],
  ...['AWS_LAMBDA_LOG_GROUP_NAME', 'AWS_LAMBDA_LOG_STREAM_NAME', 'AWS_ACCESS_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
  ...['AWS_SESSION_TOKEN', 'AWS_LAMBDA_RUNTIME_API', 'LAMBDA_TASK_ROOT', 'LAMBDA_RUNTIME_DIR'],
]);

/** Checks what an input says, in AWS's words; refuses what is not there. */
export function checkConfig(operation: string, input: ConfigInput): void {
  new RequestCheck()
    .range('memorySize', input.MemorySize, 128, 10_240)
    .range('timeout', input.Timeout, 1, 900)
    .range('ephemeralStorage.size', input.EphemeralStorage?.Size, 512, 10_240)
    .length('description', input.Description, 0, 256)
    .length('handler', input.Handler, 0, 128)
    .pattern('handler', input.Handler, /^[^\s]*$/, '[^\\s]+')
    .pattern('role', input.Role, roleForm, roleShown)
    .oneOf('tracingConfig.mode', input.TracingConfig?.Mode, ['Active', 'PassThrough'])
    .oneOf('packageType', input.PackageType, ['Image', 'Zip'])
    .oneOf('loggingConfig.logFormat', input.LoggingConfig?.LogFormat, ['JSON', 'Text'])
    .done();
  if (input.Runtime !== undefined && isFormer(input.Runtime))
    throw invalidParameter(
      `The runtime parameter of ${input.Runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.`,
    );
  if (input.Runtime !== undefined && toolchainOf(input.Runtime) === undefined)
    throw invalidParameter(
      `Value ${input.Runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${runtimeNames.join(', ')}] or be a valid ARN`,
    );
  const architecture = input.Architectures?.[0];
  if (
    input.Architectures !== undefined &&
    (input.Architectures.length !== 1 || (architecture !== 'x86_64' && architecture !== 'arm64'))
  )
    throw invalidParameter('Architectures must be x86_64 or arm64.');
  if (architecture === 'arm64') throw parameterNotImplemented(operation, 'Architectures=arm64 on this machine');
  if (input.PackageType === 'Image' || input.Code?.ImageUri !== undefined)
    throw parameterNotImplemented(operation, 'PackageType=Image');
  if (input.ImageConfig !== undefined) throw parameterNotImplemented(operation, 'ImageConfig');
  if ((input.FileSystemConfigs?.length ?? 0) > 0) throw parameterNotImplemented(operation, 'FileSystemConfigs');
  if (input.SnapStart?.ApplyOn === 'PublishedVersions') throw parameterNotImplemented(operation, 'SnapStart');
  if (input.CodeSigningConfigArn !== undefined) throw parameterNotImplemented(operation, 'CodeSigningConfigArn');
  if (input.Code?.SourceKMSKeyArn !== undefined) throw parameterNotImplemented(operation, 'Code.SourceKMSKeyArn');
  if (input.TracingConfig?.Mode === 'Active') throw parameterNotImplemented(operation, 'TracingConfig.Mode=Active');
  checkVariables(input.Environment?.Variables);
}

function checkVariables(variables: Readonly<Record<string, string>> | undefined): void {
  if (variables === undefined) return;
  const names = Object.keys(variables);
  const taken = names.filter((name) => reserved.has(name));
  if (taken.length > 0)
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${taken.join(', ')}`,
    );
  const odd = names.find((name) => !variableForm.test(name));
  if (odd !== undefined)
    throw new AwsError(
      'ValidationException',
      `1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]`,
    );
  if (Buffer.byteLength(JSON.stringify(variables)) > variablesBytesMax)
    throw invalidParameter(
      `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: ${JSON.stringify(variables)}`,
    );
}

/** Throws InvalidParameterValueException for a role that Lambda may not assume. */
export async function checkRole(ctx: Context, roleArn: string): Promise<void> {
  const sts = await ctx.internal<StsApi>('sts');
  await sts.roleIdentity({ roleArn, sessionName: 'lambda', service: 'lambda' }).catch((error: unknown) => {
    if (!(error instanceof AwsError)) throw error;
    throw invalidParameter('The role defined for the function cannot be assumed by Lambda.');
  });
}

/** The configuration after an input: what it leaves out stays. */
export async function configured(
  ctx: Context,
  operation: string,
  input: ConfigInput,
  before: VersionConfig,
  codeName?: string,
): Promise<VersionConfig> {
  const runtime = input.Runtime ?? before.runtime;
  const toolchain = toolchainOf(runtime);
  const problem = toolchain === undefined ? undefined : await ctx.part('functions').toolchainProblem(toolchain);
  if (input.Runtime !== undefined && problem !== undefined)
    throw invalidParameter(`The runtime ${runtime} cannot be used here: ${problem}`);
  if (input.KMSKeyArn) throw parameterNotImplemented(operation, 'KMSKeyArn');
  const { Variables } = input.Environment ?? {};
  return {
    runtime,
    role: input.Role ?? before.role,
    handler: input.Handler ?? before.handler,
    description: input.Description ?? before.description,
    timeout: input.Timeout ?? before.timeout,
    memory: input.MemorySize ?? before.memory,
    disk: input.EphemeralStorage?.Size ?? before.disk,
    layers: input.Layers === undefined ? before.layers : await readLayers(ctx, input.Layers, codeName),
    environment:
      input.Environment === undefined
        ? before.environment
        : Variables === undefined || Object.keys(Variables).length === 0
          ? undefined
          : sealVariables(ctx, Variables),
    kmsKey: before.kmsKey,
    deadLetters: input.DeadLetterConfig === undefined ? before.deadLetters : input.DeadLetterConfig.TargetArn || undefined,
    tracing: input.TracingConfig?.Mode ?? before.tracing,
    vpc:
      input.VpcConfig === undefined ? before.vpc : await readNetwork(ctx, operation, input.VpcConfig, input.Role ?? before.role),
    architecture: before.architecture,
    logging: loggingOf(input.LoggingConfig, before.logging),
  };
}

function loggingOf(input: ConfigInput['LoggingConfig'], before: LoggingSpec): LoggingSpec {
  if (input === undefined) return before;
  const format = input.LogFormat ?? before.format;
  const group = input.LogGroup ?? before.group;
  if (format === 'JSON')
    return {
      format,
      group,
      application: input.ApplicationLogLevel ?? before.application ?? 'INFO',
      system: input.SystemLogLevel ?? before.system ?? 'INFO',
    };
  if (input.ApplicationLogLevel !== undefined || input.SystemLogLevel !== undefined)
    throw invalidParameter(
      'To configure log levels, change the log format to JSON. Log levels are not supported with the Text log format.',
    );
  return { format, group };
}
