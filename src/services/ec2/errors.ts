/** EC2's wire errors, in AWS's wording (EC2 API Reference, "Error codes for the Amazon EC2 API"). */
import type { IdSort } from '../../base/ids.ts';
import { AwsError } from '../../kernel/errors.ts';

interface NounWords {
  /** The whole code of what is not found, where it is not the stem's. */
  code?: string;
  /** Code stem: `InvalidVpcID` gives `.NotFound`, and `.Malformed` where AWS has one. */
  stem: string;
  /** How the message calls it: `The vpc ID 'vpc-1' does not exist`. */
  text: (ids: string) => string;
}

const idNamed = (noun: string) => (ids: string) => `The ${noun} ID '${ids}' does not exist`;

const nouns = {
  vpc: { stem: 'InvalidVpcID', text: idNamed('vpc') },
  subnet: { stem: 'InvalidSubnetID', text: idNamed('subnet') },
  routeTable: { stem: 'InvalidRouteTableID', text: idNamed('routeTable') },
  routeTableAssociation: { stem: 'InvalidAssociationID', text: (ids) => `The association ID '${ids}' does not exist` },
  internetGateway: { stem: 'InvalidInternetGatewayID', text: idNamed('internetGateway') },
  networkInterface: { stem: 'InvalidNetworkInterfaceID', text: idNamed('networkInterface') },
  networkInterfaceAttachment: { stem: 'InvalidAttachmentID', text: (ids) => `The attachment ID '${ids}' does not exist` },
  networkAcl: { stem: 'InvalidNetworkAclID', text: idNamed('networkAcl') },
  dhcpOptions: { stem: 'InvalidDhcpOptionID', text: idNamed('dhcpOption') },
  securityGroup: { stem: 'InvalidGroup', text: (ids) => `The security group '${ids}' does not exist` },
  securityGroupRule: { stem: 'InvalidSecurityGroupRuleId', text: (ids) => `The security group rule ID '${ids}' does not exist` },
  addressAllocation: { stem: 'InvalidAllocationID', text: (ids) => `The allocation ID '${ids}' does not exist` },
  addressAssociation: { stem: 'InvalidAssociationID', text: (ids) => `The association ID '${ids}' does not exist` },
  natGateway: { stem: 'NatGateway', code: 'NatGatewayNotFound', text: (ids) => `NAT gateway ${ids} was not found` },
  vpcPeering: { stem: 'InvalidVpcPeeringConnectionID', text: idNamed('vpcPeeringConnection') },
  prefixList: { stem: 'InvalidPrefixListID', text: idNamed('prefix list') },
  egressOnlyGateway: { stem: 'InvalidGatewayID', text: idNamed('egress-only internet gateway') },
  vpcEndpoint: { stem: 'InvalidVpcEndpointId', text: (ids) => `The Vpc Endpoint Id '${ids}' does not exist` },
  endpointService: {
    stem: 'InvalidVpcEndpointServiceId',
    text: (ids) => `The VpcEndpointService Id '${ids}' does not exist`,
  },
  mirrorTarget: { stem: 'InvalidTrafficMirrorTargetId', text: idNamed('traffic mirror target') },
  mirrorFilter: { stem: 'InvalidTrafficMirrorFilterId', text: idNamed('traffic mirror filter') },
  mirrorRule: { stem: 'InvalidTrafficMirrorFilterRuleId', text: idNamed('traffic mirror filter rule') },
  mirrorSession: { stem: 'InvalidTrafficMirrorSessionId', text: idNamed('traffic mirror session') },
  flowLog: {
    stem: 'InvalidFlowLogId',
    text: (ids) => `These flow log ids in the input list are not found: [TotalCount: 1] ${ids}`,
  },
  instance: { stem: 'InvalidInstanceID', text: idNamed('instance') },
  image: { stem: 'InvalidAMIID', text: (ids) => `The image id '[${ids}]' does not exist` },
  keyPair: { stem: 'InvalidKeyPair', text: (ids) => `The key pair '${ids}' does not exist` },
  volume: { stem: 'InvalidVolume', text: (ids) => `The volume '${ids}' does not exist.` },
  placementGroup: { stem: 'InvalidPlacementGroup', text: (ids) => `The Placement Group '${ids}' is unknown.` },
  dedicatedHost: { stem: 'InvalidHostID', text: (ids) => `The host ID '${ids}' does not exist` },
  spotRequest: { stem: 'InvalidSpotInstanceRequestID', text: idNamed('spot instance request') },
  launchTemplate: { stem: 'InvalidLaunchTemplateId', text: idNamed('launchTemplate') },
  snapshot: { stem: 'InvalidSnapshot', text: (ids) => `The snapshot '${ids}' does not exist.` },
} as const satisfies Partial<Record<IdSort, NounWords>>;

export type Ec2Noun = keyof typeof nouns;

/** The things named do not exist: `InvalidVpcID.NotFound`. Several ids are listed as `IDs 'a, b' do not exist`. */
export function notFound(noun: Ec2Noun, ...ids: readonly string[]): AwsError {
  const { stem, text, code }: NounWords = nouns[noun];
  const single = text(ids.join(', '));
  const message = ids.length > 1 ? single.replace(' ID ', ' IDs ').replace('does not exist', 'do not exist') : single;
  return new AwsError(code ?? `${stem}.NotFound`, message);
}

/** An id that has not the form of one: `InvalidInstanceID.Malformed`. */
export function malformedId(noun: Ec2Noun, id: string): AwsError {
  return new AwsError(`${nouns[noun].stem}.Malformed`, `Invalid id: "${id}"`);
}

/** `The request must contain the parameter X` */
export function missingParameter(name: string): AwsError {
  return new AwsError('MissingParameter', `The request must contain the parameter ${name}`);
}

/** A value that is out of range or of a wrong form. */
export function invalidParameterValue(message: string): AwsError {
  return new AwsError('InvalidParameterValue', message);
}

/** Parameters that exclude one another. */
export function invalidParameterCombination(message: string): AwsError {
  return new AwsError('InvalidParameterCombination', message);
}

/** Something still hangs on it. */
export function dependencyViolation(message: string): AwsError {
  return new AwsError('DependencyViolation', message);
}
