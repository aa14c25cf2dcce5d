import { describe, expect, test } from 'vitest';
import { edgeLocations, findRegion, findZone, isInstanceTypeOffered, isServiceOffered, regions } from './regions.ts';

const zones = regions.flatMap((region) => region.zones);

describe('the catalogue holds together', () => {
  test('names and ids are unique, and every zone lies in its Region', () => {
    expect(new Set(regions.map(({ name }) => name)).size).toBe(regions.length);
    expect(new Set(zones.flatMap(({ name, id }) => [name, id])).size).toBe(zones.length * 2);
    for (const region of regions)
      for (const zone of region.zones) {
        expect(zone.region).toBe(region.name);
        expect(zone.name.startsWith(region.name)).toBe(true);
      }
  });

  test('every Region has at least three Availability Zones, us-west-1 two', () => {
    for (const region of regions) {
      const own = region.zones.filter(({ type }) => type === 'availability-zone');
      expect(own.length, region.name).toBeGreaterThanOrEqual(region.name === 'us-west-1' ? 2 : 3);
      for (const { name, id } of own) {
        expect(name).toMatch(new RegExp(`^${region.name}[a-f]$`));
        expect(id).toMatch(/^[a-z]{2,4}\d-az\d$/);
      }
    }
  });

  test('Local and Wavelength Zones have a parent in the same Region and need opting in', () => {
    const outer = zones.filter(({ type }) => type !== 'availability-zone');
    expect(outer.length).toBeGreaterThan(70);
    for (const zone of outer) {
      expect(zone.optIn).toBe('not-opted-in');
      const parent = findZone(zone.parentZoneName ?? '');
      expect(parent).toMatchObject({ id: zone.parentZoneId, type: 'availability-zone', region: zone.region });
      expect(zone.networkBorderGroup).not.toBe(zone.region);
    }
  });

  test('edge locations have unique codes and places on earth', () => {
    expect(new Set(edgeLocations.map(({ code }) => code)).size).toBe(edgeLocations.length);
    for (const { code, latitude, longitude, pops } of edgeLocations) {
      expect(code).toMatch(/^[A-Z]{3}$/);
      expect(Math.abs(latitude)).toBeLessThan(90);
      expect(Math.abs(longitude)).toBeLessThan(180);
      expect(pops).toBeGreaterThan(0);
    }
  });
});

describe('known places', () => {
  test('Seoul has four zones', () => {
    const seoul = findRegion('ap-northeast-2');
    expect(seoul).toMatchObject({
      longName: 'Asia Pacific (Seoul)',
      optIn: 'opt-in-not-required',
      endpoint: 'ec2.ap-northeast-2.amazonaws.com',
    });
    const own = seoul?.zones.filter(({ type }) => type === 'availability-zone').map(({ name, id }) => [name, id]);
    expect(own).toEqual([
      ['ap-northeast-2a', 'apne2-az1'],
      ['ap-northeast-2b', 'apne2-az2'],
      ['ap-northeast-2c', 'apne2-az3'],
      ['ap-northeast-2d', 'apne2-az4'],
    ]);
  });

  test('N. Virginia has six; Hong Kong needs opting in', () => {
    expect(findRegion('us-east-1')?.zones.filter(({ type }) => type === 'availability-zone')).toHaveLength(6);
    expect(findRegion('ap-east-1')?.optIn).toBe('not-opted-in');
    expect(regions.filter(({ optIn }) => optIn === 'opt-in-not-required')).toHaveLength(17);
  });

  test('a Local Zone and a Wavelength Zone, found by name and by id', () => {
    expect(findZone('us-west-2-lax-1b')).toMatchObject({
      id: 'usw2-lax1-az2',
      type: 'local-zone',
      groupName: 'us-west-2-lax-1',
      groupLongName: 'US West (Los Angeles)',
      networkBorderGroup: 'us-west-2-lax-1',
    });
    expect(findZone('use1-wl1-bos-wlz1')).toMatchObject({
      name: 'us-east-1-wl1-bos-wlz-1',
      type: 'wavelength-zone',
      groupName: 'us-east-1-wl1',
      networkBorderGroup: 'us-east-1-wl1-bos-wlz-1',
      carrier: 'Verizon',
    });
  });

  test('what does not exist is not found', () => {
    for (const name of ['us-east-9', 'US-EAST-1', 'cn-north-1', '', 'toString']) expect(findRegion(name)).toBeUndefined();
    for (const name of ['us-east-1g', 'us-east-1', 'use1-az7', 'constructor']) expect(findZone(name)).toBeUndefined();
  });
});

describe('what a Region lacks', () => {
  test('services', () => {
    expect(isServiceOffered('s3', 'ap-southeast-7')).toBe(true);
    expect(isServiceOffered('dax', 'ap-northeast-1')).toBe(true);
    expect(isServiceOffered('dax', 'ap-northeast-2')).toBe(false);
    expect(isServiceOffered('elastic-beanstalk', 'mx-central-1')).toBe(false);
    expect(isServiceOffered('s3', 'nowhere-1')).toBe(false);
    expect(isServiceOffered('constructor', 'us-east-1')).toBe(true);
  });

  test('instance types, by family', () => {
    expect(isInstanceTypeOffered('t2.micro', 'us-east-1')).toBe(true);
    expect(isInstanceTypeOffered('t2.micro', 'eu-north-1')).toBe(false);
    expect(isInstanceTypeOffered('t3.micro', 'eu-north-1')).toBe(true);
    expect(isInstanceTypeOffered('hpc7g.16xlarge', 'ap-northeast-2')).toBe(false);
    expect(isInstanceTypeOffered('t3.micro', 'nowhere-1')).toBe(false);
  });
});
