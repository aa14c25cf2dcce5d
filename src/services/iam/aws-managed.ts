/**
 * AWS managed policies (arn:aws:iam::aws:policy/…): the well-known ones, with the documents that AWS publishes ("AWS Managed Policy Reference"),
 * packed in models/iam-managed-policies/, each in one published version, which its number tells and which need not be the newest. Read once, synchronously, because transactions look policies up and may await nothing but the store; the cache is
 * rebuildable. A policy that is not in the pack does not exist here: attaching it fails with NoSuchEntity, which is better than a document that
 * grants something else. Their unique ids are not published, so ours are derived from the ARN: stable, in the right form, but not AWS's.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Millis } from '../../base/clock.ts';
import { policyArn } from './arns.ts';

/** One entry of the packed files. */
interface PackedPolicy {
  name: string;
  path: string;
  description?: string;
  version: string;
  /** When that version was made: the policy's UpdateDate. */
  updated: string;
  document: unknown;
}

export interface AwsManagedPolicy {
  arn: string;
  name: string;
  path: string;
  id: string;
  description?: string | undefined;
  /** Default version, the only one kept: `v5`. */
  version: string;
  updated: Millis;
  document: string;
}

const folderName = path.join('models', 'iam-managed-policies');
const idAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const policiesCache = new Map<string, AwsManagedPolicy>();

/** All AWS managed policies there are, by ARN, in order of ARN. Throws when the package is incomplete. */
export function awsManagedPolicies(): ReadonlyMap<string, AwsManagedPolicy> {
  if (policiesCache.size === 0) for (const policy of readAll()) policiesCache.set(policy.arn, policy);
  return policiesCache;
}

function readAll(): AwsManagedPolicy[] {
  const folder = findFolder();
  const packed = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as PackedPolicy[]);
  return packed.map(unpack).sort((a, b) => (a.arn < b.arn ? -1 : 1));
}

/** The pack lies above this file, whether it runs from src/ or from dist/. */
function findFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, folderName))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error(`The folder ${folderName} is missing from the package.`);
    folder = parent;
  }
  return path.join(folder, folderName);
}

function unpack({ name, path: policyPath, description, version, updated, document }: PackedPolicy): AwsManagedPolicy {
  const arn = policyArn('aws', { path: policyPath, name });
  const digest = createHash('sha256').update(arn).digest();
  const id = `ANPA${[...digest.subarray(0, 17)].map((byte) => idAlphabet[byte % idAlphabet.length]).join('')}`;
  return {
    arn,
    name,
    path: policyPath,
    id,
    description,
    version,
    updated: Date.parse(updated),
    document: JSON.stringify(document, null, 2),
  };
}
