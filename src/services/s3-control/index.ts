/** S3 Control: Block Public Access for a whole account and access points, whose rows are S3's, which asks them at every request; and batch jobs. */
import type { S3Control } from '@aws-sdk/client-s3-control';
import { AwsError } from '../../kernel/errors.ts';
import { type AuthorisationsOf, defineService, type HandlersOf } from '../../kernel/service.ts';
import type { S3Api } from '../s3/api.ts';
import { accessPointChecks, accessPointHandlers } from './access-points.ts';
import { jobChecks, jobHandlers } from './jobs/jobs.ts';
import { forgetJob, prepareJob, runJobs } from './jobs/run.ts';
import { BatchEntries, BatchJobs } from './jobs/state.ts';
import { multiRegionChecks, multiRegionHandlers } from './multi-region/points.ts';
import { finishRequest, requestHandlers } from './multi-region/requests.ts';
import { AsyncRequests } from './multi-region/state.ts';
import { readBlock, requireOwn } from './requests.ts';

const handlers: HandlersOf<S3Control> = {
  ...accessPointHandlers,
  ...jobHandlers,
  ...multiRegionHandlers,
  ...requestHandlers,
  async PutPublicAccessBlock(input, ctx) {
    const account = requireOwn(ctx, input.AccountId);
    const s3 = await ctx.internal<S3Api>('s3');
    await s3.setAccountBlock(account, readBlock(input.PublicAccessBlockConfiguration, false));
    return {};
  },

  async GetPublicAccessBlock(input, ctx) {
    const account = requireOwn(ctx, input.AccountId);
    const block = await (await ctx.internal<S3Api>('s3')).accountBlock(account);
    if (block === undefined) {
      const text = 'The public access block configuration was not found';
      throw new AwsError('NoSuchPublicAccessBlockConfiguration', text, { status: 404, members: { AccountId: account } });
    }
    return { PublicAccessBlockConfiguration: { ...block } };
  },

  async DeletePublicAccessBlock(input, ctx) {
    await (await ctx.internal<S3Api>('s3')).setAccountBlock(requireOwn(ctx, input.AccountId), undefined);
    return {};
  },
};

const authorise: AuthorisationsOf<S3Control> = {
  ...accessPointChecks,
  ...jobChecks,
  ...multiRegionChecks,
  PutPublicAccessBlock: () => [{ action: 's3:PutAccountPublicAccessBlock', resource: '*' }],
  GetPublicAccessBlock: () => [{ action: 's3:GetAccountPublicAccessBlock', resource: '*' }],
  DeletePublicAccessBlock: () => [{ action: 's3:PutAccountPublicAccessBlock', resource: '*' }],
};

export default defineService({
  name: 's3-control',
  uses: ['lambda', 's3', 'sts'],
  tables: [BatchJobs, BatchEntries, AsyncRequests],
  handlers,
  authorise,
  tasks: { prepareJob, runJobs, forgetJob, finishRequest },
});
