/** What S3 offers to other services inside the process: settings of accounts, whose requests come in at S3 Control. Types only may be imported from here. */
import type { Context } from '../../kernel/context.ts';
import { Accounts, type PublicBlock } from './state.ts';

export interface S3Api {
  /** The Block Public Access settings of an account; undefined when it has none. */
  accountBlock(account: string): Promise<PublicBlock | undefined>;
  /** Sets them, or with undefined removes them. They hold for all buckets of the account at once. */
  setAccountBlock(account: string, block: PublicBlock | undefined): Promise<void>;
}

/** The api over a context of S3's own. */
export function createApi(system: Context): S3Api {
  return {
    async accountBlock(account) {
      return (await system.table(Accounts).get(account))?.publicBlock;
    },
    async setAccountBlock(account, publicBlock) {
      await system.transact((tx) => tx.table(Accounts).put({ account, publicBlock }));
    },
  };
}
