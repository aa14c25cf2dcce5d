import { defineService } from '../../kernel/service.ts';
import { AccessKeys, Users } from './state.ts';
import { checkUser, userHandlers } from './users.ts';

export default defineService({
  name: 'iam',
  global: true,
  tables: [Users, AccessKeys],
  handlers: { ...userHandlers },
  authorise: { CreateUser: checkUser, GetUser: checkUser, DeleteUser: checkUser },
});
