/**
 * Host trouble: the errors that are not AWS's but the machine's (no root, port taken, engine missing). One catalogue; docs/errors.md lists
 * the same codes and a test holds the two in step. Wire errors are `AwsError` in kernel/errors.ts; anything else is a bug.
 */
export const hostErrors = {
  PortTaken: 'The address is already in use by another program.',
  DataFolderLocked: 'Another Pilvi already uses this data folder.',
  DataFolderUnusable: 'The data folder cannot be made or written.',
  CommandFailed: 'A program of the host failed.',
  ProgramMissing: 'A program that this needs is not installed.',
  NotPermitted: 'The kernel or the operating system refuses what this needs.',
  NotRunning: 'No Pilvi answers at this address.',
  BadOption: 'A command line option is wrong.',
  StartFailed: 'Pilvi could not start.',
} as const;

export type HostErrorCode = keyof typeof hostErrors;

/** Carries a catalogue code, what was being done, and the cause. */
export class PilviError extends Error {
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, detail: string, options?: ErrorOptions) {
    super(`${hostErrors[code]} ${detail}`, options);
    this.name = 'PilviError';
    this.code = code;
  }
}

/** Whether an error of the system says that a disk has no room left, or that its user has used up a quota. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
