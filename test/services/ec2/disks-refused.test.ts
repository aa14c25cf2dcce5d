/** EBS volumes on a host that gives instances no block devices: a cloud that an ordinary user runs. */
import { spawnSync } from 'node:child_process';
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DescribeVolumesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab } from './support.ts';

/** A number that no account of the host has. */
const user = 64_124;

test('an attachment in name only is refused, at a launch too; the volume stays as it was', {
  timeout: 90_000,
}, async (context) => {
  context.skip(process.getuid?.() !== 0, 'only root can become another user');
  const readable = spawnSync('setpriv', ['--reuid', String(user), '--clear-groups', '--', 'head', '-c1', 'dist/pilvi.js']);
  context.skip(readable.status !== 0, 'another user cannot read this folder');
  const cloud = await startOwnCloud({ user });
  try {
    context.skip(cloud.limits.length > 0, `an ordinary user gets no instances here: ${cloud.limits[0]}`);
    const lab = new Lab(cloud.endpoint);
    const id = await lab.launch({});
    const { Placement } = await lab.inState(id, 'running');
    const { VolumeId } = await lab.ec2.send(
      new CreateVolumeCommand({ AvailabilityZone: Placement!.AvailabilityZone, Size: 1, VolumeType: 'gp3' }),
    );
    const why = /^Volumes cannot be attached on this host\. There are no disks but root disks: /;
    const attach = new AttachVolumeCommand({ VolumeId, InstanceId: id, Device: '/dev/sdf' });
    await refused(lab.ec2.send(attach), 'Unsupported', why);
    const { Volumes } = await lab.ec2.send(new DescribeVolumesCommand({ VolumeIds: [VolumeId!] }));
    expect(Volumes![0]).toMatchObject({ State: 'available', Attachments: [] });
    const disks: Partial<RunInstancesCommandInput> = {
      BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1 } }],
    };
    await refused(lab.launch(disks), 'Unsupported', why);
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  } finally {
    await cloud.stop();
  }
});
