/** An HTTPS server inside the cloud, with a certificate of the cloud's own authority: for what services send to their users' endpoints. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { AllocateAddressCommand, AssociateAddressCommand } from '@aws-sdk/client-ec2';
import { eventually, type OwnCloud } from './cloud.ts';
import { fetchInside } from './inside.ts';
import { base64, Lab } from '../services/ec2/support.ts';

/** A key and a certificate for an address, signed by the cloud's authority, as PEM in one text. */
async function certified(cloud: OwnCloud, address: string): Promise<string> {
  await fetch(`${cloud.endpoint}/_pilvi/ca.pem`);
  const file = (name: string) => path.join(cloud.data, name);
  const run = promisify(execFile);
  await run('openssl', [
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    file('s.key'),
    '-out',
    file('s.csr'),
    '-subj',
    '/CN=sink',
  ]);
  const sign = `subjectAltName=IP:${address}`;
  await writeFile(file('s.ext'), sign);
  const ca = ['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem'), '-CAcreateserial', '-CAserial', file('s.srl')];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    file('s.csr'),
    ...ca,
    '-days',
    '30',
    '-extfile',
    file('s.ext'),
    '-out',
    file('s.pem'),
  ]);
  return `${await readFile(file('s.key'), 'utf8')}${await readFile(file('s.pem'), 'utf8')}`;
}

/**
 * Runs an instance with an Elastic IP whose user data gets the PEM of key and certificate for it, and waits until it answers on port 80. Returns the
 * address, and how to ask it there.
 */
export async function secureServer(
  cloud: OwnCloud,
  block: string,
  script: (pem: string) => string,
): Promise<{ lab: Lab; address: string; ask: (target?: string) => Promise<string> }> {
  const lab = new Lab(cloud.endpoint);
  const { subnetId, groupId } = await lab.network(block);
  await lab.allow(groupId, 'tcp', 443, 443, '0.0.0.0/0');
  const { AllocationId, PublicIp: address = '' } = await lab.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
  const UserData = base64(script(await certified(cloud, address)));
  const id = await lab.launch({ SubnetId: subnetId, SecurityGroupIds: [groupId], UserData });
  await lab.inState(id, 'running');
  await lab.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: id }));
  const ask = async (target = '/'): Promise<string> => {
    const answer = await fetchInside(address, 80, target, cloud.endpoint);
    if (typeof answer === 'string') throw new Error(answer);
    return answer.body;
  };
  await eventually(ask, { why: 'the server answers', timeoutMs: 25_000 });
  return { lab, address, ask };
}
