/** Finding launch templates and versions by what requests name, with AWS's refusals. */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterCombination, missingParameter } from '../errors.ts';
import { type LaunchTemplateRow, LaunchTemplates, type LaunchTemplateVersionRow, LaunchTemplateVersions } from './state.ts';

type Source = Pick<Context | Transaction, 'table'>;

/** What names a template in a request. */
export interface TemplateName {
  LaunchTemplateId?: string | undefined;
  LaunchTemplateName?: string | undefined;
}

const idForm = /^lt-[0-9a-f]{8,17}$/;

/** No template has this id. */
export function idNotFound(id: string): AwsError {
  return new AwsError(
    'InvalidLaunchTemplateId.NotFound',
    `The specified launch template, with template ID ${id}, does not exist.`,
  );
}

/** No template has this name. */
export function nameNotFound(name: string): AwsError {
  return new AwsError(
    'InvalidLaunchTemplateName.NotFoundException',
    `The specified launch template, with template name ${name}, does not exist.`,
  );
}

/** A template has no such version. */
function versionNotFound(row: LaunchTemplateRow, version: string | number): AwsError {
  return new AwsError(
    'InvalidLaunchTemplateId.VersionNotFound',
    `Could not find the specified version ${version} for the launch template with ID ${row.id}.`,
  );
}

/** Throws InvalidLaunchTemplateId.Malformed for what cannot be the id of a template. */
export function checkTemplateId(id: string): void {
  if (!idForm.test(id)) throw new AwsError('InvalidLaunchTemplateId.Malformed', `The launch template ID '${id}' is not valid`);
}

/** The template named by id or by name: exactly one of them. Throws MissingParameter, InvalidParameterCombination, `….NotFound…`. */
export async function requireTemplate(source: Source, named: TemplateName): Promise<LaunchTemplateRow> {
  const { LaunchTemplateId: id, LaunchTemplateName: name } = named;
  if (id !== undefined && name !== undefined)
    throw invalidParameterCombination('You can specify either a launch template ID or a launch template name, but not both.');
  if (id !== undefined) {
    checkTemplateId(id);
    const row = await source.table(LaunchTemplates).get(id);
    if (row === undefined) throw idNotFound(id);
    return row;
  }
  if (name === undefined) throw missingParameter('LaunchTemplateId or LaunchTemplateName');
  const row = await source.table(LaunchTemplates).firstByIndex('byName', [name]);
  if (row === undefined) throw nameNotFound(name);
  return row;
}

/** The newest version that is still there. */
export async function latestVersion(source: Source, row: LaunchTemplateRow): Promise<LaunchTemplateVersionRow> {
  const [latest] = await source.table(LaunchTemplateVersions).list({ prefix: [row.id], reverse: true, limit: 1 });
  if (latest === undefined) throw versionNotFound(row, '$Latest');
  return latest;
}

/** A version by its number, `$Latest` or `$Default` (also when none is named). Throws InvalidLaunchTemplateId.VersionNotFound. */
export async function requireVersion(
  source: Source,
  row: LaunchTemplateRow,
  version: string | undefined,
): Promise<LaunchTemplateVersionRow> {
  if (version === '$Latest') return latestVersion(source, row);
  const wanted = version === undefined || version === '$Default' ? String(row.defaultVersion) : version;
  const number = Number(wanted);
  const found =
    Number.isSafeInteger(number) && number > 0 ? await source.table(LaunchTemplateVersions).get(row.id, number) : undefined;
  if (found === undefined) throw versionNotFound(row, wanted);
  return found;
}
