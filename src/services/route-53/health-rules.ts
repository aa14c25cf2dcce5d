/** Health checks' pure rules: defaults, what a configuration must be, where checkers are, and how their verdicts add up. */
import type { HealthCheckConfig } from '@aws-sdk/client-route-53';
import { containsAddress, formatIp4, parseCidr4, parseIp4, parseIp6 } from '../../base/cidr.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { proberBlock } from '../../planes/fabric/addresses.ts';
import { invalidInput } from './errors.ts';
import type { CheckConfig, CheckerRow } from './health-state.ts';

const checkTypes = [
  'HTTP',
  'HTTPS',
  'HTTP_STR_MATCH',
  'HTTPS_STR_MATCH',
  'TCP',
  'CALCULATED',
  'CLOUDWATCH_METRIC',
  'RECOVERY_CONTROL',
] as const;
/** Regions with checkers, in the order of their addresses. */
const checkerRegions = [
  'us-east-1',
  'us-west-1',
  'us-west-2',
  'eu-west-1',
  'ap-southeast-1',
  'ap-southeast-2',
  'ap-northeast-1',
  'sa-east-1',
] as const;
const checkersPerRegion = 2;
const blockSize = 16;
const regionsMin = 3;
const childrenMax = 256;
/** Share of checkers that must find an endpoint healthy ("How Route 53 determines whether a health check is healthy"). */
const healthyShare = 0.18;

const firstAddress = parseCidr4(proberBlock)!.base;
/** Where no endpoint on the internet is. */
const privateBlocks = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
].map((text) => parseCidr4(text)!);

export function isEndpointCheck({ Type }: Pick<CheckConfig, 'Type'>): boolean {
  return Type !== 'CALCULATED' && Type !== 'CLOUDWATCH_METRIC';
}

/** Blocks of checkers' addresses by Region. */
export function checkerRanges(): string[] {
  return checkerRegions.map((_region, index) => `${formatIp4(firstAddress + index * blockSize)}/28`);
}

/** The checkers of a configuration, all content until they have looked. */
export function freshCheckers({ Regions }: CheckConfig, at: number): CheckerRow[] {
  return checkerRegions.flatMap((region, index) => {
    if (Regions !== undefined && Regions.length > 0 && !Regions.includes(region)) return [];
    return Array.from({ length: checkersPerRegion }, (_one, number) => ({
      region,
      ip: formatIp4(firstAddress + index * blockSize + 1 + number),
      healthy: true,
      against: 0,
      at,
      status: '',
    }));
  });
}

/** The verdict of all checkers on an endpoint. */
export function isHealthy(checkers: readonly CheckerRow[]): boolean {
  return checkers.filter(({ healthy }) => healthy).length > checkers.length * healthyShare;
}

/** A checker after one more result: it changes its mind after `threshold` results in a row against it. */
export function judgeAgain(
  checker: CheckerRow,
  result: { healthy: boolean; reason: string },
  at: number,
  threshold: number,
): CheckerRow {
  const against = result.healthy === checker.healthy ? 0 : checker.against + 1;
  const turned = against >= threshold;
  const status = `${result.healthy ? 'Success' : 'Failure'}: ${result.reason}`;
  return {
    ...checker,
    healthy: turned ? result.healthy : checker.healthy,
    against: turned ? 0 : against,
    at,
    status,
    failure: result.healthy ? checker.failure : { at, status },
  };
}

/** The configuration with defaults filled in. Throws InvalidInput. */
export function completeConfig(config: HealthCheckConfig): CheckConfig {
  const { Type, FailureThreshold, RequestInterval, Regions } = config;
  const at = 'healthCheckConfig';
  new RequestCheck('InvalidInput')
    .oneOf(`${at}.type`, Type, checkTypes)
    .range(`${at}.port`, config.Port, 1, 65_535)
    .range(`${at}.failureThreshold`, FailureThreshold, 1, 10)
    .range(`${at}.requestInterval`, RequestInterval, 10, 30)
    .range(`${at}.healthThreshold`, config.HealthThreshold, 0, 256)
    .length(`${at}.resourcePath`, config.ResourcePath, 0, 255)
    .length(`${at}.fullyQualifiedDomainName`, config.FullyQualifiedDomainName, 0, 255)
    .length(`${at}.searchString`, config.SearchString, 0, 255)
    .count(`${at}.childHealthChecks`, config.ChildHealthChecks, 0, childrenMax)
    .count(`${at}.regions`, Regions, regionsMin, 64)
    .done();
  if (Type === 'RECOVERY_CONTROL')
    throw invalidInput(
      'Health checks of routing controls need Application Recovery Controller, which is not part of this cloud.',
    );
  if (RequestInterval !== undefined && RequestInterval !== 10 && RequestInterval !== 30)
    throw invalidInput(`Invalid parameter : RequestInterval must be 10 or 30, but is ${RequestInterval}`);
  for (const region of Regions ?? [])
    if (!(checkerRegions as readonly string[]).includes(region))
      throw invalidInput(`Invalid parameter : there are no health checkers in ${region}`);
  if (!isEndpointCheck(config as CheckConfig)) return completeDerived(config);
  checkEndpoint(config);
  const secure = Type === 'HTTPS' || Type === 'HTTPS_STR_MATCH';
  return {
    ...(config as CheckConfig),
    Port: config.Port ?? (secure ? 443 : 80),
    RequestInterval: RequestInterval ?? 30,
    FailureThreshold: FailureThreshold ?? 3,
    MeasureLatency: config.MeasureLatency ?? false,
    Inverted: config.Inverted ?? false,
    Disabled: config.Disabled ?? false,
    ...(secure ? { EnableSNI: config.EnableSNI ?? true } : {}),
  };
}

function completeDerived(config: HealthCheckConfig): CheckConfig {
  const { Type } = config;
  const plain = { ...(config as CheckConfig), Inverted: config.Inverted ?? false, Disabled: config.Disabled ?? false };
  for (const name of [
    'IPAddress',
    'Port',
    'ResourcePath',
    'FullyQualifiedDomainName',
    'SearchString',
    'RequestInterval',
    'FailureThreshold',
    'Regions',
  ] as const)
    if (config[name] !== undefined)
      throw invalidInput(`Invalid parameter : ${name} cannot be specified for a health check of type ${Type}`);
  if (Type === 'CALCULATED') {
    if (config.HealthThreshold === undefined)
      throw invalidInput('Invalid parameter : HealthThreshold must be specified for a health check of type CALCULATED');
    return { ...plain, ChildHealthChecks: config.ChildHealthChecks ?? [] };
  }
  if (config.AlarmIdentifier?.Name === undefined || config.AlarmIdentifier.Region === undefined)
    throw invalidInput('Invalid parameter : AlarmIdentifier must be specified for a health check of type CLOUDWATCH_METRIC');
  new RequestCheck('InvalidInput')
    .oneOf('healthCheckConfig.insufficientDataHealthStatus', config.InsufficientDataHealthStatus, [
      'Healthy',
      'Unhealthy',
      'LastKnownStatus',
    ])
    .done();
  return { ...plain, InsufficientDataHealthStatus: config.InsufficientDataHealthStatus ?? 'LastKnownStatus' };
}

function checkEndpoint({
  Type,
  IPAddress: ip,
  FullyQualifiedDomainName: name,
  Port,
  SearchString: search,
  ResourcePath: path,
}: HealthCheckConfig): void {
  if (ip === undefined && name === undefined)
    throw invalidInput('Invalid parameter : IPAddress or FullyQualifiedDomainName must be specified');
  if (ip !== undefined) {
    const address = parseIp4(ip);
    if (address === undefined && parseIp6(ip) === undefined)
      throw invalidInput(`Invalid parameter : ${ip} is not a valid IP address`);
    if (address !== undefined && privateBlocks.some((block) => containsAddress(block, address)))
      throw invalidInput(`Invalid parameter : IP address ${ip} is in a private or reserved range`);
  }
  const matching = Type === 'HTTP_STR_MATCH' || Type === 'HTTPS_STR_MATCH';
  if (matching !== (search !== undefined && search !== ''))
    throw invalidInput(
      matching
        ? 'Invalid parameter : SearchString must be specified'
        : `Invalid parameter : SearchString cannot be specified for a health check of type ${Type}`,
    );
  if (Type !== 'TCP') return;
  if (Port === undefined) throw invalidInput('Invalid parameter : Port must be specified for a health check of type TCP');
  if (path !== undefined)
    throw invalidInput('Invalid parameter : ResourcePath cannot be specified for a health check of type TCP');
}
