import { defineService } from '../../kernel/service.ts';

export default defineService({ name: 'ec2', tables: [], handlers: {} });
