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
    return { services: serviceAt(index, service.split('.'), 0) ?? [], prefix: prefix === '' ? undefined : prefix, whole };
  }
  const labels = whole.split('.');
  for (let at = 0; at < labels.length; at += 1) {
    const found = serviceAt(index, labels, at);
    if (found !== undefined) return { services: found, prefix: at === 0 ? undefined : labels.slice(0, at).join('.'), whole };
  }
  return { services: [], prefix: whole, whole };
}

/** Services whose endpoint prefix begins at this label and is followed by nothing but a region and dialects of S3. */
function serviceAt(index: ServiceIndex, labels: readonly string[], at: number): readonly string[] | undefined {
  for (let length = Math.min(2, labels.length - at); length > 0; length -= 1) {
    const prefix = labels.slice(at, at + length).join('.');
    const rest = labels.slice(at + length);
    if (!rest.every((label) => regionPattern.test(label) || label === 'dualstack')) continue;
    const entries =
      index.byEndpointPrefix.get(prefix) ?? index.byEndpointPrefix.get(prefix.replace(/^s3-[a-z]{2}-[a-z-]+-\d$/, 's3'));
    if (entries !== undefined) return entries.map((entry) => entry.name);
  }
  return undefined;
}
