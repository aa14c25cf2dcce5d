/** `pilvi doctor`: what this host can and cannot do for the cloud, and what to install. */
import { capabilities } from '../machine/capabilities.ts';

/** Prints a line per capability; the exit status is 0 when nothing is missing. */
export async function doctor(): Promise<number> {
  const found = await capabilities();
  const lines = Object.entries(found).map(([name, { available, reason, package: missing }]) => {
    const why = available ? '' : `: ${reason}${missing === undefined ? '' : ` (Debian and Ubuntu: apt install ${missing})`}`;
    return `${available ? 'yes' : 'no '}  ${name}${why}`;
  });
  console.log(lines.join('\n'));
  return Object.values(found).every(({ available }) => available) ? 0 : 1;
}
