import { inflateSync } from 'node:zlib';
import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import jsQr from 'jsqr';
import { expect, test } from 'vitest';
import { advanceClock, refused, startOwnCloud } from '../../support/cloud.ts';
import { allow, deny, fromBase32, many, policy, type Rooted, rooted, tokenSeed, totp, userWithKey } from './support.ts';

const scan = jsQr as unknown as typeof jsQr.default;
const wrongCode = 'Authentication code for device is not valid.';

async function newDevice({ iam }: Rooted, name: string): Promise<{ serial: string; seed: Uint8Array; png: Uint8Array }> {
  const { VirtualMFADevice: device } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: name });
  const seed = fromBase32(Buffer.from(device?.Base32StringSeed ?? []).toString());
  return { serial: device?.SerialNumber ?? '', seed, png: device?.QRCodePNG ?? new Uint8Array() };
}

/** Enables a device with the codes of the step before and the present one. */
function enable(iam: IAM, UserName: string, SerialNumber: string, seed: Uint8Array): Promise<unknown> {
  const time = Date.now();
  const codes = { AuthenticationCode1: totp(seed, -1, time), AuthenticationCode2: totp(seed, 0, time) };
  return iam.enableMFADevice({ UserName, SerialNumber, ...codes });
}

/** What a phone's camera reads from the picture: a PNG of one bit per pixel, without filters. */
function readQr(png: Uint8Array): string | undefined {
  const bytes = Buffer.from(png);
  const side = bytes.readUInt32BE(16);
  const at = bytes.indexOf('IDAT');
  const raw = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  const rowBytes = Math.ceil(side / 8) + 1;
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const light = ((raw[y * rowBytes + 1 + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1;
      if (light === 0) pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
    }
  }
  return scan(pixels, side, side)?.data;
}

test('IAM-028 a virtual device comes with a seed and a QR code that says the same', async () => {
  const root = rooted();
  const { VirtualMFADevice: device } = await root.iam.createVirtualMFADevice({ VirtualMFADeviceName: 'phone', Path: '/staff/' });
  expect(device?.SerialNumber).toBe(`arn:aws:iam::${root.account.id}:mfa/staff/phone`);
  const seed = Buffer.from(device?.Base32StringSeed ?? []).toString();
  expect(seed).toMatch(/^[A-Z2-7]{64}$/);
  expect(readQr(device?.QRCodePNG ?? new Uint8Array())).toBe(`otpauth://totp/phone@${root.account.id}?secret=${seed}`);
  await refused(
    root.iam.createVirtualMFADevice({ VirtualMFADeviceName: 'phone', Path: '/staff/' }),
    'EntityAlreadyExistsException',
    'MFA device already exists.',
    409,
  );
  const { VirtualMFADevices: listed } = await root.iam.listVirtualMFADevices({ AssignmentStatus: 'Unassigned' });
  expect(listed).toEqual([{ SerialNumber: device?.SerialNumber }]);
});

test('IAM-028 two consecutive codes register the device, others are refused', async () => {
  const root = rooted();
  await root.iam.createUser({ UserName: 'u' });
  const { serial, seed } = await newDevice(root, 'd');
  const time = Date.now();
  const attempt = (AuthenticationCode1: string, AuthenticationCode2: string) =>
    root.iam.enableMFADevice({ UserName: 'u', SerialNumber: serial, AuthenticationCode1, AuthenticationCode2 });
  const refusedCode = (first: string, second: string) =>
    refused(attempt(first, second), 'InvalidAuthenticationCodeException', wrongCode, 403);
  await refusedCode(totp(seed, 0, time), totp(seed, -1, time));
  await refusedCode(totp(seed, 0, time), totp(seed, 0, time));
  await refusedCode(totp(seed, -2, time), totp(seed, 0, time));
  await refusedCode(totp(tokenSeed('other'), -1, time), totp(tokenSeed('other'), 0, time));
  await refused(
    attempt('12345', '123456'),
    'ValidationError',
    "1 validation error detected: Value at 'authenticationCode1' failed to satisfy constraint: Member must have length greater than or equal to 6",
    400,
  );
  expect((await root.iam.listMFADevices({ UserName: 'u' })).MFADevices).toEqual([]);
  await enable(root.iam, 'u', serial, seed);
  const { MFADevices: devices } = await root.iam.listMFADevices({ UserName: 'u' });
  expect(devices).toMatchObject([{ UserName: 'u', SerialNumber: serial }]);
  const { VirtualMFADevices: assigned } = await root.iam.listVirtualMFADevices({ AssignmentStatus: 'Assigned' });
  expect(assigned).toMatchObject([{ SerialNumber: serial, User: { UserName: 'u' }, EnableDate: devices?.[0]?.EnableDate }]);
  expect(assigned?.[0]).not.toHaveProperty('Base32StringSeed');
  expect(await root.iam.getMFADevice({ SerialNumber: serial, UserName: 'u' })).toMatchObject({ UserName: 'u' });
  await root.iam.createUser({ UserName: 'v' });
  await refused(enable(root.iam, 'v', serial, seed), 'EntityAlreadyExistsException', 'MFA Device is already in use.', 409);
});

test('a device is deactivated, then deleted', async () => {
  const root = rooted();
  const { iam, account } = root;
  await iam.createUser({ UserName: 'u' });
  const { serial, seed } = await newDevice(root, 'd');
  await enable(iam, 'u', serial, seed);
  await refused(
    iam.deleteVirtualMFADevice({ SerialNumber: serial }),
    'DeleteConflictException',
    'MFA VirtualDevice in use. Must deactivate first.',
    409,
  );
  await refused(
    iam.deleteUser({ UserName: 'u' }),
    'DeleteConflictException',
    'Cannot delete entity, must delete MFA device first.',
    409,
  );
  await iam.createUser({ UserName: 'v' });
  await refused(
    iam.deactivateMFADevice({ UserName: 'v', SerialNumber: serial }),
    'NoSuchEntityException',
    'MFA Device invalid for user.',
    404,
  );
  await iam.deactivateMFADevice({ UserName: 'u', SerialNumber: serial });
  expect((await iam.listMFADevices({ UserName: 'u' })).MFADevices).toEqual([]);
  await iam.deleteVirtualMFADevice({ SerialNumber: serial });
  const absent = `arn:aws:iam::${account.id}:mfa/absent`;
  const missing = `MFA Device with serial number ${absent} does not exist.`;
  await refused(iam.deleteVirtualMFADevice({ SerialNumber: absent }), 'NoSuchEntityException', missing, 404);
  await refused(iam.deactivateMFADevice({ UserName: 'u', SerialNumber: absent }), 'NoSuchEntityException', missing, 404);
  await refused(enable(iam, 'u', absent, seed), 'NoSuchEntityException', missing, 404);
  await refused(enable(iam, 'nobody', absent, seed), 'NoSuchEntityException', 'The user with name nobody cannot be found.', 404);
});

test('IAM-030 a hardware token is enabled by its serial number and two consecutive codes', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const serial = 'GAHT12345678';
  await refused(enable(iam, 'u', serial, tokenSeed('GAHT00000000')), 'InvalidAuthenticationCodeException', wrongCode, 403);
  await enable(iam, 'u', serial, tokenSeed(serial));
  expect((await iam.listMFADevices({ UserName: 'u' })).MFADevices).toMatchObject([{ SerialNumber: serial, UserName: 'u' }]);
  expect((await iam.listVirtualMFADevices({})).VirtualMFADevices).toEqual([]);
  await refused(
    enable(iam, 'u', 'no-such-token', tokenSeed('no-such-token')),
    'NoSuchEntityException',
    'MFA Device with serial number no-such-token does not exist.',
    404,
  );
  await iam.deactivateMFADevice({ UserName: 'u', SerialNumber: serial });
  expect((await iam.listMFADevices({ UserName: 'u' })).MFADevices).toEqual([]);
});

test('a device is optional for users, who may have up to eight', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  await iam.createLoginProfile({ UserName: 'u', Password: 'Correct-Horse-7' });
  expect((await iam.listMFADevices({ UserName: 'u' })).MFADevices).toEqual([]);
  const serials = many(9, (index) => `GAHT0000000${index}`);
  for (const serial of serials.slice(0, 8)) await enable(iam, 'u', serial, tokenSeed(serial));
  await refused(
    enable(iam, 'u', 'GAHT00000008', tokenSeed('GAHT00000008')),
    'LimitExceededException',
    'Cannot exceed quota for MFADevicesPerUser: 8',
    409,
  );
  const page = await iam.listMFADevices({ UserName: 'u', MaxItems: 5 });
  const { MFADevices: rest } = await iam.listMFADevices({ UserName: 'u', MaxItems: 5, Marker: page.Marker });
  expect([...(page.MFADevices ?? []), ...(rest ?? [])].map(({ SerialNumber }) => SerialNumber)).toEqual(serials.slice(0, 8));
});

test('the root user has devices of its own, and the account summary tells', async () => {
  const root = rooted();
  const { iam, account } = root;
  expect((await iam.getAccountSummary({})).SummaryMap).toMatchObject({ AccountMFAEnabled: 0, MFADevices: 0, MFADevicesInUse: 0 });
  const { serial, seed } = await newDevice(root, 'root-account-mfa-device');
  expect((await iam.getAccountSummary({})).SummaryMap).toMatchObject({ AccountMFAEnabled: 0, MFADevices: 1, MFADevicesInUse: 0 });
  await enable(iam, account.id, serial, seed);
  expect((await iam.getAccountSummary({})).SummaryMap).toMatchObject({ AccountMFAEnabled: 1, MFADevices: 1, MFADevicesInUse: 1 });
  expect((await iam.listMFADevices({})).MFADevices).toMatchObject([{ SerialNumber: serial }]);
  const { VirtualMFADevices: assigned } = await iam.listVirtualMFADevices({ AssignmentStatus: 'Assigned' });
  expect(assigned?.[0]?.User?.Arn).toBe(`arn:aws:iam::${account.id}:root`);
  // Only root itself names root this way.
  const user = await userWithKey(root, 'admin');
  await iam.attachUserPolicy({ UserName: 'admin', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' });
  await refused(
    user.iam.deactivateMFADevice({ UserName: account.id, SerialNumber: serial }),
    'NoSuchEntityException',
    `The user with name ${account.id} cannot be found.`,
    404,
  );
  await iam.deactivateMFADevice({ SerialNumber: serial });
  expect((await iam.getAccountSummary({})).SummaryMap).toMatchObject({ AccountMFAEnabled: 0 });
});

test('IAM-027 policies that demand MFA hold long-term keys off', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  const put = (...statements: Parameters<typeof policy>) =>
    root.iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument: policy(...statements) });
  await put(allow('iam:ListUsers', '*', { Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } } }));
  await refused(user.iam.listUsers({}), 'AccessDenied', /no identity-based policy allows/, 403);
  const withoutMfa = { Condition: { BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } } };
  await put(allow('*'), deny('*', '*', withoutMfa));
  await refused(user.iam.listUsers({}), 'AccessDenied', /explicit deny in an identity-based policy/, 403);
  // Bool alone does not match where the key is absent, as with long-term keys.
  await put(allow('*'), deny('*', '*', { Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'false' } } }));
  await user.iam.listUsers({});
});

test('IAM-027 a session begun with a device’s code passes policies that demand MFA', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  const { serial, seed } = await newDevice(root, 'd');
  const time = Date.now();
  const codes = { AuthenticationCode1: totp(seed, -1, time), AuthenticationCode2: totp(seed, 0, time) };
  await root.iam.enableMFADevice({ UserName: 'u', SerialNumber: serial, ...codes });
  const young = { NumericLessThan: { 'aws:MultiFactorAuthAge': '3600' } };
  await root.iam.putUserPolicy({
    UserName: 'u',
    PolicyName: 'p',
    PolicyDocument: policy(
      allow('iam:ListUsers', '*', { Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } } }),
      allow('iam:ListGroups', '*', { Condition: young }),
      deny('ec2:*', '*', { Condition: { BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } } }),
      allow('ec2:DescribeVpcs'),
    ),
  });
  await refused(user.iam.listUsers({}), 'AccessDenied', undefined, 403);
  await refused(user.ec2.describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  await refused(user.sts.getSessionToken({ SerialNumber: serial, TokenCode: '000000' }), 'AccessDenied', undefined, 403);
  const { Credentials: session } = await user.sts.getSessionToken({ SerialNumber: serial, TokenCode: totp(seed, 1, time) });
  const strong = root.account.configFor(session ?? {});
  await new IAM(strong).listUsers({});
  await new IAM(strong).listGroups({});
  await new EC2(strong).describeVpcs({});
  // A code works once, and a session without one is no better than the key.
  await refused(
    user.sts.getSessionToken({ SerialNumber: serial, TokenCode: totp(seed, 1, time) }),
    'AccessDenied',
    undefined,
    403,
  );
  const { Credentials: weak } = await user.sts.getSessionToken({});
  await refused(new EC2(root.account.configFor(weak ?? {})).describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
});

test('tags of a virtual device', async () => {
  const { account, iam } = rooted();
  const { VirtualMFADevice: device } = await iam.createVirtualMFADevice({
    VirtualMFADeviceName: 'd',
    Tags: [{ Key: 'a', Value: '1' }],
  });
  const SerialNumber = device?.SerialNumber;
  expect(device?.Tags).toEqual([{ Key: 'a', Value: '1' }]);
  await iam.tagMFADevice({ SerialNumber, Tags: [{ Key: 'A', Value: '2' }] });
  expect((await iam.listMFADeviceTags({ SerialNumber })).Tags).toEqual([
    { Key: 'A', Value: '2' },
    { Key: 'a', Value: '1' },
  ]);
  await iam.untagMFADevice({ SerialNumber, TagKeys: ['a'] });
  expect((await iam.listMFADeviceTags({ SerialNumber })).Tags).toEqual([{ Key: 'A', Value: '2' }]);
  const absent = `arn:aws:iam::${account.id}:mfa/none`;
  await refused(
    iam.tagMFADevice({ SerialNumber: absent, Tags: [] }),
    'NoSuchEntityException',
    `MFA Device with serial number ${absent} does not exist.`,
    404,
  );
});

test('IAM-028 codes follow the cloud’s clock, and a device that is off is synchronised again', async () => {
  const cloud = await startOwnCloud();
  try {
    const root = rooted(cloud.endpoint);
    await root.iam.createUser({ UserName: 'u' });
    const { serial, seed } = await newDevice(root, 'd');
    await advanceClock(cloud.endpoint, 5 * 3600_000);
    const resync = (hours: number) => {
      const time = Date.now() + hours * 3600_000;
      const codes = { AuthenticationCode1: totp(seed, 0, time), AuthenticationCode2: totp(seed, 1, time) };
      return root.iam.resyncMFADevice({ UserName: 'u', SerialNumber: serial, ...codes });
    };
    await refused(enable(root.iam, 'u', serial, seed), 'InvalidAuthenticationCodeException', wrongCode, 403);
    const time = Date.now() + 5 * 3600_000;
    await root.iam.enableMFADevice({
      UserName: 'u',
      SerialNumber: serial,
      AuthenticationCode1: totp(seed, -1, time),
      AuthenticationCode2: totp(seed, 0, time),
    });
    await refused(resync(0), 'InvalidAuthenticationCodeException', wrongCode, 403);
    await resync(5.5);
    await resync(4.75);
    const again = Date.now() + 5.25 * 3600_000;
    const codes = { AuthenticationCode1: totp(seed, 0, again), AuthenticationCode2: totp(seed, 1, again) };
    const once = () => root.iam.resyncMFADevice({ UserName: 'u', SerialNumber: serial, ...codes });
    await once();
    // The same codes are not taken twice.
    await refused(once(), 'InvalidAuthenticationCodeException', wrongCode, 403);
  } finally {
    await cloud.stop();
  }
});
