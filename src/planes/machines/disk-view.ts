/** What a machine sees of its disks besides the nodes: /sys/block, /proc/partitions, and the links below /dev. The host's own disks are not among them. */
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { MachineDisk } from './types.ts';

export interface DiskView {
  /** Folder shown as /sys/block. */
  blocks: string;
  /** File shown as /proc/partitions. */
  partitions: string;
}

/** The file is padded to this length, because it is written in place while it is mounted. */
const partitionsBytes = 8192;

/** Brings the view in line with the disks; also while the machine runs. */
export function writeDiskView(view: DiskView, disks: readonly MachineDisk[]): void {
  const wanted = new Map(disks.map((disk) => [disk.name, `../devices/virtual/block/${path.basename(disk.device)}`]));
  for (const name of readdirSync(view.blocks)) if (!wanted.has(name)) rmSync(`${view.blocks}/${name}`);
  const present = new Set(readdirSync(view.blocks));
  for (const [name, target] of wanted) if (!present.has(name)) symlinkSync(target, `${view.blocks}/${name}`);
  const text = formatPartitions(disks);
  // In place: the file itself is mounted inside.
  writeFileSync(view.partitions, text.padEnd(partitionsBytes, '\n'), { flag: 'w' });
}

/** As the kernel writes it (fs/proc, "partitions"): blocks of 1024 bytes. */
function formatPartitions(disks: readonly MachineDisk[]): string {
  const lines = disks.map(({ device, number, name }) => {
    const [major = '', minor = ''] = number.split(':');
    const blocks = String(sectorsOf(device) / 2);
    return `${major.padStart(4)}  ${minor.padStart(7)} ${blocks.padStart(10)} ${name}\n`;
  });
  return `major minor  #blocks  name\n\n${lines.join('')}`;
}

function sectorsOf(device: string): number {
  try {
    return Number(readFileSync(`/sys/block/${path.basename(device)}/size`, 'utf8'));
  } catch {
    return 0;
  }
}

/** Lines `LINK TARGET` for init: the target is relative to the link. */
export function diskLinks(disks: readonly MachineDisk[]): string {
  return disks.flatMap(({ name, links }) => links.map((link) => `${link} ${linkTarget(link, name)}\n`)).join('');
}

/** What a link below /dev holds to lead to a node below /dev. */
export function linkTarget(link: string, name: string): string {
  return '../'.repeat(link.split('/').length - 1) + name;
}
