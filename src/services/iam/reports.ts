/** The credential report: one row for root and one per user, as CSV. Kept for four hours, then made anew ("Getting credential reports"). */
import type { IAM } from '@aws-sdk/client-iam';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { userArn } from './arns.ts';
import { dateOf } from './dates.ts';
import { passwordPolicyOf } from './login-profiles.ts';
import { devicesOf } from './mfa.ts';
import {
  AccessKeys,
  type AccessKeyRow,
  AccountSettings,
  LoginProfiles,
  type PasswordPolicy,
  SigningCertificates,
  type SigningCertificateRow,
  type UserRow,
  Users,
} from './state.ts';

const reportKept: Millis = 4 * 3_600_000;
const day: Millis = 86_400_000;

export interface ReportRow {
  generated: Millis;
  content: string;
}

/** The latest report. */
export const CredentialReports = defineTable<ReportRow>()({
  name: 'iam.credentialReports',
  scope: 'account',
  key: () => ['report'],
});

const columns = [
  'user',
  'arn',
  'user_creation_time',
  'password_enabled',
  'password_last_used',
  'password_last_changed',
  'password_next_rotation',
  'mfa_active',
  ...[1, 2].flatMap((number) => [
    `access_key_${number}_active`,
    `access_key_${number}_last_rotated`,
    `access_key_${number}_last_used_date`,
    `access_key_${number}_last_used_region`,
    `access_key_${number}_last_used_service`,
  ]),
  ...[1, 2].flatMap((number) => [`cert_${number}_active`, `cert_${number}_last_rotated`]),
];

const none = 'N/A';
const unknown = 'no_information';
const unsupported = 'not_supported';

/** `2026-01-31T12:00:00+00:00` */
function timeOf(time: Millis): string {
  return dateOf(time).toISOString().replace('.000Z', '+00:00');
}

function keyColumns(key: AccessKeyRow | undefined): string[] {
  if (key === undefined) return ['false', none, none, none, none];
  const { lastUsed } = key;
  const use = lastUsed === undefined ? [none, none, none] : [timeOf(lastUsed.at), lastUsed.region, lastUsed.service];
  return [String(key.active), timeOf(key.created), ...use];
}

function certificateColumns(certificate: SigningCertificateRow | undefined): string[] {
  return certificate === undefined ? ['false', none] : [String(certificate.active), timeOf(certificate.created)];
}

/** What root and users have alike, by unique id: MFA, keys, certificates. */
async function partColumns(ctx: Context, id: string): Promise<string[]> {
  const devices = await devicesOf(ctx, id);
  const keys = await ctx.table(AccessKeys).byIndex('byUser', [id]);
  const certificates = await ctx.table(SigningCertificates).byIndex('byUser', [id]);
  return [
    String(devices.length > 0),
    ...keyColumns(keys[0]),
    ...keyColumns(keys[1]),
    ...certificateColumns(certificates[0]),
    ...certificateColumns(certificates[1]),
  ];
}

async function rootColumns(ctx: Context): Promise<string[]> {
  const settings = await ctx.table(AccountSettings).get('settings');
  const arn = `arn:aws:iam::${ctx.account}:root`;
  const used = settings?.passwordLastUsed;
  const password = [unsupported, used === undefined ? unknown : timeOf(used), unsupported, unsupported];
  return ['<root_account>', arn, timeOf(settings?.created ?? ctx.now), ...password, ...(await partColumns(ctx, ctx.account))];
}

async function userColumns(ctx: Context, user: UserRow, policy: PasswordPolicy | undefined): Promise<string[]> {
  const profile = await ctx.table(LoginProfiles).get(user.id);
  const password =
    profile === undefined
      ? ['false', none, none, none]
      : [
          'true',
          user.passwordLastUsed === undefined ? unknown : timeOf(user.passwordLastUsed),
          timeOf(profile.changed),
          policy?.maxAge === undefined ? none : timeOf(profile.changed + policy.maxAge * day),
        ];
  return [user.name, userArn(ctx.account, user), timeOf(user.created), ...password, ...(await partColumns(ctx, user.id))];
}

async function writeReport(ctx: Context): Promise<string> {
  const policy = await passwordPolicyOf(ctx);
  const rows = [columns, await rootColumns(ctx)];
  for (const user of await ctx.table(Users).list()) rows.push(await userColumns(ctx, user, policy));
  // Names have no commas but users' may: `+=,.@-` are allowed in them.
  return rows.map((row) => row.map((value) => (value.includes(',') ? `"${value}"` : value)).join(',')).join('\n');
}

export const reportHandlers: HandlersOf<IAM> = {
  /** Makes a report unless one of the last four hours is there. */
  async GenerateCredentialReport(_input, ctx) {
    const last = await ctx.table(CredentialReports).get('report');
    if (last !== undefined && last.generated + reportKept > ctx.now) return { State: 'COMPLETE' };
    const content = await writeReport(ctx);
    await ctx.transact((tx) => tx.table(CredentialReports).put({ generated: ctx.now, content }));
    return { State: 'STARTED', Description: 'No report exists. Starting a new report generation task' };
  },

  /** Throws ReportNotPresent, ReportExpired. */
  async GetCredentialReport(_input, ctx) {
    const report = await ctx.table(CredentialReports).get('report');
    if (report === undefined) {
      throw new AwsError('ReportNotPresent', 'No report has been generated. Please generate one and try again.', { status: 410 });
    }
    if (report.generated + reportKept <= ctx.now) {
      throw new AwsError('ReportExpired', 'The most recent credential report has expired. Please generate a new one.', {
        status: 410,
      });
    }
    return { Content: Buffer.from(report.content), ReportFormat: 'text/csv', GeneratedTime: dateOf(report.generated) };
  },
};
