/** DescribeAccountAttributes: the few facts about an account that older tools ask for before anything else. */
import type { EC2 } from '@aws-sdk/client-ec2';
import type { HandlersOf } from '../../kernel/service.ts';
import { quotaOf, quotas } from '../../kernel/quotas.ts';
import { invalidParameterValue } from './errors.ts';
import { Vpcs } from './vpc/state.ts';

/** On-demand instances of the old count-based quota, which the call still reports. */
const instancesMax = 20;

export const accountAttributeHandlers: HandlersOf<EC2> = {
  async DescribeAccountAttributes(input, ctx) {
    const defaultVpc = (await ctx.table(Vpcs).list()).find((vpc) => vpc.isDefault);
    const addresses = String(await quotaOf(ctx, quotas.elasticIps));
    const attributes: Readonly<Record<string, string>> = {
      'supported-platforms': 'VPC',
      'default-vpc': defaultVpc?.id ?? 'none',
      'max-instances': String(instancesMax),
      'vpc-max-security-groups-per-interface': String(await quotaOf(ctx, quotas.groupsPerInterface)),
      'max-elastic-ips': addresses,
      'vpc-max-elastic-ips': addresses,
    };
    const unknown = input.AttributeNames?.find((name) => attributes[name] === undefined);
    if (unknown !== undefined)
      throw invalidParameterValue(`Value (${unknown}) for parameter attribute is invalid. Unknown attribute.`);
    const wanted = input.AttributeNames?.length ? input.AttributeNames : Object.keys(attributes);
    return {
      AccountAttributes: wanted.map((name) => ({
        AttributeName: name,
        AttributeValues: [{ AttributeValue: attributes[name] }],
      })),
    };
  },
};
