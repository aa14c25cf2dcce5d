/** What is not there says so: 501 NotImplemented, in each protocol's form, which the official client of the service shows as that error. */
import { CloudFrontClient, ListDistributionsCommand } from '@aws-sdk/client-cloudfront';
import { CloudWatchClient, ListMetricStreamsCommand } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient, ListContributorInsightsCommand } from '@aws-sdk/client-dynamodb';
import { DescribeFleetsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { EKSClient, ListClustersCommand } from '@aws-sdk/client-eks';
import { DescribeDBInstancesCommand, RDSClient } from '@aws-sdk/client-rds';
import { ListBucketMetricsConfigurationsCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { type ClientConfig, freshAccount, refused } from '../support/cloud.ts';

const account = freshAccount();

interface ServiceLine {
  name: string;
  implemented: string[];
}

const calls: Readonly<Record<string, [string, string, (config: ClientConfig) => Promise<unknown>]>> = {
  awsQuery: ['rds', 'DescribeDBInstances', (config) => new RDSClient(config).send(new DescribeDBInstancesCommand({}))],
  ec2Query: ['ec2', 'DescribeFleets', (config) => new EC2Client(config).send(new DescribeFleetsCommand({}))],
  'awsJson 1.0': [
    'dynamodb',
    'ListContributorInsights',
    (config) => new DynamoDBClient(config).send(new ListContributorInsightsCommand({})),
  ],
  restJson1: ['eks', 'ListClusters', (config) => new EKSClient(config).send(new ListClustersCommand({}))],
  restXml: ['cloudfront', 'ListDistributions', (config) => new CloudFrontClient(config).send(new ListDistributionsCommand({}))],
  'restXml of S3': [
    's3',
    'ListBucketMetricsConfigurations',
    (config) =>
      new S3Client({ ...config, forcePathStyle: true }).send(new ListBucketMetricsConfigurationsCommand({ Bucket: 'bucket' })),
  ],
  rpcv2Cbor: ['cloudwatch', 'ListMetricStreams', (config) => new CloudWatchClient(config).send(new ListMetricStreamsCommand({}))],
};

test.each(Object.entries(calls))(
  '%s: an operation that is missing names itself',
  async (_protocol, [service, operation, call]) => {
    const services = (await (await fetch(`${inject('endpoint')}/_pilvi/services`)).json()) as ServiceLine[];
    const found = services.find(({ name }) => name === service);
    expect(found?.implemented, `${service}:${operation} is there now; take another for this test`).not.toContain(operation);
    await refused(call(account.config()), 'NotImplemented', `Pilvi does not implement ${service}:${operation}.`, 501);
  },
);
