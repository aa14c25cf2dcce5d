/** Destinations: what a request says, read into rows and shown again. Source: Firehose API Reference, ExtendedS3DestinationConfiguration and its kin. */
import type {
  CloudWatchLoggingOptions,
  EncryptionConfiguration,
  ExtendedS3DestinationConfiguration,
  ExtendedS3DestinationDescription,
  HttpEndpointDestinationConfiguration,
  HttpEndpointDestinationDescription,
} from '@aws-sdk/client-firehose';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { invalidArgument } from './errors.ts';
import { checkPrefixes, partitionKeysOf } from './prefixes.ts';
import type { HttpSpec, LoggingSpec, S3Spec } from './state.ts';

const defaultSizeMb = 5;
const defaultIntervalSeconds = 300;
const intervalSecondsMax = 900;
const s3SizeMbMax = 128;
/** "The minimum buffer size is 64 MiB when dynamic partitioning is enabled." */
const partitionedSizeMbMin = 64;
const httpSizeMbMax = 64;
const retrySecondsMax = 7200;
const commonAttributesMax = 50;
const roleForm = /^arn:aws:iam::\d{12}:role\/[\w+=,.@/-]+$/;

/** The part of both kinds of S3 destination, and of their updates. */
type S3Config = Partial<ExtendedS3DestinationConfiguration>;
type HttpConfig = Partial<Omit<HttpEndpointDestinationConfiguration, 'S3Configuration'>>;

function readLogging(given: CloudWatchLoggingOptions | undefined, old: LoggingSpec): LoggingSpec {
  if (given === undefined) return old;
  const { Enabled = false, LogGroupName: group, LogStreamName: stream } = given;
  if (Enabled && (group === undefined || stream === undefined))
    throw invalidArgument('LogGroupName and LogStreamName must be specified when CloudWatch logging is enabled.');
  return { enabled: Enabled, group, stream };
}

function showLogging({ enabled, group, stream }: LoggingSpec): CloudWatchLoggingOptions {
  return { Enabled: enabled, LogGroupName: group, LogStreamName: stream };
}

function readKey(given: EncryptionConfiguration | undefined, old: string | undefined): string | undefined {
  if (given === undefined || (given.NoEncryptionConfig === undefined && given.KMSEncryptionConfig === undefined)) return old;
  if (given.NoEncryptionConfig !== undefined && given.KMSEncryptionConfig !== undefined)
    throw invalidArgument('Only one of NoEncryptionConfig and KMSEncryptionConfig can be specified.');
  return given.KMSEncryptionConfig?.AWSKMSKeyARN;
}

/** Throws 501 for parts of S3 destinations that nothing here would follow. */
function refuseS3(operation: string, config: S3Config): void {
  if (config.S3BackupMode === 'Enabled') throw parameterNotImplemented(operation, 'S3BackupMode');
  if (config.S3BackupConfiguration !== undefined) throw parameterNotImplemented(operation, 'S3BackupConfiguration');
  if (config.DataFormatConversionConfiguration !== undefined && config.DataFormatConversionConfiguration.Enabled !== false)
    throw parameterNotImplemented(operation, 'DataFormatConversionConfiguration');
}

/** An S3 destination after this request; members that it leaves out stay as in `old`, or take defaults. Throws InvalidArgumentException. */
export function readS3(operation: string, config: S3Config, old?: S3Spec, partitioned = false): S3Spec {
  refuseS3(operation, config);
  const role = config.RoleARN ?? old?.role ?? '';
  const bucketArn = config.BucketARN ?? old?.bucketArn ?? '';
  new RequestCheck()
    .pattern('roleARN', role, roleForm, 'arn:.*')
    .pattern('bucketARN', bucketArn, /^arn:aws:s3:::[\w.-]{1,255}$/, 'arn:.*:s3:::[\\w\\.\\-]{1,255}')
    .range('bufferingHints.sizeInMBs', config.BufferingHints?.SizeInMBs, 1, s3SizeMbMax)
    .range('bufferingHints.intervalInSeconds', config.BufferingHints?.IntervalInSeconds, 0, intervalSecondsMax)
    .oneOf('compressionFormat', config.CompressionFormat, ['UNCOMPRESSED', 'GZIP', 'ZIP', 'Snappy', 'HADOOP_SNAPPY'])
    .pattern('fileExtension', config.FileExtension, /^$|^\.[0-9a-z!\-_.*'()]{1,127}$/, "^$|\\.[0-9a-z!\\-_.*'()]+")
    .done();
  // A whole new pair of hints, or none ("if you specify a value for one of them, you must also provide a value for the other").
  const { SizeInMBs, IntervalInSeconds } = config.BufferingHints ?? {};
  if ((SizeInMBs === undefined) !== (IntervalInSeconds === undefined))
    throw invalidArgument('BufferingHints: SizeInMBs and IntervalInSeconds must be specified together.');
  const spec: S3Spec = {
    role,
    bucketArn,
    prefix: config.Prefix ?? old?.prefix,
    errorPrefix: config.ErrorOutputPrefix ?? old?.errorPrefix,
    sizeMb: SizeInMBs ?? old?.sizeMb ?? defaultSizeMb,
    intervalSeconds: IntervalInSeconds ?? old?.intervalSeconds ?? defaultIntervalSeconds,
    compression: config.CompressionFormat ?? old?.compression ?? 'UNCOMPRESSED',
    kmsKey: readKey(config.EncryptionConfiguration, old?.kmsKey),
    logging: readLogging(config.CloudWatchLoggingOptions, old?.logging ?? { enabled: false }),
    extension: config.FileExtension ?? old?.extension,
    timeZone: config.CustomTimeZone ?? old?.timeZone ?? 'UTC',
  };
  checkPrefixes(spec.prefix, spec.errorPrefix, spec.timeZone, partitioned);
  if (partitioned && partitionKeysOf(spec.prefix).length === 0)
    throw invalidArgument('Prefix must contain a partition key expression when dynamic partitioning is enabled.');
  if (partitioned && spec.sizeMb < partitionedSizeMbMin)
    throw invalidArgument(
      `BufferingHints.SizeInMBs must be at least ${partitionedSizeMbMin} when dynamic partitioning is enabled.`,
    );
  return spec;
}

export function accessKeyLabel(id: string): string {
  return `firehose access key of ${id}`;
}

/** An HTTP destination after this request. `id` is the stream's, for the seal of its access key. Throws InvalidArgumentException. */
export function readHttp(ctx: Context, operation: string, id: string, config: HttpConfig, old?: HttpSpec): HttpSpec {
  if (config.SecretsManagerConfiguration?.Enabled === true)
    throw parameterNotImplemented(operation, 'SecretsManagerConfiguration');
  const { Url: url = old?.url ?? '', Name: name = old?.name, AccessKey } = config.EndpointConfiguration ?? {};
  const { ContentEncoding, CommonAttributes } = config.RequestConfiguration ?? {};
  new RequestCheck()
    .pattern('endpointConfiguration.url', url, /^https:\/\/.{1,992}$/, 'https://.*')
    .size('endpointConfiguration.accessKey', AccessKey, 0, 4096)
    .pattern('roleARN', config.RoleARN, roleForm, 'arn:.*')
    .range('bufferingHints.sizeInMBs', config.BufferingHints?.SizeInMBs, 1, httpSizeMbMax)
    .range('bufferingHints.intervalInSeconds', config.BufferingHints?.IntervalInSeconds, 0, intervalSecondsMax)
    .range('retryOptions.durationInSeconds', config.RetryOptions?.DurationInSeconds, 0, retrySecondsMax)
    .oneOf('requestConfiguration.contentEncoding', ContentEncoding, ['NONE', 'GZIP'])
    .count('requestConfiguration.commonAttributes', CommonAttributes, 0, commonAttributesMax)
    .oneOf('s3BackupMode', config.S3BackupMode, ['FailedDataOnly', 'AllData'])
    .done();
  if (!URL.canParse(url)) throw invalidArgument(`The endpoint URL ${url} is not valid.`);
  const sealed = (key: string): string =>
    Buffer.from(ctx.part('vault').seal(Buffer.from(key), accessKeyLabel(id))).toString('base64');
  return {
    url,
    name,
    accessKey: AccessKey === undefined ? old?.accessKey : sealed(AccessKey),
    role: config.RoleARN ?? old?.role,
    sizeMb: config.BufferingHints?.SizeInMBs ?? old?.sizeMb ?? defaultSizeMb,
    intervalSeconds: config.BufferingHints?.IntervalInSeconds ?? old?.intervalSeconds ?? defaultIntervalSeconds,
    encoding: ContentEncoding ?? old?.encoding ?? 'NONE',
    attributes:
      CommonAttributes?.map(({ AttributeName = '', AttributeValue = '' }) => ({ name: AttributeName, value: AttributeValue })) ??
      old?.attributes ??
      [],
    retrySeconds: config.RetryOptions?.DurationInSeconds ?? old?.retrySeconds ?? defaultIntervalSeconds,
    backup: config.S3BackupMode ?? old?.backup ?? 'FailedDataOnly',
    logging: readLogging(config.CloudWatchLoggingOptions, old?.logging ?? { enabled: false }),
  };
}

/** As S3DestinationDescription shows it; the extended form has more. */
export function showS3(spec: S3Spec) {
  return {
    RoleARN: spec.role,
    BucketARN: spec.bucketArn,
    Prefix: spec.prefix,
    ErrorOutputPrefix: spec.errorPrefix,
    BufferingHints: { SizeInMBs: spec.sizeMb, IntervalInSeconds: spec.intervalSeconds },
    CompressionFormat: spec.compression,
    EncryptionConfiguration:
      spec.kmsKey === undefined
        ? { NoEncryptionConfig: 'NoEncryption' as const }
        : { KMSEncryptionConfig: { AWSKMSKeyARN: spec.kmsKey } },
    CloudWatchLoggingOptions: showLogging(spec.logging),
  };
}

export function showExtendedS3(spec: S3Spec): ExtendedS3DestinationDescription {
  return { ...showS3(spec), S3BackupMode: 'Disabled', FileExtension: spec.extension, CustomTimeZone: spec.timeZone };
}

export function showHttp(http: HttpSpec, s3: S3Spec): HttpEndpointDestinationDescription {
  return {
    EndpointConfiguration: { Url: http.url, Name: http.name },
    BufferingHints: { SizeInMBs: http.sizeMb, IntervalInSeconds: http.intervalSeconds },
    CloudWatchLoggingOptions: showLogging(http.logging),
    RequestConfiguration: {
      ContentEncoding: http.encoding,
      CommonAttributes: http.attributes.map(({ name, value }) => ({ AttributeName: name, AttributeValue: value })),
    },
    RoleARN: http.role,
    RetryOptions: { DurationInSeconds: http.retrySeconds },
    S3BackupMode: http.backup,
    S3DestinationDescription: showS3(s3),
  };
}
