/**
 * Ids. One list of id kinds, and the only place that draws random values. Shapes are those of the real cloud, so that clients' own
 * checks (regular expressions in Terraform, CDK and consoles) accept them.
 */
import { randomBytes } from 'node:crypto';

const hex = '0123456789abcdef';
const upperBase32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const upperAlphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const secretAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const lowerAlphanumeric = 'abcdefghijklmnopqrstuvwxyz0123456789';
const decimal = '0123456789';

interface IdKind {
  prefix: string;
  length: number;
  alphabet: string;
}

const long = (prefix: string): IdKind => ({ prefix, length: 17, alphabet: hex });
const unique = (prefix: string): IdKind => ({ prefix, length: 17, alphabet: upperBase32 });

/** Prefix, number of characters after it, and their alphabet, by kind. */
export const idKinds = {
  // EC2 and VPC: "Resource IDs", EC2 User Guide (17 hexadecimal digits).
  instance: long('i-'),
  reservation: long('r-'),
  image: long('ami-'),
  volume: long('vol-'),
  snapshot: long('snap-'),
  vpc: long('vpc-'),
  subnet: long('subnet-'),
  routeTable: long('rtb-'),
  routeTableAssociation: long('rtbassoc-'),
  internetGateway: long('igw-'),
  networkInterface: long('eni-'),
  networkInterfaceAttachment: long('eni-attach-'),
  securityGroup: long('sg-'),
  securityGroupRule: long('sgr-'),
  networkAcl: long('acl-'),
  networkAclAssociation: long('aclassoc-'),
  addressAllocation: long('eipalloc-'),
  addressAssociation: long('eipassoc-'),
  dhcpOptions: long('dopt-'),
  keyPair: long('key-'),
  profileAssociation: long('iip-assoc-'),
  launchTemplate: long('lt-'),
  placementGroup: long('pg-'),
  dedicatedHost: long('h-'),
  spotRequest: { prefix: 'sir-', length: 8, alphabet: lowerAlphanumeric },
  vpcCidrAssociation: long('vpc-cidr-assoc-'),
  subnetCidrAssociation: long('subnet-cidr-assoc-'),
  natGateway: long('nat-'),
  vpcPeering: long('pcx-'),
  prefixList: long('pl-'),
  egressOnlyGateway: long('eigw-'),
  vpcEndpoint: long('vpce-'),
  endpointService: long('vpce-svc-'),
  endpointServicePermission: long('vpce-svc-perm-'),
  endpointConnection: long('vpce-con-'),
  flowLog: long('fl-'),
  mirrorTarget: long('tmt-'),
  mirrorFilter: long('tmf-'),
  mirrorRule: long('tmfr-'),
  mirrorSession: long('tms-'),
  managedAttachment: long('ela-attach-'),
  // Elastic Load Balancing: the ends of ARNs.
  loadBalancerPart: { prefix: '', length: 16, alphabet: hex },
  cacheLabel: { prefix: '', length: 6, alphabet: lowerAlphanumeric },
  loadBalancerNumber: { prefix: '', length: 10, alphabet: decimal },
  // Recycle Bin.
  retentionRule: { prefix: '', length: 11, alphabet: alphanumeric },
  quotaRequest: { prefix: '', length: 40, alphabet: alphanumeric },
  // IAM: "IAM identifiers", unique ids.
  user: unique('AIDA'),
  role: unique('AROA'),
  group: unique('AGPA'),
  policy: unique('ANPA'),
  instanceProfile: unique('AIPA'),
  accessKey: { prefix: 'AKIA', length: 16, alphabet: upperBase32 },
  sessionKey: { prefix: 'ASIA', length: 16, alphabet: upperBase32 },
  secretKey: { prefix: '', length: 40, alphabet: secretAlphabet },
  sessionToken: { prefix: 'FwoGZXIvYXdzE', length: 243, alphabet: alphanumeric },
  serverCertificate: unique('ASCA'),
  sshPublicKey: { prefix: 'APKA', length: 16, alphabet: upperBase32 },
  signingCertificate: { prefix: '', length: 32, alphabet: upperBase32 },
  serviceSpecificCredential: unique('ACCA'),
  // SNS: 256 hexadecimal digits prove a confirmation.
  snsToken: { prefix: '', length: 256, alphabet: hex },
  // SQS: where a queue's messages lie; appears in receipt handles only.
  messageShelf: { prefix: '', length: 12, alphabet: hex },
  // Secrets Manager: the end of a secret's ARN.
  secretSuffix: { prefix: '', length: 6, alphabet: alphanumeric },
  // Route 53: zones, changes, delegation sets. Resolver's ids carry prefixes.
  hostedZone: { prefix: 'Z', length: 20, alphabet: upperAlphanumeric },
  dnsChange: { prefix: 'C', length: 20, alphabet: upperAlphanumeric },
  delegationSet: { prefix: 'N', length: 20, alphabet: upperAlphanumeric },
  resolverEndpointIn: long('rslvr-in-'),
  resolverEndpointOut: long('rslvr-out-'),
  resolverRule: long('rslvr-rr-'),
  resolverRuleAssociation: long('rslvr-rrassoc-'),
  resolverAddress: long('rni-'),
  // S3: version and upload ids are opaque text; contents are our own.
  objectVersion: { prefix: '', length: 22, alphabet: alphanumeric },
  expressKey: { prefix: 'S3XP', length: 16, alphabet: upperBase32 },
  multiRegionAlias: { prefix: '', length: 13, alphabet: 'abcdefghijklmnopqrstuvwxyz0123456789' },
  accessPointAlias: { prefix: '', length: 34, alphabet: 'abcdefghijklmnopqrstuvwxyz0123456789' },
  multipartUpload: { prefix: '', length: 96, alphabet: alphanumeric },
  content: { prefix: '', length: 32, alphabet: hex },
  // Glacier: archives' bytes (never an id of S3's contents); archives, jobs, uploads and locks.
  archiveContent: { prefix: 'g', length: 31, alphabet: hex },
  archive: { prefix: '', length: 138, alphabet: alphanumeric },
  archiveJob: { prefix: '', length: 92, alphabet: alphanumeric },
  // API Gateway: APIs, their resources, smaller parts (deployments, authorizers, keys' usage plans), API keys.
  gatewayApi: { prefix: '', length: 10, alphabet: lowerAlphanumeric },
  gatewayPart: { prefix: '', length: 6, alphabet: lowerAlphanumeric },
  gatewayDomain: { prefix: 'd-', length: 10, alphabet: lowerAlphanumeric },
  apiKeyValue: { prefix: '', length: 40, alphabet: alphanumeric },
  // Cognito: what follows the Region in a pool's id; app clients and their secrets.
  userPool: { prefix: '', length: 9, alphabet: alphanumeric },
  userPoolClient: { prefix: '', length: 26, alphabet: lowerAlphanumeric },
  userPoolSecret: { prefix: '', length: 51, alphabet: lowerAlphanumeric },
  // Lambda: host names of function URLs.
  functionUrl: { prefix: '', length: 32, alphabet: 'abcdefghijklmnopqrstuvwxyz234567' },
  // Kernel.
  account: { prefix: '', length: 12, alphabet: decimal },
  token: { prefix: '', length: 32, alphabet: alphanumeric },
  job: { prefix: '', length: 16, alphabet: hex },
} as const satisfies Record<string, IdKind>;

export type IdSort = keyof typeof idKinds;

/** Random bytes are drawn from the system in batches: one draw costs some microseconds, however few bytes are asked for. */
const batchBytes = 4096;
let batch = Buffer.alloc(0);
let batchUsed = 0;

/** Fresh random bytes. Every byte of a batch is handed out once, and a batch is never written again, so the views need no copy. */
function drawBytes(count: number): Uint8Array {
  if (count > batchBytes / 8) return randomBytes(count);
  if (batchUsed + count > batch.byteLength) {
    batch = randomBytes(batchBytes);
    batchUsed = 0;
  }
  batchUsed += count;
  return batch.subarray(batchUsed - count, batchUsed);
}

/** Draws ids; tests hand in a seeded source of bytes. */
export class IdSource {
  readonly #bytes: (count: number) => Uint8Array;

  constructor(bytes: (count: number) => Uint8Array = drawBytes) {
    this.#bytes = bytes;
  }

  /** A new id of the given kind. */
  next(sort: IdSort): string {
    const { prefix, length, alphabet } = idKinds[sort];
    const bytes = this.#bytes(length);
    let text: string = prefix;
    for (const byte of bytes) text += alphabet[byte % alphabet.length];
    return text;
  }

  /** A random UUID in its usual form: request ids, client tokens. */
  uuid(): string {
    const text = Buffer.from(this.#bytes(16)).toString('hex');
    const variant = hex[8 + (Number.parseInt(text[16] ?? '0', 16) % 4)];
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-${variant}${text.slice(17, 20)}-${text.slice(20, 32)}`;
  }

  /** Random bytes for secrets and keys. */
  bytes(count: number): Uint8Array {
    return this.#bytes(count);
  }
}

/** True when `text` has the shape of an id of this kind (or its older eight-digit form, for EC2 kinds). */
export function isIdOf(sort: IdSort, text: string): boolean {
  const { prefix, length, alphabet } = idKinds[sort];
  const rest = text.slice(prefix.length);
  if (!text.startsWith(prefix) || ![...rest].every((letter) => alphabet.includes(letter))) return false;
  return rest.length === length || (alphabet === hex && rest.length === 8);
}
