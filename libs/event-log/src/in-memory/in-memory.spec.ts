import { describeDatabase } from '../store.contract.js';
import { InMemoryDatabase } from './in-memory-database.js';

describeDatabase('in memory', () => Promise.resolve(new InMemoryDatabase(() => Date.now())));
