/** A zone is lost: the group's capacity comes back in the other zones by itself, and evens out once the zone works again. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, advanceClock, eventually, type OwnCloud, startOwnCloud } from '../support/cloud.ts';
import { Scaling } from '../services/auto-scaling/support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

test('capacity returns to desired in the zones that are left', { timeout: 120_000 }, async (context) => {
  context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
  const lab = new Scaling(cloud.endpoint);
  await lab.template();
  await lab.group({ DesiredCapacity: 4, AvailabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1c'] });
  await lab.settled(4);
  const began = Date.now();
  await admin('POST', 'chaos/zone', { zone: 'us-east-1a', down: true }, cloud.endpoint);
  const zones = async () =>
    (await lab.show()).Instances?.filter(({ LifecycleState }) => LifecycleState === 'InService')
      .map(({ AvailabilityZone }) => AvailabilityZone)
      .sort();
  await eventually(async () => expect(await zones()).toEqual(['us-east-1b', 'us-east-1b', 'us-east-1c', 'us-east-1c']), {
    timeoutMs: 60_000,
    why: 'the other zones carry all',
  });
  console.log(`capacity was back ${Date.now() - began} ms after the loss of the zone`);
  await admin('POST', 'chaos/zone', { zone: 'us-east-1a', down: false }, cloud.endpoint);
  await advanceClock(cloud.endpoint, 120_000);
  await eventually(async () => expect((await zones())?.filter((zone) => zone === 'us-east-1a')).toHaveLength(1), {
    timeoutMs: 60_000,
    why: 'the group is balanced again',
  });
  await lab.settled(4);
});
