/** Terraform with its official provider: the first network and web server that everybody builds, made, found unchanged, and taken away again. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { DescribeInstancesCommand, DescribeVolumesCommand, DescribeVpcsCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { Lab } from './support.ts';

const run = promisify(execFile);
/** Where providers lie that were fetched before; nothing is downloaded in a test. */
const mirror = '/opt/tf-plugins';
const lab = new Lab();
let folder = '';

const configuration = () => `
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "${lab.account.id}"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  endpoints { ec2 = "${inject('endpoint')}" }
}
data "aws_ami" "image" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-*"]
  }
}
resource "aws_vpc" "main" {
  cidr_block           = "10.50.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = "main" }
}
resource "aws_subnet" "public" {
  vpc_id                  = aws_vpc.main.id
  cidr_block              = "10.50.1.0/24"
  map_public_ip_on_launch = true
}
resource "aws_internet_gateway" "out" { vpc_id = aws_vpc.main.id }
resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.out.id
  }
}
resource "aws_route_table_association" "public" {
  subnet_id      = aws_subnet.public.id
  route_table_id = aws_route_table.public.id
}
resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = aws_vpc.main.id
  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
resource "aws_instance" "web" {
  ami                    = data.aws_ami.image.id
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.public.id
  vpc_security_group_ids = [aws_security_group.web.id]
  user_data              = "#!/bin/sh\\nmkdir /w; cd /w; echo made by terraform > index.html; python3 -m http.server 80 &\\n"
  root_block_device {
    volume_size = 10
    volume_type = "gp3"
  }
  volume_tags = { Team = "web" }
}
resource "aws_eip" "web" {
  instance = aws_instance.web.id
  domain   = "vpc"
}
output "address" { value = aws_eip.web.public_ip }
`;

const terraform = async (...args: string[]): Promise<string> => {
  const env = { PATH: process.env['PATH'], HOME: folder, TF_CLI_CONFIG_FILE: path.join(folder, 'rc'), CHECKPOINT_DISABLE: '1' };
  return (await run('terraform', [...args, '-no-color'], { cwd: folder, env })).stdout;
};

const missing = existsSync(mirror) ? machinesRefused() : `there is no provider in ${mirror}`;
beforeEach((context) => context.skip(missing !== undefined, missing));
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilvi-terraform-'));
  await writeFile(path.join(folder, 'rc'), `provider_installation {\n  filesystem_mirror { path = "${mirror}" }\n}\n`);
  await writeFile(path.join(folder, 'main.tf'), configuration());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('terraform apply makes a web server that answers, plan finds nothing to do, destroy leaves nothing', async () => {
  await terraform('init');
  await terraform('apply', '-auto-approve');
  const address = (await terraform('output', '-raw', 'address')).trim();
  await eventually(async () => expect(await fetchInside(address, 80)).toMatchObject({ body: 'made by terraform\n' }), {
    why: 'the page is served',
    timeoutMs: 25_000,
  });
  const { Volumes } = await lab.ec2.send(new DescribeVolumesCommand({}));
  expect(Volumes).toMatchObject([{ Size: 10, VolumeType: 'gp3', Tags: [{ Key: 'Team', Value: 'web' }] }]);
  expect(await terraform('plan', '-detailed-exitcode')).toContain('No changes.');
  await terraform('destroy', '-auto-approve');
  const { Reservations } = await lab.ec2.send(new DescribeInstancesCommand({}));
  expect(Reservations!.flatMap((one) => one.Instances!).map((one) => one.State!.Name)).toEqual(['terminated']);
  expect((await lab.ec2.send(new DescribeVpcsCommand({}))).Vpcs!.every((vpc) => vpc.IsDefault)).toBe(true);
}, 240_000);
