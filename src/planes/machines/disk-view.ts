/** What a machine sees of its disks besides the nodes: /sys/block and the links below /dev. The host's own disks are not among them. */
import { readdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import type { MachineDisk } from './types.ts';

/** Brings the folder that is shown as /sys/block in line with the disks; also while the machine runs. */
export function writeDiskView(blocks: string, disks: readonly MachineDisk[]): void {
  const wanted = new Map(disks.map((disk) => [disk.name, `../devices/virtual/block/${path.basename(disk.device)}`]));
  for (const name of readdirSync(blocks)) if (!wanted.has(name)) rmSync(`${blocks}/${name}`);
  const present = new Set(readdirSync(blocks));
  for (const [name, target] of wanted) if (!present.has(name)) symlinkSync(target, `${blocks}/${name}`);
}

/** Lines `LINK TARGET` for init: the target is relative to the link. */
export function diskLinks(disks: readonly MachineDisk[]): string {
  return disks.flatMap(({ name, links }) => links.map((link) => `${link} ${linkTarget(link, name)}\n`)).join('');
}

/** What a link below /dev holds to lead to a node below /dev. */
export function linkTarget(link: string, name: string): string {
  return '../'.repeat(link.split('/').length - 1) + name;
}
