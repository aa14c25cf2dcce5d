/** SCN-009 and SCN-010: the site gets a name instead of fixed addresses, and clients that keep its answer believe it down for as long as they may. */
import {
  DescribeAddressesCommand,
  DisassociateAddressCommand,
  DescribeInstancesCommand,
  ReleaseAddressCommand,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated,
} from '@aws-sdk/client-ec2';
import { hostOf } from './server.ts';
import { advance, holds, instanceOf, launch, type Place, type Stage, waiting } from './stage.ts';

/** The site's hosted zone. */
export interface SiteZone {
  id: string;
  name: string;
}

/** Requests that show where a name leads: with three addresses one in three. */
const asked = 18;

/** Drops the fixed addresses, makes a zone and an A record for three machines, and shows the TTL problem. Returns the zone. */
export async function namedSite(stage: Stage, place: Place): Promise<SiteZone> {
  await dropAddresses(stage);
  const name = 'whatisthetime.example';
  const made = await stage.names.createHostedZone({ Name: name, CallerReference: name });
  const zone = { id: made.HostedZone?.Id ?? '', name };
  const ids = await launch(stage, place, 3);
  const site = await Promise.all(ids.map(async (id) => ({ id, address: (await instanceOf(stage, id)).PublicIpAddress ?? '' })));
  await listAll(stage, zone, site);
  await cachedAnswers(stage, place, zone, site);
  return zone;
}

interface Machine {
  id: string;
  address: string;
}

function addressesOf(site: readonly Machine[]): string[] {
  return site.map(({ address }) => address);
}

/** Ends the machines of the steps before, and gives their fixed addresses back. */
async function dropAddresses({ ec2 }: Stage): Promise<void> {
  const { Addresses = [] } = await ec2.send(new DescribeAddressesCommand({}));
  for (const { AllocationId, AssociationId } of Addresses) {
    if (AssociationId !== undefined) await ec2.send(new DisassociateAddressCommand({ AssociationId }));
    await ec2.send(new ReleaseAddressCommand({ AllocationId }));
  }
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
  const InstanceIds = Reservations.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId = '' }) => InstanceId));
  await ec2.send(new TerminateInstancesCommand({ InstanceIds }));
  await waitUntilInstanceTerminated({ client: ec2, ...waiting }, { InstanceIds });
}

/** Sets the A record, and waits until it is answered. */
async function record({ names, clock, client }: Stage, zone: SiteZone, name: string, addresses: readonly string[], TTL: number) {
  await names.changeResourceRecordSets({
    HostedZoneId: zone.id,
    ChangeBatch: {
      Changes: [
        {
          Action: 'UPSERT',
          ResourceRecordSet: { Name: name, Type: 'A', TTL, ResourceRecords: addresses.map((Value) => ({ Value })) },
        },
      ],
    },
  });
  const wanted = [...addresses].sort().join();
  const deadline = clock.realNow() + 10_000;
  while ((await client.resolve(name)).sort().join() !== wanted && clock.realNow() < deadline) await clock.pause(50);
}

async function listAll(stage: Stage, zone: SiteZone, site: readonly Machine[]): Promise<void> {
  const { client, report } = stage;
  const name = `api.${zone.name}`;
  const addresses = addressesOf(site);
  await record(stage, zone, name, addresses, 3600);
  const answered = await client.resolve(name);
  report.see(
    'SCN-009',
    `the A record of ${name}`,
    `${answered.join(', ')} for ${await client.ttlOf(name)} s`,
    answered.length === 3 && addresses.every((address) => answered.includes(address)) && (await client.ttlOf(name)) === 3600,
  );
  const reached = new Set<string>();
  for (const { address } of site) await client.until(() => client.ask(address));
  for (let count = 0; count < asked; count += 1) reached.add(hostOf((await client.askName(name)).body));
  report.see('SCN-009', `GET http://${name}/, ${asked} times`, `answers of ${[...reached].join(', ')}`, reached.size === 3);
}

/** A client in the VPC asks by name through its resolver, which keeps what it was told for the record's TTL. */
async function cachedAnswers(stage: Stage, place: Place, zone: SiteZone, site: readonly Machine[]): Promise<void> {
  const { ec2, client, report } = stage;
  const [visitor = ''] = await launch(stage, place, 1);
  const { PublicIpAddress: visitorAddress = '' } = await instanceOf(stage, visitor);
  await client.until(() => client.ask(visitorAddress));
  const name = `api.${zone.name}`;
  const visit = async (): Promise<{ failed: number; of: string }> => {
    const pages: string[] = [];
    for (let count = 0; count < asked; count += 1) pages.push((await client.ask(visitorAddress, `/via/${name}`)).body);
    const failed = pages.filter((page) => !page.includes(' says ')).length;
    return { failed, of: `${failed} of ${asked} visits fail` };
  };
  let rest = site;
  for (const ttl of [3600, 60]) {
    await record(stage, zone, name, addressesOf(rest), ttl);
    // What the resolver was told before is over, and it asks once more.
    await advance(stage, 3601);
    const before = await visit();
    const [answered = ''] = (await client.ask(visitorAddress, `/via/${name}`)).body.split(' ');
    const gone = rest.find(({ address }) => address === answered);
    if (gone === undefined) throw new Error(`The resolver answers ${answered} for ${name}.`);
    rest = rest.filter((machine) => machine !== gone);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [gone.id] }));
    await holds(stage, async () => (await client.ask(gone.address)).status !== 200);
    await record(stage, zone, name, addressesOf(rest), ttl);
    const [within, after] = [await visit(), await advance(stage, ttl + 1).then(visit)];
    report.see(
      'SCN-010',
      `TTL ${ttl} s: one machine is gone and out of the record`,
      `before ${before.of}; then ${within.of}, though the name servers know; ${ttl + 1} s later ${after.of}`,
      before.failed === 0 && within.failed > 0 && after.failed === 0,
    );
  }
}
