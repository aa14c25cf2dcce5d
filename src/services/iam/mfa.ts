/**
 * MFA devices that show time-based codes. A virtual device is made here, with a seed for an authenticator app; a hardware token exists outside, so
 * its seed must be known from its serial number: in this cloud it is the SHA-1 of the serial number (`hardwareSeed`), which makes every
 * serial number of the right form a token that a test or an app can play. Codes are checked by the cloud's clock. Rejected: taking any code for
 * hardware tokens.
 */
import { createHash } from 'node:crypto';
import type { IAM, VirtualMFADevice } from '@aws-sdk/client-iam';
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { mfaArn } from './arns.ts';
import { onMfaDevice, onNewMfaDevice, onPath, onUser } from './authorise.ts';
import { dateIfAny, dateOf } from './dates.ts';
import { deleteConflict, entityAlreadyExists, noSuchEntity, quotaExceeded, validationError } from './errors.ts';
import { pageItems, pageRows } from './paging.ts';
import { drawPng } from './png.ts';
import { encodeQr } from './qr-code.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { AccountSettings, type MfaDeviceRow, MfaDevices, type Reading, Users } from './state.ts';
import {
  checkNewTags,
  checkTagKeys,
  checkTagMembers,
  describeTagsIfAny,
  pageTags,
  readTags,
  withoutTags,
  withTags,
} from './tags.ts';
import { driftOf, findCode, findConsecutive, toBase32 } from './totp.ts';
import { describeRoot, describeUser, type Owner, requireOwner } from './users.ts';

/** Bytes of a virtual device's seed: 64 letters of base32. */
const seedBytes = 40;
/** Names may be as long as a serial number allows beside path and account. */
const deviceNameMax = 226;
/** Hardware tokens as AWS names them: four letters of the maker and eight digits, as `GAHT12345678`. */
const hardwareForm = /^[A-Z]{4}\d{8}$/;
/** Pixels per module and modules of border in the QR code. */
const qrScale = 4;
const qrMargin = 4;

/** The seed of a hardware token. */
function hardwareSeed(serial: string): Uint8Array {
  return new Uint8Array(createHash('sha1').update(serial).digest());
}

function noSuchDevice(serial: string): Error {
  return noSuchEntity(`MFA Device with serial number ${serial} does not exist.`);
}

function invalidCode(): Error {
  return new AwsError('InvalidAuthenticationCode', 'Authentication code for device is not valid.', { status: 403 });
}

async function requireDevice(reading: Reading, serial: string): Promise<MfaDeviceRow> {
  const row = await reading.table(MfaDevices).get(serial);
  if (row === undefined) throw noSuchDevice(serial);
  return row;
}

/**
 * Whose device. The API has no name for the root user, but operations that need one take the account id, which is the root user's unique id; they
 * do so only from root itself.
 */
async function deviceOwner(reading: Reading, ctx: Context, name: string | undefined): Promise<Owner> {
  if (name === ctx.account && ctx.caller.kind === 'root') return { id: ctx.account, name: ctx.account };
  const owner = await requireOwner(reading, ctx, name);
  return owner.name === '' ? { ...owner, name: ctx.account } : owner;
}

function checkSerial(check: RequestCheck, serial: string | undefined): RequestCheck {
  return check.length('serialNumber', serial, 9, 256).pattern('serialNumber', serial, /^[\w+=/:,.@-]+$/, '[\\w+=/:,.@-]+');
}

function checkCode(check: RequestCheck, member: string, code: string | undefined): RequestCheck {
  return check.length(member, code, 6, 6).pattern(member, code, /^\d+$/, '[\\d]+');
}

const checkOwner = (name: string | undefined): RequestCheck => new RequestCheck().name('userName', name, sizes.existingUserName);

/** The device that is to be enabled: a virtual one that nobody has, or a hardware token. */
async function unassigned(tx: Transaction, serial: string, now: Millis): Promise<MfaDeviceRow> {
  const row = await tx.table(MfaDevices).get(serial);
  if (row?.user !== undefined) throw entityAlreadyExists('MFA Device is already in use.');
  if (row !== undefined) return row;
  if (!hardwareForm.test(serial)) throw noSuchDevice(serial);
  return { serial, virtual: false, seed: hardwareSeed(serial), created: now, tags: {}, drift: 0, usedStep: 0 };
}

/** The device with its clock set by two consecutive codes, also back; the same two do not work twice. Throws InvalidAuthenticationCode. */
function synchronised(row: MfaDeviceRow, first: string, second: string, now: Millis): MfaDeviceRow {
  const step = findConsecutive(row.seed, first, second, now);
  if (step === undefined || step === row.usedStep) throw invalidCode();
  return { ...row, drift: driftOf(step, now), usedStep: step };
}

/** The device of this owner. Throws NoSuchEntity. */
async function requireOwn(reading: Reading, serial: string, owner: Owner): Promise<MfaDeviceRow> {
  const row = await requireDevice(reading, serial);
  if (row.user !== owner.id) throw noSuchEntity('MFA Device invalid for user.');
  return row;
}

/**
 * Takes a code of a user's (or root's, by account id) device: true once for a right code. For sign-in and for STS; the caller words the refusal.
 */
export async function takeCode(ctx: Context, userId: string, serial: string, code: string): Promise<boolean> {
  return ctx.transact(async (tx) => {
    const row = await tx.table(MfaDevices).get(serial);
    if (row === undefined || row.user !== userId) return false;
    const step = findCode(row.seed, code, ctx.now, row.drift, row.usedStep);
    if (step === undefined) return false;
    await tx.table(MfaDevices).put({ ...row, usedStep: step });
    return true;
  });
}

/** Devices that a user (or root, by account id) has enabled. */
export function devicesOf(reading: Reading, userId: string): Promise<MfaDeviceRow[]> {
  return reading.table(MfaDevices).byIndex('byUser', [userId]);
}

/** `otpauth://totp/device@account?secret=seed`, where the account's alias stands for its id when there is one (CreateVirtualMFADevice). */
async function drawQr(ctx: Context, name: string, seed: string): Promise<Uint8Array> {
  const settings = await ctx.table(AccountSettings).get('settings');
  return drawPng(
    encodeQr(Buffer.from(`otpauth://totp/${name}@${settings?.alias ?? ctx.account}?secret=${seed}`)),
    qrScale,
    qrMargin,
  );
}

export const mfaHandlers: HandlersOf<IAM> = {
  /** Seed and picture leave the cloud once, in this answer. Throws EntityAlreadyExists. */
  async CreateVirtualMFADevice({ VirtualMFADeviceName: name = '', Path: path = '/', Tags }, ctx) {
    const check = new RequestCheck().path('path', path).name('virtualMFADeviceName', name, deviceNameMax);
    const tags = checkNewTags(check, Tags, 'sensitive');
    const serial = mfaArn(ctx.account, { path, name });
    const seed = ctx.bytes(seedBytes);
    await ctx.transact(async (tx) => {
      if ((await tx.table(MfaDevices).get(serial)) !== undefined) throw entityAlreadyExists('MFA device already exists.');
      await tx.table(MfaDevices).put({ serial, virtual: true, seed, created: ctx.now, tags, drift: 0, usedStep: 0 });
    });
    const text = toBase32(seed);
    return {
      VirtualMFADevice: {
        SerialNumber: serial,
        Base32StringSeed: Buffer.from(text),
        QRCodePNG: await drawQr(ctx, name, text),
        Tags: describeTagsIfAny(tags),
      },
    };
  },

  async EnableMFADevice(
    { UserName, SerialNumber: serial = '', AuthenticationCode1: first = '', AuthenticationCode2: second = '' },
    ctx,
  ) {
    const check = checkSerial(checkOwner(UserName), serial);
    checkCode(checkCode(check, 'authenticationCode1', first), 'authenticationCode2', second).done();
    await ctx.transact(async (tx) => {
      const owner = await deviceOwner(tx, ctx, UserName);
      const row = await unassigned(tx, serial, ctx.now);
      if ((await devicesOf(tx, owner.id)).length >= quotas.MFADevicesPerUser) {
        throw quotaExceeded('MFADevicesPerUser', quotas.MFADevicesPerUser);
      }
      await tx.table(MfaDevices).put({ ...synchronised(row, first, second, ctx.now), user: owner.id, enabled: ctx.now });
    });
    return {};
  },

  /** Sets the device's clock again, when its codes are no longer taken. */
  async ResyncMFADevice(
    { UserName, SerialNumber: serial = '', AuthenticationCode1: first = '', AuthenticationCode2: second = '' },
    ctx,
  ) {
    const check = checkSerial(checkOwner(UserName), serial);
    checkCode(checkCode(check, 'authenticationCode1', first), 'authenticationCode2', second).done();
    await ctx.transact(async (tx) => {
      const row = await requireOwn(tx, serial, await deviceOwner(tx, ctx, UserName));
      await tx.table(MfaDevices).put(synchronised(row, first, second, ctx.now));
    });
    return {};
  },

  /** A virtual device stays, unassigned, until it is deleted; a hardware token is forgotten. */
  async DeactivateMFADevice({ UserName, SerialNumber: serial = '' }, ctx) {
    checkSerial(checkOwner(UserName), serial).done();
    await ctx.transact(async (tx) => {
      const owner = await deviceOwner(tx, ctx, UserName);
      const row = await requireOwn(tx, serial, owner);
      if (row.virtual) await tx.table(MfaDevices).put({ ...row, user: undefined, enabled: undefined });
      else await tx.table(MfaDevices).delete(serial);
    });
    return {};
  },

  async DeleteVirtualMFADevice({ SerialNumber: serial = '' }, ctx) {
    checkSerial(new RequestCheck(), serial).done();
    await ctx.transact(async (tx) => {
      const row = await requireDevice(tx, serial);
      if (row.user !== undefined) throw deleteConflict('MFA VirtualDevice in use. Must deactivate first.');
      await tx.table(MfaDevices).delete(serial);
    });
    return {};
  },

  async GetMFADevice({ UserName, SerialNumber: serial = '' }, ctx) {
    checkSerial(checkOwner(UserName), serial).done();
    const owner = await deviceOwner(ctx, ctx, UserName);
    const row = await requireOwn(ctx, serial, owner);
    return {
      UserName: owner.name,
      SerialNumber: serial,
      EnableDate: dateIfAny(row.enabled),
    };
  },

  async ListMFADevices(input, ctx) {
    checkOwner(input.UserName).paging(input).done();
    const owner = await deviceOwner(ctx, ctx, input.UserName);
    const { items, page } = pageItems(`ListMFADevices ${owner.id}`, await devicesOf(ctx, owner.id), (row) => [row.serial], input);
    return {
      MFADevices: items.map((row) => ({
        UserName: owner.name,
        SerialNumber: row.serial,
        EnableDate: dateOf(row.enabled ?? row.created),
      })),
      ...page,
    };
  },

  /** Seeds are never listed. */
  async ListVirtualMFADevices(input, ctx) {
    const { AssignmentStatus: status = 'Any' } = input;
    new RequestCheck().oneOf('assignmentStatus', status, ['Assigned', 'Unassigned', 'Any']).paging(input).done();
    const accept = (row: MfaDeviceRow): boolean =>
      row.virtual && (status === 'Any' || (row.user !== undefined) === (status === 'Assigned'));
    const { items, page } = await pageRows(`ListVirtualMFADevices ${status}`, ctx.table(MfaDevices), input, accept);
    const devices: VirtualMFADevice[] = [];
    for (const row of items) devices.push(await describeVirtual(ctx, row));
    return { VirtualMFADevices: devices, ...page };
  },

  async TagMFADevice({ SerialNumber: serial = '', Tags }, ctx) {
    checkTagMembers(checkSerial(new RequestCheck(), serial), Tags).done();
    const added = readTags(Tags, 'sensitive');
    await ctx.transact(async (tx) => {
      const row = await requireTaggable(tx, serial);
      await tx.table(MfaDevices).put({ ...row, tags: withTags(row.tags, added, 'sensitive') });
    });
    return {};
  },

  async UntagMFADevice({ SerialNumber: serial = '', TagKeys = [] }, ctx) {
    checkTagKeys(checkSerial(new RequestCheck(), serial), TagKeys);
    await ctx.transact(async (tx) => {
      const row = await requireTaggable(tx, serial);
      await tx.table(MfaDevices).put({ ...row, tags: withoutTags(row.tags, TagKeys, 'sensitive') });
    });
    return {};
  },

  async ListMFADeviceTags(input, ctx) {
    checkSerial(new RequestCheck(), input.SerialNumber).paging(input).done();
    const row = await requireTaggable(ctx, input.SerialNumber ?? '');
    return pageTags(`ListMFADeviceTags ${row.serial}`, row.tags, input);
  },
};

/** Only virtual devices have tags: "IAM virtual multi-factor authentication (MFA) device" (TagMFADevice). */
async function requireTaggable(reading: Reading, serial: string): Promise<MfaDeviceRow> {
  const row = await requireDevice(reading, serial);
  if (!row.virtual) throw validationError('Only virtual MFA devices can be tagged.');
  return row;
}

async function describeVirtual(ctx: Context, row: MfaDeviceRow): Promise<VirtualMFADevice> {
  const device: VirtualMFADevice = { SerialNumber: row.serial };
  if (row.user === undefined) return device;
  const user = row.user === ctx.account ? undefined : await ctx.table(Users).firstByIndex('byId', [row.user]);
  return {
    ...device,
    EnableDate: dateOf(row.enabled ?? row.created),
    User: user === undefined ? await describeRoot(ctx) : describeUser(ctx.account, user),
  };
}

export const mfaChecks: AuthorisationsOf<IAM> = {
  CreateVirtualMFADevice: onNewMfaDevice,
  EnableMFADevice: onUser,
  ResyncMFADevice: onUser,
  DeactivateMFADevice: onUser,
  DeleteVirtualMFADevice: onMfaDevice,
  GetMFADevice: onUser,
  ListMFADevices: onUser,
  ListVirtualMFADevices: onPath('mfa'),
  TagMFADevice: onMfaDevice,
  UntagMFADevice: onMfaDevice,
  ListMFADeviceTags: onMfaDevice,
};
