/**
 * What a host name tells of the service: `sts.us-east-1.amazonaws.com`, `sts.us-east-1.localhost`, `sts.localhost.localstack.cloud`, and S3's
 * virtual hosts `BUCKET.s3.us-east-1.…`. A name that says nothing (an address, plain localhost) gives nothing.
 */
import type { ServiceIndex } from './service-model.ts';

export interface HostFinding {
  /** Names of the services that the host may stand for; empty if it tells none. */
  services: readonly string[];
  /** What stands before the service: a bucket, an account id, a host label. */
  prefix: string | undefined;
  /** The access point that the host is the address of, as an ARN: `NAME-ACCOUNT.s3-accesspoint.REGION`; of a Multi-Region one its alias. */
  accessPoint?: string | undefined;
  /** All that stands before the suffix. A bucket may be called like a service: `sts.localhost`. */
  whole: string | undefined;
}

const nothing: HostFinding = { services: [], prefix: undefined, whole: undefined };

/** The host suffixes under which services are addressed; the longest that fits counts. */
const suffixes = [
  '.localhost.localstack.cloud',
  '.amazonaws.com.cn',
  '.amazonaws.com',
  '.api.aws',
  '.localhost',
  '.pilvi.localhost',
].sort((a, b) => b.length - a.length);

const regionPattern = /^[a-z]{2}(?:-[a-z]+)+-\d$/;
/**
 * Names of VPC endpoints: `vpce-0a1b-9c8d.sqs.us-east-1.vpce`. S3's have a label `bucket` before them, which is no bucket ("Accessing buckets and S3
 * access points from S3 interface endpoints").
 */
const endpointPattern = /^(?:(.+)\.)?vpce-[a-z0-9-]+\.(.+)\.vpce$/;
/** Other addresses of S3: `s3-eu-west-1`, access points, Transfer Acceleration, zones of directory buckets and their control. */
const dialects = /^s3(?:-[a-z]{2}-[a-z-]+-\d|-accesspoint|-accelerate|express-[a-z0-9]+-az\d+|express-control)$/;
/** Multi-Region Access Points: `ALIAS.mrap.accesspoint.s3-global`, of no Region. */
const multiRegionPattern = /^([a-z0-9]+\.mrap)\.accesspoint\.s3-global$/;
const ipv4Pattern = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** Reads a Host header. The port does not count, nor does letter case. */
export function readHost(index: ServiceIndex, host: string): HostFinding {
  const name = host.replace(/:\d*$/, '').toLowerCase();
  if (ipv4Pattern.test(name) || name.startsWith('[')) return nothing;
  const suffix = suffixes.find((candidate) => name.endsWith(candidate));
  if (suffix === undefined) return nothing;
  const whole = name.slice(0, -suffix.length);
  const endpoint = endpointPattern.exec(whole);
  if (endpoint !== null) {
    const [, before = '', service = ''] = endpoint;
    const prefix = before.replace(/(^|\.)bucket$/, '');
    const found = serviceAt(index, service.split('.'), 0) ?? [];
    const accessPoint = accessPointOf(before.replace(/\.accesspoint$/, ''), ['s3-accesspoint', ...service.split('.').slice(1)]);
    if (accessPoint !== undefined && before.endsWith('.accesspoint')) return { services: found, prefix, accessPoint, whole };
    return { services: found, prefix: prefix === '' ? undefined : prefix, whole };
  }
  const alias = multiRegionPattern.exec(whole)?.[1];
  if (alias !== undefined) return { services: ['s3'], prefix: alias, accessPoint: alias, whole };
  const labels = whole.split('.');
  for (let at = 0; at < labels.length; at += 1) {
    const found = serviceAt(index, labels, at);
    if (found !== undefined) {
      const prefix = at === 0 ? undefined : labels.slice(0, at).join('.');
      return { services: found, prefix, accessPoint: accessPointOf(prefix, labels.slice(at)), whole };
    }
  }
  return { services: [], prefix: whole, whole };
}

/** Services whose endpoint prefix begins at this label and is followed by nothing but a region and dialects of S3. */
function serviceAt(index: ServiceIndex, labels: readonly string[], at: number): readonly string[] | undefined {
  for (let length = Math.min(2, labels.length - at); length > 0; length -= 1) {
    const prefix = labels.slice(at, at + length).join('.');
    const rest = labels.slice(at + length);
    if (!rest.every((label) => regionPattern.test(label) || label === 'dualstack')) continue;
    const entries = index.byEndpointPrefix.get(prefix) ?? index.byEndpointPrefix.get(prefix.replace(dialects, 's3'));
    if (entries !== undefined) return entries.map((entry) => entry.name);
  }
  return undefined;
}

/** The ARN of the access point `NAME-ACCOUNT` at `s3-accesspoint` and a Region; undefined for all other hosts. */
function accessPointOf(prefix: string | undefined, labels: readonly string[]): string | undefined {
  const [, name, account] = /^([a-z0-9-]+)-(\d{12})$/.exec(prefix ?? '') ?? [];
  const region = labels.find((label) => regionPattern.test(label));
  if (labels[0] !== 's3-accesspoint' || name === undefined || region === undefined) return undefined;
  return `arn:aws:s3:${region}:${account}:accesspoint/${name}`;
}
