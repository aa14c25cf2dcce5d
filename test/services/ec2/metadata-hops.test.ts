/** HttpPutResponseHopLimit as a real time to live: who stands further behind an instance gets no token. */
import { ModifyInstanceMetadataOptionsCommand } from '@aws-sdk/client-ec2';
import { beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { agentScript, Lab } from './support.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

/**
 * Asks for a token, then for the instance's id with it. Both sockets take only packets that would have lived for the given number of further hops
 * (IP_MINTTL), as if the asker stood behind that many routers.
 */
const script = `${agentScript}
cat > /ask.py <<'END'
import socket, sys
def ask(hops, head):
    s = socket.create_connection(('169.254.169.254', 80), 2)
    s.settimeout(1)
    s.setsockopt(socket.IPPROTO_IP, 21, hops)
    s.send((head + '\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n').encode())
    try:
        return s.recv(2000).decode().split('\\r\\n\\r\\n')[1]
    except TimeoutError:
        return 'nothing'
hops = int(sys.argv[1])
token = ask(hops, 'PUT /latest/api/token HTTP/1.1\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60')
if token != 'nothing': token = 'token'
near = ask(1, 'PUT /latest/api/token HTTP/1.1\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60')
print(token, ask(hops, 'GET /latest/meta-data/instance-id HTTP/1.1\\r\\nX-aws-ec2-metadata-token: ' + near))
END
`;

test('answers to PUT of the metadata service live for as many hops as the instance says, others as usual', async () => {
  const lab = new Lab();
  const network = await lab.network('10.131');
  const instance = await lab.launchAgent(
    {
      ...{ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] },
      MetadataOptions: { HttpPutResponseHopLimit: 1, HttpTokens: 'required' },
    },
    script,
  );
  const id = instance.InstanceId!;
  const ask = (hops: number) => lab.run(instance.PublicIpAddress!, `python3 /ask.py ${hops}`);
  const limit = (HttpPutResponseHopLimit: number) =>
    lab.ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: id, HttpPutResponseHopLimit }));
  // A busy host may answer later than the script waits.
  const gets = (hops: number, what: 'token' | 'nothing') =>
    eventually(async () => expect(await ask(hops)).toBe(`${what} ${id}`), { why: `${hops} hops get ${what}` });
  await gets(1, 'token');
  await gets(2, 'nothing');
  await limit(2);
  await gets(2, 'token');
  await gets(3, 'nothing');
  await limit(64);
  await gets(60, 'token');
  for (const wrong of [0, 65])
    await refused(limit(wrong), 'InvalidParameterValue', 'The value for HttpPutResponseHopLimit must be between 1 and 64.');
}, 60_000);
