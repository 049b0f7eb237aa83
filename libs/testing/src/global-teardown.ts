import { closeRun } from './run.js';

/** Jest's global tear-down. */
export default closeRun;
