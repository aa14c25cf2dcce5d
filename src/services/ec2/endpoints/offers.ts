/** Services of the cloud that endpoints lead to ("AWS services that integrate with AWS PrivateLink"). */

/** Last part of the service's name, to the kernel's name of the service. Those of both kinds are `gatewayServices`. */
const interfaceServices: Readonly<Record<string, string>> = {
  s3: 's3',
  dynamodb: 'dynamodb',
  ec2: 'ec2',
  'execute-api': 'api-gateway',
  kms: 'kms',
  logs: 'cloudwatch-logs',
  monitoring: 'cloudwatch',
  secretsmanager: 'secrets-manager',
  sns: 'sns',
  sqs: 'sqs',
  ssm: 'ssm',
  sts: 'sts',
};
const gatewayServices: readonly string[] = ['s3', 'dynamodb'];

export interface Offer {
  /** `com.amazonaws.us-east-1.sqs` */
  serviceName: string;
  /** `sqs` */
  short: string;
  /** The kernel's name. */
  service: string;
  gateway: boolean;
  /** Name that leads to the endpoint where private DNS is on. */
  dnsName: string;
}

/** All offers of a Region, in order of name. */
export function offersOf(region: string): Offer[] {
  return Object.entries(interfaceServices)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([short, service]) => ({
      serviceName: `com.amazonaws.${region}.${short}`,
      short,
      service,
      gateway: gatewayServices.includes(short),
      dnsName: `${short}.${region}.amazonaws.com`,
    }));
}

/** The offer of this name. */
export function offerOf(region: string, serviceName: string): Offer | undefined {
  return offersOf(region).find((offer) => offer.serviceName === serviceName);
}
