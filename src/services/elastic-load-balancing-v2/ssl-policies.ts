/**
 * Security policies of HTTPS and TLS listeners ("Security policies for your Application Load Balancer"), as far as OpenSSL here has their ciphers.
 * Ciphers stand in the policies' own order.
 */
import type { ElasticLoadBalancingV2, SslPolicy } from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { TlsSpec } from '../../planes/proxy/types.ts';
import { describePage } from './lookup.ts';

const tls13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
const gcm = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
const cbcSha2 = ['ECDHE-ECDSA-AES128-SHA256', 'ECDHE-RSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA384', 'ECDHE-RSA-AES256-SHA384'];
const cbcSha1 = ['ECDHE-ECDSA-AES128-SHA', 'ECDHE-RSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA', 'ECDHE-RSA-AES256-SHA'];
const rsa = ['AES128-GCM-SHA256', 'AES128-SHA256', 'AES128-SHA', 'AES256-GCM-SHA384', 'AES256-SHA256', 'AES256-SHA'];

interface Policy {
  versions: readonly ('TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3')[];
  ciphers: readonly string[];
}

const old = { versions: ['TLSv1', 'TLSv1.1', 'TLSv1.2'], ciphers: [...gcm, ...cbcSha2, ...cbcSha1, ...rsa] } satisfies Policy;
const policies: Readonly<Record<string, Policy>> = {
  'ELBSecurityPolicy-2016-08': old,
  'ELBSecurityPolicy-TLS13-1-2-2021-06': { versions: ['TLSv1.2', 'TLSv1.3'], ciphers: [...tls13, ...gcm, ...cbcSha2] },
  'ELBSecurityPolicy-TLS13-1-2-Res-2021-06': { versions: ['TLSv1.2', 'TLSv1.3'], ciphers: [...tls13, ...gcm] },
  'ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06': {
    versions: ['TLSv1.2', 'TLSv1.3'],
    ciphers: [...tls13, ...gcm, ...cbcSha2, 'AES128-GCM-SHA256', 'AES128-SHA256', 'AES256-GCM-SHA384', 'AES256-SHA256'],
  },
  'ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06': { versions: ['TLSv1.2', 'TLSv1.3'], ciphers: [...tls13, ...old.ciphers] },
  'ELBSecurityPolicy-TLS13-1-3-2021-06': { versions: ['TLSv1.3'], ciphers: tls13 },
  'ELBSecurityPolicy-TLS13-1-1-2021-06': { versions: ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'], ciphers: [...tls13, ...old.ciphers] },
  'ELBSecurityPolicy-TLS13-1-0-2021-06': {
    versions: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
    ciphers: [...tls13, ...old.ciphers],
  },
  'ELBSecurityPolicy-TLS-1-2-Ext-2018-06': { versions: ['TLSv1.2'], ciphers: old.ciphers },
  'ELBSecurityPolicy-TLS-1-2-2017-01': {
    versions: ['TLSv1.2'],
    ciphers: [...gcm, ...cbcSha2, ...rsa.filter((name) => !/SHA$/.test(name))],
  },
  'ELBSecurityPolicy-TLS-1-1-2017-01': { versions: ['TLSv1.1', 'TLSv1.2'], ciphers: old.ciphers },
  'ELBSecurityPolicy-FS-2018-06': { versions: old.versions, ciphers: [...gcm, ...cbcSha2, ...cbcSha1] },
  'ELBSecurityPolicy-FS-1-1-2019-08': { versions: ['TLSv1.1', 'TLSv1.2'], ciphers: [...gcm, ...cbcSha2, ...cbcSha1] },
  'ELBSecurityPolicy-FS-1-2-2019-08': { versions: ['TLSv1.2'], ciphers: [...gcm, ...cbcSha2, ...cbcSha1] },
  'ELBSecurityPolicy-FS-1-2-Res-2019-08': { versions: ['TLSv1.2'], ciphers: [...gcm, ...cbcSha2] },
  'ELBSecurityPolicy-FS-1-2-Res-2020-10': { versions: ['TLSv1.2'], ciphers: gcm },
};

/** What the API gives a listener that names none. */
export const defaultPolicy = 'ELBSecurityPolicy-2016-08';

export function checkPolicy(name: string): string {
  if (policies[name] === undefined) throw new AwsError('SSLPolicyNotFound', `SSL policy '${name}' not found`);
  return name;
}

/** The policy as nodes want it. */
export function tlsOf(name: string): Omit<TlsSpec, 'certificates'> {
  const { versions, ciphers } = policies[name]!;
  // OpenSSL 3 takes versions below 1.2 at security level 0 only.
  const level = versions.some((version) => version === 'TLSv1' || version === 'TLSv1.1') ? ':@SECLEVEL=0' : '';
  return {
    minVersion: versions[0]!,
    maxVersion: versions.at(-1) === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2',
    ciphers: `${ciphers.join(':')}${level}`,
  };
}

function describe(name: string): SslPolicy {
  const { versions, ciphers } = policies[name]!;
  return {
    Name: name,
    SslProtocols: [...versions].reverse(),
    Ciphers: ciphers.map((cipher, index) => ({ Name: cipher, Priority: index + 1 })),
    SupportedLoadBalancerTypes: ['application', 'network'],
  };
}

const limits: Readonly<Record<string, number>> = {
  'application-load-balancers': 50,
  'network-load-balancers': 50,
  'target-groups': 3000,
  'targets-per-application-load-balancer': 1000,
  'targets-per-target-group': 1000,
  'listeners-per-application-load-balancer': 50,
  'listeners-per-network-load-balancer': 50,
  'rules-per-application-load-balancer': 100,
  'certificates-per-application-load-balancer': 25,
  'certificates-per-network-load-balancer': 25,
  'condition-values-per-alb-rule': 5,
  'condition-wildcards-per-alb-rule': 6,
  'target-groups-per-action-on-application-load-balancer': 5,
  'target-groups-per-action-on-network-load-balancer': 1,
};

export const policyHandlers: HandlersOf<ElasticLoadBalancingV2> = {
  DescribeSSLPolicies(input) {
    for (const name of input.Names ?? []) checkPolicy(name);
    const types = input.LoadBalancerType;
    const names =
      types === 'gateway'
        ? []
        : Object.keys(policies).filter(
            (name) => input.Names === undefined || input.Names.length === 0 || input.Names.includes(name),
          );
    const page = describePage('DescribeSSLPolicies', names.sort(), (name) => [name], input);
    return { SslPolicies: page.items.map(describe), NextMarker: page.marker };
  },

  DescribeAccountLimits(input) {
    const page = describePage('DescribeAccountLimits', Object.keys(limits).sort(), (name) => [name], input);
    return { Limits: page.items.map((Name) => ({ Name, Max: String(limits[Name]) })), NextMarker: page.marker };
  },
};
