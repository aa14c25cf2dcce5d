/** DAX's wire errors. */
import { AwsError } from '../../kernel/errors.ts';

export const clusterNotFound = (name: string): AwsError =>
  new AwsError('ClusterNotFoundFault', `Cluster ${name} not found.`, { status: 404 });

export const nodeNotFound = (id: string): AwsError => new AwsError('NodeNotFoundFault', `Node ${id} not found.`, { status: 404 });

export const parameterGroupNotFound = (name: string): AwsError =>
  new AwsError('ParameterGroupNotFoundFault', `Parameter group ${name} not found.`, { status: 404 });

export const subnetGroupNotFound = (name: string): AwsError =>
  new AwsError('SubnetGroupNotFoundFault', `Subnet group ${name} not found.`);

export const invalidValue = (message: string): AwsError => new AwsError('InvalidParameterValueException', message);

export const invalidCombination = (message: string): AwsError => new AwsError('InvalidParameterCombinationException', message);

export const invalidState = (name: string, status: string): AwsError =>
  new AwsError('InvalidClusterStateFault', `Cluster ${name} is in state ${status}; it must be available.`);

export const invalidArn = (arn: string): AwsError => new AwsError('InvalidARNFault', `${arn} is not the ARN of a cluster.`);
