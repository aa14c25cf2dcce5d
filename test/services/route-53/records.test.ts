/** Records of all types, answered over DNS, and what a zone refuses. */
import type { RRType } from '@aws-sdk/client-route-53';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { digRefused, ZoneLab } from './support.ts';

describe('records', () => {
  const lab = new ZoneLab();
  beforeAll(async () => void (await lab.open()));
  beforeEach((context) => context.skip(digRefused !== undefined, digRefused));

  const refusedBatch = (message: string | RegExp, ...sets: ReturnType<typeof lab.record>[]) =>
    refused(
      lab.change(...sets.map((ResourceRecordSet) => ({ Action: 'CREATE' as const, ResourceRecordSet }))),
      'InvalidChangeBatch',
      message,
    );

  const samples: [RRType, string, string?][] = [
    ['A', '192.0.2.1'],
    ['AAAA', '2001:db8::1'],
    ['CAA', '0 issue "ca.example.net"'],
    [
      'DS',
      '12345 8 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE49FD46E6C4B45C55D4AC69CB',
      '12345 8 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE49FD46E6C4B45C55 D4AC69CB',
    ],
    ['HTTPS', '1 . alpn="h2,h3"', '1 . alpn="h2,h3"'],
    ['MX', '10 mail.example.com.'],
    ['NAPTR', '100 50 "U" "SIP+D2U" "!^.*$!sip:info@example.com!" .'],
    ['PTR', 'host.example.com.'],
    ['SPF', '"v=spf1 -all"'],
    ['SRV', '1 10 5269 xmpp.example.com.'],
    ['SSHFP', '1 1 09F6A01D2175742B257C6B98B7C72C44C4040683'],
    ['SVCB', '1 svc.example.com. port=8443'],
    [
      'TLSA',
      '3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971',
      '3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB10 6618E971',
    ],
    ['TXT', '"a b" "c"'],
  ];

  test('R53-013 records of every type are stored and answered', async () => {
    await lab.put(
      ...samples.map(([type, value]) => lab.record(`t-${type.toLowerCase()}`, type, [value])),
      lab.record('t-ns', 'NS', ['ns1.other.example.']),
      lab.record('t-cname', 'CNAME', ['elsewhere.example.net.']),
    );
    for (const [type, value, shown = value] of samples) {
      const { answer } = await lab.dig(`t-${type.toLowerCase()}`, type);
      expect(answer, type).toEqual([{ name: lab.name(`t-${type.toLowerCase()}`), ttl: 300, type, data: shown }]);
    }
    const soa = await lab.dig('', 'SOA');
    expect(soa.answer[0]).toMatchObject({
      ttl: 900,
      type: 'SOA',
      data: `${lab.nameServers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400`,
    });
    expect((await lab.dig('x.t-ns')).authority[0]).toMatchObject({ type: 'NS', data: 'ns1.other.example.' });
    expect((await lab.dig('t-cname', 'CNAME')).answer[0]?.data).toBe('elsewhere.example.net.');
    await refused(
      lab.change({ Action: 'CREATE', ResourceRecordSet: lab.record('q', 'LOC' as RRType, ['x']) }),
      'InvalidInput',
      /Value 'LOC' at 'changeBatch\.changes\.1\.member\.resourceRecordSet\.type' failed to satisfy constraint: Member must satisfy enum value set: \[SOA, A, TXT/,
    );
  });

  test('R53-014 an A record holds IPv4 addresses only', async () => {
    await lab.put(lab.record('a', 'A', ['1.2.3.4']));
    expect((await lab.dig('a')).answer).toEqual([{ name: lab.name('a'), ttl: 300, type: 'A', data: '1.2.3.4' }]);
    const words = (value: string) =>
      `[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '${value}'']`;
    await refusedBatch(words('123.456.789.123'), lab.record('b', 'A', ['123.456.789.123']));
    await refusedBatch(words('www.example.com'), lab.record('b', 'A', ['www.example.com']));
  });

  test('R53-015 an AAAA record holds IPv6 addresses only', async () => {
    await lab.put(lab.record('six', 'AAAA', ['2001:db8::53']));
    expect((await lab.dig('six', 'AAAA')).answer[0]?.data).toBe('2001:db8::53');
    await refusedBatch(
      /AAAARRDATAIllegalIPv6Address \(Value is not a valid IPv6 address\)/,
      lab.record('seven', 'AAAA', ['1.2.3.4']),
    );
  });

  test('R53-017 a CNAME stands neither at the apex nor beside other records', async () => {
    const { Name: zone } = lab.zone;
    await refusedBatch(
      `[RRSet of type CNAME with DNS name ${zone} is not permitted at apex in zone ${zone}]`,
      lab.record('', 'CNAME', ['x.example.net']),
    );
    await lab.put(lab.record('www', 'CNAME', ['x.example.net']), lab.record('taken', 'A', ['1.2.3.4']));
    const conflict = `as it conflicts with other records with the same DNS name in zone ${zone}]`;
    await refusedBatch(
      `[RRSet of type CNAME with DNS name ${lab.name('taken')} is not permitted ${conflict}`,
      lab.record('taken', 'CNAME', ['x.example.net']),
    );
    await refusedBatch(
      `[RRSet of type A with DNS name ${lab.name('www')} is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone ${zone}]`,
      lab.record('www', 'A', ['1.2.3.4']),
    );
  });

  test('values that DNS cannot carry are refused, each in words of its own', async () => {
    await refusedBatch(
      /InvalidCharacterString \(Value should be enclosed in quotation marks\) encountered with 'bare'/,
      lab.record('v', 'TXT', ['bare']),
    );
    await refusedBatch(/CharacterStringTooLong \(Value is too long\)/, lab.record('v', 'TXT', [`"${'x'.repeat(256)}"`]));
    await refusedBatch(/MXRRDATANotTwoFields \(MX record doesn't have 2 fields\)/, lab.record('v', 'MX', ['mail.example.com']));
    await refusedBatch(/SRVRRDATANotFourFields/, lab.record('v', 'SRV', ['1 2 x.example.com']));
    await refusedBatch(/DomainLabelEmpty \(Domain label is empty\)/, lab.record('v', 'CNAME', ['a..b']));
    await refusedBatch(/DomainLabelTooLong/, lab.record('v', 'CNAME', [`${'x'.repeat(64)}.example.com`]));
    await refusedBatch(/CAARRDATANotThreeFields/, lab.record('v', 'CAA', ['0 issue ca.example.net']));
    await refusedBatch(/SSHFPRRDATAInvalidFingerprint/, lab.record('v', 'SSHFP', ['1 1 09F6']));
  });

  test('a record needs a TTL, an alias takes none', async () => {
    const { TTL: _ttl, ...bare } = lab.record('nottl', 'A', ['1.2.3.4']);
    const expected =
      'Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]';
    const where = (name: string) => `in Change with [Action=UPSERT, Name=${name}, Type=A, SetIdentifier=null]`;
    await refused(
      lab.change({ Action: 'UPSERT', ResourceRecordSet: bare }),
      'InvalidInput',
      `${expected}, but found none ${where(bare.Name!)}`,
    );
    await lab.put(lab.record('base', 'A', ['1.2.3.4'], { TTL: 77 }));
    const target = { HostedZoneId: lab.id, DNSName: lab.name('base'), EvaluateTargetHealth: false };
    const alias = { Name: lab.name('al'), Type: 'A' as const, AliasTarget: target };
    await refused(
      lab.change({ Action: 'UPSERT', ResourceRecordSet: { ...alias, TTL: 60 } }),
      'InvalidInput',
      `${expected}, but found more than one ${where(alias.Name)}`,
    );
    await lab.put(alias);
    expect((await lab.dig('al')).answer).toEqual([{ name: lab.name('al'), ttl: 77, type: 'A', data: '1.2.3.4' }]);
  });

  test('R53-033 a simple record is one for its name', async () => {
    await lab.put(lab.record('foo', 'A', ['192.0.2.7']));
    for (let i = 0; i < 5; i += 1) expect((await lab.dig('foo')).answer.map(({ data }) => data)).toEqual(['192.0.2.7']);
    await refusedBatch(
      `[Tried to create resource record set [name='${lab.name('foo')}', type='A'] but it already exists]`,
      lab.record('foo', 'A', ['192.0.2.8']),
    );
  });
});
