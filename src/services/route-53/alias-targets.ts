/**
 * What an alias may point at ("Values specific for simple alias records"): names of AWS resources under the hosted zone of their kind, in the real
 * cloud's form or in the form that works from the host, and records of the zone itself.
 */

interface TargetKind {
  name: RegExp;
  /** Hosted zone ids of the kind; undefined: any that is no user's zone, because each Region has its own. */
  zones?: readonly string[];
  types: readonly string[];
  /** EvaluateTargetHealth may not be set. */
  noHealth?: boolean;
}

const addresses = ['A', 'AAAA'];

/** Zone ids of S3 website endpoints by Region ("Amazon S3 endpoints and quotas", website endpoints). */
const websiteZones: Readonly<Record<string, string>> = {
  'us-east-1': 'Z3AQBSTGFYJSTF',
  'us-east-2': 'Z2O1EMRO9K5GLX',
  'us-west-1': 'Z2F56UZL2M1ACD',
  'us-west-2': 'Z3BJ6K6RIION7M',
  'ap-south-1': 'Z11RGJOFQNVJUP',
  'ap-northeast-1': 'Z2M4EHUR26P7ZW',
  'ap-northeast-2': 'Z3W03O7B5YMIYP',
  'ap-southeast-1': 'Z3O0J2DXBE1FTB',
  'ap-southeast-2': 'Z1WCIGYICN2BYD',
  'ca-central-1': 'Z1QDHH18159H29',
  'eu-central-1': 'Z21DNDUVLTQW6Q',
  'eu-west-1': 'Z1BKCTXD74EZPE',
  'eu-west-2': 'Z3GKZC51ZF0DB4',
  'eu-west-3': 'Z3R1K369G5AVDG',
  'eu-north-1': 'Z3BAZG2TWCNX0D',
  'sa-east-1': 'Z7KQH4QJS55SO',
};

const kinds: readonly TargetKind[] = [
  { name: /\.elb\.(?:[a-z0-9-]+\.)?(?:amazonaws\.com|localhost)\.$/, types: addresses },
  { name: /\.cloudfront\.(net|localhost)\.$/, zones: ['Z2FDTNDATAQYW2'], types: [...addresses, 'HTTPS'], noHealth: true },
  { name: /\.awsglobalaccelerator\.(com|localhost)\.$/, zones: ['Z2BJ6XQ5FK7U4H'], types: addresses },
  { name: /\.execute-api\.[a-z0-9-]+\.(amazonaws\.com|localhost)\.$/, types: addresses },
  { name: /\.[a-z0-9-]+\.elasticbeanstalk\.(com|localhost)\.$/, types: addresses },
  { name: /^vpce-[^.]+\..+\.vpce\.(amazonaws\.com|localhost)\.$/, types: addresses },
];

const website = /(?:^|\.)s3-website[.-]([a-z0-9-]+)\.(amazonaws\.com|localhost)\.$/;

export type TargetVerdict = 'good' | 'outside' | 'missing' | 'no-health';

/** Whether a name under a zone id is a resource that an alias of this type may have. Not for zones that a user holds. */
export function judgeTarget(target: { zone: string; name: string; evaluate: boolean }, type: string): TargetVerdict {
  const region = website.exec(target.name)?.[1];
  if (region !== undefined) {
    if ((websiteZones[region] ?? target.zone) !== target.zone) return 'outside';
    return addresses.includes(type) ? 'good' : 'missing';
  }
  const kind = kinds.find(({ name }) => name.test(target.name));
  if (kind === undefined || kind.zones?.includes(target.zone) === false) return 'outside';
  if (!kind.types.includes(type)) return 'missing';
  return kind.noHealth === true && target.evaluate ? 'no-health' : 'good';
}

/** Name under which this cloud answers for a target: S3 websites live under the gateway's own names. */
export function targetName(name: string): string {
  return name.replace(/\.$/, '').replace(/^dualstack\./, '');
}
