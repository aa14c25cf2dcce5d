/** What user data usually does: update, install, download; the mirror is another instance of the cloud, because nothing comes from outside. */
import { existsSync } from 'node:fs';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { agentScript, Lab, type Network } from './support.ts';

const slow = 120_000;
const lab = new Lab();
let net: Network;
const lacks = existsSync('/usr/bin/apt-get') ? machinesRefused() : 'needs a host with apt, whose userland machines have';

beforeEach((context) => context.skip(lacks !== undefined, lacks));
beforeAll(async () => {
  if (lacks === undefined) net = await lab.network('10.65');
}, slow);

/** A repository of one package in two versions, by hand: a Debian mirror is a folder with an index. */
const mirror = (version: string): string =>
  [
    'mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin /srv/mirror && cd /srv/mirror',
    `printf "Package: boot-tool\\nVersion: ${version}\\nArchitecture: all\\nMaintainer: t <t@example.com>\\nDescription: x\\n" > /tmp/p/DEBIAN/control`,
    `printf "#!/bin/sh\\necho tool ${version}\\n" > /tmp/p/usr/bin/boot-tool && chmod 755 /tmp/p/usr/bin/boot-tool`,
    `dpkg-deb -b --root-owner-group /tmp/p tool-${version}.deb > /dev/null`,
    `(cat /tmp/p/DEBIAN/control; echo "Filename: ./tool-${version}.deb"; echo "Size: $(stat -c %s tool-${version}.deb)"; echo "SHA256: $(sha256sum < tool-${version}.deb | cut -d' ' -f1)"; echo) >> Packages`,
    'echo downloaded > file.txt',
  ].join(' && ');

test(
  'EC2-022 updates, installations and downloads work from user data',
  async () => {
    const placed = { SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] };
    await lab.allow(net.groupId, 'tcp', 8080, 8080, '0.0.0.0/0');
    const server = await lab.launchAgent(placed);
    const at = server.PublicIpAddress!;
    await lab.run(at, mirror('1.0'));
    await lab.run(at, 'cd /srv/mirror && python3 -m http.server 8080 > /dev/null 2>&1 & sleep 0.5');
    await lab.run(at, mirror('2.0'));
    const url = `http://${server.PrivateIpAddress!}:8080`;
    const tasks = `#!/bin/bash
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d
echo 'deb [trusted=yes] ${url} ./' > /etc/apt/sources.list
apt-get update
apt-get install -y boot-tool=1.0
boot-tool > /installed
apt-get update && apt-get install -y --only-upgrade boot-tool
boot-tool > /updated
curl -s -o /downloaded ${url}/file.txt
`;
    const booted = await lab.launchAgent(placed, tasks + agentScript.replace('#!/bin/bash\n', ''));
    await eventually(
      async () =>
        expect(await lab.run(booted.PublicIpAddress!, 'cat /installed /updated /downloaded')).toBe(
          'tool 1.0\ntool 2.0\ndownloaded',
        ),
      { why: 'all three results are there', timeoutMs: 60_000 },
    );
  },
  slow,
);
