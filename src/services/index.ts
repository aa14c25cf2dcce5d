/** The services that Pilvi has code for: one line each, loaded on first use. A service that is not here answers 501 for every operation. */
import type { ServiceEntry } from '../kernel/service.ts';

export const services: readonly ServiceEntry[] = [
  { name: 'iam', load: () => import('./iam/index.ts'), credentialPrefix: 'AKIA', holds: 'identity-policies' },
  { name: 'accessanalyzer', load: () => import('./accessanalyzer/index.ts') },
  { name: 'sts', load: () => import('./sts/index.ts'), credentialPrefix: 'ASIA' },
  { name: 'kms', load: () => import('./kms/index.ts') },
  { name: 'ec2-instance-connect', load: () => import('./ec2-instance-connect/index.ts') },
  { name: 'secrets-manager', load: () => import('./secrets-manager/index.ts') },
  { name: 'ssm', load: () => import('./ssm/index.ts') },
  { name: 'acm', load: () => import('./acm/index.ts') },
  { name: 'ec2', load: () => import('./ec2/index.ts'), eager: true },
  { name: 'ec2', load: () => import('./ec2/index.ts'), eager: true, holds: 'network-paths' },
  { name: 'route-53', load: () => import('./route-53/index.ts'), eager: true },
  { name: 'rbin', load: () => import('./rbin/index.ts') },
  { name: 'eventbridge', load: () => import('./eventbridge/index.ts'), subscribes: ['*'] },
  { name: 'kinesis', load: () => import('./kinesis/index.ts') },
  { name: 'sns', load: () => import('./sns/index.ts') },
  { name: 'sqs', load: () => import('./sqs/index.ts') },
  { name: 'dynamodb', load: () => import('./dynamodb/index.ts') },
  { name: 'cloudwatch-logs', load: () => import('./cloudwatch-logs/index.ts') },
  { name: 's3', load: () => import('./s3/index.ts') },
  { name: 'dynamodb-streams', load: () => import('./dynamodb-streams/index.ts') },
  { name: 'cloudwatch', load: () => import('./cloudwatch/index.ts') },
  {
    name: 'elastic-load-balancing-v2',
    load: () => import('./elastic-load-balancing-v2/index.ts'),
    eager: true,
    subscribes: ['aws.ec2:EC2 Instance State-change Notification', 'aws.acm:ACM Certificate Available'],
  },
  { name: 's3', load: () => import('./s3/index.ts'), webHosts: /^.+\.s3-website[.-]/ },
  { name: 'cloudtrail', load: () => import('./cloudtrail/index.ts') },
];
