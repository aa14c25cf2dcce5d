/** What each operation is authorised on: "Actions, resources, and condition keys for Amazon DynamoDB Accelerator (DAX)". Tags are no condition keys here. */
import type { DAX } from '@aws-sdk/client-dax';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { clusterArn } from './lookup.ts';

const onCluster = ({ ClusterName = '' }: { ClusterName?: string | undefined }, ctx: Context): Check[] => [
  { resource: clusterArn(ctx, ClusterName.toLowerCase()) },
];
const onArn = ({ ResourceName = '*' }: { ResourceName?: string | undefined }): Check[] => [{ resource: ResourceName }];

export const authorisations: AuthorisationsOf<DAX> = {
  /** Giving a role to DAX needs iam:PassRole. */
  CreateCluster: (input, ctx) => [
    ...onCluster(input, ctx),
    { action: 'iam:PassRole', resource: input.IamRoleArn ?? '*', conditions: { 'iam:PassedToService': 'dax.amazonaws.com' } },
  ],
  DescribeClusters: ({ ClusterNames = [] }, ctx) =>
    ClusterNames.length === 0 ? [{ resource: '*' }] : ClusterNames.flatMap((ClusterName) => onCluster({ ClusterName }, ctx)),
  UpdateCluster: onCluster,
  DeleteCluster: onCluster,
  RebootNode: onCluster,
  IncreaseReplicationFactor: onCluster,
  DecreaseReplicationFactor: onCluster,
  ListTags: onArn,
  TagResource: onArn,
  UntagResource: onArn,
};
