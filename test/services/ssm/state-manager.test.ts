import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { fleet, needsMachines } from './support.ts';

let cloud: OwnCloud;

beforeAll(async () => {
  cloud = await startOwnCloud();
});

afterAll(async () => {
  await cloud?.stop();
});

test('an association restores a changed setting on its schedule, and sets up nodes that come later', {
  timeout: 120_000,
}, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, launch, managed, run } = await fleet(cloud.endpoint);
  const [first = ''] = await launch({ role: 'web' });
  await managed([first]);
  const { AssociationDescription } = await ssm.createAssociation({
    Name: 'AWS-RunShellScript',
    AssociationName: 'motd',
    Targets: [{ Key: 'tag:role', Values: ['web'] }],
    Parameters: { commands: ['echo welcome > /etc/motd'] },
    ScheduleExpression: 'rate(30 minutes)',
  });
  const AssociationId = AssociationDescription?.AssociationId;
  expect(AssociationDescription?.Overview?.Status).toBe('Pending');
  const successes = (count: number) =>
    eventually(
      async () => {
        const { AssociationExecutions = [] } = await ssm.describeAssociationExecutions({ AssociationId });
        expect(AssociationExecutions.filter(({ Status }) => Status === 'Success').length).toBe(count);
        return AssociationExecutions;
      },
      { timeoutMs: 30_000, why: `the association has run ${count} times` },
    );
  await successes(1);
  const read = async (id: string) => (await run(id, ['cat /etc/motd'])).StandardOutputContent;
  expect(await read(first)).toBe('welcome\n');
  await run(first, ['echo changed > /etc/motd']);
  await advanceClock(cloud.endpoint, 20 * 60_000);
  expect(await read(first)).toBe('changed\n');
  await advanceClock(cloud.endpoint, 11 * 60_000);
  await successes(2);
  expect(await read(first)).toBe('welcome\n');

  const [later = ''] = await launch({ role: 'web' });
  await managed([later]);
  const runs = await successes(3);
  expect(await read(later)).toBe('welcome\n');
  const { AssociationExecutionTargets } = await ssm.describeAssociationExecutionTargets({
    AssociationId,
    ExecutionId: runs[0]?.ExecutionId,
  });
  expect(AssociationExecutionTargets).toMatchObject([{ ResourceId: later, Status: 'Success' }]);
  const described = (await ssm.describeAssociation({ AssociationId })).AssociationDescription;
  expect(described).toMatchObject({
    AssociationName: 'motd',
    Overview: { Status: 'Success' },
    ScheduleExpression: 'rate(30 minutes)',
  });
  expect(described?.LastExecutionDate).toBeDefined();
  expect(
    (await ssm.listCommands({})).Commands?.every(
      ({ Parameters }) => Parameters?.['commands']?.[0] !== 'echo welcome > /etc/motd',
    ),
  ).toBe(true);

  await ssm.startAssociationsOnce({ AssociationIds: [AssociationId ?? ''] });
  await successes(4);
  await ssm.deleteAssociation({ AssociationId });
  await run(first, ['echo changed > /etc/motd']);
  await advanceClock(cloud.endpoint, 3_600_000);
  expect(await read(first)).toBe('changed\n');
  await refused(ssm.describeAssociation({ AssociationId }), 'AssociationDoesNotExist');
});

test('associations that make no sense are refused', async () => {
  const { ssm } = await fleet(cloud.endpoint);
  const base = { Name: 'AWS-RunShellScript', Parameters: { commands: ['id'] }, Targets: [{ Key: 'tag:role', Values: ['web'] }] };
  const schedule = 'The schedule is invalid. Verify your cron or rate expression and try again.';
  for (const ScheduleExpression of ['rate(5 minutes)', 'cron(0 0 * * *)', 'daily'])
    await refused(ssm.createAssociation({ ...base, ScheduleExpression }), 'InvalidSchedule', schedule);
  await refused(
    ssm.createAssociation({ ...base, Name: 'Nothing' }),
    'InvalidDocument',
    'Document with name Nothing does not exist.',
  );
  await refused(ssm.createAssociation({ ...base, Parameters: {} }), 'InvalidParameters', /commands/);
  await refused(ssm.createAssociation({ ...base, InstanceId: 'i-0123456789abcdef0' }), 'ValidationException');
  await refused(ssm.createAssociation({ ...base, Targets: [{ Key: 'color', Values: ['red'] }] }), 'InvalidTarget', /color/);
  await refused(ssm.createAssociation({ ...base, CalendarNames: ['x'] }), 'NotImplemented');
  await refused(
    ssm.listInventoryEntries({ InstanceId: 'i-0123456789abcdef0', TypeName: 'AWS:Application' }),
    'InvalidInstanceId',
  );
  await refused(ssm.getInventory({ ResultAttributes: [{ TypeName: 'Software' }] }), 'InvalidTypeNameException');
});

test('SSM-002 an association gathers the software of each instance into the inventory', { timeout: 120_000 }, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, launch, managed, run } = await fleet(cloud.endpoint);
  const ids = await launch({}, { count: 2 });
  await managed(ids);
  const [one = '', two = ''] = ids;
  const { AssociationDescription } = await ssm.createAssociation({
    Name: 'AWS-GatherSoftwareInventory',
    Targets: [{ Key: 'InstanceIds', Values: ['*'] }],
    ScheduleExpression: 'rate(12 hours)',
  });
  const gathered = async () => {
    const { AssociationExecutions = [] } = await ssm.describeAssociationExecutions({
      AssociationId: AssociationDescription?.AssociationId,
    });
    return AssociationExecutions.filter(({ Status }) => Status === 'Success').length;
  };
  await eventually(async () => expect(await gathered()).toBe(1), { timeoutMs: 30_000, why: 'the inventory is gathered' });
  const versionOf = async (name: string) =>
    (await run(one, [`dpkg-query -W -f '$` + `{Version}' ${name}`])).StandardOutputContent;
  const filter = { Key: 'Name', Values: ['bash'], Type: 'Equal' as const };
  const find = async (InstanceId: string, name = 'bash') =>
    (await ssm.listInventoryEntries({ InstanceId, TypeName: 'AWS:Application', Filters: [{ ...filter, Values: [name] }] }))
      .Entries;
  for (const id of ids) expect((await find(id))?.[0]?.['Version']).toBe(await versionOf('bash'));
  const { Entities = [] } = await ssm.getInventory({ ResultAttributes: [{ TypeName: 'AWS:Application' }] });
  expect(Entities.map(({ Id }) => Id).sort()).toEqual([...ids].sort());
  for (const { Data } of Entities) expect(Data?.['AWS:Application']?.Content?.length).toBeGreaterThan(50);
  const info = await ssm.getInventory({ Filters: [{ Key: 'AWS:InstanceInformation.InstanceId', Values: [one] }] });
  expect(info.Entities?.[0]?.Data?.['AWS:InstanceInformation']?.Content?.[0]).toMatchObject({
    InstanceId: one,
    PlatformType: 'Linux',
  });

  // What is installed later shows at the next gathering, on that instance only.
  const control = 'Package: homemade\\nVersion: 1.7\\nArchitecture: all\\nMaintainer: me <me@example.com>\\nDescription: mine\\n';
  const installed = await run(one, [
    'mkdir -p /tmp/p/DEBIAN',
    `printf '${control}' > /tmp/p/DEBIAN/control`,
    'dpkg-deb -b /tmp/p /tmp/p.deb && dpkg -i /tmp/p.deb',
  ]);
  expect(installed.Status, installed.StandardErrorContent).toBe('Success');
  expect(await find(one, 'homemade')).toEqual([]);
  await advanceClock(cloud.endpoint, 12.1 * 3_600_000);
  await eventually(async () => expect(await gathered()).toBe(2), { timeoutMs: 30_000, why: 'it is gathered again' });
  expect((await find(one, 'homemade'))?.[0]).toMatchObject({ Version: '1.7', Architecture: 'all' });
  expect(await find(two, 'homemade')).toEqual([]);
  const having = await ssm.getInventory({ Filters: [{ Key: 'AWS:Application.Name', Values: ['homemade'] }] });
  expect(having.Entities?.map(({ Id }) => Id)).toEqual([one]);
});
