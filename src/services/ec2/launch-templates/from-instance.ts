/** The launch template data that would make another instance like this one ("GetLaunchTemplateData"). */
import type { ResponseLaunchTemplateData } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { Instances } from '../instances/state.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { describeTags } from '../tags.ts';

/** Throws InvalidInstanceID.NotFound. Addresses are left out: a second instance could not have them. */
export async function templateDataOf(ctx: Context, instanceId: string | undefined): Promise<ResponseLaunchTemplateData> {
  const row = await requireRow(ctx, Instances, 'instance', instanceId);
  const cards = await ctx.table(Interfaces).byIndex('byInstance', [row.id]);
  const tags = describeTags(row.tags).filter(({ Key = '' }) => !Key.startsWith('aws:'));
  return {
    ImageId: row.imageId,
    InstanceType: row.type as never,
    KeyName: row.keyName,
    EbsOptimized: row.ebsOptimized,
    DisableApiTermination: row.terminationProtection,
    DisableApiStop: row.stopProtection,
    InstanceInitiatedShutdownBehavior: row.shutdownBehaviour,
    UserData: row.userData,
    IamInstanceProfile: row.profileArn === undefined ? undefined : { Arn: row.profileArn },
    Monitoring: { Enabled: row.monitoring },
    Placement: { AvailabilityZone: row.zone, GroupName: row.placement.groupName ?? '', Tenancy: row.tenancy },
    CreditSpecification: row.cpuCredits === undefined ? undefined : { CpuCredits: row.cpuCredits },
    MetadataOptions: {
      HttpTokens: row.metadata.httpTokens,
      HttpPutResponseHopLimit: row.metadata.hopLimit,
      HttpEndpoint: row.metadata.endpoint,
      InstanceMetadataTags: row.metadata.tags,
    },
    NetworkInterfaces: cards.map((card) => ({
      DeviceIndex: card.attachment?.deviceIndex ?? 0,
      SubnetId: card.subnetId,
      Groups: [...card.groups],
      DeleteOnTermination: card.attachment?.deleteOnTermination ?? true,
      Description: card.description,
      AssociatePublicIpAddress: card.attachment?.deviceIndex === 0 && row.publicIpWanted,
    })),
    TagSpecifications: tags.length === 0 ? undefined : [{ ResourceType: 'instance', Tags: tags }],
  };
}
