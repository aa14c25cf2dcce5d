/** Launch templates and their versions, and launches from them. */
import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  DeleteLaunchTemplateCommand,
  DeleteLaunchTemplateVersionsCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeTagsCommand,
  GetLaunchTemplateDataCommand,
  ModifyLaunchTemplateCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { SSM } from '@aws-sdk/client-ssm';
import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { base64, Lab } from './support.ts';

const lab = new Lab();
const { ec2 } = lab;
let image = '';

beforeAll(async () => {
  image = await lab.image();
});

test('a template keeps its versions; $Default and $Latest follow', async () => {
  const made = await ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: 'web',
      VersionDescription: 'first',
      LaunchTemplateData: { ImageId: image, InstanceType: 't2.micro', UserData: base64('#!/bin/sh\n') },
      TagSpecifications: [{ ResourceType: 'launch-template', Tags: [{ Key: 'team', Value: 'a' }] }],
    }),
  );
  const id = made.LaunchTemplate!.LaunchTemplateId!;
  expect(id).toMatch(/^lt-[0-9a-f]{17}$/);
  expect(made.LaunchTemplate).toMatchObject({
    LaunchTemplateName: 'web',
    CreatedBy: `arn:aws:iam::${lab.account.id}:root`,
    DefaultVersionNumber: 1,
    LatestVersionNumber: 1,
    Tags: [{ Key: 'team', Value: 'a' }],
  });
  const second = await ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateName: 'web',
      SourceVersion: '1',
      VersionDescription: 'bigger',
      LaunchTemplateData: { InstanceType: 't2.small' },
    }),
  );
  expect(second.LaunchTemplateVersion).toMatchObject({
    VersionNumber: 2,
    DefaultVersion: false,
    LaunchTemplateData: { ImageId: image, InstanceType: 't2.small' },
  });
  const versions = async (input: object) =>
    (await ec2.send(new DescribeLaunchTemplateVersionsCommand(input))).LaunchTemplateVersions!.map((one) => one.VersionNumber);
  expect(await versions({ LaunchTemplateId: id })).toEqual([2, 1]);
  expect(await versions({ LaunchTemplateId: id, Versions: ['$Default'] })).toEqual([1]);
  expect(await versions({ LaunchTemplateId: id, Versions: ['$Latest'] })).toEqual([2]);
  expect(await versions({ Versions: ['$Latest'] })).toEqual([2]);
  expect(await versions({ LaunchTemplateId: id, MinVersion: '2' })).toEqual([2]);
  const filtered = { LaunchTemplateId: id, Filters: [{ Name: 'instance-type', Values: ['t2.micro'] }] };
  expect(await versions(filtered)).toEqual([1]);
  const modified = await ec2.send(new ModifyLaunchTemplateCommand({ LaunchTemplateId: id, DefaultVersion: '2' }));
  expect(modified.LaunchTemplate!.DefaultVersionNumber).toBe(2);
  const deleted = await ec2.send(new DeleteLaunchTemplateVersionsCommand({ LaunchTemplateId: id, Versions: ['1', '2', '9'] }));
  expect(deleted.SuccessfullyDeletedLaunchTemplateVersions).toMatchObject([{ VersionNumber: 1 }]);
  expect(deleted.UnsuccessfullyDeletedLaunchTemplateVersions).toMatchObject([
    { VersionNumber: 2, ResponseError: { Code: 'unexpectedError' } },
    { VersionNumber: 9, ResponseError: { Code: 'launchTemplateVersionDoesNotExist' } },
  ]);
  const third = await ec2.send(
    new CreateLaunchTemplateVersionCommand({ LaunchTemplateId: id, LaunchTemplateData: { KeyName: 'k' } }),
  );
  // Numbers are not used again, and a version without a source inherits nothing.
  expect(third.LaunchTemplateVersion).toMatchObject({ VersionNumber: 3, LaunchTemplateData: { KeyName: 'k' } });
  expect(third.LaunchTemplateVersion!.LaunchTemplateData!.ImageId).toBeUndefined();
  const tags = await ec2.send(new DescribeTagsCommand({ Filters: [{ Name: 'resource-id', Values: [id] }] }));
  expect(tags.Tags).toMatchObject([{ Key: 'team', ResourceType: 'launch-template' }]);
  await ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateName: 'web' }));
  await refused(
    ec2.send(new DescribeLaunchTemplatesCommand({ LaunchTemplateIds: [id] })),
    'InvalidLaunchTemplateId.NotFound',
    `The specified launch template, with template ID ${id}, does not exist.`,
  );
});

test('a client token makes one template only', async () => {
  const make = () =>
    ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: 'once',
        ClientToken: 'token-1',
        LaunchTemplateData: { InstanceType: 't2.micro' },
      }),
    );
  expect((await make()).LaunchTemplate!.LaunchTemplateId).toBe((await make()).LaunchTemplate!.LaunchTemplateId);
});

test('what is wrong with a template is refused in EC2 words', async () => {
  const create = (LaunchTemplateName: string, LaunchTemplateData: object) =>
    ec2.send(new CreateLaunchTemplateCommand({ LaunchTemplateName, LaunchTemplateData }));
  await create('taken', { InstanceType: 't2.micro' });
  await refused(
    create('taken', { InstanceType: 't2.micro' }),
    'InvalidLaunchTemplateName.AlreadyExistsException',
    'Launch template name already in use.',
  );
  await refused(create('no', { InstanceType: 't2.micro' }), 'InvalidLaunchTemplateName.MalformedException');
  await refused(create('a name', { InstanceType: 't2.micro' }), 'InvalidLaunchTemplateName.MalformedException');
  await refused(create('empty', {}), 'MissingParameter', 'The request must contain the parameter LaunchTemplateData');
  await refused(create('script', { UserData: '#!/bin/sh' }), 'InvalidUserData.Malformed');
  await refused(
    create('both', { InstanceType: 't2.micro', InstanceRequirements: { VCpuCount: { Min: 1 }, MemoryMiB: { Min: 1 } } }),
    'InvalidParameterCombination',
  );
  await refused(
    ec2.send(new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: ['nobody'] })),
    'InvalidLaunchTemplateName.NotFoundException',
    'The specified launch template, with template name nobody, does not exist.',
  );
  await refused(
    ec2.send(new DescribeLaunchTemplatesCommand({ LaunchTemplateIds: ['lt-xyz'] })),
    'InvalidLaunchTemplateId.Malformed',
  );
  await refused(ec2.send(new DescribeLaunchTemplateVersionsCommand({})), 'MissingParameter');
  const both = { LaunchTemplateId: 'lt-0123456789abcdef0', LaunchTemplateName: 'taken' };
  await refused(ec2.send(new DeleteLaunchTemplateCommand(both)), 'InvalidParameterCombination');
  await refused(
    ec2.send(new ModifyLaunchTemplateCommand({ LaunchTemplateName: 'taken', DefaultVersion: '7' })),
    'InvalidLaunchTemplateId.VersionNotFound',
    /^Could not find the specified version 7 for the launch template with ID lt-[0-9a-f]{17}\.$/,
  );
  await refused(ec2.send(new ModifyLaunchTemplateCommand({ LaunchTemplateName: 'taken' })), 'MissingParameter');
});

test('AMI-001 a launch needs an image, named directly or by a template', async () => {
  const once = { MinCount: 1, MaxCount: 1 };
  await refused(ec2.send(new RunInstancesCommand(once)), 'MissingParameter', 'The request must contain the parameter ImageId');
  await refused(
    ec2.send(new RunInstancesCommand({ ...once, ImageId: 'ami-0123456789abcdef0' })),
    'InvalidAMIID.NotFound',
    "The image id '[ami-0123456789abcdef0]' does not exist",
  );
  await refused(ec2.send(new RunInstancesCommand({ ...once, ImageId: 'ami-nope' })), 'InvalidAMIID.Malformed');
  await ec2.send(
    new CreateLaunchTemplateCommand({ LaunchTemplateName: 'no-image', LaunchTemplateData: { InstanceType: 't2.micro' } }),
  );
  const noImage = { LaunchTemplateName: 'no-image' };
  await refused(ec2.send(new RunInstancesCommand({ ...once, LaunchTemplate: noImage })), 'MissingParameter');
  await refused(
    ec2.send(new RunInstancesCommand({ ...once, LaunchTemplate: { LaunchTemplateName: 'no-image', Version: '4' } })),
    'InvalidLaunchTemplateId.VersionNotFound',
  );
  await refused(
    ec2.send(new RunInstancesCommand({ ...once, LaunchTemplate: { LaunchTemplateName: 'absent' } })),
    'InvalidLaunchTemplateName.NotFoundException',
  );
  const plain = await ec2.send(new RunInstancesCommand({ ...once, ImageId: image, InstanceType: 't2.nano' }));
  const template = await ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: 'launch',
      LaunchTemplateData: {
        ImageId: image,
        InstanceType: 't2.nano',
        DisableApiTermination: true,
        MetadataOptions: { HttpTokens: 'optional', HttpPutResponseHopLimit: 3 },
        TagSpecifications: [
          {
            ResourceType: 'instance',
            Tags: [
              { Key: 'Name', Value: 'from-template' },
              { Key: 'kept', Value: 'yes' },
            ],
          },
        ],
      },
    }),
  );
  const id = template.LaunchTemplate!.LaunchTemplateId!;
  const launched = await ec2.send(
    new RunInstancesCommand({
      ...once,
      LaunchTemplate: { LaunchTemplateId: id, Version: '$Latest' },
      InstanceType: 't2.micro',
      DisableApiTermination: false,
      MetadataOptions: { HttpPutResponseHopLimit: 1 },
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'own' }] }],
    }),
  );
  const instance = launched.Instances![0]!;
  expect(instance).toMatchObject({
    ImageId: image,
    InstanceType: 't2.micro',
    MetadataOptions: { HttpTokens: 'optional', HttpPutResponseHopLimit: 1 },
  });
  expect(Object.fromEntries(instance.Tags!.map(({ Key, Value }) => [Key, Value]))).toEqual({
    Name: 'own',
    kept: 'yes',
    'aws:ec2launchtemplate:id': id,
    'aws:ec2launchtemplate:version': '1',
  });
  const found = await ec2.send(
    new DescribeInstancesCommand({ Filters: [{ Name: 'tag:aws:ec2launchtemplate:id', Values: [id] }] }),
  );
  expect(found.Reservations!.flatMap(({ Instances = [] }) => Instances).map((one) => one.InstanceId)).toEqual([
    instance.InstanceId,
  ]);
  const data = await ec2.send(new GetLaunchTemplateDataCommand({ InstanceId: instance.InstanceId! }));
  expect(data.LaunchTemplateData).toMatchObject({ ImageId: image, InstanceType: 't2.micro' });
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [instance.InstanceId!, plain.Instances![0]!.InstanceId!] }));
});

test('an image may be named by a parameter, in a template and at launch', async () => {
  const ssm = new SSM(lab.account.config());
  await ssm.putParameter({ Name: '/golden', Type: 'String', Value: image });
  await ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: 'golden',
      LaunchTemplateData: { ImageId: 'resolve:ssm:/golden:1', InstanceType: 't2.micro' },
    }),
  );
  const launch = async (input: object) =>
    (await ec2.send(new RunInstancesCommand({ MinCount: 1, MaxCount: 1, ...input }))).Instances![0]!;
  const latest = 'resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64';
  const started = [
    await launch({ LaunchTemplate: { LaunchTemplateName: 'golden' } }),
    await launch({ ImageId: latest, InstanceType: 't2.micro' }),
  ];
  expect(started[0]!.ImageId).toBe(image);
  expect(started[1]!.ImageId).toMatch(/^ami-[0-9a-f]{17}$/);
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: started.map(({ InstanceId }) => InstanceId!) }));
  await refused(
    launch({ ImageId: 'resolve:ssm:/nobody', InstanceType: 't2.micro' }),
    'InvalidParameterValue',
    "The parameter '/nobody' does not exist.",
  );
});
