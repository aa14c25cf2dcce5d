/** What keys and refusals say: the account of an access key, the decision in an encoded authorization message. */
import type { STS } from '@aws-sdk/client-sts';
import { accountOfAccessKeyId } from '../../base/access-key-id.ts';
import { openMessage } from '../../kernel/authorization-message.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidAuthorizationMessage, validationError } from './errors.ts';
import { StsCheck } from './rules.ts';

export const messageHandlers: HandlersOf<STS> = {
  /** Account of any key of the right form, whether it exists or not ("does not indicate the state of the access key"). */
  GetAccessKeyInfo({ AccessKeyId: id = '' }) {
    new StsCheck().pattern('accessKeyId', id, /^\w*$/, '[\\w]*').length('accessKeyId', id, 16, 128).done();
    const account = accountOfAccessKeyId(id);
    if (account === undefined) throw validationError('Invalid Access Key ID.');
    return { Account: account };
  },

  /** Throws InvalidAuthorizationMessageException. */
  async DecodeAuthorizationMessage({ EncodedMessage: message = '' }, ctx) {
    new StsCheck().length('encodedMessage', message, 1, 10_240).done();
    const decoded = await openMessage(ctx, ctx.account, message);
    if (decoded === undefined) throw invalidAuthorizationMessage();
    return { DecodedMessage: decoded };
  },
};
