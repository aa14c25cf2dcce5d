/** Attributes of instances: what can be changed while it runs, and what only while it is stopped. */
import type { EC2, InstanceAttribute, ModifyInstanceAttributeRequest } from '@aws-sdk/client-ec2';
import type { Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterValue, missingParameter } from '../errors.ts';
import { checkGroups } from '../interfaces/lifecycle.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { checkTagged } from '../tags.ts';
import { volumesOf } from '../volumes/attachments.ts';
import { Volumes } from '../volumes/state.ts';
import { Vpcs } from '../vpc/state.ts';
import { typeIsFixed } from './hibernation.ts';
import { type InstanceRow, Instances } from './state.ts';
import { instanceTypes } from './type-catalogue.ts';

/** The attribute that a request changes, in either of its two forms (`Attribute` with `Value`, or a member of its own). */
type Change = TextChange | FlagChange | SourceCheckChange | GroupChange | DeleteChange;
interface TextChange {
  name: 'instanceType' | 'userData' | 'instanceInitiatedShutdownBehavior';
  value: string;
}
interface FlagChange {
  name: 'disableApiTermination' | 'disableApiStop' | 'ebsOptimized';
  value: boolean;
}
interface SourceCheckChange {
  name: 'sourceDestCheck';
  value: boolean;
}
interface DeleteChange {
  name: 'deleteOnTermination';
  value: [device: string, deleteOnTermination: boolean][];
}
interface GroupChange {
  name: 'groupSet';
  value: string[];
}

function changeOf(input: ModifyInstanceAttributeRequest): Change {
  for (const name of ['Kernel', 'Ramdisk', 'SriovNetSupport', 'EnaSupport'] as const) {
    if (input[name] !== undefined) throw parameterNotImplemented('ModifyInstanceAttribute', name);
  }
  const changes: Change[] = [];
  const flags = {
    DisableApiTermination: 'disableApiTermination',
    DisableApiStop: 'disableApiStop',
    SourceDestCheck: 'sourceDestCheck',
    EbsOptimized: 'ebsOptimized',
  } as const;
  for (const [member, name] of Object.entries(flags) as [keyof typeof flags, (typeof flags)[keyof typeof flags]][]) {
    if (input[member] !== undefined)
      changes.push({ name, value: input[member].Value === true } as FlagChange | SourceCheckChange);
  }
  if (input.InstanceType !== undefined) changes.push({ name: 'instanceType', value: input.InstanceType.Value ?? '' });
  if (input.UserData !== undefined)
    changes.push({ name: 'userData', value: Buffer.from(input.UserData.Value ?? new Uint8Array()).toString('base64') });
  if (input.InstanceInitiatedShutdownBehavior !== undefined)
    changes.push({ name: 'instanceInitiatedShutdownBehavior', value: input.InstanceInitiatedShutdownBehavior.Value ?? '' });
  if (input.Groups !== undefined) changes.push({ name: 'groupSet', value: [...input.Groups] });
  if ((input.BlockDeviceMappings?.length ?? 0) > 0) changes.push({ name: 'deleteOnTermination', value: flagsOf(input) });
  if (input.Attribute !== undefined) changes.push(namedChange(input.Attribute, input.Value));
  const [change] = changes;
  if (change === undefined) throw missingParameter('attribute');
  if (changes.length > 1) throw new AwsError('InvalidParameterCombination', 'Fields for multiple attribute types specified');
  return change;
}

/** The flags by device. Throws for other members of a mapping, which AWS keeps for RunInstances. */
function flagsOf(input: ModifyInstanceAttributeRequest): [device: string, keep: boolean][] {
  return (input.BlockDeviceMappings ?? []).map(({ DeviceName: device = '', Ebs, NoDevice, VirtualName }) => {
    if (Ebs?.DeleteOnTermination === undefined || NoDevice !== undefined || VirtualName !== undefined)
      throw new AwsError('InvalidInstanceAttributeValue', `Only deleteOnTermination of ${device} can be changed.`);
    return [device, Ebs.DeleteOnTermination];
  });
}

/** Throws InvalidInstanceAttributeValue for a device that no volume is attached as. */
async function setDeleteOnTermination(tx: Transaction, row: InstanceRow, flags: DeleteChange['value']): Promise<void> {
  for (const [device, deleteOnTermination] of flags) {
    if (device === row.rootDeviceName) {
      await tx.table(Instances).put({ ...row, rootVolume: { ...row.rootVolume, deleteOnTermination } });
      continue;
    }
    const found = (await volumesOf(tx, row.id)).find(({ attachment }) => attachment.device === device);
    if (found === undefined) throw new AwsError('InvalidInstanceAttributeValue', `No device is currently mapped at ${device}`);
    const attachments = (found.row.attachments ?? []).map((one) =>
      one === found.attachment ? { ...one, deleteOnTermination } : one,
    );
    await tx.table(Volumes).put({ ...found.row, attachments });
  }
}

function namedChange(attribute: string, value: string | undefined): Change {
  if (value === undefined) throw missingParameter('value');
  switch (attribute) {
    case 'instanceType':
    case 'userData':
    case 'instanceInitiatedShutdownBehavior':
      return { name: attribute, value };
    case 'disableApiTermination':
    case 'disableApiStop':
    case 'sourceDestCheck':
    case 'ebsOptimized':
      return { name: attribute, value: value === 'true' } as FlagChange | SourceCheckChange;
    default:
      throw parameterNotImplemented('ModifyInstanceAttribute', `Attribute ${attribute}`);
  }
}

function checkNewType(row: InstanceRow, name: string): void {
  const type = instanceTypes.get(name);
  if (type === undefined) throw invalidParameterValue(`Invalid value '${name}' for InstanceType.`);
  const { architecture } = row.boot;
  if (type.architecture !== architecture) {
    throw new AwsError(
      'InvalidParameterCombination',
      `The architecture '${type.architecture}' of the specified instance type does not match the architecture '${architecture}' of the instance.`,
    );
  }
}

/** Attributes that the machine takes up at its next start, so AWS wants it stopped. */
const stoppedOnly = new Set<Change['name']>(['instanceType', 'userData', 'ebsOptimized']);

async function applyChange(tx: Transaction, row: InstanceRow, change: Change): Promise<void> {
  if (stoppedOnly.has(change.name) && row.state !== 'stopped') {
    throw new AwsError('IncorrectInstanceState', `The instance '${row.id}' is not in the 'stopped' state.`);
  }
  if (change.name === 'instanceType' && row.hibernation === true) throw typeIsFixed(row.id);
  const put = (changes: Partial<InstanceRow>) => tx.table(Instances).put({ ...row, ...changes });
  switch (change.name) {
    case 'instanceType':
      return put({ type: change.value });
    case 'userData':
      return put({ userData: change.value === '' ? undefined : change.value });
    case 'instanceInitiatedShutdownBehavior':
      if (change.value !== 'stop' && change.value !== 'terminate')
        throw invalidParameterValue(`Invalid value '${change.value}' for instanceInitiatedShutdownBehavior.`);
      return put({ shutdownBehaviour: change.value });
    case 'disableApiTermination':
      return put({ terminationProtection: change.value });
    case 'disableApiStop':
      return put({ stopProtection: change.value });
    case 'ebsOptimized':
      return put({ ebsOptimized: change.value });
    case 'deleteOnTermination':
      return setDeleteOnTermination(tx, row, change.value);
    case 'sourceDestCheck':
    case 'groupSet':
      return applyCardChange(tx, row, change);
  }
}

/** Firewall and source check belong to the interface; by the instance they are changed only while it has a single one. */
async function applyCardChange(tx: Transaction, row: InstanceRow, change: SourceCheckChange | GroupChange): Promise<void> {
  const [card, ...more] = await tx.table(Interfaces).byIndex('byInstance', [row.id]);
  if (card === undefined || more.length > 0) {
    throw new AwsError(
      'InvalidInstanceID',
      `There are multiple interfaces attached to instance '${row.id}'. Please specify an interface ID for the operation instead.`,
    );
  }
  const vpc = (await tx.table(Vpcs).get(card.vpcId))!;
  if (change.name === 'groupSet') await tx.table(Interfaces).put({ ...card, groups: await checkGroups(tx, vpc, change.value) });
  else await tx.table(Interfaces).put({ ...card, sourceDestCheck: change.value });
  tx.hint('networks', card.vpcId);
}

export const instanceAttributeHandlers: HandlersOf<EC2> = {
  /** The type changes only while the instance is stopped (EC2-019, IncorrectInstanceState). */
  async ModifyInstanceAttribute(input, ctx) {
    const change = changeOf(input);
    const row = await requireRow(ctx, Instances, 'instance', input.InstanceId);
    if (change.name === 'instanceType') checkNewType(row, change.value);
    await ctx.transact(async (tx) => applyChange(tx, await requireRow(tx, Instances, 'instance', row.id), change));
    return {};
  },

  async DescribeInstanceAttribute(input, ctx) {
    const row = await requireRow(ctx, Instances, 'instance', input.InstanceId);
    const [card] = await ctx.table(Interfaces).byIndex('byInstance', [row.id]);
    const attributes: Partial<Record<string, Partial<InstanceAttribute>>> = {
      instanceType: { InstanceType: { Value: row.type } },
      userData: { UserData: { Value: row.userData } },
      instanceInitiatedShutdownBehavior: { InstanceInitiatedShutdownBehavior: { Value: row.shutdownBehaviour } },
      disableApiTermination: { DisableApiTermination: { Value: row.terminationProtection } },
      disableApiStop: { DisableApiStop: { Value: row.stopProtection } },
      ebsOptimized: { EbsOptimized: { Value: row.ebsOptimized } },
      sourceDestCheck: { SourceDestCheck: { Value: card?.sourceDestCheck ?? true } },
      groupSet: { Groups: (card?.groups ?? []).map((GroupId) => ({ GroupId })) },
      rootDeviceName: { RootDeviceName: { Value: row.rootDeviceName } },
      enaSupport: { EnaSupport: { Value: true } },
    };
    const found = attributes[input.Attribute ?? ''];
    if (found === undefined) throw parameterNotImplemented('DescribeInstanceAttribute', `Attribute ${input.Attribute}`);
    return { InstanceId: row.id, ...found };
  },

  /** Takes effect at once, also on a running instance. */
  async ModifyInstanceMetadataOptions(input, ctx) {
    if (input.HttpProtocolIpv6 === 'enabled') throw parameterNotImplemented('ModifyInstanceMetadataOptions', 'HttpProtocolIpv6');
    const hopLimit = input.HttpPutResponseHopLimit;
    if (hopLimit !== undefined && (hopLimit < 1 || hopLimit > 64))
      throw invalidParameterValue('The value for HttpPutResponseHopLimit must be between 1 and 64.');
    const metadata = await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Instances, 'instance', input.InstanceId);
      const changed: InstanceRow['metadata'] = {
        httpTokens: input.HttpTokens ?? row.metadata.httpTokens,
        hopLimit: hopLimit ?? row.metadata.hopLimit,
        endpoint: input.HttpEndpoint ?? row.metadata.endpoint,
        tags: input.InstanceMetadataTags ?? row.metadata.tags,
      };
      await tx.table(Instances).put({ ...row, metadata: changed });
      tx.hint('networks', row.vpcId);
      return changed;
    });
    return {
      InstanceId: input.InstanceId,
      InstanceMetadataOptions: {
        State: 'applied',
        HttpTokens: metadata.httpTokens,
        HttpPutResponseHopLimit: metadata.hopLimit,
        HttpEndpoint: metadata.endpoint,
        HttpProtocolIpv6: 'disabled',
        InstanceMetadataTags: metadata.tags,
      },
    };
  },
};

export const instanceAttributeAuthorisations: AuthorisationsOf<EC2> = {
  ModifyInstanceAttribute: (input, ctx) => checkTagged([input.InstanceId ?? ''], ctx),
  DescribeInstanceAttribute: (input, ctx) => checkTagged([input.InstanceId ?? ''], ctx),
  ModifyInstanceMetadataOptions: (input, ctx) => checkTagged([input.InstanceId ?? ''], ctx),
};
