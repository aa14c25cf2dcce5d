/** The log: one line of JSON per event on standard error. Errors are printed with their whole chain of causes. */
export type LogLevel = 'info' | 'warn' | 'error';

export type Log = (level: LogLevel, message: string, details?: Readonly<Record<string, unknown>>) => void;

/** The chain of causes of an error, outermost first, as text. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current = error;
  while (current !== undefined && parts.length < 8) {
    parts.push(current instanceof Error ? (current.stack ?? `${current.name}: ${current.message}`) : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join('\ncaused by: ');
}

/** A log that writes to the given sink (standard error by default). `now` gives real time in milliseconds. */
export function createLog(now: () => number, write: (line: string) => void = (line) => process.stderr.write(line)): Log {
  return (level, message, details = {}) => {
    const fields = Object.fromEntries(
      Object.entries(details).map(([name, value]) => [name, value instanceof Error ? describeError(value) : value]),
    );
    write(`${JSON.stringify({ at: new Date(now()).toISOString(), level, message, ...fields })}\n`);
  };
}
