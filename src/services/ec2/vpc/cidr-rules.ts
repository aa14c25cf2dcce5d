/** Which blocks a VPC may have, first and later ("VPC CIDR blocks", VPC User Guide). Pure. */
import { canonicalCidr, contains, overlaps, parseCidr4 } from '../../../base/cidr.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterValue } from '../errors.ts';

const block = (text: string) => parseCidr4(text)!;

/** Blocks that are nobody's to use: loopback, link local, multicast, and what AWS keeps. */
const reservedBlocks = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'].map(block);
/** Private ranges; a VPC's blocks stay in one of them ("IPv4 CIDR block association restrictions"). */
const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '198.19.0.0/16'].map(block);

/** Checks a VPC's block: well-formed (InvalidParameterValue), /16 to /28 and not reserved (InvalidVpc.Range). Returns its canonical form. */
export function checkVpcCidr(text: string): string {
  const wanted = parseCidr4(text);
  if (wanted === undefined)
    throw invalidParameterValue(`Value (${text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.`);
  if (wanted.prefix < 16 || wanted.prefix > 28 || reservedBlocks.some((reserved) => overlaps(reserved, wanted)))
    throw new AwsError('InvalidVpc.Range', `The CIDR '${text}' is invalid.`);
  return canonicalCidr(text) ?? text;
}

/** Checks a further block against those that a VPC has. Throws InvalidVpc.Range for a restricted range, CidrConflict for an overlap. */
export function checkFurtherCidr(text: string, own: readonly string[]): string {
  const cidr = checkVpcCidr(text);
  const wanted = block(cidr);
  if (own.some((one) => overlaps(block(one), wanted)))
    throw new AwsError('CidrConflict', `The CIDR '${text}' conflicts with another CIDR block that is associated with the VPC.`);
  const first = block(own[0]!);
  const home = privateRanges.find((range) => contains(range, first));
  const range = privateRanges.find((one) => overlaps(one, wanted));
  const foreign = range !== undefined && range !== home;
  const kept =
    (contains(block('10.0.0.0/15'), first) && overlaps(block('10.0.0.0/16'), wanted)) ||
    (home === privateRanges[1] && overlaps(block('172.31.0.0/16'), wanted));
  if (foreign || kept)
    throw new AwsError(
      'InvalidVpc.Range',
      `The CIDR '${text}' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR. For additional restrictions, see https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Subnets.html`,
    );
  return cidr;
}
