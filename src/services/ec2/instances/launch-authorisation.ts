/** What a launch is authorised on: every resource that it makes or uses ("Actions, resources, and condition keys for Amazon EC2", RunInstances). */
import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { Check } from '../../../kernel/service.ts';
import { findImage } from '../images/find.ts';
import { mergeTemplate, type TemplateUse } from '../launch-templates/data.ts';
import { checkTagged, ec2Arn, requestTagConditions } from '../tags.ts';
import { requireProfile } from './profiles.ts';

/** The image has no account in its ARN; its owner, kind and tags are condition values. */
async function checkImage(ctx: Context, id: string | undefined): Promise<Check> {
  const resource = `arn:aws:ec2:${ctx.region}::image/${id ?? '*'}`;
  const image = id === undefined ? undefined : await findImage(ctx, id).catch(() => undefined);
  const tags = Object.entries(image?.tags ?? {}).flatMap(([key, value]) => [
    [`aws:ResourceTag/${key}`, value],
    [`ec2:ResourceTag/${key}`, value],
  ]);
  return {
    resource,
    conditions: {
      'ec2:ImageType': 'machine',
      'ec2:Owner': image?.ownerAlias ?? image?.ownerId,
      'ec2:Public': image === undefined ? undefined : String(image.public),
      'ec2:RootDeviceType': 'ebs',
      ...Object.fromEntries(tags),
    },
  };
}

/** Tags that a template adds are checked like those of the request, which `withTagging` sees by itself. */
function checkTemplateTags(given: RunInstancesRequest, merged: RunInstancesRequest, ctx: Context): Check[] {
  const own = new Set((given.TagSpecifications ?? []).map(({ ResourceType }) => ResourceType));
  return (merged.TagSpecifications ?? [])
    .filter(({ ResourceType, Tags = [] }) => !own.has(ResourceType) && Tags.length > 0)
    .map(({ ResourceType = '*', Tags }) => ({
      action: 'ec2:CreateTags',
      resource: ec2Arn(ctx, ResourceType, '*'),
      conditions: { ...requestTagConditions(Tags), 'ec2:CreateAction': 'RunInstances' },
    }));
}

async function checkUsed(
  input: RunInstancesRequest,
  template: TemplateUse | undefined,
  ctx: Context,
  common: Check['conditions'],
): Promise<Check[]> {
  const cards = input.NetworkInterfaces ?? [];
  const subnets = [input.SubnetId, ...cards.map(({ SubnetId }) => SubnetId)].filter((id) => id !== undefined);
  const groups = [...(input.SecurityGroupIds ?? []), ...cards.flatMap(({ Groups = [] }) => Groups)];
  const existing = cards.map(({ NetworkInterfaceId }) => NetworkInterfaceId).filter((id) => id !== undefined);
  return [
    ...(subnets.length === 0
      ? [{ resource: ec2Arn(ctx, 'subnet', '*'), conditions: common }]
      : await checkTagged([...new Set(subnets)], ctx, common)),
    ...(groups.length === 0
      ? [{ resource: ec2Arn(ctx, 'security-group', '*'), conditions: common }]
      : await checkTagged([...new Set(groups)], ctx, common)),
    ...(existing.length === 0 ? [] : await checkTagged(existing, ctx, common)),
    ...(input.KeyName === undefined ? [] : [{ resource: ec2Arn(ctx, 'key-pair', input.KeyName), conditions: common }]),
    ...(template === undefined ? [] : await checkTagged([template.id], ctx)),
  ];
}

/** RunInstances touches many resources; each is checked, as is handing a role to the instance (iam:PassRole). */
export async function checkLaunch(given: RunInstancesRequest, ctx: Context): Promise<Check[]> {
  // A template that cannot be found is the handler's refusal, after this one.
  const { input, template } = await mergeTemplate(given, ctx).catch(() => ({ input: given, template: undefined }));
  const tags = (type: string) =>
    requestTagConditions(
      input.TagSpecifications?.filter(({ ResourceType }) => ResourceType === type).flatMap(({ Tags = [] }) => Tags),
    );
  const profile = await requireProfile(ctx, input.IamInstanceProfile).catch(() => undefined);
  const common =
    template === undefined
      ? {}
      : {
          'ec2:LaunchTemplate': ec2Arn(ctx, 'launch-template', template.id),
          'ec2:IsLaunchTemplateResource': given.ImageId === undefined ? 'true' : 'false',
        };
  const conditions = {
    ...common,
    'ec2:InstanceType': input.InstanceType ?? 'm1.small',
    'ec2:InstanceProfile': profile?.arn,
    'ec2:InstanceMarketType': input.InstanceMarketOptions?.MarketType ?? 'on-demand',
    'ec2:AvailabilityZone': input.Placement?.AvailabilityZone,
    'ec2:Tenancy': input.Placement?.Tenancy ?? 'default',
    'ec2:EbsOptimized': String(input.EbsOptimized === true),
    'ec2:RootDeviceType': 'ebs',
    'ec2:MetadataHttpEndpoint': input.MetadataOptions?.HttpEndpoint,
    'ec2:MetadataHttpTokens': input.MetadataOptions?.HttpTokens,
    'ec2:MetadataHttpPutResponseHopLimit':
      input.MetadataOptions?.HttpPutResponseHopLimit === undefined
        ? undefined
        : String(input.MetadataOptions.HttpPutResponseHopLimit),
  };
  const image = await checkImage(ctx, input.ImageId);
  return [
    { resource: ec2Arn(ctx, 'instance', '*'), conditions: { ...conditions, ...tags('instance') } },
    { ...image, conditions: { ...image.conditions, ...common } },
    { resource: ec2Arn(ctx, 'network-interface', '*'), conditions: { ...common, ...tags('network-interface') } },
    { resource: ec2Arn(ctx, 'volume', '*'), conditions: { ...common, ...tags('volume') } },
    ...(await checkUsed(input, template, ctx, common)),
    ...checkTemplateTags(given, input, ctx),
    ...(profile === undefined
      ? []
      : [{ action: 'iam:PassRole', resource: profile.roleArn, conditions: { 'iam:PassedToService': 'ec2.amazonaws.com' } }]),
  ];
}
