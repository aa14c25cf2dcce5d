/**
 * Terraform with its official provider. The provider is one process for all commands of a test (as its developers run it, `-debug`), because each start of
 * it costs seconds and a command starts it up to three times.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { TestAccount } from './cloud.ts';

const run = promisify(execFile);
/** Where the provider lies that was fetched before; nothing is downloaded in a test. */
const provider = '/opt/tf-plugins/registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64/terraform-provider-aws_v5.100.0_x5';

/** Why Terraform cannot run here, or undefined. */
export const terraformRefused: string | undefined = existsSync(provider) ? undefined : `there is no provider at ${provider}`;

/** The provider's block for a cloud: services by the names that Terraform has for them. */
export function providerFor(account: TestAccount, endpoint: string, services: readonly string[]): string {
  return `
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "${account.id}"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints {
${services.map((service) => `    ${service} = "${endpoint}"`).join('\n')}
  }
}
`;
}

/** A folder with a configuration, and the commands on it. */
export class Terraform {
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #reattach: string;

  private constructor(folder: string, child: ChildProcess, reattach: string) {
    this.#folder = folder;
    this.#child = child;
    this.#reattach = reattach;
  }

  /** Starts the provider; resolves when it listens. */
  static async open(): Promise<Terraform> {
    const folder = await mkdtemp(path.join(tmpdir(), 'pilvi-terraform-'));
    const env = { PATH: process.env['PATH'], HOME: folder };
    const child = spawn(provider, ['-debug'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] });
    const reattach = await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error('The provider ended.')));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const found = /TF_REATTACH_PROVIDERS='(.+)'/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    return new Terraform(folder, child, reattach);
  }

  /** Writes what is wanted. */
  async write(configuration: string): Promise<void> {
    await writeFile(path.join(this.#folder, 'main.tf'), configuration);
  }

  /** Runs a command; resolves with what it printed, rejects with all of it when it fails. */
  async run(...args: string[]): Promise<string> {
    const env = {
      ...{ PATH: process.env['PATH'], HOME: this.#folder, CHECKPOINT_DISABLE: '1' },
      TF_REATTACH_PROVIDERS: this.#reattach,
    };
    return (await run('terraform', [...args, '-no-color'], { cwd: this.#folder, env, maxBuffer: 16_777_216 })).stdout;
  }

  async close(): Promise<void> {
    this.#child.removeAllListeners('exit');
    this.#child.kill('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}
