/** EC2 Instance Connect: pushes a public key that is valid for 60 seconds; the instance's own SSH server asks for it. */
import type { EC2InstanceConnect } from '@aws-sdk/client-ec2-instance-connect';
import { AwsError } from '../../kernel/errors.ts';
import { type AuthorisationsOf, defineService, type HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';

const instanceForm = /^i-[0-9a-f]{8,17}$/;
const userForm = /^[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?$/;
const keyForm = /^(ssh-rsa|ssh-ed25519|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+( [^\r\n]*)?\s*$/;

/** The words of the API Reference, "SendSSHPublicKey", Errors. */
const invalidArgs = (message: string) => new AwsError('InvalidArgsException', message);

const handlers: HandlersOf<EC2InstanceConnect> = {
  /** Throws InvalidArgsException, EC2InstanceNotFoundException, EC2InstanceStateInvalidException. */
  async SendSSHPublicKey(input, ctx) {
    const { InstanceId: id = '', InstanceOSUser: user = '', SSHPublicKey: key = '', AvailabilityZone: zone } = input;
    if (!instanceForm.test(id)) throw invalidArgs('The instance ID is not valid.');
    if (!userForm.test(user)) throw invalidArgs('The OS user is not valid.');
    if (!keyForm.test(key))
      throw invalidArgs('The SSH public key is not valid. Provide an RSA, ECDSA or ED25519 key in OpenSSH format.');
    const ec2 = await ctx.internal<Ec2Api>('ec2');
    const instance = await ec2.connectTarget(id);
    if (instance === undefined)
      throw new AwsError('EC2InstanceNotFoundException', 'The specified instance was not found.', { status: 404 });
    if (zone !== undefined && zone !== instance.zone)
      throw invalidArgs('The specified Availability Zone does not match the Availability Zone of the instance.');
    if (instance.state !== 'running')
      throw new AwsError(
        'EC2InstanceStateInvalidException',
        `Unable to connect because the instance is not in a valid state. Connecting to a ${instance.state} instance is not possible.`,
      );
    await ec2.pushKey(id, user, key.trim());
    return { RequestId: ctx.requestId, Success: true };
  },
};

const checks: AuthorisationsOf<EC2InstanceConnect> = {
  SendSSHPublicKey: async (input, ctx) => {
    const instance = await (await ctx.internal<Ec2Api>('ec2')).connectTarget(input.InstanceId ?? '');
    const tags = Object.entries(instance?.tags ?? {}).flatMap(([key, value]) => [
      [`aws:ResourceTag/${key}`, value],
      [`ec2:ResourceTag/${key}`, value],
    ]);
    return [
      {
        resource: `arn:aws:ec2:${ctx.region}:${ctx.account}:instance/${input.InstanceId ?? '*'}`,
        conditions: { 'ec2:osuser': input.InstanceOSUser, ...Object.fromEntries(tags) },
      },
    ];
  },
};

export default defineService({
  name: 'ec2-instance-connect',
  uses: ['ec2'],
  tables: [],
  handlers,
  authorise: checks,
});
