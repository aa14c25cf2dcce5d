/**
 * Overlay file systems: a stack of read-only folders with a writable one on top. They are mounted in a machine's own mount namespace (runtime.ts), so
 * nothing has to be unmounted; this file writes the mount's options and finds out whether the kernel takes them.
 *
 * Inside a user namespace the marks of deleted folders are kept in `user.` attributes, because `trusted.` ones are the real root's.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { PilviError } from '../base/errors.ts';
import { tryCommand } from './command.ts';

export interface OverlaySpec {
  /** Read-only folders, the topmost first. */
  lower: readonly string[];
  upper: string;
  /** Scratch folder of the kernel, on the file system of `upper`. */
  work: string;
  /** True inside a user namespace. */
  userAttributes: boolean;
}

/** The kernel takes one page of mount options; the rest of the page is left for what a runtime adds. */
export const overlayOptionBytesMax = 4000;

/** Characters that separate or quote in mount options, to the kernel or to the programs on the way there, each in its own manner. */
const separators = /[\\:,"]/;

/** Mount options for an overlay. Throws `CommandFailed` when a path cannot be written there, or the stack is too long for the kernel. */
export function overlayOptions(spec: OverlaySpec): string[] {
  const unfit = [...spec.lower, spec.upper, spec.work].find((path) => separators.test(path));
  if (unfit !== undefined)
    throw new PilviError('CommandFailed', `${unfit} has a character that overlay mounts cannot have in a path.`);
  const options = [
    ...(spec.userAttributes ? ['userxattr'] : []),
    `lowerdir=${spec.lower.join(':')}`,
    `upperdir=${spec.upper}`,
    `workdir=${spec.work}`,
  ];
  const bytes = Buffer.byteLength(options.join(','));
  if (bytes > overlayOptionBytesMax) {
    throw new PilviError(
      'CommandFailed',
      `A stack of ${spec.lower.length} layers takes ${bytes} bytes of mount options; the kernel takes ${overlayOptionBytesMax}.`,
    );
  }
  return options;
}

/** Why overlays with their writable layer in `folder` cannot be mounted here; undefined when they can. */
export async function probeOverlay(folder: string, userAttributes: boolean): Promise<string | undefined> {
  if (separators.test(folder)) return `${folder} has a character that overlay mounts cannot have in a path`;
  const probe = await mkdtemp(`${folder}/probe-`);
  try {
    for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(`${probe}/${name}`);
    const options = overlayOptions({ lower: [`${probe}/lower`], upper: `${probe}/upper`, work: `${probe}/work`, userAttributes });
    // In a mount namespace of its own, so the mount is gone with the program.
    const mount = ['mount', '-t', 'overlay', '-o', options.join(','), 'overlay', `${probe}/merged`];
    const output = await tryCommand(['unshare', '--mount', '--', ...mount]);
    return output.status === 0 ? undefined : `no overlay can be mounted in ${folder}: ${output.stderr.trim()}`;
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}
