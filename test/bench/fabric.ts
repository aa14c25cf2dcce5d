/**
 * How fast the fabric makes networks and carries traffic, in namespaces of its own. Run by `npm run bench`; the part inside is this same file, which
 * starts itself again there.
 */
import { spawn } from 'node:child_process';
